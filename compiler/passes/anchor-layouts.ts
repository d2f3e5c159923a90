/**
 * anchor-layouts: every register tensor has a layout. Matrix operands are forced by their row, results follow what they
 * are computed from, everything else lies with its lane axis on the lanes and the rest in registers.
 */
import { internal } from "../../ir/diagnostics.ts";
import type { ExprId } from "../../ir/expr.ts";
import { compileAddress } from "../../ir/layout/apply.ts";
import { BIT, ELEM, type Extents, LANE, type Layout, REG, type Term } from "../../ir/layout/layout.ts";
import type { Program, Region, Tensor, TileOp } from "../../ir/program.ts";
import { findRow } from "../../ir/row-catalogue.ts";
import { bitsOf } from "../../ir/scalar.ts";
import { forEachOp, ProgramEditor, plainSymbol, symbolsOf } from "../edit.ts";
import { applied, type Pass, type PassContext } from "../pass.ts";
import { pairDistance } from "../tile/pairs.ts";
import { isLaneAxis } from "../tile/plan.ts";

type Strided = Extract<Layout, { kind: "strided" }>;
type Contract = Extract<TileOp, { kind: "contract" }>;

function extentsOf(tensor: Tensor): Extents {
  return Object.fromEntries(tensor.axes.map((a, i) => [a, tensor.shape[i]!]));
}

type Copy = Extract<TileOp, { kind: "copy" }>;

/** True where an index is the axis itself plus something that does not depend on it. */
function stepsAlong(editor: ProgramEditor, index: ExprId, axis: string): boolean {
  const { build } = editor;
  const expr = build.get(index);
  if (expr.kind === "symbol") return expr.name === axis;
  if (expr.kind !== "op" || expr.op !== "add") return false;
  const [a, b] = expr.args.map((arg) => symbolsOf(build, arg).has(axis));
  if (a === b) return false;
  return stepsAlong(editor, expr.args[a ? 0 : 1]!, axis);
}

/** Positions looked at to see how a row lies in memory: layouts repeat after a block, and blocks are smaller than this. */
const SAMPLED = 4096;

/** True where every `count` neighbours along a tensor's last axis (or their bits `bit`) fill an aligned word. */
function fillsWords(tensor: Tensor, count: number, bit: number): boolean {
  if (tensor.layout === undefined) return false;
  const address = compileAddress(tensor.layout, [...tensor.axes, BIT]);
  const row = tensor.axes.slice(0, -1).map(() => 0);
  const extent = Math.min(SAMPLED, tensor.shape.at(-1)!);
  const step = 32 / count;
  for (let first = 0; first + count <= extent; first += count) {
    const start = address(...row, first, bit);
    if (start % 32 !== 0) return false;
    for (let i = 1; i < count; i++) if (address(...row, first + i, bit) !== start + i * step) return false;
  }
  return true;
}

/** Elements that fill a register, where the tensor's last axis runs along its memory; else 1. */
function packing(editor: ProgramEditor, tensor: Tensor, load: Copy | undefined): number {
  const bits = bitsOf(tensor.type);
  const last = tensor.axes.at(-1);
  if (load === undefined || last === undefined || isLaneAxis(last) || bits >= 32 || 32 % bits !== 0) return 1;
  const along = load.from.index.map((e) => symbolsOf(editor.build, e).has(last));
  const only = along.lastIndexOf(true) === along.length - 1 && along.indexOf(true) === along.length - 1;
  const count = 32 / bits;
  if (!only || tensor.shape.at(-1)! % count !== 0 || !stepsAlong(editor, load.from.index.at(-1)!, last)) return 1;
  const source = editor.tensor(load.from.tensor);
  const planes = load.from.bit === undefined ? [0] : [...Array(bitsOf(source.type)).keys()];
  return planes.every((bit) => fillsWords(source, count, bit)) ? count : 1;
}

