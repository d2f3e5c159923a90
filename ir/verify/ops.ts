/** What is wrong with one tile op: regions, domain, and the types that its meaning needs. */
import type { ExprId } from "../expr.ts";
import type { Region, Tensor, TileOp } from "../program.ts";
import { reads, writes } from "../program.ts";
import { isFloat, isInt, type Scalar } from "../scalar.ts";
import { type Verifying, verifySymbols } from "./context.ts";
import { type Bounds, boundsOf, namesIn } from "./expr.ts";

type OpOf<K extends TileOp["kind"]> = Extract<TileOp, { readonly kind: K }>;

export function verifyOp(outer: Verifying, op: TileOp): void {
  const v = verifyDomain(outer, op);
  // Only a map's inputs read other tensors to find their place, and only those before them.
  const earlier = (n: number): number => (op.kind === "map" ? n : 0);
  if (!reads(op).every((region, n) => verifyRegion(v, region, earlier(n)))) return;
  if (!writes(op).every((region) => verifyRegion(v, region, 0))) return;
  for (const region of writes(op)) {
    if (v.tensors.get(region.tensor)?.role === "input") v.report(`it writes input ${region.tensor}`);
    if (region.bit !== undefined) v.report(`it writes a bit of ${region.tensor}`);
  }
  switch (op.kind) {
    case "fill":
      verifyValue(v, op.value, op.to, []);
      return;
    case "copy":
      verifyTypes(v, "copies", typeOf(v, op.from), typeOf(v, op.to));
      return;
    case "decode":
      verifyDecode(v, op);
      return;
    case "contract":
      verifyContract(v, op);
      return;
    case "map":
      verifyMap(v, op);
      return;
    case "quantize":
      verifyQuantize(v, op);
      return;
  }
}

/** The scope inside the op: its domain's axes beside the loops. */
function verifyDomain(v: Verifying, op: TileOp): Verifying {
  const names = new Map(v.names);
  const seen = new Set<string>();
  for (const { axis, extent } of op.domain) {
    if (seen.has(axis)) v.report(`axis ${axis} occurs twice in its domain`);
    else if (names.has(axis)) v.report(`axis ${axis} has the name of an enclosing loop`);
    if (!(Number.isInteger(extent) && extent > 0)) v.report(`axis ${axis} has ${extent} points`);
    seen.add(axis);
    names.set(axis, { low: 0, high: extent - 1, exact: true });
  }
  return { ...v, names };
}

/** False where the region cannot be looked at any further. `inputs`: how many inputs its index may read. */
function verifyRegion(v: Verifying, region: Region, inputs: number): boolean {
  const tensor = v.tensors.get(region.tensor);
  if (tensor === undefined) {
    v.report(`there is no tensor ${region.tensor}`);
    return false;
  }
  if (region.index.length !== tensor.axes.length) {
    v.report(`${tensor.id} has ${tensor.axes.length} axes, its region ${region.index.length} indices`);
    return false;
  }
  const roots = region.bit === undefined ? region.index : [...region.index, region.bit];
  if (roots.some((id) => v.program.exprs.exprs[id] === undefined)) {
    v.report(`an index of ${tensor.id} is missing`);
    return false;
  }
  for (const id of roots) {
    verifySymbols(v, id, inputs);
    const type = v.program.exprs.exprs[id]!.type;
    if (type !== "i32") v.report(`an index of ${tensor.id} is ${type}, not i32`);
  }
  if (region.bit !== undefined && !isInt(tensor.type)) v.report(`${tensor.id} is ${tensor.type} and has no bits`);
  if (region.tail === "exact") for (const [axis, id] of region.index.entries()) verifyBounds(v, tensor, axis, id);
  return true;
}

function verifyBounds(v: Verifying, tensor: Tensor, axis: number, index: ExprId): void {
  const bounds = boundsOf(v.program.exprs, index, (name): Bounds | undefined => v.names.get(name));
  if (bounds === undefined) return;
  const extent = tensor.shape[axis]!;
  const reached = bounds.exact && !v.guarded && (bounds.low < 0 || bounds.high >= extent);
  const never = bounds.high < 0 || bounds.low >= extent;
  if (!reached && !never) return;
  v.report(
    `index ${bounds.low}..${bounds.high} of ${tensor.id} leaves axis ${tensor.axes[axis]} 0..${extent - 1}, and its tail is exact`,
  );
}

function typeOf(v: Verifying, region: Region): Scalar {
  return region.bit === undefined ? v.tensors.get(region.tensor)!.type : "u1";
}

