/** SCALE-Sim's topologies as networks: what its CSV files list, for any machine. */
import type { Diagnostics } from "../../ir/diagnostics.ts";
import { readTopology } from "../peer/scalesim-topology.ts";
import { gemmOf } from "../peer/workload.ts";
import type { Network, ProductStage } from "./network.ts";

/** The layers of a topology file, convolutions by im2col; reports `topology/*` at the place in the file. */
export function networkOfTopology(source: string, file: number, name: string, sink: Diagnostics): Network | undefined {
  const layers = readTopology(source, file, sink);
  if (layers === undefined) return undefined;
  const sparse = layers.find((l) => l.sparsity !== undefined);
  if (sparse !== undefined)
    sink.warn("topology/dense", { file, start: 0, end: 0 }, `layer "${sparse.name}" is sparse, and is simulated dense`);
  const stages = layers.map((layer): ProductStage => {
    const { m, n, k, count } = gemmOf(layer);
    const role = layer.kind === "conv" ? "convolution" : "feed-forward";
    return { kind: "product", name: layer.name, role, batch: count, m, n, k, bias: false };
  });
  const otherParameters = { embeddings: 0, vectors: 0 };
  return { name, family: "topology", pass: "fixed", tokens: 1, stages, otherParameters };
}
