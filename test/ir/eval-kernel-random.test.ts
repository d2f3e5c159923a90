/** Random kernels, run by the evaluator in all modes and by a scalar interpreter that takes one lane at a time. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bufferOf, emptyBuffer, evalKernelModes } from "../../ir/eval/kernel.ts";
import type { ExprId, Op } from "../../ir/expr.ts";
import type { Kernel, Stmt } from "../../ir/kernel.ts";
import type { Scalar } from "../../ir/scalar.ts";
import { verifyKernel } from "../../ir/verify/kernel.ts";
import { KernelBuilder } from "./kernels.ts";

// ---------- the interpreter: numbers, maps and generators; integers by BigInt, floats by fround ----------

/** What a lane says when it cannot go on alone. */
type Need = { readonly stmt: Stmt & { readonly kind: "collective" }; readonly args: readonly number[] };

interface Lane {
  readonly group: readonly number[];
  readonly warp: number;
  readonly lane: number;
  readonly locals: Map<string, number>;
}

type Memory = Map<string, number[]>;

const wrap = (x: bigint, type: Scalar): number => Number(type === "u32" ? BigInt.asUintN(32, x) : BigInt.asIntN(32, x));

function intOp(op: Op, type: Scalar, args: readonly number[]): number {
  const [a, b] = args.map((x) => BigInt(x)) as [bigint, bigint];
  switch (op) {
    case "add":
      return wrap(a + b, type);
    case "sub":
      return wrap(a - b, type);
    case "mul":
      return wrap(a * b, type);
    case "div":
      return wrap(a / b, type);
    case "mod":
      return wrap(a % b, type);
    case "and":
      return wrap(a & b, type);
    case "or":
      return wrap(a | b, type);
    case "xor":
      return wrap(a ^ b, type);
    case "shl":
      return wrap(a << BigInt.asUintN(5, b), type);
    case "shr":
      return wrap(a >> BigInt.asUintN(5, b), type);
    case "neg":
      return wrap(-a, type);
    case "not":
      return wrap(~a, type);
    case "abs":
      return wrap(a < 0n ? -a : a, type);
    case "popc":
      return [...BigInt.asUintN(32, a).toString(2)].filter((c) => c === "1").length;
    case "min":
      return Number(a < b ? a : b);
    case "max":
      return Number(a > b ? a : b);
    default:
      throw new Error(`no integer ${op}`);
  }
}

function floatOp(op: Op, [a, b]: readonly number[]): number {
  switch (op) {
    case "add":
      return Math.fround(a! + b!);
    case "sub":
      return Math.fround(a! - b!);
    case "mul":
      return Math.fround(a! * b!);
    case "neg":
      return -a!;
    case "abs":
      return Math.abs(a!);
    case "min":
      return Math.min(a!, b!);
    case "max":
      return Math.max(a!, b!);
    default:
      throw new Error(`no float ${op}`);
  }
}

const COMPARE: Readonly<Partial<Record<Op, (a: number, b: number) => boolean>>> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
};

function value(kernel: Kernel, id: ExprId, lane: Lane): number {
  const expr = kernel.exprs.exprs[id]!;
  const typeOf = (arg: ExprId): Scalar => kernel.exprs.exprs[arg]!.type;
  switch (expr.kind) {
    case "const":
      return expr.value;
    case "symbol":
      return lane.locals.get(expr.name)!;
    case "builtin":
      if (expr.name === "group") return lane.group[expr.dim]!;
      if (expr.dim > 0) return 0;
      return expr.name === "warp" ? lane.warp : expr.name === "lane" ? lane.lane : lane.warp * kernel.lanes + lane.lane;
    case "cast": {
      const x = value(kernel, expr.of, lane);
      if (expr.type === "f32") return Math.fround(x);
      if (typeOf(expr.of) !== "f32") return wrap(BigInt(x), expr.type);
      const [low, high] = expr.type === "u32" ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
      return Number.isNaN(x) ? 0 : Math.trunc(Math.max(low, Math.min(high, x))) + 0;
    }
    case "table":
      return kernel.tables.find((t) => t.name === expr.table)!.values[value(kernel, expr.index, lane)]!;
    case "op": {
      const args = expr.args.map((arg) => value(kernel, arg, lane));
      const type = typeOf(expr.args[0]!);
      if (expr.op === "select") return args[0] === 1 ? args[1]! : args[2]!;
      const compare = COMPARE[expr.op];
      if (compare !== undefined) return Number(compare(args[0]!, args[1]!));
      if (type === "bool") return expr.op === "and" ? args[0]! * args[1]! : 1 - args[0]!;
      return type === "f32" ? floatOp(expr.op, args) : intOp(expr.op, type, args);
    }
    default:
      throw new Error(`no ${expr.kind}`);
  }
}

