/** Small kernels for tests, and the builder they are made with. */
import { ExprBuilder, type ExprId, type Op, type Table } from "../../ir/expr.ts";
import type { Access, Buffer, Collective, Completion, Kernel, Scope, Stmt, Width } from "../../ir/kernel.ts";
import type { Scalar } from "../../ir/scalar.ts";

type Exchange = Collective & { readonly family: "exchange" };
type Sync = Collective & { readonly family: "sync" };

/** A value: an expression, or a number that stands for an i32 constant. */
export type Value = ExprId | { readonly of: ExprId };

/** Writes kernels statement by statement; expression methods return ids of `e`. */
export class KernelBuilder {
  readonly e = new ExprBuilder();
  readonly #buffers: Buffer[] = [];
  readonly #tables: Table[] = [];
  #body: Stmt[] = [];
  #names = 0;
  readonly #shape: Pick<Kernel, "name" | "lanes" | "warps" | "grid">;

  constructor(shape: Pick<Kernel, "lanes" | "warps"> & Partial<Pick<Kernel, "name" | "grid">>) {
    this.#shape = { name: "test", grid: [1, 1, 1], ...shape };
  }

  done(): Kernel {
    return {
      ...this.#shape,
      buffers: this.#buffers,
      tables: this.#tables,
      exprs: this.e.done(),
      body: this.#body,
    };
  }

  input(id: string, type: Scalar, length: number): string {
    this.#buffers.push({ id, type, length, space: "global", access: "read" });
    return id;
  }

  output(id: string, type: Scalar, length: number, access: Buffer["access"] = "write"): string {
    this.#buffers.push({ id, type, length, space: "global", access });
    return id;
  }

  shared(id: string, type: Scalar, length: number): string {
    this.#buffers.push({ id, type, length, space: "shared", access: "readWrite" });
    return id;
  }

  table(table: Table): Table {
    this.#tables.push(table);
    return table;
  }

  int(value: number): ExprId {
    return this.e.constant(value, "i32");
  }

  lane(): ExprId {
    return this.e.builtin("lane");
  }

  warp(): ExprId {
    return this.e.builtin("warp");
  }

  thread(): ExprId {
    return this.e.builtin("thread");
  }

  group(dim: 0 | 1 | 2 = 0): ExprId {
    return this.e.builtin("group", dim);
  }

  op(op: Op, ...args: ExprId[]): ExprId {
    return this.e.op(op, ...args);
  }

  /** base + Σ term · factor, i32. */
  at(base: ExprId, ...terms: readonly (readonly [ExprId, number])[]): ExprId {
    return terms.reduce<ExprId>((sum, [term, factor]) => this.e.add(sum, this.e.mul(term, this.int(factor))), base);
  }

  name(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }

  push(stmt: Stmt): void {
    this.#body.push(stmt);
  }

  let(value: ExprId, name = this.name("t")): ExprId {
    this.push({ kind: "let", name, value });
    return this.e.symbol(name, this.e.typeOf(value));
  }

  var(value: ExprId, name = this.name("v")): ExprId {
    this.push({ kind: "var", name, value });
    return this.e.symbol(name, this.e.typeOf(value));
  }

  assign(local: ExprId, value: ExprId): void {
    this.push({ kind: "assign", name: this.nameOf(local), value });
  }

  nameOf(local: ExprId): string {
    const expr = this.e.get(local);
    if (expr.kind !== "symbol") throw new Error("not a local");
    return expr.name;
  }

  access(buffer: string, index: ExprId, width: Width = 1): Access {
    return { buffer, index, width };
  }

  read(buffer: string, index: ExprId, when?: ExprId): ExprId {
    return this.readVector(buffer, index, 1, when)[0]!;
  }

  readVector(buffer: string, index: ExprId, width: Width, when?: ExprId): readonly ExprId[] {
    const type = this.#buffers.find((b) => b.id === buffer)?.type ?? "u32";
    const to = Array.from({ length: width }, () => this.name("r"));
    const at = this.access(buffer, index, width);
    this.push({ kind: "read", to, at, ...(when === undefined ? {} : { when }) });
    return to.map((name) => this.e.symbol(name, type));
  }

  write(buffer: string, index: ExprId, value: ExprId | readonly ExprId[], when?: ExprId): void {
    const values = Array.isArray(value) ? (value as readonly ExprId[]) : [value as ExprId];
    const at = this.access(buffer, index, values.length as Width);
    this.push({ kind: "write", at, values, ...(when === undefined ? {} : { when }) });
  }

