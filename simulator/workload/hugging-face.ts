/** Reads a Hugging Face `config.json`: which family it is of, and the network that its numbers describe. */
import { type JsonNode, parseJson } from "../../hw-models/json.ts";
import type { Diagnostics } from "../../ir/diagnostics.ts";
import { fieldsOf } from "./config-fields.ts";
import { DECODERS, type Family } from "./decoders.ts";
import { ENCODERS } from "./encoders.ts";
import type { Network } from "./network.ts";

const FAMILIES: readonly Family[] = [...DECODERS, ...ENCODERS];

/** The `model_type`s that can be read. */
export const MODEL_TYPES: readonly string[] = FAMILIES.flatMap((f) => f.types);

/** More blocks than any network has: a mistake in a config must not fill the memory. */
const MAX_STAGES = 100_000;
const MAX_BLOCKS = 4096;

/**
 * The network of a config; `name` stands where the file gives none. Absent fields are what `transformers` takes for
 * them. Reports `json/*`, `workload/missing`, `/type`, `/range`, `/family`, `/shape` at the place in the file.
 */
export function readHuggingFace(source: string, file: number, name: string, sink: Diagnostics): Network | undefined {
  const root = parseJson(source, file, sink);
  return root === undefined ? undefined : networkOfConfig(root, name, sink);
}

/** `readHuggingFace` for a config that is parsed already. */
export function networkOfConfig(root: JsonNode, name: string, sink: Diagnostics): Network | undefined {
  if (root.kind !== "object") {
    sink.error("workload/type", root.span, `\`the file\` must be an object, not ${kindOf(root)}`);
    return undefined;
  }
  const before = errorsOf(sink);
  const fields = fieldsOf(root, sink);
  const type = fields.text("model_type");
  const family = FAMILIES.find((f) => type !== undefined && f.types.includes(type));
  if (type === undefined || family === undefined) {
    refuseFamily(root, type, sink, before);
    return undefined;
  }
  for (const blocks of ["num_hidden_layers", "n_layer"])
    if (fields.has(blocks) && fields.count(blocks) > MAX_BLOCKS)
      fields.wrong(blocks, `a network of more than ${MAX_BLOCKS} blocks is not simulated`);
  if (errorsOf(sink) > before) return undefined;
  const body = family.build(fields, type);
  const given = fields.text("_name_or_path");
  if (errorsOf(sink) > before || body.stages.length > MAX_STAGES) return undefined;
  return { name: given ?? name, family: type, ...body };
}

const errorsOf = (sink: Diagnostics): number => sink.list.filter((d) => d.severity === "error").length;

const kindOf = (node: JsonNode): string => (node.kind === "array" ? "a list" : `a ${node.kind}`);

/** Other families fail here rather than by a missing field. */
function refuseFamily(root: JsonNode, type: string | undefined, sink: Diagnostics, before: number): void {
  if (errorsOf(sink) > before) return;
  if (type === undefined) {
    sink.error("workload/missing", root.span, "`model_type` is missing");
    return;
  }
  const node = root.kind === "object" ? root.members.find((m) => m.key === "model_type")?.value : undefined;
  sink.error("workload/family", (node ?? root).span, `\`model_type\` "${type}" is not a family that can be simulated`, [
    { message: `it can be ${MODEL_TYPES.map((f) => `"${f}"`).join(", ")}` },
  ]);
}
