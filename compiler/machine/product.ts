/** Recognises the one product of matrices in an unscheduled program, so that a machine's array can carry it out. */
import type { Diagnostics, Span } from "../../ir/diagnostics.ts";
import { type ExprId, type Exprs, operands } from "../../ir/expr.ts";
import {
  type Dim,
  isTileOp,
  type Program,
  type Region,
  reads,
  type Step,
  type Tensor,
  type TileOp,
  writes,
} from "../../ir/program.ts";

type OpOf<K extends TileOp["kind"]> = Extract<TileOp, { readonly kind: K }>;

/** A tensor as it lies off chip, and the element of it that belongs to a point of the product's axes. */
export interface Stored {
  readonly tensor: Tensor;
  readonly index: readonly ExprId[];
}

/** One side of the product: plain numbers, or the fields of a format and the op that decodes them. */
export interface Side {
  readonly role: "weight" | "activation";
  /** The axis that this side alone has. */
  readonly free: Dim;
  /** The product's axes in the order of the tensor that the contraction reads; batch axes included. */
  readonly axes: readonly string[];
  readonly stored: readonly Stored[];
  readonly decode: OpOf<"decode"> | undefined;
  /** Decode only: its domain's axes in the product's names. */
  readonly rename: ReadonlyMap<string, string>;
  readonly tensor: Tensor;
}

/** acc[batch, m, n] = Σ_k activation · weight, then result = map(acc). */
export interface Product {
  readonly contract: OpOf<"contract">;
  readonly fill: OpOf<"fill">;
  readonly map: OpOf<"map">;
  readonly batch: readonly Dim[];
  readonly m: Dim;
  readonly n: Dim;
  readonly k: Dim;
  readonly activation: Side;
  readonly weight: Side;
  readonly accumulator: Tensor;
  readonly result: Tensor;
}

/** Names of all symbols in an expression. */
export function symbolsIn(exprs: Exprs, root: ExprId): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (id: ExprId): void => {
    const expr = exprs.exprs[id];
    if (expr === undefined) return;
    if (expr.kind === "symbol") found.add(expr.name);
    operands(expr).forEach(visit);
  };
  visit(root);
  return found;
}

/** Finds decode?, decode?, fill, contract, map in a program; reports `machine/unsupported` where there is something else. */
export function findProduct(program: Program, sink: Diagnostics): Product | undefined {
  const refuse = (span: Span, what: string): undefined => {
    sink.error("machine/unsupported", span, `${program.name} cannot run on an array: ${what}`, [
      {
        message:
          "a machine carries out one product of two matrices, with the decoding of its operands and an element-wise end",
      },
    ]);
    return undefined;
  };
  const body = opsOf(program.body);
  const stray = body.find((s) => !isTileOp(s));
  if (stray !== undefined)
    return refuse("span" in stray ? stray.span : { file: -1, start: 0, end: 0 }, `it has a ${stray.kind}`);
  const ops = body.filter(isTileOp);
  const one = <K extends TileOp["kind"]>(kind: K): OpOf<K> | undefined => {
    const found = ops.filter((op): op is OpOf<K> => op.kind === kind);
    return found.length === 1 ? found[0] : undefined;
  };
  const [contract, fill, map] = [one("contract"), one("fill"), one("map")];
  const known = ops.filter((op) => op.kind !== "decode").length === 3;
  if (contract === undefined || fill === undefined || map === undefined || !known)
    return refuse(ops[0]?.span ?? { file: -1, start: 0, end: 0 }, "it is not one contraction between a fill and a map");
  const bit = ops.find((op) => [...reads(op), ...writes(op)].some((r) => r.bit !== undefined));
  if (bit !== undefined) return refuse(bit.span, "it works on single bits");
  if (map.over.length > 0 || map.inputs.length !== 1 || map.inputs[0]?.tensor !== contract.to.tensor)
    return refuse(map.span, "its map reads more than the sums");
  return assemble(program, { contract, fill, map, decodes: ops.filter((op) => op.kind === "decode") }, refuse);
}

