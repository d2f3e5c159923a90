/** Kernel → Kernel: exchanges, barriers and fragments that a target has no text for, as memory accesses and barriers. */
import { internal, NO_SPAN, type Span } from "../ir/diagnostics.ts";
import { ExprBuilder, type ExprId } from "../ir/expr.ts";
import type { Buffer, Collective, Kernel, Scope, Stmt } from "../ir/kernel.ts";
import { mutableNames } from "../ir/kernel-walk.ts";
import { isPowerOfTwo } from "../ir/layout/basic.ts";
import { ELEM, LANE, REG } from "../ir/layout/layout.ts";
import { print } from "../ir/layout/print.ts";
import { findRow } from "../ir/row-catalogue.ts";
import { bitsOf, type Scalar } from "../ir/scalar.ts";
import type { Backend } from "./syntax.ts";

type Exchange = Collective & { readonly family: "exchange" };
type Fragment = Collective & { readonly family: "fragment" };
type Bare = Stmt extends infer S ? (S extends Stmt ? Omit<S, "span" | "declared"> : never) : never;

/** Most values that one lane adds up between two barriers: 64 lanes then take two rounds. */
const FAN_IN = 8;

interface Rewriter {
  readonly kernel: Kernel;
  readonly target: Backend;
  readonly build: ExprBuilder;
  readonly mutable: ReadonlySet<string>;
  /** Arrays that exchanges go through, by element type. */
  readonly scratch: Map<Scalar, Buffer>;
  /** Scratch arrays that lanes may still be reading. */
  readonly busy: Set<string>;
  readonly count: { names: number; loops: number };
  readonly told: (rule: string, span: Span, why: string) => void;
}

/**
 * Replaces what the target's table has no text for. Sums and maxima keep the order of the xor ladder, so the result is
 * the same to the last bit; the table's own reductions (subgroups, SIMD-groups) may add floats in another order.
 */
export function legaliseCollectives(
  kernel: Kernel,
  target: Backend,
  told: (rule: string, span: Span, why: string) => void = () => {},
): Kernel {
  const r: Rewriter = {
    kernel,
    target,
    build: new ExprBuilder(kernel.exprs),
    mutable: mutableNames(kernel.body),
    scratch: new Map(),
    busy: new Set(),
    count: { names: 0, loops: 0 },
    told,
  };
  const body = rewriteAll(r, kernel.body);
  return { ...kernel, exprs: r.build.done(), buffers: [...kernel.buffers, ...r.scratch.values()], body };
}

function rewriteAll(r: Rewriter, body: readonly Stmt[]): readonly Stmt[] {
  return body.flatMap((stmt) => rewrite(r, stmt));
}

function rewrite(r: Rewriter, stmt: Stmt): readonly Stmt[] {
  switch (stmt.kind) {
    case "for": {
      r.count.loops++;
      const body = rewriteAll(r, stmt.body);
      r.count.loops--;
      return [{ ...stmt, body }];
    }
    case "if":
      return [{ ...stmt, then: rewriteAll(r, stmt.then), else: rewriteAll(r, stmt.else) }];
    case "collective":
      return withOrigin(collective(r, stmt.scope, stmt.what, stmt.span ?? NO_SPAN), stmt);
    default:
      return [stmt];
  }
}

/** Everything that replaces a statement stems from where the statement stems from. */
function withOrigin(stmts: readonly Bare[], { span, declared }: Pick<Stmt, "span" | "declared">): readonly Stmt[] {
  const origin = { ...(span === undefined ? {} : { span }), ...(declared === undefined ? {} : { declared }) };
  return stmts.map((s) => {
    const inner = s.kind === "if" ? { then: withOrigin(s.then, origin), else: withOrigin(s.else, origin) } : {};
    return { ...s, ...inner, ...origin } as Stmt;
  });
}

function collective(r: Rewriter, scope: Scope, what: Collective, span: Span): readonly Bare[] {
  switch (what.family) {
    case "exchange":
      return exchange(r, scope, what, span);
    case "sync":
      return [{ kind: "collective", scope: sayable(r, scope, what.op, r.target.syntax.sync) ?? scope, what }];
    case "fragment":
      r.told("fragment", span, `${what.row} as one access a register: the row's layout gives each lane its addresses`);
      return fragment(r, what);
    default:
      return [{ kind: "collective", scope, what }];
  }
}

/** The scope in which the table has this operation; where a block is one warp the two scopes are the same. */
function sayable(r: Rewriter, scope: Scope, op: string, table: Readonly<Record<string, unknown>>): Scope | undefined {
  if (`${scope}.${op}` in table) return scope;
  const other = scope === "warp" ? "block" : scope === "block" ? "warp" : undefined;
  return r.kernel.warps === 1 && other !== undefined && `${other}.${op}` in table ? other : undefined;
}

