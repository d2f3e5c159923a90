/** What each tile op does, compiled once for its place in the program and run once per visit. */
import { internal } from "../diagnostics.ts";
import type { ExprId, Table } from "../expr.ts";
import type { Format } from "../format.ts";
import type { Program, Region, Tensor, TileOp } from "../program.ts";
import { bitsOf, isFloat, isInt, rangeOf, type Scalar } from "../scalar.ts";
import { compileExpr, compileExprs, type ExprEnv, type Thunk } from "./expr.ts";
import { type Cursor, type Instance, makeCursor, readAt, stridesOf, type WalkAxis, walk, writeAt } from "./region.ts";
import { type Arithmetic, castFn, evalFault, type Fn2, roundQuotient, settle } from "./scalar.ts";

/** How an op reaches a tensor: ring tensors answer with the instance that the role holds for it. */
export type Use = "read" | "write";

/** What surrounds an op: the names in scope and the memory. */
export interface OpScope {
  readonly program: Program;
  readonly arithmetic: Arithmetic;
  /** Real arithmetic: explicit casts that end in an output tensor round. */
  readonly roundOutputs: boolean;
  /** Values of the symbols, by cell. */
  readonly cells: number[];
  readonly names: ReadonlyMap<string, number>;
  newCell(): number;
  tensor(id: string): Tensor;
  pick(tensor: Tensor, use: Use): () => Instance;
}

type OpOf<K extends TileOp["kind"]> = Extract<TileOp, { readonly kind: K }>;

interface OpContext extends OpScope {
  readonly axes: readonly WalkAxis[];
  readonly env: ExprEnv;
  /** `input`: the inputs before it, for a region whose index reads them. */
  cursor(region: Region, use: Use, input?: ExprEnv["input"]): Cursor;
}

/** Compiles an op; the result carries it out with the current values of the enclosing loops. */
export function compileOp(op: TileOp, scope: OpScope): () => void {
  const context = openDomain(op, scope);
  switch (op.kind) {
    case "fill":
      return compileMap({ ...op, kind: "map", inputs: [], over: [] }, context);
    case "copy":
      return compileCopy(op, context);
    case "decode":
      return compileDecode(op, context);
    case "contract":
      return compileContract(op, context);
    case "map":
      return compileMap(op, context);
    case "quantize":
      return compileQuantize(op, context);
  }
}

function openDomain(op: TileOp, scope: OpScope): OpContext {
  const axes = op.domain.map((dim) => ({ ...dim, cell: scope.newCell() }));
  const names = new Map(scope.names);
  for (const axis of axes) names.set(axis.axis, axis.cell);
  const env = environment(scope, names, scope.program.tables);
  return {
    ...scope,
    names,
    axes,
    env,
    cursor: (region, use, input) => {
      const tensor = scope.tensor(region.tensor);
      const names = input === undefined ? env : { ...env, input };
      return makeCursor(scope.program.exprs, region, tensor, axes, scope.cells, names, scope.pick(tensor, use));
    },
  };
}

/** The leaves of expressions: cells by name, tables by name. */
export function environment(
  scope: Pick<OpScope, "arithmetic" | "cells">,
  names: ReadonlyMap<string, number>,
  tables: readonly Table[],
): ExprEnv {
  return {
    arithmetic: scope.arithmetic,
    symbol: (name) => {
      const cell = names.get(name);
      return cell === undefined ? undefined : () => scope.cells[cell]!;
    },
    table: (name) => tables.find((table) => table.name === name),
  };
}

/** The type that reading or writing through a region has. */
export function regionType(region: Region, tensor: Tensor): Scalar {
  return region.bit === undefined ? tensor.type : "u1";
}

const allOf = (axes: readonly WalkAxis[]): readonly number[] => axes.map((_, position) => position);

/** Domain positions: those that index the result, then the reduced ones. */
function splitAxes(axes: readonly WalkAxis[], over: readonly string[]): readonly [number[], number[]] {
  const all = allOf(axes);
  return [all.filter((p) => !over.includes(axes[p]!.axis)), all.filter((p) => over.includes(axes[p]!.axis))];
}

const volume = (axes: readonly WalkAxis[], positions: readonly number[]): number =>
  positions.reduce((size, p) => size * axes[p]!.extent, 1);