function* runLane(kernel: Kernel, body: readonly Stmt[], lane: Lane, memory: Memory): Generator<Need, void, number> {
  const eva = (id: ExprId): number => value(kernel, id, lane);
  for (const stmt of body) {
    switch (stmt.kind) {
      case "let":
      case "var":
      case "assign":
        lane.locals.set(stmt.name, eva(stmt.value));
        break;
      case "read": {
        const wanted = stmt.when === undefined || eva(stmt.when) === 1;
        const from = wanted ? eva(stmt.at.index) : 0;
        stmt.to.forEach((name, i) => {
          lane.locals.set(name, wanted ? memory.get(stmt.at.buffer)![from + i]! : 0);
        });
        break;
      }
      case "write":
        if (stmt.when !== undefined && eva(stmt.when) === 0) break;
        stmt.values.forEach((v, i) => {
          memory.get(stmt.at.buffer)![eva(stmt.at.index) + i] = eva(v);
        });
        break;
      case "atomicAdd":
        memory.get(stmt.at.buffer)![eva(stmt.at.index)]! += eva(stmt.values[0]!);
        break;
      case "for": {
        const to = eva(stmt.to);
        for (let i = eva(stmt.from); i < to; i += stmt.step) {
          lane.locals.set(stmt.name, i);
          yield* runLane(kernel, stmt.body, lane, memory);
        }
        break;
      }
      case "if":
        yield* runLane(kernel, eva(stmt.cond) === 1 ? stmt.then : stmt.else, lane, memory);
        break;
      case "collective": {
        const args = stmt.what.family === "exchange" ? stmt.what.args.map(eva) : [];
        const result = yield { stmt, args };
        if (stmt.what.family === "exchange") lane.locals.set(stmt.what.to, result);
      }
    }
  }
}

/** One lane's result of an exchange over the lanes of its warp. */
function exchange(need: Need, all: readonly Need[], lane: number, type: Scalar): number {
  const what = need.stmt.what;
  if (what.family !== "exchange") return 0;
  const first = all.map((n) => n.args[0]!);
  switch (what.op) {
    case "shuffleXor":
      return first[lane ^ need.args[1]!]!;
    case "shuffleAt":
      return first[need.args[1]!]!;
    case "broadcast":
      return first[0]!;
    case "ballot":
      return first.reduce((word, bit, i) => word + bit * 2 ** i, 0);
    case "any":
      return Math.max(...first);
    case "elect":
      return Number(lane === 0);
    case "max":
      return Math.max(...first);
    case "sum": {
      const add = (a: number, b: number): number =>
        type === "f32" ? floatOp("add", [a, b]) : intOp("add", type, [a, b]);
      let now = first;
      for (let span = all.length / 2; span >= 1; span /= 2) now = now.map((v, i) => add(v, now[i ^ span]!));
      return now[lane]!;
    }
  }
}

/** Runs a kernel one lane after the other, from collective to collective; collectives stand in uniform control flow. */
function interpret(kernel: Kernel, globals: Memory): void {
  const [gx, gy, gz] = kernel.grid;
  for (let block = 0; block < gx * gy * gz; block++) {
    const memory: Memory = new Map(globals);
    for (const b of kernel.buffers) if (b.space === "shared") memory.set(b.id, new Array<number>(b.length).fill(0));
    const group = [block % gx, Math.floor(block / gx) % gy, Math.floor(block / (gx * gy))];
    const lanes = Array.from({ length: kernel.warps * kernel.lanes }, (_, t) => {
      const lane: Lane = { group, warp: Math.floor(t / kernel.lanes), lane: t % kernel.lanes, locals: new Map() };
      return { lane, run: runLane(kernel, kernel.body, lane, memory) };
    });
    let steps = lanes.map(({ run }) => run.next());
    while (steps.some((s) => s.done !== true)) {
      const needs = steps.map((s) => s.value as Need);
      steps = lanes.map(({ lane, run }, t) => {
        const start = lane.warp * kernel.lanes;
        const what = needs[t]!.stmt.what;
        const type =
          what.family === "exchange" && what.args[0] !== undefined ? kernel.exprs.exprs[what.args[0]]!.type : "i32";
        return run.next(exchange(needs[t]!, needs.slice(start, start + kernel.lanes), lane.lane, type));
      });
    }
  }
}

// ---------- the generator: decisions come from a tape, so that failures shrink ----------

const TABLE = { name: "tab", type: "i32", values: [3, -1, 4, 1, -5, 9, 2, 6] } as const;