/** The steps of a program of one launch, or of none. */
function opsOf(body: readonly Step[]): readonly Step[] {
  const [only, second] = body;
  return only?.kind === "launch" && second === undefined ? only.body : body;
}

interface Found {
  readonly contract: OpOf<"contract">;
  readonly fill: OpOf<"fill">;
  readonly map: OpOf<"map">;
  readonly decodes: readonly OpOf<"decode">[];
}

function assemble(
  program: Program,
  found: Found,
  refuse: (span: Span, what: string) => undefined,
): Product | undefined {
  const { contract } = found;
  const axesOf = (region: Region): readonly string[] | undefined => {
    const names = region.index.map((id) => {
      const expr = program.exprs.exprs[id];
      return expr?.kind === "symbol" && contract.domain.some((d) => d.axis === expr.name) ? expr.name : undefined;
    });
    return names.every((n) => n !== undefined) && new Set(names).size === names.length
      ? (names as string[])
      : undefined;
  };
  const [a, b, to] = [axesOf(contract.a), axesOf(contract.b), axesOf(contract.to)];
  if (a === undefined || b === undefined || to === undefined)
    return refuse(contract.span, "an operand is not indexed by the contraction's axes alone");
  const only = (test: (axis: string) => boolean): readonly Dim[] => contract.domain.filter((d) => test(d.axis));
  const batch = only((x) => a.includes(x) && b.includes(x) && to.includes(x));
  const freeA = only((x) => a.includes(x) && !b.includes(x));
  const freeB = only((x) => b.includes(x) && !a.includes(x));
  const summed = only((x) => contract.over.includes(x) && a.includes(x) && b.includes(x));
  const [da, db, k] = [freeA[0], freeB[0], summed[0]];
  if (da === undefined || db === undefined || k === undefined || batch.length + 3 !== contract.domain.length)
    return refuse(contract.span, "it needs one axis of its own on either side and one that is summed");
  // The result's last axis runs over output channels: they belong to the weights.
  const swapped = to.at(-1) === da.axis;
  const tensorOf = (id: string): Tensor | undefined => program.tensors.find((t) => t.id === id);
  const side = (role: Side["role"], region: Region, axes: readonly string[], free: Dim): Side | undefined => {
    const tensor = tensorOf(region.tensor);
    if (tensor === undefined) return refuse(contract.span, `there is no tensor ${region.tensor}`);
    const decode = found.decodes.find((d) => d.to.tensor === region.tensor);
    const base = { role, free, axes, tensor, decode };
    if (decode === undefined) {
      if (tensor.role === "local") return refuse(contract.span, `${tensor.id} is neither stored nor decoded`);
      return { ...base, stored: [{ tensor, index: region.index }], rename: new Map() };
    }
    const rename = new Map<string, string>();
    decode.to.index.forEach((id, i) => {
      const expr = program.exprs.exprs[id];
      if (expr?.kind === "symbol") rename.set(expr.name, axes[i] ?? expr.name);
    });
    const stored = decode.fields.flatMap((f) => {
      const t = tensorOf(f.tensor);
      return t === undefined ? [] : [{ tensor: t, index: f.index }];
    });
    return { ...base, stored, rename };
  };
  const activation = side("activation", swapped ? contract.b : contract.a, swapped ? b : a, swapped ? db : da);
  const weight = side("weight", swapped ? contract.a : contract.b, swapped ? a : b, swapped ? da : db);
  const [accumulator, result] = [tensorOf(contract.to.tensor), tensorOf(found.map.to.tensor)];
  if (activation === undefined || weight === undefined || accumulator === undefined || result === undefined)
    return undefined;
  const { fill, map } = found;
  return { contract, fill, map, batch, m: activation.free, n: weight.free, k, activation, weight, accumulator, result };
}