  atomicAdd(buffer: string, index: ExprId, value: ExprId): void {
    this.push({ kind: "atomicAdd", at: this.access(buffer, index), values: [value] });
  }

  for(from: ExprId, to: ExprId, step: number, body: (i: ExprId) => void, name = this.name("i")): void {
    const inner = this.#inside(() => body(this.e.symbol(name, "i32")));
    this.push({ kind: "for", name, from, to, step, unroll: false, body: inner });
  }

  if(cond: ExprId, uniform: Scope | "none", then: () => void, otherwise: () => void = () => {}): void {
    const yes = this.#inside(then);
    this.push({ kind: "if", cond, uniform, then: yes, else: this.#inside(otherwise) });
  }

  collective(scope: Scope, what: Collective): void {
    this.push({ kind: "collective", scope, what });
  }

  exchange(op: Exchange["op"], scope: Scope, type: Scalar, ...args: ExprId[]): ExprId {
    const to = this.name("x");
    this.collective(scope, { family: "exchange", op, args, to });
    return this.e.symbol(to, type);
  }

  sync(op: Sync["op"], scope: Scope, rest: Partial<Pick<Sync, "at" | "count" | "proxy">> = {}): void {
    this.collective(scope, { family: "sync", op, ...rest });
  }

  barrier(scope: Scope = "block"): void {
    this.sync("barrier", scope);
  }

  cpAsync(from: Access, to: Access, bytes: number, when?: ExprId): void {
    this.transfer("cpAsync", from, to, bytes, { kind: "group" }, when);
  }

  transfer(engine: "cpAsync" | "bulk", from: Access, to: Access, bytes: number, done: Completion, when?: ExprId): void {
    const what = {
      family: "transfer",
      engine,
      from,
      to,
      bytes,
      done,
      ...(when === undefined ? {} : { when }),
    } as const;
    this.collective("warp", what);
  }

  #inside(make: () => void): readonly Stmt[] {
    const outer = this.#body;
    this.#body = [];
    make();
    const inner = this.#body;
    this.#body = outer;
    return inner;
  }
}

/** y[n] = Σ k w[n, k] · x[k], f32: a warp a row, lanes stride through k, xor-ladder sum, lane 0 writes. */
export function gemv(rows: number, columns: number, warps: number): Kernel {
  const b = new KernelBuilder({ name: "gemv", lanes: 32, warps, grid: [rows / warps, 1, 1] });
  const w = b.input("w", "f32", rows * columns);
  const x = b.input("x", "f32", columns);
  const y = b.output("y", "f32", rows);
  const row = b.let(b.at(b.warp(), [b.group(), warps]), "row");
  const acc = b.var(b.e.constant(0, "f32"), "acc");
  b.for(b.int(0), b.int(columns), 32, (k) => {
    const column = b.let(b.e.add(k, b.lane()), "column");
    const inside = b.op("lt", column, b.int(columns));
    const weight = b.read(w, b.at(column, [row, columns]), inside);
    const value = b.read(x, column, inside);
    b.assign(acc, b.op("fma", weight, value, acc));
  });
  for (const mask of [16, 8, 4, 2, 1])
    b.assign(acc, b.e.add(acc, b.exchange("shuffleXor", "warp", "f32", acc, b.int(mask))));
  b.if(b.op("eq", b.lane(), b.int(0)), "none", () => b.write(y, row, acc));
  return b.done();
}

/** out[group] = Σ of `lanes · warps` u32 values, through shared memory; without `barrier` it is a race. */
export function sharedSum(lanes: number, warps: number, barrier: boolean): Kernel {
  const threads = lanes * warps;
  const b = new KernelBuilder({ name: "sharedSum", lanes, warps, grid: [2, 1, 1] });
  const input = b.input("x", "u32", 2 * threads);
  const out = b.output("y", "u32", 2);
  const part = b.shared("part", "u32", threads);
  b.write(part, b.thread(), b.read(input, b.at(b.thread(), [b.group(), threads])));
  for (let span = threads / 2; span >= 1; span /= 2) {
    if (barrier) b.barrier();
    b.if(b.op("lt", b.thread(), b.int(span)), "none", () => {
      const sum = b.e.add(b.read(part, b.thread()), b.read(part, b.e.add(b.thread(), b.int(span))));
      b.write(part, b.thread(), sum);
    });
  }
  b.if(b.op("eq", b.thread(), b.int(0)), "none", () => b.write(out, b.group(), b.read(part, b.int(0))));
  return b.done();
}
