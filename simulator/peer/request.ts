/** What is asked of a published simulator, and how each preset answers. */
import type { Diagnostics, Span } from "../../ir/diagnostics.ts";
import type { PeerModel } from "./config.ts";
import type { PeerResult } from "./report.ts";
import type { ScalesimMachine } from "./scalesim-config.ts";
import type { PeerLayer, Phase } from "./workload.ts";

export type PeerWorkload =
  | { readonly kind: "model"; readonly model: PeerModel }
  | { readonly kind: "layers"; readonly name: string; readonly layers: readonly PeerLayer[] };

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
  /** Undefined, with a diagnostic at `span`, where its formulas do not apply. */
  readonly run: (request: PeerRequest, sink: Diagnostics, span: Span) => PeerResult | undefined;
}

/** Name of what is simulated. */
export const workloadName = (workload: PeerWorkload): string =>
  workload.kind === "model" ? workload.model.shape.name : workload.name;

/** Name of the machine. */
export const hardwareName = ({ hardware }: PeerRequest): string =>
  typeof hardware === "string" ? hardware : hardware.name;

/** The parts of a result that every preset copies from its request. */
export function resultHead(request: PeerRequest): Omit<PeerResult, "totals" | "layers" | "weightBits"> {
  const { preset, phase, batch, context } = request;
  return {
    workload: workloadName(request.workload),
    hardware: hardwareName(request),
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
