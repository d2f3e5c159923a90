/** Prints the statements of a kernel. */
import { internal, NO_SPAN, type Span } from "../ir/diagnostics.ts";
import { type BuiltinName, ExprBuilder, type ExprId } from "../ir/expr.ts";
import type { Access, Buffer, Collective, Kernel, Scope, Stmt, Width } from "../ir/kernel.ts";
import { bodiesOf } from "../ir/kernel-walk.ts";
import type { Scalar } from "../ir/scalar.ts";
import { printExpr } from "./print-expr.ts";
import { commonName, type Names } from "./print-names.ts";
import type { Sink } from "./sink.ts";
import { LEVEL, type Level, type Syntax, type Text } from "./syntax.ts";

/** What a buffer's declaration depends on: elements per declared vector, and whether it is updated atomically. */
export interface BufferShape {
  readonly width: Width;
  readonly atomic: boolean;
}

export interface BodyContext {
  readonly kernel: Kernel;
  readonly syntax: Syntax;
  readonly names: Names;
  readonly widths: ReadonlyMap<string, BufferShape>;
  table(name: string): string;
  builtin(name: BuiltinName, dim: 0 | 1 | 2): Text;
  bufferName(id: string): string;
}

interface Printer extends BodyContext {
  readonly out: Sink;
  readonly build: ExprBuilder;
  readonly locals: Map<string, Text>;
  readonly mutable: Set<string>;
  symbol(name: string): Text;
}

/** Prints all statements of the kernel. */
export function printBody(context: BodyContext, out: Sink): void {
  const locals = new Map<string, Text>();
  const printer: Printer = {
    ...context,
    out,
    build: new ExprBuilder(),
    locals,
    mutable: new Set(),
    symbol: (name) => locals.get(name) ?? internal(`no local ${name}`),
  };
  printAll(printer, context.kernel.body);
}

function printAll(p: Printer, body: readonly Stmt[]): void {
  for (const stmt of body) printStmt(p, stmt);
}

function printStmt(p: Printer, stmt: Stmt): void {
  const origins = originsOf(p, stmt);
  switch (stmt.kind) {
    case "let":
    case "var": {
      const type = typeOf(p, stmt.value);
      const value = expr(p, stmt.value);
      const name = declare(p, stmt.name);
      if (stmt.kind === "var") p.mutable.add(stmt.name);
      const d = { name, type, value };
      p.out.line(stmt.kind === "let" ? p.syntax.declareLet(d) : p.syntax.declareVar(d), origins);
      break;
    }
    case "assign":
      p.out.line(assignment(p, stmt.name, stmt.value), origins);
      break;
    case "read":
      printRead(p, stmt, origins);
      break;
    case "write":
      guarded(p, stmt.when, origins, () => printWrite(p, stmt.at, stmt.values, origins));
      break;
    case "atomicAdd":
      guarded(p, stmt.when, origins, () => {
        const buffer = bufferOf(p, stmt.at);
        stmt.values.forEach((value, i) => {
          p.out.line(p.syntax.atomicAdd(element(p, stmt.at, i), expr(p, value), buffer), origins);
        });
      });
      break;
    case "for":
      printFor(p, stmt, origins);
      break;
    case "if":
      printIf(p, stmt, origins);
      break;
    case "collective":
      for (const line of collectiveLines(p, stmt.scope, stmt.what)) p.out.line(line, origins);
      break;
  }
}

/** Where a statement stems from; one without a position of its own takes that of the value it computes. */
function originsOf(p: Printer, stmt: Stmt): readonly Span[] {
  const declared = stmt.declared === undefined ? [] : [stmt.declared];
  if (stmt.span !== undefined) return [stmt.span, ...declared];
  const root =
    stmt.kind === "let" || stmt.kind === "var" || stmt.kind === "assign"
      ? stmt.value
      : stmt.kind === "if"
        ? stmt.cond
        : stmt.kind === "write"
          ? stmt.values[0]
          : undefined;
  const span = root === undefined ? undefined : p.kernel.exprs.spans[root];
  return span === undefined || span.file === NO_SPAN.file ? declared : [span, ...declared];
}