function compileCopy(op: OpOf<"copy">, { axes, cells, cursor }: OpContext): () => void {
  const from = cursor(op.from, "read");
  const to = cursor(op.to, "write");
  return () => {
    from.bind();
    to.bind();
    walk(axes, allOf(axes), cells, [from, to], () => writeAt(to, readAt(from)));
  };
}

/** In real arithmetic a value rounds only where its root is a cast that ends in an output tensor, or in a stored scale. */
function roundsAt(context: OpContext, to: Region, root: ExprId): (id: ExprId) => boolean {
  const { role, type, origin } = context.tensor(to.tensor);
  const stored = role === "workspace" && origin !== undefined && isFloat(type) && bitsOf(type) < 32;
  return (id) => id === root && (stored || (context.roundOutputs && role === "output"));
}

function compileMap(op: OpOf<"map">, context: OpContext): () => void {
  const { axes, cells, program, arithmetic } = context;
  const held = new Float64Array(op.inputs.length);
  const input = (index: number): (() => number) | undefined => (index < held.length ? () => held[index]! : undefined);
  const inputs = op.inputs.map((region) => context.cursor(region, "read", input));
  const to = context.cursor(op.to, "write");
  const value = compileExpr(program.exprs, op.value, {
    ...context.env,
    input,
    rounds: roundsAt(context, op.to, op.value),
  });
  const [free, over] = splitAxes(axes, op.over);
  const type = program.exprs.exprs[op.value]!.type;
  const join = over.length === 0 ? undefined : reduction(op, type, arithmetic);
  const count = volume(axes, over);
  const walked = [...inputs.filter((cursor) => !cursor.gathers), to];
  return () => {
    for (const cursor of [...inputs, to]) cursor.bind();
    let [n, sum] = [0, 0];
    walk(axes, [...free, ...over], cells, walked, () => {
      for (let i = 0; i < inputs.length; i++) {
        const cursor = inputs[i]!;
        // Where it lies is known only now: its index reads the inputs before it.
        if (cursor.gathers) cursor.at = cursor.locate();
        held[i] = readAt(cursor);
      }
      sum = n === 0 ? value() : join!(sum, value());
      n = n + 1 === count ? 0 : n + 1;
      if (n === 0) writeAt(to, sum);
    });
  };
}

function reduction(op: OpOf<"map">, type: Scalar, arithmetic: Arithmetic): Fn2 {
  const put = settle(type, arithmetic);
  if (op.reduce === "max") return Math.max;
  return op.reduce === "sum"
    ? (a, b) => put(a + b)
    : evalFault(`map over ${op.over} into ${op.to.tensor} says no reduction`);
}

/** The row-major box of the operand over the domain axes it depends on; strides are 0 for the others. */
interface Dense {
  readonly data: Float64Array;
  readonly strides: readonly number[];
  gather(): void;
}

function dense(cursor: Cursor, { axes, cells }: OpContext): Dense {
  const order = allOf(axes).filter((position) => cursor.uses[position]);
  const data = new Float64Array(volume(axes, order));
  const inner = stridesOf(order.map((position) => axes[position]!.extent));
  const strides = axes.map((_, position) => (cursor.uses[position] ? inner[order.indexOf(position)]! : 0));
  let n = 0;
  const take = (): void => {
    data[n++] = readAt(cursor);
  };
  return {
    data,
    strides,
    gather: () => {
      n = 0;
      cursor.bind();
      walk(axes, order, cells, [cursor], take);
    },
  };
}

/** acc + Σ a[ia + i·sa] · b[ib + i·sb] for i < n. */
type DotRow = (
  acc: number, a: Float64Array, ia: number, sa: number, b: Float64Array, ib: number, sb: number, n: number,
) => number; // biome-ignore format: one line reads best

const dotReal: DotRow = (acc, a, ia, sa, b, ib, sb, n) => {
  let sum = acc;
  for (let i = 0, p = ia, q = ib; i < n; i++, p += sa, q += sb) sum += a[p]! * b[q]!;
  return sum;
};

const dotF32: DotRow = (acc, a, ia, sa, b, ib, sb, n) => {
  let sum = acc;
  for (let i = 0, p = ia, q = ib; i < n; i++, p += sa, q += sb) sum = Math.fround(sum + a[p]! * b[q]!);
  return sum;
};

