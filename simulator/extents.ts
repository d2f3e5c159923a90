/** How much of a tile really exists: at the edges of a product the last blocks and folds are smaller than their tiles. */
import { internal } from "../ir/diagnostics.ts";
import { type ExprId, operands } from "../ir/expr.ts";
import {
  isTileOp,
  type Program,
  type Region,
  type Role,
  reads,
  type Step,
  type Tensor,
  type TileOp,
  writes,
} from "../ir/program.ts";
import type { OperandKind } from "./issue.ts";

/** Values of a role's loop variables and domain axes at their (even) slots; behind a loop's value stands how often it went round. */
export type Env = Float64Array;
type Value = (env: Env) => number;

/** A value with the slots that it depends on. */
export interface Tracked {
  readonly value: Value;
  readonly slots: ReadonlySet<number>;
}

/**
 * Follows every tile to the op that fills it, down to tensors off chip: the valid extent of an op's axis is what its
 * sources hold there. Index expressions are non-decreasing in each domain axis.
 */
export class ExtentAnalysis {
  readonly #program: Program;
  readonly #tensors: ReadonlyMap<string, Tensor>;
  readonly #writers = new Map<string, TileOp>();
  readonly #operand = new Map<string, OperandKind>();
  readonly #slots = new Map<Role, ReadonlyMap<string, number>>();
  readonly #symbols = new Map<ExprId, ReadonlySet<string>>();
  readonly #limits = new Map<string, Tracked>();
  /** Slots used by the value that is being built. */
  #used = new Set<number>();
  readonly #ops: readonly TileOp[];

  constructor(program: Program, roles: readonly Role[]) {
    this.#program = program;
    this.#tensors = new Map(program.tensors.map((t) => [t.id, t]));
    this.#ops = roles.flatMap((r) => opsIn(r.body));
    for (const op of this.#ops) {
      if (op.kind === "fill") continue;
      for (const region of writes(op)) this.#writers.set(region.tensor, op);
    }
    for (const op of this.#ops) {
      if (op.kind !== "contract") continue;
      this.#mark(op.a.tensor, "activation");
      this.#mark(op.b.tensor, "weight");
    }
    for (const role of roles) {
      const names = new Set<string>();
      const visit = (body: readonly Step[]): void => {
        for (const step of body) {
          if (isTileOp(step)) for (const d of step.domain) names.add(d.axis);
          else if (step.kind === "loop") {
            names.add(step.name);
            visit(step.body);
          }
        }
      };
      visit(role.body);
      this.#slots.set(role, new Map([...names].map((name, i) => [name, 2 * i])));
    }
  }

  tensor(id: string): Tensor {
    return this.#tensors.get(id) ?? internal(`no tensor ${id}`);
  }

  slotsFor(role: Role): ReadonlyMap<string, number> {
    return this.#slots.get(role) ?? internal(`no role ${role.name}`);
  }

  /** The operand that an op works for: what it writes ends as the array's weights or activations, or comes after it. */
  operandOf(op: TileOp): OperandKind {
    return this.#operand.get(writes(op)[0]?.tensor ?? "") ?? "result";
  }

  operandOfRing(ring: string): OperandKind {
    const tensor = this.#program.tensors.find((t) => t.ring === ring);
    return this.#operand.get(tensor?.id ?? "") ?? "result";
  }