function expr(p: Printer, id: ExprId, level: Level = LEVEL.any): string {
  return printExpr(p, p.kernel.exprs, id, level);
}

function typeOf(p: Printer, id: ExprId): Scalar {
  return (p.kernel.exprs.exprs[id] ?? internal(`no expression ${id}`)).type;
}

/** A local of the IR under a name of the language. Sibling scopes may use one name twice: it stays the same name. */
function declare(p: Printer, name: string): string {
  const text = p.names.of(`local ${name}`, name);
  p.locals.set(name, { text, level: LEVEL.primary });
  return text;
}

function assignment(p: Printer, name: string, value: ExprId): string {
  const target = p.symbol(name).text;
  const e = p.kernel.exprs.exprs[value]!;
  const left = e.kind === "op" && e.op === "add" ? p.kernel.exprs.exprs[e.args[0]!] : undefined;
  if (e.kind === "op" && left?.kind === "symbol" && left.name === name && e.type !== "bool")
    return `${target} += ${expr(p, e.args[1]!)};`;
  return `${target} = ${expr(p, value)};`;
}

function guarded(p: Printer, when: ExprId | undefined, origins: readonly Span[], body: () => void): void {
  if (when === undefined) {
    body();
    return;
  }
  p.out.line(`if (${expr(p, when)}) {`, origins);
  p.out.indent(body);
  p.out.line("}", origins);
}

function printFor(p: Printer, stmt: Stmt & { readonly kind: "for" }, origins: readonly Span[]): void {
  const [from, to] = [expr(p, stmt.from), expr(p, stmt.to, LEVEL.shift)];
  const name = declare(p, stmt.name);
  for (const line of p.syntax.loop(name, from, to, stmt.step, stmt.unroll)) p.out.line(line, origins);
  p.out.indent(() => printAll(p, stmt.body));
  p.out.line("}", origins);
}

function printIf(p: Printer, stmt: Stmt & { readonly kind: "if" }, origins: readonly Span[]): void {
  p.out.line(`if (${expr(p, stmt.cond)}) {`, origins);
  p.out.indent(() => printAll(p, stmt.then));
  if (stmt.else.length > 0) {
    p.out.line("} else {", origins);
    p.out.indent(() => printAll(p, stmt.else));
  }
  p.out.line("}", origins);
}

// Memory ---------------------------------------------------------------------------------------------------------

function bufferOf(p: Pick<Printer, "kernel">, at: Access): Buffer {
  return p.kernel.buffers.find((b) => b.id === at.buffer) ?? internal(`no buffer ${at.buffer}`);
}

function shapeOf(p: Printer, at: Access): BufferShape {
  return p.widths.get(at.buffer) ?? internal(`no shape of ${at.buffer}`);
}

/** index + offset divided by `divisor`, simplified; masks as remainders, which range analyses understand. */
function indexText(p: Printer, at: Access, offset: number, what: "div" | "mod", divisor: number): string {
  const { build } = p;
  const index = build.copy(p.kernel.exprs, at.index, (e) => {
    if (p.syntax.vectors.kind === "pointer" || e.kind !== "op" || e.op !== "and" || e.type === "bool") return undefined;
    const mask = p.kernel.exprs.exprs[e.args[1]!];
    if (mask?.kind !== "const" || (mask.value & (mask.value + 1)) !== 0) return undefined;
    const of = build.copy(p.kernel.exprs, e.args[0]!, () => undefined);
    const nonNegative = e.type === "u32" || (build.rangeOf(of)?.[0] ?? -1) >= 0;
    return nonNegative ? build.op("mod", of, build.constant(mask.value + 1, e.type)) : undefined;
  });
  const moved = build.add(index, build.constant(offset, build.typeOf(index)));
  return printExpr(p, build, build.op(what, moved, build.constant(divisor, build.typeOf(index))));
}