/** Products of at most 2^52 added to a 32-bit sum stay exact doubles; wrapping each sum is exact modulo 2^32. */
function dotSettled(type: Scalar): DotRow {
  const put = settle(type, "typed");
  return (acc, a, ia, sa, b, ib, sb, n) => {
    let sum = acc;
    for (let i = 0, p = ia, q = ib; i < n; i++, p += sa, q += sb) sum = put(sum + a[p]! * b[q]!);
    return sum;
  };
}

function dotWide(type: Scalar): DotRow {
  const put = settle(type, "typed");
  return (acc, a, ia, sa, b, ib, sb, n) => {
    let sum = acc;
    for (let i = 0, p = ia, q = ib; i < n; i++, p += sa, q += sb) sum = put(sum + Math.imul(a[p]!, b[q]!));
    return sum;
  };
}

function dotRowFor(to: Scalar, a: Scalar, b: Scalar, arithmetic: Arithmetic): DotRow {
  if (isFloat(to)) {
    if (arithmetic === "real" || to === "f64") return dotReal;
    return to === "f32" ? dotF32 : dotSettled(to);
  }
  return bitsOf(a) + bitsOf(b) > 52 ? dotWide(to) : dotSettled(to);
}

function compileContract(op: OpOf<"contract">, context: OpContext): () => void {
  const { axes, cells, arithmetic } = context;
  const typeOf = (region: Region): Scalar => regionType(region, context.tensor(region.tensor));
  const a = dense(context.cursor(op.a, "read"), context);
  const b = dense(context.cursor(op.b, "read"), context);
  const to = context.cursor(op.to, "write");
  const [free, over] = splitAxes(axes, op.over);
  const row = dotRowFor(typeOf(op.to), typeOf(op.a), typeOf(op.b), arithmetic);
  const last = over.at(-1);
  const [count, sa, sb] = last === undefined ? [1, 0, 0] : [axes[last]!.extent, a.strides[last]!, b.strides[last]!];
  const outer = over.slice(0, -1).map((p) => ({ extent: axes[p]!.extent, a: a.strides[p]!, b: b.strides[p]! }));
  const sum = (acc: number, level: number, ia: number, ib: number): number => {
    const axis = outer[level];
    if (axis === undefined) return row(acc, a.data, ia, sa, b.data, ib, sb, count);
    let total = acc;
    for (let v = 0; v < axis.extent; v++) total = sum(total, level + 1, ia + v * axis.a, ib + v * axis.b);
    return total;
  };
  const accumulate = (): void => {
    let [ia, ib] = [0, 0];
    for (const position of free) {
      const v = cells[axes[position]!.cell]!;
      ia += v * a.strides[position]!;
      ib += v * b.strides[position]!;
    }
    if (to.at >= 0) writeAt(to, sum(readAt(to), 0, ia, ib));
  };
  return () => {
    a.gather();
    b.gather();
    to.bind();
    walk(axes, free, cells, [to], accumulate);
  };
}

export function formatOf(program: Program, name: string): Format {
  return program.formats.find((format) => format.name === name) ?? evalFault(`no format ${name}`);
}

function compileDecode(op: OpOf<"decode">, context: OpContext): () => void {
  const { axes, cells, program } = context;
  const format = formatOf(program, op.format);
  const i = context.newCell();
  const env = environment(context, new Map([["i", i]]), [...format.tables, ...program.tables]);
  const fields = op.fields.map((region) => context.cursor(region, "read"));
  const to = context.cursor(op.to, "write");
  const at = compileExpr(program.exprs, op.at, context.env);
  const uses: Thunk[] = [];
  for (const use of format.uses) {
    const index = compileExpr(format.exprs, use.index, { ...env, input: (n) => uses[n] });
    uses.push(fieldUse(format, fields, use.field, index, () => cells[i]!));
  }
  const value = compileExprs(format.exprs, [format.value], {
    ...env,
    input: (index) => uses[index],
  });
  const slot = value.slots[0]!;
  const put = castFn(format.exprs.exprs[format.value]!.type, to.tensor.type, context.arithmetic);
  const cursors = [...fields, to];
  return () => {
    for (const cursor of cursors) cursor.bind();
    walk(axes, allOf(axes), cells, cursors, () => {
      if (to.at < 0) return;
      cells[i] = at() % format.block;
      value.run();
      writeAt(to, put(value.values[slot]!));
    });
  };
}

