/**
 * anchor-layouts: every register tensor has a layout. Matrix operands are forced by their row, results follow what they
 * are computed from, everything else lies with its lane axis on the lanes and the rest in registers.
 */
import { internal } from "../../ir/diagnostics.ts";
import { ELEM, type Extents, LANE, type Layout, REG, type Term } from "../../ir/layout.ts";
import type { Program, Region, Tensor, TileOp } from "../../ir/program.ts";
import { findRow } from "../../ir/row-catalogue.ts";
import { bitsOf } from "../../ir/scalar.ts";
import { forEachOp, ProgramEditor, plainSymbol } from "../edit.ts";
import type { Pass, PassContext } from "../pass.ts";
import { isLaneAxis } from "../tile/plan.ts";

type Strided = Extract<Layout, { kind: "strided" }>;
type Contract = Extract<TileOp, { kind: "contract" }>;

function extentsOf(tensor: Tensor): Extents {
  return Object.fromEntries(tensor.axes.map((a, i) => [a, tensor.shape[i]!]));
}

/** Elements that share a register: what a copy from memory brings, when whole registers come out. */
function packing(tensor: Tensor, loaded: boolean): number {
  const bits = bitsOf(tensor.type);
  const last = tensor.axes.at(-1);
  if (!loaded || last === undefined || isLaneAxis(last) || bits >= 32 || 32 % bits !== 0) return 1;
  return tensor.shape.at(-1)! % (32 / bits) === 0 ? 32 / bits : 1;
}

function defaultLayout(tensor: Tensor, loaded: boolean, lanes: number): Strided {
  const packed = packing(tensor, loaded);
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

interface Side {
  /** Axes that the fragment covers, outermost first. */
  readonly inner: readonly { readonly axis: string; readonly extent: number }[];
  /** Axes over which fragments repeat, outermost first. */
  readonly outer: readonly { readonly axis: string; readonly extent: number }[];
}

function sideOf(tensor: Tensor, reduced: string, size: number): Side {
  const free = tensor.axes.map((axis, i) => ({ axis, extent: tensor.shape[i]! })).filter((a) => a.axis !== reduced);
  let product = 1;
  let cut = free.length;
  while (product < size && cut > 0) product *= free[--cut]!.extent;
  if (product !== size) internal(`tile of ${tensor.id} does not fill a matrix row: ${product} of ${size}`);
  return { inner: free.slice(cut), outer: free.slice(0, cut) };
}

/** Terms that number repeated fragments by register, the last axis fastest; returns how many fragments there are. */
function repeat(terms: Term[], sides: readonly Side[], regs: number): number {
  let count = 1;
  for (const { axis, extent } of sides.flatMap((s) => s.outer).reverse()) {
    if (extent > 1) terms.push({ from: REG, div: regs * count, size: extent, to: axis, stride: 1 });
    count *= extent;
  }
  return count;
}

function anchorContract(editor: ProgramEditor, op: Contract, layouts: Map<string, Layout>): void {
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
          : [inOrder(t, elems, steps, reduced)],
    );
    if (steps > 1) terms.push({ from: REG, div: regs, size: steps, to: reduced, stride: elems });
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
 * one lane gives to consecutive instructions are made neighbours in memory, so that it loads them as one vector.
 */
function inOrder(term: Term, elems: number, steps: number, axis: string): Term {
  return { ...term, to: axis, stride: term.stride >= elems ? term.stride * steps : term.stride };
}

/** The layout that leaves every element of a result in the lane that holds what it is computed from. */
function project(from: Strided, axes: ReadonlyMap<string, string>, tensor: Tensor): Strided | undefined {
  const terms: Term[] = [];
  let regs = 1;
  const covered = new Map<string, number>();
  const ordered = [...from.terms].sort((s, t) =>
    s.from === t.from ? s.div - t.div : s.from === ELEM ? -1 : t.from === ELEM ? 1 : 0,
  );
  for (const term of ordered) {
    const to = axes.get(term.to);
    if (to === undefined || !tensor.axes.includes(to)) continue;
    covered.set(to, (covered.get(to) ?? 1) * term.size);
    if (term.from === LANE) {
      terms.push({ ...term, to });
      continue;
    }
    terms.push({ from: REG, div: regs, size: term.size, to, stride: term.stride });
    regs *= term.size;
  }
  const full = tensor.axes.every((a, i) => (covered.get(a) ?? 1) === tensor.shape[i]);
  const to = extentsOf(tensor);
  return full ? { kind: "strided", from: { [LANE]: from.from[LANE]!, [REG]: regs, [ELEM]: 1 }, to, terms } : undefined;
}

function follow(
  editor: ProgramEditor,
  op: TileOp,
  inputs: readonly Region[],
  layouts: Map<string, Layout>,
): Layout | undefined {
  if (op.kind !== "map") return undefined;
  const tensor = editor.tensor(op.to.tensor);
  for (const region of inputs) {
    const layout = layouts.get(region.tensor);
    if (layout?.kind !== "strided") continue;
    const source = editor.tensor(region.tensor);
    const axes = new Map<string, string>();
    source.axes.forEach((axis, i) => {
      const name = plainSymbol(editor.build, region.index[i]!);
      if (name !== undefined) axes.set(axis, name);
    });
    const made = project(layout, axes, tensor);
    if (made !== undefined) return made;
  }
  return undefined;
}

function run(program: Program, { target }: PassContext): Program {
  const editor = new ProgramEditor(program);
  const layouts = new Map<string, Layout>();
  const loaded = new Set<string>();
  forEachOp(program.body, (op) => {
    if (op.kind === "contract" && op.by === "mma") anchorContract(editor, op, layouts);
    if (op.kind === "copy" && editor.tensor(op.from.tensor).place === "global") loaded.add(op.to.tensor);
  });
  forEachOp(program.body, (op) => {
    if (op.kind === "quantize") internal("anchor-layouts expects expanded formats");
    const tensor = editor.tensor(op.to.tensor);
    if (tensor.place !== "register" || layouts.has(tensor.id) || op.kind === "fill") return;
    const inputs = op.kind === "map" ? op.inputs.filter((r) => r.tensor !== tensor.id) : [];
    layouts.set(
      tensor.id,
      follow(editor, op, inputs, layouts) ?? defaultLayout(tensor, loaded.has(tensor.id), target.lanes),
    );
  });
  for (const [id, layout] of layouts) editor.tensors.set(id, { ...editor.tensor(id), layout });
  return editor.done(program.body);
}

export const anchorLayouts: Pass<Program> = {
  name: "anchor-layouts",
  about: "every register tensor has a layout; matrix operands have their row's",
  run,
};