  symbolsOf(region: Region): ReadonlySet<string> {
    return new Set(region.index.flatMap((id) => [...this.#symbolsIn(id)]));
  }

  /** How many values of a domain axis lie inside all that the op reads and writes. */
  extent(op: TileOp, axis: string, role: Role): Tracked {
    return this.#track(() => this.#extent(op, axis, role));
  }

  /**
   * Counts that valid extents do not fix: how many stored elements a range of an axis touches where several values share
   * one, such as the scales of a range of groups.
   */
  irregular(op: TileOp, role: Role): readonly Tracked[] {
    const slots = this.slotsFor(role);
    return [...reads(op), ...writes(op)].flatMap((region) =>
      region.index.flatMap((id) => {
        const axis = op.domain.find((d) => this.#symbolsIn(id).has(d.axis))?.axis;
        const slot = axis === undefined ? undefined : slots.get(axis);
        if (axis === undefined || slot === undefined || this.#isShift(id, axis)) return [];
        return [
          this.#track(() => {
            const extent = this.#extent(op, axis, role);
            const index = this.#compile(id, role);
            return (env) => {
              const valid = extent(env);
              return valid === 0 ? 0 : span(env, slot, valid, index);
            };
          }),
        ];
      }),
    );
  }

  #track(build: () => Value): Tracked {
    const outer = this.#used;
    const slots = new Set<number>();
    this.#used = slots;
    const value = build();
    this.#used = outer;
    for (const slot of slots) outer.add(slot);
    return { value, slots };
  }

  #extent(op: TileOp, axis: string, role: Role): Value {
    const full = op.domain.find((d) => d.axis === axis)?.extent ?? internal(`no axis ${axis}`);
    const slots = this.slotsFor(role);
    const slot = slots.get(axis);
    const bounds = [...reads(op), ...writes(op)].flatMap((region) =>
      region.index.flatMap((id, dim) => {
        if (!this.#symbolsIn(id).has(axis)) return [];
        const tensor = this.tensor(region.tensor);
        const written = writes(op).includes(region);
        const limit: Value =
          written && tensor.place !== "global" ? () => tensor.shape[dim]! : this.#limit(region.tensor, dim, role);
        return [this.#bound(id, axis, slot, limit, full, role)];
      }),
    );
    if (bounds.length === 0) return () => full;
    return (env) => bounds.reduce((least, bound) => Math.min(least, bound(env)), full);
  }

  /** Elements of a tensor that an op touches through a region, for given valid extents of its domain. */
  elements(op: TileOp, region: Region, role: Role): (env: Env, valid: readonly number[]) => number {
    const slots = this.slotsFor(role);
    const dims = region.index.map((id) => {
      const symbols = this.#symbolsIn(id);
      const at = op.domain.findIndex((d) => symbols.has(d.axis));
      if (at < 0) return () => 1;
      const slot = slots.get(op.domain[at]!.axis);
      const index = this.#compile(id, role);
      return (env: Env, valid: readonly number[]): number => {
        const last = valid[at]! - 1;
        if (slot === undefined) return last + 1;
        return span(env, slot, last + 1, index);
      };
    });
    return (env, valid) => (valid.includes(0) ? 0 : dims.reduce((product, dim) => product * dim(env, valid), 1));
  }

  /** Domain positions of a contraction's row, column and time axis; loops mapped to the array say which is which. */
  arrayDims(op: TileOp, loops: readonly Extract<Step, { readonly kind: "loop" }>[]): readonly [number, number, number] {
    const axisWith = (dim: "row" | "column"): number => {
      const loop = loops.find((l) => l.map.kind === "array" && l.map.dim === dim) ?? internal(`no ${dim} loop`);
      const ids = this.#ops.flatMap((o) => [...reads(o), ...writes(o)].flatMap((r) => r.index));
      const found = op.domain.findIndex((d) =>
        ids.some((id) => this.#symbolsIn(id).has(loop.name) && this.#symbolsIn(id).has(d.axis)),
      );
      return found < 0 ? internal(`no axis goes with ${loop.name}`) : found;
    };
    const [row, column] = [axisWith("row"), axisWith("column")];
    const time = op.domain.findIndex((_, i) => i !== row && i !== column);
    return [row, column, time];
  }

  #mark(tensor: string, operand: OperandKind): void {
    this.#operand.set(tensor, operand);
    const writer = this.#writers.get(tensor);
    for (const region of writer === undefined ? [] : reads(writer)) this.#mark(region.tensor, operand);
  }

  /** How many values of the axis keep `id` below the limit. */
  #bound(id: ExprId, axis: string, slot: number | undefined, limit: Value, full: number, role: Role): Value {
    const index = this.#compile(id, role);
    const expr = this.#program.exprs.exprs[id];
    if (slot === undefined) return () => full;
    const plain = expr?.kind === "symbol" || this.#isShift(id, axis);
    return (env) => {
      env[slot] = 0;
      const room = limit(env);
      if (plain) return Math.max(0, Math.min(full, room - index(env)));
      let [low, high] = [0, full];
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        env[slot] = middle;
        if (index(env) < room) low = middle + 1;
        else high = middle;
      }
      env[slot] = 0;
      return low;
    };
  }

  /** Whether an index is a sum in which the axis stands once, by itself. */
  #isShift(id: ExprId, axis: string): boolean {
    const expr = this.#program.exprs.exprs[id];
    if (expr?.kind === "symbol") return expr.name === axis;
    if (expr?.kind !== "op" || expr.op !== "add") return false;
    const with_ = expr.args.filter((a) => this.#symbolsIn(a).has(axis));
    return with_.length === 1 && this.#isShift(with_[0]!, axis);
  }

  /** How much of a tensor's dimension exists: all of it off chip, what its writer brought in a tile. */
  #limit(id: string, dim: number, role: Role): Value {
    const key = `${role.name} ${id} ${dim}`;
    const known = this.#limits.get(key);
    if (known !== undefined) {
      for (const slot of known.slots) this.#used.add(slot);
      return known.value;
    }
    const limit = this.#track(() => this.#newLimit(id, dim, role));
    this.#limits.set(key, limit);
    return limit.value;
  }