function defaultLayout(tensor: Tensor, packed: number, lanes: number): Strided {
  const terms: Term[] = [];
  if (packed > 1) terms.push({ from: ELEM, div: 1, size: packed, to: tensor.axes.at(-1)!, stride: 1 });
  let regs = 1;
  for (let i = tensor.axes.length - 1; i >= 0; i--) {
    const axis = tensor.axes[i]!;
    const extent = tensor.shape[i]!;
    if (isLaneAxis(axis)) {
      terms.push({ from: LANE, div: 1, size: extent, to: axis, stride: 1 });
      continue;
    }
    const step = packed > 1 && i === tensor.axes.length - 1 ? packed : 1;
    if (extent > step) terms.push({ from: REG, div: regs, size: extent / step, to: axis, stride: step });
    regs *= extent / step;
  }
  return { kind: "strided", from: { [LANE]: lanes, [REG]: regs, [ELEM]: packed }, to: extentsOf(tensor), terms };
}

/** Splits a term over a fused axis (several axes, last fastest) into terms over the axes; sizes are powers of two. */
function spread(term: Term, axes: readonly { readonly axis: string; readonly extent: number }[]): readonly Term[] {
  const digits = Math.log2(term.size);
  if (!Number.isInteger(digits)) internal("fragment terms are powers of two");
  return Array.from({ length: digits }, (_, d): Term => {
    let stride = term.stride * 2 ** d;
    for (const { axis, extent } of [...axes].reverse()) {
      if (stride < extent) return { from: term.from, div: term.div * 2 ** d, size: 2, to: axis, stride };
      stride /= extent;
    }
    return internal("a fragment is larger than its operand");
  });
}

interface Part {
  readonly axis: string;
  readonly extent: number;
  readonly stride: number;
}

interface Side {
  /** What the fragment covers, outermost first. */
  readonly inner: readonly Part[];
  /** Over what fragments repeat, outermost first. */
  readonly outer: readonly Part[];
}

function sideOf(tensor: Tensor, reduced: string, size: number): Side {
  const free = tensor.axes
    .map((axis, i) => ({ axis, extent: tensor.shape[i]!, stride: 1 }))
    .filter((a) => a.axis !== reduced);
  const inner: Part[] = [];
  const outer: Part[] = [];
  let left = size;
  for (const part of free.toReversed()) {
    const taken = Math.min(left, part.extent);
    if (left % taken !== 0 || part.extent % taken !== 0) internal(`tile of ${tensor.id} does not fill a matrix row`);
    if (taken > 1) inner.unshift({ ...part, extent: taken });
    if (part.extent > taken) outer.unshift({ ...part, extent: part.extent / taken, stride: taken });
    left /= taken;
  }
  if (left !== 1) internal(`tile of ${tensor.id} does not fill a matrix row of ${size}`);
  return { inner, outer };
}

/** Terms that number repeated fragments by register, the last axis fastest; returns how many fragments there are. */
function repeat(terms: Term[], sides: readonly Side[], regs: number): number {
  let count = 1;
  for (const { axis, extent, stride } of sides.flatMap((s) => s.outer).reverse()) {
    if (extent > 1) terms.push({ from: REG, div: regs * count, size: extent, to: axis, stride });
    count *= extent;
  }
  return count;
}

function anchorContract(editor: ProgramEditor, op: Contract, layouts: Map<string, Layout>, distance: number): void {
  const row = findRow(op.row ?? "") ?? internal(`no matrix row ${op.row}`);
  const reduced = op.over[0]!;
  const a = editor.tensor(op.a.tensor);
  const b = editor.tensor(op.b.tensor);
  const d = editor.tensor(op.to.tensor);
  const sides = { m: sideOf(a, reduced, row.m), n: sideOf(b, reduced, row.n) };
  const place = (tensor: Tensor, layout: Layout, regs: number, along: readonly Side[], steps: number): void => {
    if (layout.kind !== "strided") internal(`${row.id} hides its layout`);
    const elems = layout.from[ELEM] ?? 1;
    const terms = layout.terms.flatMap((t) =>
      t.to === "m"
        ? spread(t, sides.m.inner)
        : t.to === "n"
          ? spread(t, sides.n.inner)
          : [inOrder(t, elems, steps, reduced, distance)],
    );
    terms.push(...stepTerms(regs, elems, steps, reduced, distance));
    const count = steps * repeat(terms, along, regs * steps);
    const from = { [LANE]: layout.from[LANE]!, [REG]: regs * count, [ELEM]: elems };
    layouts.set(tensor.id, { kind: "strided", from, to: extentsOf(tensor), terms });
  };
  const steps = a.shape[a.axes.indexOf(reduced)]! / row.k;
  place(a, row.a.layout, row.a.regs, [sides.m], steps);
  place(b, row.b.layout, row.b.regs, [sides.n], steps);
  place(d, row.d.layout, row.d.regs, [sides.m, sides.n], 1);
}

