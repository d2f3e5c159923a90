/** What is asked of a published simulator, and how each preset answers. */
import type { Diagnostics, Span } from "../../ir/diagnostics.ts";
import type { PeerModel } from "./config.ts";
import type { PeerResult } from "./report.ts";
import type { ScalesimMachine } from "./scalesim-config.ts";
import { llmLayers, type PeerLayer, type Phase } from "./workload.ts";

export type PeerWorkload =
  | { readonly kind: "model"; readonly model: PeerModel }
  | { readonly kind: "layers"; readonly name: string; readonly layers: readonly PeerLayer[] }
  /** A network of the preset's own evaluation, with the bits that its authors give each layer. */
  | { readonly kind: "network"; readonly name: string };

export interface PeerRequest {
  readonly preset: string;
  /** A machine of the preset by name, or one that a file of SCALE-Sim's configures. */
  readonly hardware: string | ScalesimMachine;
  readonly workload: PeerWorkload;
  readonly phase: Phase;
  readonly batch: number;
  /** Tokens of each sequence: all of them in prefill, those before the new one in decode. */
  readonly context: number;
  /** Stored bits a weight; needed where nobody published them for this model on this machine. */
  readonly weightBits?: number;
}

/** One published simulator. */
export interface Preset {
  readonly name: string;
  readonly summary: string;
  readonly source: string;
  /** The machines that it knows by name. */
  readonly hardware: readonly string[];
  /** The networks that it knows by name. */
  readonly networks: readonly string[];
  /** Undefined, with a diagnostic at `span`, where its formulas do not apply. */
  readonly run: (request: PeerRequest, sink: Diagnostics, span: Span) => PeerResult | undefined;
}

/** Name of what is simulated. */
export const workloadName = (workload: PeerWorkload): string =>
  workload.kind === "model" ? workload.model.shape.name : workload.name;

/** Name of the machine. */
export const hardwareName = ({ hardware }: PeerRequest): string =>
  typeof hardware === "string" ? hardware : hardware.name;

/** The machine, and the bits of a weight where the request says them. */
const configurationName = (request: PeerRequest): string =>
  [hardwareName(request), ...(request.weightBits === undefined ? [] : [`${request.weightBits} bits`])].join(" ");

/** The parts of a result that every preset copies from its request. */
export function resultHead(request: PeerRequest): Omit<PeerResult, "totals" | "layers" | "weightBits"> {
  const { preset, phase, batch, context } = request;
  return {
    workload: workloadName(request.workload),
    hardware: hardwareName(request),
    configuration: configurationName(request),
    depth: "peer",
    preset,
    phase,
    batch,
    context,
  };
}

/** Reports `peer/hardware`: the preset has no machine of this name. */
export function unknownHardware(
  preset: Preset["name"],
  known: readonly string[],
  request: PeerRequest,
  sink: Diagnostics,
  span: Span,
): undefined {
  sink.error("peer/hardware", span, `${preset} has no machine "${hardwareName(request)}"`, [
    { message: `its machines are ${known.join(", ")}` },
  ]);
  return undefined;
}

/** Reports `peer/network`: the preset has no network of this name. */
export function unknownNetwork(
  preset: Preset["name"],
  known: readonly string[],
  name: string,
  sink: Diagnostics,
  span: Span,
): undefined {
  sink.error("peer/network", span, `${preset} has no network "${name}"`, [
    { message: known.length === 0 ? "it runs configurations and layers" : `its networks are ${known.join(", ")}` },
  ]);
  return undefined;
}

/** Whole bits a weight up to `most`, as the searches of tiles need them; undefined after `peer/weight-bits`. */
export function wholeBits(request: PeerRequest, most: number, sink: Diagnostics, span: Span): number | undefined {
  const { weightBits } = request;
  if (weightBits !== undefined && Number.isInteger(weightBits) && weightBits <= most) return weightBits;
  const found = weightBits === undefined ? "which are not given" : `not ${weightBits}`;
  sink.error("peer/weight-bits", span, `${request.preset} stores weights in 1 to ${most} whole bits, ${found}`);
  return undefined;
}

/** The layers that a search of tiles can run: attention's products are left out, as in the published runs. */
export function weightLayers({ workload, phase, batch, context }: PeerRequest): readonly PeerLayer[] {
  switch (workload.kind) {
    case "model":
      return llmLayers(workload.model.shape, phase, batch, context).filter(
        (l) => !/\.self_attn\.(qk|pv)$/.test(l.name),
      );
    case "layers":
      return workload.layers;
    case "network":
      return [];
  }
}