class Maker {
  readonly b: KernelBuilder;
  readonly #tape: readonly number[];
  #at = 0;
  #locals: { id: ExprId; mutable: boolean }[] = [];
  readonly threads: number;

  constructor(tape: readonly number[]) {
    this.#tape = tape;
    const lanes = [4, 8][this.pick(2)]!;
    const warps = 1 + this.pick(3);
    this.threads = lanes * warps;
    this.b = new KernelBuilder({ lanes, warps, grid: [2, 1 + this.pick(2), 1] });
    this.b.input("x", "i32", 64);
    this.b.input("f", "f32", 64);
    for (const type of ["i32", "u32", "f32"] as const) this.b.output(`out_${type}`, type, this.threads * 4);
    this.b.shared("s", "i32", this.threads);
    this.b.table(TABLE);
  }

  /** A number below n; 0 once the tape has ended. */
  pick(n: number): number {
    return (this.#tape[this.#at++] ?? 0) % n;
  }

  get ended(): boolean {
    return this.#at >= this.#tape.length;
  }

  expr(type: Scalar, depth: number): ExprId {
    const { b } = this;
    const known = this.#locals.filter((l) => b.e.typeOf(l.id) === type);
    const choice = this.pick(depth <= 0 ? 3 : 9);
    if (choice < 2 && known.length > 0) return known[this.pick(known.length)]!.id;
    if (choice < 3 || depth <= 0) return this.leaf(type);
    if (type === "bool") {
      const of = this.numeric();
      const op = (["eq", "ne", "lt", "le", "gt", "ge"] as const)[this.pick(6)]!;
      return b.op(op, this.expr(of, depth - 1), this.expr(of, depth - 1));
    }
    if (choice === 3) return b.e.cast(this.expr(this.numeric(), depth - 1), type);
    if (choice === 4)
      return b.op("select", this.expr("bool", depth - 1), this.expr(type, depth - 1), this.expr(type, depth - 1));
    if (choice === 5)
      return b.op(type === "u32" ? "not" : (["neg", "abs"] as const)[this.pick(2)]!, this.expr(type, depth - 1));
    if (type === "f32") {
      const op = (["add", "sub", "mul", "min", "max"] as const)[this.pick(5)]!;
      return b.op(op, this.expr(type, depth - 1), this.expr(type, depth - 1));
    }
    return this.integer(type, depth - 1);
  }

  integer(type: Scalar, depth: number): ExprId {
    const { b } = this;
    const op = (
      ["add", "sub", "mul", "and", "or", "xor", "min", "max", "shl", "shr", "div", "mod", "table", "popc"] as const
    )[this.pick(14)]!;
    if (op === "popc") return b.e.cast(b.op("popc", this.expr("u32", depth)), type);
    if (op === "table") {
      const index = b.op("and", this.expr("i32", depth), b.int(TABLE.values.length - 1));
      return b.e.cast(b.e.table(TABLE, index), type);
    }
    if (op === "div" || op === "mod") return b.op(op, this.expr(type, depth), b.e.constant(1 + this.pick(9), type));
    return b.op(op, this.expr(type, depth), this.expr(type, depth));
  }

  leaf(type: Scalar): ExprId {
    const { b } = this;
    if (type === "bool") return b.op("lt", this.leaf("i32"), this.leaf("i32"));
    if (type === "f32") return b.e.constant(this.pick(64) / 8 - 4, type);
    const small = this.pick(1000) - (type === "i32" ? 500 : 0);
    const leaves = [b.lane(), b.warp(), b.thread(), b.group(0), b.group(1), b.int(small)];
    return type === "i32" ? leaves[this.pick(leaves.length)]! : b.e.constant(Math.abs(small) * 77777, type);
  }

  numeric(): Scalar {
    return (["i32", "u32", "f32"] as const)[this.pick(3)]!;
  }

  keep(id: ExprId, mutable = false): void {
    this.#locals.push({ id, mutable });
  }

  /** Statements; `alone`: not all lanes need come here, so no collectives. */
  body(count: number, depth: number, alone: boolean, variable?: ExprId): void {
    const outer = this.#locals;
    this.#locals = [...outer];
    if (variable !== undefined) this.keep(variable);
    for (let i = 0; i < count && !this.ended; i++) this.statement(depth, alone);
    this.#locals = outer;
  }

  statement(depth: number, alone: boolean): void {
    const { b } = this;
    switch (this.pick(alone ? 6 : 9)) {
      case 0:
        this.keep(b.let(this.expr(this.numeric(), 3)));
        return;
      case 1:
        this.keep(b.var(this.expr(this.numeric(), 2)), true);
        return;
      case 2: {
        const vars = this.#locals.filter((l) => l.mutable);
        const target = vars[this.pick(Math.max(1, vars.length))];
        if (target !== undefined) b.assign(target.id, this.expr(b.e.typeOf(target.id), 3));
        return;
      }
      case 3: {
        const index = b.op("and", this.expr("i32", 2), b.int(63));
        const when = this.pick(2) === 0 ? undefined : this.expr("bool", 2);
        this.keep(b.read(this.pick(2) === 0 ? "x" : "f", index, when));
        return;
      }
      case 4:
        if (depth > 0)
          b.if(
            this.expr("bool", 2),
            "none",
            () => this.body(3, depth - 1, true),
            () => this.body(2, depth - 1, true),
          );
        return;
      case 5: {
        if (depth <= 0) return;
        // Without a bound from the lane all lanes go round alike, and collectives may stand inside.
        const ragged = alone || this.pick(2) === 0;
        const to = ragged ? b.op("and", this.expr("i32", 1), b.int(3)) : b.int(this.pick(4));
        b.for(b.int(0), to, 1 + this.pick(2), (i) => this.body(3, depth - 1, ragged, i));
        return;
      }
      case 6:
        this.exchange();
        return;
      case 7:
        b.barrier();
        b.write("s", b.thread(), this.expr("i32", 2));
        b.barrier();
        this.keep(b.read("s", b.op("mod", b.e.add(b.thread(), b.int(this.pick(8))), b.int(this.threads))));
        return;
      default:
        b.barrier("warp");
        return;
    }
  }

  exchange(): void {
    const { b } = this;
    const type = this.numeric();
    const kinds = ["shuffleXor", "shuffleAt", "broadcast", "sum", "max", "ballot", "any", "elect"] as const;
    const op = kinds[this.pick(kinds.length)]!;
    if (op === "elect") {
      this.keep(b.exchange(op, "warp", "bool"));
      return;
    }
    if (op === "any") {
      this.keep(b.exchange(op, "warp", "bool", this.expr("bool", 2)));
      return;
    }
    if (op === "ballot") {
      this.keep(b.exchange(op, "warp", "u32", this.expr("bool", 2)));
      return;
    }
    const arg = this.expr(type, 2);
    if (op !== "shuffleXor" && op !== "shuffleAt") {
      this.keep(b.exchange(op, "warp", type, arg));
      return;
    }
    this.keep(b.exchange(op, "warp", type, arg, b.op("and", this.expr("i32", 1), b.int(3))));
  }

  kernel(): Kernel {
    const { b } = this;
    const results = (["i32", "u32", "f32"] as const).map((type) => b.var(b.e.constant(0, type), `result_${type}`));
    for (const id of results) this.keep(id, true);
    // The outer body keeps its locals for the results.
    for (let i = 0; i < 14 && !this.ended; i++) this.statement(2, false);
    for (const [i, type] of (["i32", "u32", "f32"] as const).entries()) {
      const block = b.at(b.int(0), [b.group(0), this.threads], [b.group(1), 2 * this.threads]);
      b.write(`out_${type}`, b.e.add(block, b.thread()), b.op("add", results[i]!, this.expr(type, 2)));
    }
    return b.done();
  }
}

describe("random kernels", () => {
  it("mean the same lane by lane", () => {
    let statements = 0;
    fc.assert(
      fc.property(fc.array(fc.nat(2 ** 20), { minLength: 30, maxLength: 300, size: "max" }), (tape) => {
        const kernel = new Maker(tape).kernel();
        expect(verifyKernel(kernel)).toEqual([]);
        statements += kernel.body.length;
        const x = Array.from({ length: 64 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >> (i % 20));
        const f = Array.from({ length: 64 }, (_, i) => Math.fround((i * i - 700) / 7));
        const outputs = kernel.buffers.filter((b) => b.access === "write");
        const buffers = new Map([
          ["x", bufferOf("i32", x)],
          ["f", bufferOf("f32", f)],
          ...outputs.map((b) => [b.id, emptyBuffer(b.type, b.length)] as const),
        ]);
        expect(evalKernelModes(kernel, buffers).errors).toEqual([]);
        const memory: Memory = new Map(outputs.map((b) => [b.id, new Array<number>(b.length).fill(0)]));
        interpret(kernel, new Map([...memory, ["x", x], ["f", f]]));
        for (const { id } of outputs) expect([...buffers.get(id)!.data], id).toEqual(memory.get(id));
      }),
      { numRuns: 300, seed: 20250714 },
    );
    expect(statements).toBeGreaterThan(3000);
  });
});