function exchange(r: Rewriter, scope: Scope, what: Exchange, span: Span): readonly Bare[] {
  const known = sayable(r, scope, what.op, r.target.syntax.exchange);
  if (known !== undefined) return [{ kind: "collective", scope: known, what }];
  if (what.op === "elect") {
    const who = r.build.builtin(scope === "warp" ? "lane" : "thread");
    return result(r, what.to, r.build.op("eq", who, r.build.constant(0)));
  }
  if (scope !== "block" && r.kernel.warps !== 1)
    return internal(`${r.target.name} cannot exchange in the scope ${scope}`);
  const why = `${r.target.name} has no ${scope}.${what.op}: values go through shared memory, between barriers`;
  r.told(`${what.op}-through-memory`, span, why);
  return throughMemory(r, what);
}

/** Gives a name its value: a new constant, or a new value of a variable. */
function result(r: Rewriter, name: string, value: ExprId): readonly Bare[] {
  return [{ kind: r.mutable.has(name) ? "assign" : "let", name, value }];
}

const BARRIER: Bare = { kind: "collective", scope: "block", what: { family: "sync", op: "barrier" } };

/** The array of one element a lane, and the barrier that lets it be written again. */
function openScratch(r: Rewriter, type: Scalar): { readonly buffer: Buffer; readonly before: readonly Bare[] } {
  const id = `exchange.${type}`;
  const buffer: Buffer = r.scratch.get(type) ?? {
    id,
    type,
    length: r.kernel.lanes * r.kernel.warps,
    space: "shared",
    access: "readWrite",
  };
  r.scratch.set(type, buffer);
  const before = r.busy.has(id) || r.count.loops > 0 ? [BARRIER] : [];
  r.busy.add(id);
  return { buffer, before };
}

function threadId(r: Rewriter): ExprId {
  return r.build.builtin("thread", 0, [0, r.kernel.lanes * r.kernel.warps - 1]);
}

function temporary(r: Rewriter): string {
  return `part.${r.count.names++}`;
}

function readAt(
  r: Rewriter,
  buffer: Buffer,
  index: ExprId,
  name = temporary(r),
): { readonly read: Bare; readonly value: ExprId } {
  return {
    read: { kind: "read", to: [name], at: { buffer: buffer.id, index, width: 1 } },
    value: r.build.symbol(name, buffer.type),
  };
}

function writeAt(buffer: Buffer, index: ExprId, value: ExprId): Bare {
  return { kind: "write", at: { buffer: buffer.id, index, width: 1 }, values: [value] };
}

function throughMemory(r: Rewriter, what: Exchange): readonly Bare[] {
  const { build } = r;
  const [value, arg] = what.args;
  const thread = threadId(r);
  const isBool = build.typeOf(value!) === "bool";
  const word = (bool: ExprId, one: ExprId): ExprId => build.op("select", bool, one, build.constant(0, "u32"));
  const one = build.constant(1, "u32");
  switch (what.op) {
    case "sum":
    case "max":
      return reduce(r, value!, what.op === "sum" ? "add" : "max", what.to);
    case "any": {
      const total = temporary(r);
      const some = build.op("ne", build.symbol(total, "u32"), build.constant(0, "u32"));
      return [...reduce(r, word(value!, one), "or", total), ...result(r, what.to, some)];
    }
    case "ballot": {
      if (r.kernel.lanes * r.kernel.warps > 32) return internal("a ballot of more than 32 lanes");
      const bit = build.op("shl", one, build.cast(thread, "u32"));
      return reduce(r, word(value!, bit), "or", what.to);
    }
    case "broadcast":
    case "shuffleXor":
    case "shuffleAt": {
      const sent = isBool ? word(value!, one) : value!;
      const { buffer, before } = openScratch(r, build.typeOf(sent));
      const lane = build.cast(arg ?? build.constant(0), "i32");
      const from =
        what.op === "broadcast" ? build.constant(0) : what.op === "shuffleXor" ? build.op("xor", thread, lane) : lane;
      const direct = !isBool && !r.mutable.has(what.to);
      const got = readAt(r, buffer, from, direct ? what.to : temporary(r));
      const back = isBool ? build.op("ne", got.value, build.constant(0, "u32")) : got.value;
      const named = direct ? [] : result(r, what.to, back);
      return [...before, writeAt(buffer, thread, sent), BARRIER, got.read, ...named];
    }
    case "elect":
      return internal("elect needs no memory");
  }
}