  #newLimit(id: string, dim: number, role: Role): Value {
    const tensor = this.tensor(id);
    const shape = tensor.shape[dim] ?? 1;
    const writer = this.#writers.get(id);
    let limit: Value = () => shape;
    if (tensor.place !== "global" && writer !== undefined) {
      const index = writes(writer).find((r) => r.tensor === id)?.index[dim] ?? internal(`no index of ${id}`);
      const expr = this.#program.exprs.exprs[index];
      const axis = writer.domain.find((d) => this.#symbolsIn(index).has(d.axis))?.axis;
      if (expr?.kind === "symbol" && axis !== undefined) limit = this.#extentElsewhere(writer, axis, role);
      else if (axis !== undefined) limit = this.#resolve(writer, axis, index, role) ?? limit;
    }
    return limit;
  }

  /** `extent` for an op of another role, at this role's loop variables. */
  #extentElsewhere(op: TileOp, axis: string, role: Role): Value {
    const full = op.domain.find((d) => d.axis === axis)?.extent ?? internal(`no axis ${axis}`);
    const bounds = reads(op).flatMap((region) =>
      region.index.flatMap((id, dim) => {
        if (!this.#symbolsIn(id).has(axis)) return [];
        const limit = this.#limit(region.tensor, dim, role);
        const base = this.#compile(id, role, axis);
        if (this.#isShift(id, axis)) return [(env: Env) => Math.max(0, Math.min(full, limit(env) - base(env)))];
        return [];
      }),
    );
    return (env) => bounds.reduce((least, bound) => Math.min(least, bound(env)), full);
  }

  /** A tile filled piece by piece at `index` is as large as the source that is read at the same index. */
  #resolve(op: TileOp, axis: string, index: ExprId, role: Role): Value | undefined {
    for (const region of reads(op)) {
      for (const [dim, id] of region.index.entries()) {
        if (!this.#symbolsIn(id).has(axis)) continue;
        if (id === index) return this.#limit(region.tensor, dim, role);
        const writer = this.#writers.get(region.tensor);
        const found = writer === undefined ? undefined : this.#resolve(writer, axis, index, role);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  #symbolsIn(id: ExprId): ReadonlySet<string> {
    const known = this.#symbols.get(id);
    if (known !== undefined) return known;
    const expr = this.#program.exprs.exprs[id] ?? internal(`no expression ${id}`);
    const found = new Set(
      expr.kind === "symbol" ? [expr.name] : operands(expr).flatMap((a) => [...this.#symbolsIn(a)]),
    );
    this.#symbols.set(id, found);
    return found;
  }

  /** An index as a function of the environment; `zero` names an axis to leave out. Loops of other roles stand at 0. */
  #compile(id: ExprId, role: Role, zero?: string): Value {
    const expr = this.#program.exprs.exprs[id] ?? internal(`no expression ${id}`);
    if (expr.kind === "const") return () => expr.value;
    if (expr.kind === "symbol") {
      const slot = expr.name === zero ? undefined : this.slotsFor(role).get(expr.name);
      if (slot === undefined) return () => 0;
      this.#used.add(slot);
      return (env) => env[slot]!;
    }
    const [a, b] = operands(expr).map((arg) => this.#compile(arg, role, zero));
    if (expr.kind !== "op" || a === undefined || b === undefined) return internal(`an index with ${expr.kind}`);
    switch (expr.op) {
      case "add":
        return (env) => a(env) + b(env);
      case "sub":
        return (env) => a(env) - b(env);
      case "mul":
        return (env) => a(env) * b(env);
      case "div":
        return (env) => Math.trunc(a(env) / b(env));
      case "mod":
        return (env) => a(env) % b(env);
      case "shl":
        return (env) => a(env) * 2 ** b(env);
      case "shr":
        return (env) => Math.floor(a(env) / 2 ** b(env));
      default:
        return internal(`an index with ${expr.op}`);
    }
  }
}

/** Elements from the first to the `valid`th value of the axis in `slot`. */
function span(env: Env, slot: number, valid: number, index: Value): number {
  env[slot] = valid - 1;
  const high = index(env);
  env[slot] = 0;
  return high - index(env) + 1;
}

function opsIn(body: readonly Step[]): readonly TileOp[] {
  return body.flatMap((step) => (isTileOp(step) ? [step] : step.kind === "loop" ? opsIn(step.body) : []));
}