/**
 * Reads one use of a field. Of a field with one element for every value of the block, the region of `decode` is element
 * i; of another field with several elements, it is the first one. Other elements lie along the region's last axis.
 */
function fieldUse(format: Format, cursors: readonly Cursor[], name: string, index: Thunk, i: Thunk): Thunk {
  const n = format.fields.findIndex((field) => field.name === name);
  const field = format.fields[n] ?? evalFault(`format ${format.name} has no field ${name}`);
  const cursor = cursors[n] ?? evalFault(`decode of ${format.name} gives no region for ${name}`);
  if (field.count === 1) return () => readAt(cursor);
  const perValue = field.scope === "block" && field.count === format.block;
  const last = cursor.tensor.shape.at(-1) ?? 1;
  return () => {
    const wanted = index();
    if (wanted < 0 || wanted >= field.count) evalFault(`${format.name}.${name}[${wanted}] of ${field.count} elements`);
    const shift = perValue ? wanted - i() : wanted;
    if (shift === 0 || cursor.at < 0) return readAt(cursor);
    const here = cursor.at;
    const along = (here % last) + shift;
    if (along < 0 || along >= last) evalFault(`${format.name}.${name}[${wanted}] lies outside ${cursor.tensor.id}`);
    cursor.at = here + shift;
    const value = readAt(cursor);
    cursor.at = here;
    return value;
  };
}

/** Values that share a scale, by the scope of the scale's field: groups of consecutive values of the walk. */
function groupsOf(format: Format, scale: string, rows: number, extent: number): (n: number) => number {
  const scope = format.fields.find((field) => field.name === scale)?.scope;
  switch (scope) {
    case "tensor":
      return () => 0;
    case "row":
      return (n) => Math.floor(n / extent);
    case "block": {
      const blocks = Math.ceil(extent / format.block);
      return (n) => Math.floor(n / extent) * blocks + Math.floor((n % extent) / format.block);
    }
    default:
      return evalFault(`format ${format.name} has no field ${scale} (${rows} rows)`);
  }
}

function compileQuantize(op: OpOf<"quantize">, context: OpContext): () => void {
  const { axes, cells, arithmetic } = context;
  const format = formatOf(context.program, op.format);
  const encoder = format.encoder ?? evalFault(`format ${op.format} has no encoder`);
  const from = context.cursor(op.from, "read");
  const to = op.to.map((region) => context.cursor(region, "write"));
  const target = (name: string): Cursor =>
    to[format.fields.findIndex((field) => field.name === name)] ?? evalFault(`${op.format} has no field ${name}`);
  if (format.fields.length !== 2)
    evalFault(`absmax fills a scale and a code, ${op.format} has ${format.fields.length} fields`);
  const [scale, code] = [target(encoder.scale), target(encoder.code)];
  const codeType = code.tensor.type;
  const top = isInt(codeType) ? rangeOf(codeType)[1] : internal(`absmax codes of type ${codeType}`);
  const [free, over] = splitAxes(axes, [op.over]);
  const order = [...free, ...over];
  const values = new Float64Array(volume(axes, order));
  const group = groupsOf(format, encoder.scale, volume(axes, free), volume(axes, over));
  const largest = new Float64Array(group(values.length - 1) + 1);
  const compute = settle(context.tensor(op.from.tensor).type === "f64" ? "f64" : "f32", arithmetic);
  // A scale narrower than f32 is part of what the format says: it is rounded in real arithmetic too.
  const stored = settle(scale.tensor.type, bitsOf(scale.tensor.type) < 32 ? "typed" : arithmetic);
  let n = 0;
  const measure = (): void => {
    const value = readAt(from);
    values[n] = value;
    const g = group(n++);
    largest[g] = Math.max(largest[g]!, Math.abs(value));
  };
  const encode = (): void => {
    const max = largest[group(n)]!;
    writeAt(code, roundQuotient(compute(values[n]! * top), max === 0 ? 1 : max));
    writeAt(scale, stored(compute(max / top)));
    n++;
  };
  return () => {
    for (const cursor of [from, ...to]) cursor.bind();
    n = 0;
    largest.fill(0);
    walk(axes, order, cells, [from], measure);
    n = 0;
    walk(axes, order, cells, [scale, code], encode);
  };
}
