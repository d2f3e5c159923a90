/** Published simulators by name, each reproducing its own figures: the depth `peer` of a simulation. */
import { type Diagnostics, NO_SPAN, type Span } from "../../ir/diagnostics.ts";
import { antPreset } from "./preset-ant.ts";
import { bitfusionPreset } from "./preset-bitfusion.ts";
import { bitmodPreset } from "./preset-bitmod.ts";
import { scalesimPreset } from "./preset-scalesim.ts";
import { type PeerReport, reportOf } from "./report.ts";
import type { PeerRequest, Preset } from "./request.ts";

export { antClaims, bitfusionClaims, bitmodClaims, type PeerClaim, peerClaims } from "./claims.ts";
export { type PeerModel, readPeerModel } from "./config.ts";
export type { PeerFigures, PeerLayerResult, PeerReport, PeerResult } from "./report.ts";
export { mergePeerReports } from "./report.ts";
export type { PeerRequest, PeerWorkload, Preset } from "./request.ts";
export { readScalesimConfig, type ScalesimMachine } from "./scalesim-config.ts";
export { readTopology, type TopologyForm } from "./scalesim-topology.ts";
export type { ConvLayer, GemmLayer, LlmShape, PeerLayer, Phase } from "./workload.ts";

/** All presets, in the order in which they are listed. */
export const PRESETS: readonly Preset[] = [
  bitmodPreset("v1"),
  bitmodPreset("v2"),
  antPreset,
  bitfusionPreset,
  scalesimPreset,
];

/**
 * Runs one published simulator. Undefined after a diagnostic at `span`: `peer/preset` and `peer/hardware` for names that
 * there are not, `peer/request` for counts below 1, `peer/weight-bits`, `peer/batch`, `peer/sram-width` and others of the
 * presets where their formulas do not apply.
 */
export function simulatePeer(request: PeerRequest, sink: Diagnostics, span: Span = NO_SPAN): PeerReport | undefined {
  const preset = PRESETS.find((p) => p.name === request.preset);
  if (preset === undefined) {
    sink.error("peer/preset", span, `there is no preset "${request.preset}"`, [
      { message: `the presets are ${PRESETS.map((p) => p.name).join(", ")}` },
    ]);
    return undefined;
  }
  if (!checkCounts(request, sink, span)) return undefined;
  const result = preset.run(request, sink, span);
  return result === undefined ? undefined : reportOf(result);
}

/** Weights of more bits than this are in no published machine. */
const MAX_WEIGHT_BITS = 16;

function checkCounts(request: PeerRequest, sink: Diagnostics, span: Span): boolean {
  const before = sink.list.length;
  for (const name of ["batch", "context"] as const) {
    const value = request[name];
    if (!Number.isSafeInteger(value) || value < 1)
      sink.error("peer/request", span, `the ${name} must be an integer of at least 1, not ${value}`);
  }
  const { weightBits } = request;
  if (weightBits !== undefined && !(weightBits >= 1 && weightBits <= MAX_WEIGHT_BITS))
    sink.error("peer/request", span, `weights have 1 to ${MAX_WEIGHT_BITS} bits, not ${weightBits}`);
  return sink.list.length === before;
}
