/** Register tensors while lowering: which local holds which element, in every lane. */
import { internal } from "../../ir/diagnostics.ts";
import type { ExprBuilder, ExprId } from "../../ir/expr.ts";
import { compile } from "../../ir/layout/apply.ts";
import { ELEM, LANE, type Layout, REG } from "../../ir/layout/layout.ts";
import { print } from "../../ir/layout/print.ts";
import type { Tensor } from "../../ir/program.ts";
import { isFloat, type Scalar } from "../../ir/scalar.ts";

/** The type that a kernel computes with for an element of this type: codes widen to i32, halves to f32. */
export function valueType(type: Scalar): Scalar {
  if (type === "bool" || type === "u32" || type === "f64") return type;
  return isFloat(type) ? "f32" : "i32";
}

/**
 * A coordinate: as an expression, and as numbers in the probed lanes. Layouts are sums of per-bit terms in the lane, so
 * two coordinates that agree in lane 0 and in the lanes that are powers of two agree in all.
 */
export interface Coordinate {
  readonly expr: ExprId;
  readonly lanes: readonly number[];
}

export interface Slot {
  readonly reg: number;
  readonly elem: number;
}

/** Lane 0 and the powers of two below the number of lanes. */
export function probes(lanes: number): readonly number[] {
  const list = [0];
  for (let lane = 1; lane < lanes; lane *= 2) list.push(lane);
  return list;
}

export class RegisterTensor {
  readonly tensor: Tensor;
  readonly layout: Layout;
  readonly regs: number;
  /** Elements in one register; above 1 the locals are u32 words. */
  readonly elems: number;
  /** The kernel type of its locals. */
  readonly type: Scalar;
  readonly names: readonly string[];
  readonly #at: (lane: number, reg: number, elem: number) => readonly number[];
  readonly #slots = new Map<string, Slot[]>();
  readonly #found = new Map<string, Slot>();
  readonly #probes: readonly number[];

  constructor(tensor: Tensor, lanes: number, name: (reg: number, regs: number) => string) {
    const layout = tensor.layout;
    if (layout === undefined) internal(`${tensor.id} has no layout`);
    const run = compile(layout, [LANE, REG, ELEM]);
    const order = tensor.axes.map((a) => run.outputs.indexOf(a));
    const out = new Array<number>(run.outputs.length).fill(0);
    this.tensor = tensor;
    this.layout = layout;
    this.#probes = probes(lanes);
    const from =
      layout.kind === "strided" || layout.kind === "table" ? layout.from : internal(`${tensor.id} is opaque`);
    this.regs = from[REG]!;
    this.elems = from[ELEM] ?? 1;
    this.type = this.elems > 1 ? "u32" : valueType(tensor.type);
    this.names = Array.from({ length: this.regs }, (_, r) => name(r, this.regs));
    this.#at = (lane, reg, elem) => {
      run.run([lane, reg, elem], out);
      return order.map((o) => out[o]!);
    };
    for (let reg = 0; reg < this.regs; reg++) {
      for (let elem = 0; elem < this.elems; elem++) {
        const key = this.#at(0, reg, elem).join();
        const known = this.#slots.get(key);
        if (known === undefined) this.#slots.set(key, [{ reg, elem }]);
        else known.push({ reg, elem });
      }
    }
  }

  /** Coordinates of a slot, along the tensor's axes. */
  coordinates(slot: Slot, build: ExprBuilder, lane: ExprId): readonly Coordinate[] {
    const made = print(this.layout, build, {
      [LANE]: lane,
      [REG]: build.constant(slot.reg),
      [ELEM]: build.constant(slot.elem),
    });
    const numbers = this.#probes.map((l) => this.#at(l, slot.reg, slot.elem));
    return this.tensor.axes.map((axis, i) => ({
      expr: made[axis] ?? internal(`${this.tensor.id} has no axis ${axis}`),
      lanes: numbers.map((n) => n[i]!),
    }));
  }

  /** The slot that holds the element, in the lane that asks; crossing lanes must be an explicit exchange. */
  find(at: readonly Coordinate[]): Slot {
    const key = at.map((c) => c.lanes.join(",")).join(";");
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    const candidates = this.#slots.get(at.map((c) => c.lanes[0]!).join()) ?? [];
    const slot = candidates.find((s) =>
      this.#probes.every((lane, p) => this.#at(lane, s.reg, s.elem).every((v, i) => v === at[i]!.lanes[p])),
    );
    if (slot === undefined) internal(`an element of ${this.tensor.id} lies in another lane (${key})`);
    this.#found.set(key, slot);
    return slot;
  }

  /** Every slot once per distinct element: registers that repeat an element of the lane are passed over. */
  slots(): readonly Slot[] {
    return [...this.#slots.values()].map((s) => s[0]!);
  }

  /** Bits of the lane number that do not select elements: lanes that differ only there hold the same. */
  replicatedLanes(): number {
    let mask = 0;
    for (const lane of this.#probes.slice(1)) {
      const same = this.slots().every(
        (s) => this.#at(lane, s.reg, s.elem).join() === this.#at(0, s.reg, s.elem).join(),
      );
      if (same) mask |= lane;
    }
    return mask;
  }

  /** True when the coordinate along `axis` depends on the lane. */
  spreads(axis: string): boolean {
    const i = this.tensor.axes.indexOf(axis);
    return i >= 0 && this.#probes.some((lane) => this.#at(lane, 0, 0)[i] !== this.#at(0, 0, 0)[i]);
  }
}