function verifyTypes(v: Verifying, what: string, from: Scalar, to: Scalar): void {
  if (from !== to) v.report(`it ${what} ${from} into ${to}`);
}

function verifyValue(v: Verifying, value: ExprId, to: Region, inputs: readonly Region[]): void {
  const { exprs } = v.program;
  const root = exprs.exprs[value];
  if (root === undefined) {
    v.report("its value is missing");
    return;
  }
  verifySymbols(v, value, inputs.length);
  verifyTypes(v, "writes", root.type, typeOf(v, to));
  for (const { index, type } of inputsIn(v, value)) {
    const region = inputs[index];
    if (region !== undefined && typeOf(v, region) !== type)
      v.report(`it reads ${region.tensor} as ${type}, not ${typeOf(v, region)}`);
  }
}

function inputsIn(v: Verifying, root: ExprId): readonly { readonly index: number; readonly type: Scalar }[] {
  const found: { readonly index: number; readonly type: Scalar }[] = [];
  const seen = new Set<ExprId>();
  const visit = (id: ExprId): void => {
    if (seen.has(id)) return;
    seen.add(id);
    const expr = v.program.exprs.exprs[id]!;
    if (expr.kind === "input") found.push(expr);
    if (expr.kind === "op") expr.args.forEach(visit);
    if (expr.kind === "cast" || expr.kind === "bits") visit(expr.of);
    if (expr.kind === "table") visit(expr.index);
  };
  visit(root);
  return found;
}

/** Reduced axes are axes of the domain, and the result does not depend on them. */
function verifyOver(v: Verifying, op: TileOp, over: readonly string[], to: readonly Region[]): void {
  for (const axis of over)
    if (!op.domain.some((dim) => dim.axis === axis))
      v.report(`it reduces over ${axis}, which is no axis of its domain`);
  for (const region of to)
    for (const id of region.index) {
      const names = namesIn(v.program.exprs, id);
      const moved = over.find((axis) => names.has(axis));
      if (moved !== undefined) v.report(`${region.tensor} is indexed by ${moved}, over which it reduces`);
    }
}

function verifyMap(v: Verifying, op: OpOf<"map">): void {
  verifyValue(v, op.value, op.to, op.inputs);
  verifyOver(v, op, op.over, [op.to]);
  if (op.over.length > 0 !== (op.reduce !== undefined))
    v.report(
      op.reduce === undefined
        ? `over ${op.over.join(", ")} it says no reduction`
        : `it reduces by ${op.reduce} over nothing`,
    );
}

function verifyContract(v: Verifying, op: OpOf<"contract">): void {
  verifyOver(v, op, op.over, [op.to]);
  const [a, b, to] = [typeOf(v, op.a), typeOf(v, op.b), typeOf(v, op.to)];
  const numbers = a !== "bool" && b !== "bool" && to !== "bool";
  if (!numbers || (isInt(to) && (isFloat(a) || isFloat(b))))
    v.report(`products of ${a} and ${b} do not add up in ${to}`);
}

function verifyDecode(v: Verifying, op: OpOf<"decode">): void {
  const format = v.formats.get(op.format);
  verifySymbols(v, op.at);
  if (v.program.exprs.exprs[op.at]?.type !== "i32") v.report("its position is not i32");
  if (!isFloat(typeOf(v, op.to))) v.report(`it decodes into ${typeOf(v, op.to)}`);
  if (format === undefined) v.report(`there is no format ${op.format}`);
  else verifyFields(v, op.format, format.fields, op.fields);
}

function verifyFields(
  v: Verifying,
  name: string,
  fields: readonly { readonly name: string; readonly type: Scalar }[],
  regions: readonly Region[],
): void {
  if (fields.length !== regions.length) v.report(`${name} has ${fields.length} fields, not ${regions.length}`);
  fields.forEach((field, i) => {
    const region = regions[i];
    if (region !== undefined && typeOf(v, region) !== field.type)
      v.report(`field ${field.name} of ${name} is ${field.type}, ${region.tensor} holds ${typeOf(v, region)}`);
  });
}

function verifyQuantize(v: Verifying, op: OpOf<"quantize">): void {
  if (!op.domain.some((dim) => dim.axis === op.over)) v.report(`${op.over} is no axis of its domain`);
  if (!isFloat(typeOf(v, op.from))) v.report(`it quantizes ${typeOf(v, op.from)}`);
  const format = v.formats.get(op.format);
  if (format === undefined) v.report(`there is no format ${op.format}`);
  else {
    if (format.encoder === undefined) v.report(`format ${op.format} has no encoder`);
    verifyFields(v, op.format, format.fields, op.to);
  }
}
