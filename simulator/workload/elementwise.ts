/** What a network computes between its products: norms, softmax, activation functions and residual sums, on the vector unit. */

import { partsOf } from "../../hw-models/derive.ts";
import type { AcceleratorModel, VectorSpec } from "../../hw-models/schema.ts";
import { type Diagnostics, NO_SPAN } from "../../ir/diagnostics.ts";
import { ExprBuilder, type ExprId } from "../../ir/expr.ts";
import type { Dim, Program, Region, Role, Step, Tensor } from "../../ir/program.ts";
import type { Layer } from "./layers.ts";
import type { Network } from "./network.ts";

/** What one element costs: additions, multiplications and comparisons; exponentials, roots and quotients; of a row besides. */
interface Cost {
  readonly plain: number;
  readonly special: number;
  readonly specialPerRow: number;
  /** Operands of a row's width that are read. */
  readonly inputs: 1 | 2;
}

export type ElementwiseOp = "softmax" | "rms-norm" | "layer-norm" | "silu-product" | "gelu" | "residual";

/** Counted from the functions' definitions, each in as few passes over a row as it needs. */
export const ELEMENTWISE: Readonly<Record<ElementwiseOp, Cost>> = {
  // Maximum; difference, exponential, sum; product with the sum's reciprocal.
  softmax: { plain: 4, special: 1, specialPerRow: 1, inputs: 1 },
  // Square, sum; product with the root's reciprocal, and with the gain.
  "rms-norm": { plain: 4, special: 0, specialPerRow: 2, inputs: 1 },
  // Sum; difference, square, sum; product with the root's reciprocal, with the gain, and the bias.
  "layer-norm": { plain: 7, special: 0, specialPerRow: 3, inputs: 1 },
  // gate · sigmoid(gate) · up: exponential, sum, reciprocal and two products.
  "silu-product": { plain: 3, special: 2, specialPerRow: 0, inputs: 2 },
  // Its form with tanh: a cubic polynomial, tanh, and two products.
  gelu: { plain: 6, special: 1, specialPerRow: 0, inputs: 1 },
  residual: { plain: 1, special: 0, specialPerRow: 0, inputs: 2 },
};

/** Operations of the vector unit for one element of a row, special ones counted as the plain ones that fit their time. */
export function operationsPerElement(
  op: ElementwiseOp,
  width: number,
  { elementsPerCycle, specialPerCycle }: VectorSpec,
): number {
  const { plain, special, specialPerRow } = ELEMENTWISE[op];
  const perSpecial = specialPerCycle === undefined ? 1 : elementsPerCycle / specialPerCycle;
  return plain + (special + specialPerRow / width) * (Number.isFinite(perSpecial) ? perSpecial : 1);
}

const RMS_FAMILIES = /llama|mistral|mixtral|qwen|gemma|phi3|mamba/;

/**
 * The layers of a pass with what stands between the products: a norm before each attention and each feed-forward network
 * and before the logits, softmax behind the scores, an activation function before the last matrix of a feed-forward
 * network, a residual sum behind both. Rotary embedding, routing and the recurrence of state-space models are left out.
 */
export function withElementwise(layers: readonly Layer[], network: Network): readonly Layer[] {
  const norm: ElementwiseOp = RMS_FAMILIES.test(network.family) ? "rms-norm" : "layer-norm";
  return layers.flatMap((layer, i) => {
    const { batch, m, n, k } = layer.shape;
    const of = (name: string, elementwise: ElementwiseOp, rows: number, width: number): Layer => ({
      ...{ name: `${layer.name}.${name}`, kind: "element-wise", operand: "weight", elementwise },
      shape: { batch: 1, m: rows, n: width, k: 1 },
    });
    const [before, after] = [layers[i - 1], layers[i + 1]];
    const entersBlock = layer.kind !== before?.kind && before?.kind !== "attention-product";
    const normed =
      ["attention-projection", "router", "output"].includes(layer.kind) ||
      (layer.kind === "feed-forward" && before?.kind !== "router");
    const found: Layer[] = entersBlock && normed ? [of("norm", norm, batch * m, k)] : [];
    const isDown =
      layer.kind === "feed-forward" && before?.kind === "feed-forward" && before.shape.n === k && before.shape.k === n;
    const gated = isDown && layers[i - 2]?.kind === "feed-forward" && layers[i - 2]?.shape.n === k;
    if (isDown) found.push(of("activation", gated ? "silu-product" : "gelu", batch * m, k));
    found.push(layer);
    if (layer.name.endsWith(".qk")) found.push(of("softmax", "softmax", batch * m, n));
    const endsAttention = layer.kind === "attention-projection" && before?.kind === "attention-product";
    if (endsAttention || (isDown && after?.kind !== "feed-forward")) found.push(of("residual", "residual", m, n));
    return found;
  });
}