/**
 * The order of the reduced axis is free as long as both operands agree. With several instructions a step, the words that
 * one lane gives to consecutive instructions are made neighbours in memory, so that it loads them as one vector. Within
 * what a lane owns, the elements of a register are `distance` values apart.
 */
function inOrder(term: Term, elems: number, steps: number, axis: string, distance: number): Term {
  return { ...term, to: axis, stride: term.stride >= elems ? term.stride * steps : term.stride * distance };
}

/** Which values of the reduced axis a lane gives to consecutive instructions: all that its registers' elements skip. */
function stepTerms(regs: number, elems: number, steps: number, axis: string, distance: number): readonly Term[] {
  const between = Math.min(distance, steps);
  const terms: readonly Term[] = [
    { from: REG, div: regs, size: between, to: axis, stride: 1 },
    { from: REG, div: regs * between, size: steps / between, to: axis, stride: elems * between },
  ];
  return terms.filter((t) => t.size > 1);
}

/** A term as two, where it reaches past a power of two `at` that it starts below. */
function cutAt(term: Term, at: number): readonly Term[] {
  if (term.stride >= at || term.stride * term.size <= at) return [term];
  const size = at / term.stride;
  return [
    { ...term, size },
    { ...term, div: term.div * size, size: term.size / size, stride: at },
  ];
}

/**
 * The layout that leaves every element of `tensor` in the lane that holds the matching element of `from`, whose axes are
 * matched by `axes`. With `packed` above 1, that many consecutive elements along the last axis share a register.
 */
function project(
  from: Strided,
  axes: ReadonlyMap<string, string>,
  tensor: Tensor,
  packed: number,
): Strided | undefined {
  const covered = new Map<string, number>();
  const terms: Term[] = [];
  const last = tensor.axes.at(-1);
  const sizes = { elem: 1, reg: 1 };
  const isLast = (t: Term): boolean => axes.get(t.to) === last;
  const owned = from.terms.filter((t) => t.from !== LANE).flatMap((t) => (isLast(t) ? cutAt(t, packed) : [t]));
  // Along the last axis first, its finest digits foremost: those fill registers.
  const digits = owned.sort((s, t) => Number(isLast(t)) - Number(isLast(s)) || s.stride - t.stride);
  const ordered = [...digits, ...from.terms.filter((t) => t.from === LANE)];
  for (const term of ordered) {
    const to = axes.get(term.to);
    if (to === undefined || !tensor.axes.includes(to)) continue;
    covered.set(to, (covered.get(to) ?? 1) * term.size);
    if (term.from === LANE) {
      terms.push({ ...term, to });
      continue;
    }
    const inside = to === last && term.stride * term.size <= packed && term.stride < packed;
    const place = inside ? ELEM : REG;
    const key = inside ? "elem" : "reg";
    terms.push({ from: place, div: sizes[key], size: term.size, to, stride: term.stride });
    sizes[key] *= term.size;
  }
  const full = tensor.axes.every((a, i) => (covered.get(a) ?? 1) === tensor.shape[i]);
  if (!full || sizes.elem !== packed) return undefined;
  const extents = { [LANE]: from.from[LANE]!, [REG]: sizes.reg, [ELEM]: packed };
  return { kind: "strided", from: extents, to: extentsOf(tensor), terms };
}

/** Axes of a region's tensor by the name of the op's axis that indexes them. */
function axesOf(editor: ProgramEditor, region: Region): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  editor.tensor(region.tensor).axes.forEach((axis, i) => {
    const name = plainSymbol(editor.build, region.index[i]!);
    if (name !== undefined) found.set(axis, name);
  });
  return found;
}