/** The lvalue of element `index + offset`. */
function element(p: Printer, at: Access, offset: number): string {
  const name = p.bufferName(at.buffer);
  const { width } = shapeOf(p, at);
  if (width === 1) return `${name}[${indexText(p, at, offset, "div", 1)}]`;
  return `${name}[${indexText(p, at, offset, "div", width)}][${indexText(p, at, offset, "mod", width)}]`;
}

/** The lvalue of the whole access as a vector, or undefined where it must go element by element. */
function vectorPlace(p: Printer, at: Access): { readonly place: string; readonly type: string } | undefined {
  const buffer = bufferOf(p, at);
  const type = p.syntax.vector(buffer.type, at.width);
  if (type === undefined) return undefined;
  const name = p.bufferName(at.buffer);
  if (p.syntax.vectors.kind === "declared")
    return shapeOf(p, at).width === at.width
      ? { type, place: `${name}[${indexText(p, at, 0, "div", at.width)}]` }
      : undefined;
  return { type, place: p.syntax.vectors.place(buffer, type, pointerText(p, at)) };
}

function pointerText(p: Printer, at: Access): string {
  const index = p.kernel.exprs.exprs[at.index];
  const name = p.bufferName(at.buffer);
  return index?.kind === "const" && index.value === 0 ? name : `${name} + ${expr(p, at.index, LEVEL.sum)}`;
}

function printRead(p: Printer, stmt: Stmt & { readonly kind: "read" }, origins: readonly Span[]): void {
  const { at, to } = stmt;
  const buffer = bufferOf(p, at);
  const { syntax } = p;
  const type = syntax.types[buffer.type] ?? internal(`no type ${buffer.type}`);
  const when = stmt.when === undefined ? undefined : expr(p, stmt.when, LEVEL.logic);
  const zero = syntax.literal(0, buffer.type).text;
  const vector = at.width === 1 ? undefined : vectorPlace(p, at);
  if (vector === undefined) {
    const values = to.map((_, i) => load(p, at, i, stmt.cache));
    to.forEach((name, i) => {
      const local = declare(p, name);
      const value = values[i]!;
      if (when === undefined) p.out.line(syntax.declareLet({ name: local, type: buffer.type, value }), origins);
      else for (const line of syntax.declareMasked(local, type, when, value, zero)) p.out.line(line, origins);
    });
    return;
  }
  const value = syntax.load(vector.place, buffer, stmt.cache);
  const name = p.names.of(`vector ${to.join(" ")}`, commonName(to));
  const zeros = syntax.make(
    vector.type,
    to.map(() => zero),
  );
  if (when === undefined) p.out.line(syntax.declareVector(name, vector.type, value), origins);
  else for (const line of syntax.declareMasked(name, vector.type, when, value, zeros)) p.out.line(line, origins);
  to.forEach((element, i) => {
    p.locals.set(element, { text: `${name}.${"xyzw"[i]}`, level: LEVEL.primary });
  });
}

function load(p: Printer, at: Access, offset: number, cache: "stream" | "keep" | undefined): string {
  const place = element(p, at, offset);
  return shapeOf(p, at).atomic ? p.syntax.atomicLoad(place) : p.syntax.load(place, bufferOf(p, at), cache);
}

function printWrite(p: Printer, at: Access, values: readonly ExprId[], origins: readonly Span[]): void {
  const vector = at.width === 1 ? undefined : vectorPlace(p, at);
  const texts = values.map((value) => expr(p, value));
  const lines =
    vector === undefined
      ? texts.map((text, i) => `${element(p, at, i)} = ${text};`)
      : [`${vector.place} = ${p.syntax.make(vector.type, texts)};`];
  for (const line of lines) p.out.line(line, origins);
}