/** value ∘ value at distance half, then a quarter …: the order in which a xor ladder combines. */
function ladder(build: ExprBuilder, op: "add" | "max" | "or", values: readonly ExprId[]): ExprId {
  if (values.length === 1) return values[0]!;
  const half = values.length / 2;
  return ladder(
    build,
    op,
    values.slice(0, half).map((v, i) => build.op(op, v, values[half + i]!)),
  );
}

/**
 * Reduces over the block. Each round, lane t takes the values at t, t + m, t + 2m …, which is what log2(fan-in) rungs of
 * the ladder combine. Where warps can reduce, one round brings the block down to the lanes of a warp, which do the rest.
 */
function reduce(r: Rewriter, value: ExprId, op: "add" | "max" | "or", to: string): readonly Bare[] {
  const { build, kernel } = r;
  const { buffer, before } = openScratch(r, build.typeOf(value));
  const thread = threadId(r);
  const threads = kernel.lanes * kernel.warps;
  if (!isPowerOfTwo(threads)) return internal(`an exchange of ${threads} lanes`);
  const out: Bare[] = [...before, writeAt(buffer, thread, value), BARRIER];
  const inWarp = op === "or" ? undefined : op === "add" ? ("sum" as const) : op;
  const warpOp = inWarp !== undefined && kernel.warps > 1 && `warp.${inWarp}` in r.target.syntax.exchange;
  if (warpOp) {
    const lane = build.builtin("lane", 0, [0, kernel.lanes - 1]);
    const parts = Array.from({ length: kernel.warps }, (_, w) =>
      readAt(r, buffer, build.add(lane, build.constant(w * kernel.lanes))),
    );
    const partial = ladder(
      build,
      op,
      parts.map((p) => p.value),
    );
    out.push(...parts.map((p) => p.read));
    const what = { family: "exchange", op: inWarp, args: [partial], to } as const;
    return [...out, { kind: "collective", scope: "warp", what }];
  }
  let left = threads;
  while (left > FAN_IN) {
    const next = left / FAN_IN;
    const parts = Array.from({ length: FAN_IN }, (_, j) =>
      readAt(r, buffer, build.add(thread, build.constant(j * next))),
    );
    const sum = ladder(
      build,
      op,
      parts.map((p) => p.value),
    );
    const round = [...parts.map((p) => p.read), writeAt(buffer, thread, sum)];
    const cond = build.op("lt", thread, build.constant(next));
    out.push({ kind: "if", cond, uniform: "none", then: withOrigin(round, {}), else: [] }, BARRIER);
    left = next;
  }
  const parts = Array.from({ length: left }, (_, j) => readAt(r, buffer, build.constant(j)));
  out.push(...parts.map((p) => p.read));
  const total = ladder(
    build,
    op,
    parts.map((p) => p.value),
  );
  return [...out, ...result(r, to, total)];
}

/** A fragment as one access a register, at the address that the row's layout gives this lane. */
function fragment(r: Rewriter, what: Fragment): readonly Bare[] {
  const { build, kernel } = r;
  const row = findRow(what.row) ?? internal(`no matrix row ${what.row}`);
  const operand = row[what.operand];
  const buffer = kernel.buffers.find((b) => b.id === what.at.buffer) ?? internal(`no buffer ${what.at.buffer}`);
  const packed = what.operand !== "d";
  if (packed && bitsOf(buffer.type) !== 32)
    return internal(`a fragment of ${operand.type} in elements of ${buffer.type}`);
  const lane = build.builtin("lane", 0, [0, kernel.lanes - 1]);
  const [rowAxis, columnAxis] = { a: ["m", "k"], b: ["n", "k"], d: ["m", "n"] }[what.operand] as [string, string];
  return what.regs.flatMap((name, reg) => {
    const at = print(operand.layout, build, { [LANE]: lane, [REG]: build.constant(reg), [ELEM]: build.constant(0) });
    const column = packed
      ? build.op("div", at[columnAxis]!, build.constant(32 / bitsOf(operand.type)))
      : at[columnAxis]!;
    const index = build.add(build.add(what.at.index, build.mul(at[rowAxis]!, what.stride)), column);
    const access = { buffer: buffer.id, index, width: 1 as const };
    if (what.dir === "store")
      return [
        { kind: "write", at: access, values: [build.symbol(name, packed ? "u32" : operand.type)] } satisfies Bare,
      ];
    if (!r.mutable.has(name)) return [{ kind: "read", to: [name], at: access } satisfies Bare];
    const got = readAt(r, buffer, index);
    return [got.read, { kind: "assign", name, value: got.value } satisfies Bare];
  });
}