/** A result follows the first input whose elements cover it; through shared memory, what was stored there. */
function follow(
  editor: ProgramEditor,
  op: TileOp,
  layouts: ReadonlyMap<string, Layout>,
  stores: ReadonlyMap<string, Copy>,
): Layout | undefined {
  if (op.kind !== "map") return undefined;
  const tensor = editor.tensor(op.to.tensor);
  for (const region of op.inputs) {
    const layout = layouts.get(stores.get(region.tensor)?.from.tensor ?? region.tensor);
    if (region.tensor === tensor.id || layout?.kind !== "strided") continue;
    const made = project(layout, axesOf(editor, region), tensor, 1);
    if (made !== undefined) return made;
  }
  return undefined;
}

/** A tile that only feeds a map lies as the map's result does, so that no element has to change lanes. */
function precede(
  editor: ProgramEditor,
  op: TileOp,
  layouts: Map<string, Layout>,
  loads: ReadonlyMap<string, Copy>,
): void {
  if (op.kind !== "map") return;
  const layout = layouts.get(op.to.tensor);
  if (layout?.kind !== "strided") return;
  const result = axesOf(editor, op.to);
  for (const region of op.inputs) {
    const tensor = editor.tensor(region.tensor);
    if (tensor.place !== "register" || layouts.has(tensor.id)) continue;
    const named = new Map([...axesOf(editor, region)].map(([axis, name]) => [name, axis]));
    const axes = new Map(
      [...result].flatMap(([axis, name]) => (named.has(name) ? [[axis, named.get(name)!] as const] : [])),
    );
    const load = loads.get(tensor.id);
    const packed = packing(editor, tensor, load);
    const made = project(layout, axes, tensor, packed) ?? project(layout, axes, tensor, 1);
    if (made !== undefined) layouts.set(tensor.id, made);
  }
}

/** Forced by matrix rows first, then what they touch in both directions, then defaults in program order. */
function run(program: Program, context: PassContext): Program {
  const { target } = context;
  const editor = new ProgramEditor(program);
  const layouts = new Map<string, Layout>();
  const loads = new Map<string, Copy>();
  const stores = new Map<string, Copy>();
  forEachOp(program.body, (op) => {
    if (op.kind === "quantize") internal("anchor-layouts expects expanded formats");
    if (op.kind === "contract" && op.by === "mma") {
      const distance = pairDistance(program, op);
      anchorContract(editor, op, layouts, distance);
      const tiles = [op.a, op.b, op.to].map((r) => r.tensor).join(", ");
      applied(context, "row-layout", op.span, `${tiles} lie in the registers that ${op.row} names`);
      if (distance > 1)
        applied(context, "pairs", op.span, `values ${distance} apart share a register: their codes decode together`);
    }
    if (op.kind === "copy" && editor.tensor(op.from.tensor).place === "global") loads.set(op.to.tensor, op);
    if (op.kind === "copy" && editor.tensor(op.to.tensor).place === "shared") stores.set(op.to.tensor, op);
  });
  const isOpen = (id: string): boolean => editor.tensor(id).place === "register" && !layouts.has(id);
  const forced = layouts.size > 0;
  if (forced) {
    forEachOp(program.body, (op) => {
      if (op.kind === "map" && isOpen(op.to.tensor)) {
        const made = follow(editor, op, layouts, stores);
        if (made === undefined) return;
        layouts.set(op.to.tensor, made);
        applied(context, "follow", op.span, `${op.to.tensor} stays in the lanes that hold what it is computed from`);
      }
    });
    forEachOp(program.body, (op) => precede(editor, op, layouts, loads));
  }
  forEachOp(program.body, (op) => {
    if (op.kind === "quantize" || op.kind === "fill" || !isOpen(op.to.tensor)) return;
    const tensor = editor.tensor(op.to.tensor);
    const made = follow(editor, op, layouts, stores);
    const [rule, why] =
      made === undefined
        ? ["lane-axis", "its lane axis is on the lanes, the rest in registers"]
        : ["follow", "it stays in the lanes that hold what it is computed from"];
    applied(context, rule!, op.span, `${tensor.id}: ${why}`);
    layouts.set(tensor.id, made ?? defaultLayout(tensor, packing(editor, tensor, loads.get(tensor.id)), target.lanes));
  });
  for (const [id, layout] of layouts) editor.tensors.set(id, { ...editor.tensor(id), layout });
  return editor.done(program.body);
}

export const anchorLayouts: Pass<Program> = {
  name: "anchor-layouts",
  about: "every register tensor has a layout; matrix operands have their row's",
  run,
};