/** Rows that lie at once in the buffers of operands and of results, twice; 0 where not one does. */
function rowsPerBlock(machine: AcceleratorModel, rows: number, width: number, inputs: number): number {
  const { buffers } = partsOf(machine);
  const bytes = 2 * width;
  const shared = buffers.activation === buffers.result;
  const fitting = shared
    ? buffers.activation.capacityBytes / (2 * (inputs + 1) * bytes)
    : Math.min(buffers.activation.capacityBytes / (2 * inputs * bytes), buffers.result.capacityBytes / (2 * bytes));
  return Math.min(rows, Math.floor(fitting));
}

/**
 * A layer between products as a machine program: a channel loads rows, the vector unit works on them, a channel stores
 * them. It has the traffic and the time of the layer; its value is its first operand. Reports `simulate/capacity`.
 */
export function elementwiseProgram(
  layer: Layer,
  op: ElementwiseOp,
  machine: AcceleratorModel,
  sink: Diagnostics,
): Program | undefined {
  const { m: rows, n: width } = layer.shape;
  const { buffers, channels, vector } = partsOf(machine);
  const { inputs } = ELEMENTWISE[op];
  const block = rowsPerBlock(machine, rows, width, inputs);
  if (block < 1) {
    const needs = `${2 * width} bytes for a row`;
    sink.error("simulate/capacity", NO_SPAN, `${layer.name} does not fit ${buffers.activation.name} twice: ${needs}`);
    return undefined;
  }
  const build = new ExprBuilder();
  const base = build.symbol("r0", "i32", [0, rows - 1]);
  const [r, c] = [build.symbol("r", "i32", [0, block - 1]), build.symbol("c", "i32", [0, width - 1])];
  const domain: readonly Dim[] = [
    { axis: "r", extent: block },
    { axis: "c", extent: width },
  ];
  const tensor = (id: string, more: Pick<Tensor, "place" | "role"> & { readonly ring?: string }): Tensor => ({
    ...{
      id,
      type: "f16",
      axes: ["r", "c"],
      shape: [more.ring === undefined ? rows : block, width],
      ...more,
      span: NO_SPAN,
    },
  });
  const operands = ["x", "z"].slice(0, inputs);
  const outer = (id: string): Region => ({ tensor: id, index: [build.add(base, r), c], tail: "mask" });
  const inner = (id: string): Region => ({ tensor: id, index: [r, c], tail: "exact" });
  const signal = (ring: string, what: "acquire" | "commit" | "wait" | "release"): Step => ({
    kind: "signal",
    ring,
    what,
    span: NO_SPAN,
  });
  const copy = (from: Region, to: Region): Step => ({ kind: "copy", from, to, engine: "dma", domain, span: NO_SPAN });
  const value: ExprId = build.input(0, "f16");
  const role = (unit: string, body: readonly Step[]): Role => ({
    ...{ name: unit, warps: null, unit },
    body: [{ kind: "loop", name: "r0", extent: rows, step: block, map: { kind: "serial" }, body, span: NO_SPAN }],
  });
  const load = operands.map((id) => copy(outer(id), inner(`${id}.tile`)));
  const map: Step = {
    kind: "map",
    inputs: operands.map((id) => inner(`${id}.tile`)),
    to: inner("y.tile"),
    value,
    over: [],
    domain,
    span: NO_SPAN,
  };
  const roles: readonly Role[] = [
    role(channels.activation.name, [signal("activation", "acquire"), ...load, signal("activation", "commit")]),
    role(vector.name, [
      ...[signal("activation", "wait"), signal("result", "acquire"), map],
      ...[signal("result", "commit"), signal("activation", "release")],
    ]),
    role(channels.result.name, [
      signal("result", "wait"),
      copy(inner("y.tile"), outer("y")),
      signal("result", "release"),
    ]),
  ];
  const placed = (buffer: { readonly name: string }, ring: string) => ({
    place: `unit:${buffer.name}` as const,
    role: "local" as const,
    ring,
  });
  return {
    name: layer.name,
    tensors: [
      ...operands.map((id) => tensor(id, { place: "global", role: "input" })),
      tensor("y", { place: "global", role: "output" }),
      ...operands.map((id) => tensor(`${id}.tile`, placed(buffers.activation, "activation"))),
      tensor("y.tile", placed(buffers.result, "result")),
    ],
    formats: [],
    tables: [],
    rings: [
      { id: "activation", depth: 2, producer: channels.activation.name, consumers: [vector.name] },
      { id: "result", depth: 2, producer: vector.name, consumers: [channels.result.name] },
    ],
    exprs: build.done(),
    body: [{ kind: "roles", roles, span: NO_SPAN }],
  };
}