/** Widths and atomicity of all buffers. Vectors that lanes write in parts must not be declared: a part's write may touch the whole. */
export function bufferWidths(kernel: Kernel, syntax: Syntax): ReadonlyMap<string, BufferShape> {
  const widest = new Map<string, number>();
  const narrowestWrite = new Map<string, number>();
  const atomic = new Set<string>();
  const visit = (stmt: Stmt): void => {
    if (stmt.kind === "read") widest.set(stmt.at.buffer, Math.max(widest.get(stmt.at.buffer) ?? 1, stmt.at.width));
    if (stmt.kind === "write" || stmt.kind === "atomicAdd") {
      const { buffer, width } = stmt.at;
      widest.set(buffer, Math.max(widest.get(buffer) ?? 1, width));
      narrowestWrite.set(buffer, Math.min(narrowestWrite.get(buffer) ?? 4, width));
    }
    if (stmt.kind === "atomicAdd") atomic.add(stmt.at.buffer);
    for (const body of bodiesOf(stmt)) body.forEach(visit);
  };
  kernel.body.forEach(visit);
  return new Map(
    kernel.buffers.map((b) => {
      const declared = syntax.vectors.kind === "declared" && !atomic.has(b.id);
      const width = declared ? Math.min(widest.get(b.id) ?? 1, narrowestWrite.get(b.id) ?? 4) : 1;
      return [b.id, { width: width as Width, atomic: atomic.has(b.id) }];
    }),
  );
}

// Collectives ----------------------------------------------------------------------------------------------------

function collectiveLines(p: Printer, scope: Scope, what: Collective): readonly string[] {
  const { syntax, kernel } = p;
  const missing = (name: string): never => internal(`${name} reached a printer that has no text for it`);
  switch (what.family) {
    case "exchange":
      return exchangeLines(p, scope, what);
    case "matrix": {
      if (!Array.isArray(what.a) || !Array.isArray(what.b)) return missing(`${what.row} with operands in memory`);
      const operands = (ids: readonly ExprId[]): readonly string[] => ids.map((id) => expr(p, id));
      const text = syntax.matrix[what.row] ?? missing(what.row);
      return text({
        row: what.row,
        a: operands(what.a),
        b: operands(what.b),
        d: what.d.map((name) => p.symbol(name).text),
      });
    }
    case "transfer": {
      const text = syntax.transfer[what.engine] ?? missing(what.engine);
      return text({
        from: pointerText(p, what.from),
        to: pointerText(p, what.to),
        bytes: what.bytes,
        ...(what.done.kind === "mbarrier" ? { done: pointerText(p, what.done.at) } : {}),
        ...(what.when === undefined ? {} : { when: expr(p, what.when) }),
      });
    }
    case "sync": {
      const text = syntax.sync[`${scope}.${what.op}`] ?? missing(`${scope}.${what.op}`);
      const count = what.count === undefined ? undefined : kernel.exprs.exprs[what.count];
      return text({
        global: kernel.buffers.some((b) => b.space === "global" && b.access === "readWrite"),
        ...(what.at === undefined ? {} : { at: pointerText(p, what.at) }),
        ...(what.count === undefined ? {} : { count: expr(p, what.count) }),
        ...(count?.kind === "const" ? { constant: count.value } : {}),
        ...(what.proxy === undefined ? {} : { proxy: what.proxy }),
      });
    }
    case "fragment":
      return missing("a fragment");
  }
}

/** The result's type: that of the value, except where it counts or tells lanes. */
export function exchangeType(what: Collective & { readonly family: "exchange" }, value: Scalar | undefined): Scalar {
  switch (what.op) {
    case "ballot":
      return "u32";
    case "any":
    case "elect":
      return "bool";
    default:
      return value ?? internal(`${what.op} without a value`);
  }
}

function exchangeLines(
  p: Printer,
  scope: Scope,
  what: Collective & { readonly family: "exchange" },
): readonly string[] {
  const { syntax, kernel } = p;
  const text =
    syntax.exchange[`${scope}.${what.op}`] ?? internal(`${scope}.${what.op} reached a printer that has no text for it`);
  const value = what.args[0];
  const type = exchangeType(what, value === undefined ? undefined : typeOf(p, value));
  const args = what.args.map((arg) => expr(p, arg));
  const update = p.mutable.has(what.to);
  const to = update ? p.names.fresh(`${what.to}_new`) : declare(p, what.to);
  const lines = text({ to, type, args, lanes: kernel.lanes, threads: kernel.lanes * kernel.warps });
  return update ? [...lines, `${p.symbol(what.to).text} = ${to};`] : lines;
}
