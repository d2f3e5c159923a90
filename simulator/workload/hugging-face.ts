/** Reads a Hugging Face `config.json` of the Llama family. */
import { type JsonNode, parseJson } from "../../hw-models/json.ts";
import { count, object, optional, type ReadContext, required, text } from "../../hw-models/read.ts";
import type { Diagnostics } from "../../ir/diagnostics.ts";
import type { Transformer } from "./layers.ts";

/** `model_type`s whose linear layers are Llama's: q, k, v, o, gate, up, down, lm_head. */
const FAMILIES: readonly string[] = ["llama"];

interface Config {
  readonly model_type: string;
  readonly _name_or_path: string | undefined;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number | undefined;
  readonly head_dim: number | undefined;
  readonly vocab_size: number;
}

const config = object<Config>(
  {
    model_type: required(text),
    _name_or_path: optional<string | undefined>(text, undefined),
    hidden_size: required(count),
    intermediate_size: required(count),
    num_hidden_layers: required(count),
    num_attention_heads: required(count),
    num_key_value_heads: optional<number | undefined>(count, undefined),
    head_dim: optional<number | undefined>(count, undefined),
    vocab_size: required(count),
  },
  "open",
);

/**
 * The dimensions in a config; `name` stands where the file gives none. Absent `num_key_value_heads` are as many as
 * heads, an absent `head_dim` is hidden_size / heads. Reports `json/*`, `workload/missing`, `/type`, `/range`,
 * `/family`, `/shape` at the place in the file.
 */
export function readHuggingFace(
  source: string,
  file: number,
  name: string,
  sink: Diagnostics,
): Transformer | undefined {
  const root = parseJson(source, file, sink);
  if (root === undefined) return undefined;
  if (!checkFamily(root, sink)) return undefined;
  const context: ReadContext = { sink, area: "workload" };
  const found = config(root, "", context);
  if (found === undefined) return undefined;
  const heads = found.num_attention_heads;
  const keyValueHeads = found.num_key_value_heads ?? heads;
  if (!divides(root, "num_key_value_heads", keyValueHeads, "num_attention_heads", heads, sink)) return undefined;
  if (
    found.head_dim === undefined &&
    !divides(root, "num_attention_heads", heads, "hidden_size", found.hidden_size, sink)
  )
    return undefined;
  return {
    name: found._name_or_path ?? name,
    hidden: found.hidden_size,
    feedForward: found.intermediate_size,
    blocks: found.num_hidden_layers,
    heads,
    keyValueHeads,
    headSize: found.head_dim ?? found.hidden_size / heads,
    vocabulary: found.vocab_size,
  };
}

function memberOf(root: JsonNode, key: string): JsonNode | undefined {
  return root.kind === "object" ? root.members.find((m) => m.key === key)?.value : undefined;
}

/** Other families fail here rather than by a missing field. */
function checkFamily(root: JsonNode, sink: Diagnostics): boolean {
  const node = memberOf(root, "model_type");
  if (node?.kind !== "string" || FAMILIES.includes(node.value)) return true;
  sink.error("workload/family", node.span, `\`model_type\` "${node.value}" is not a family that can be simulated`, [
    { message: `it can be ${FAMILIES.map((f) => `"${f}"`).join(", ")}` },
  ]);
  return false;
}

function divides(
  root: JsonNode,
  part: string,
  small: number,
  whole: string,
  large: number,
  sink: Diagnostics,
): boolean {
  if (large % small === 0) return true;
  const span = (memberOf(root, part) ?? root).span;
  sink.error("workload/shape", span, `\`${part}\` (${small}) does not divide \`${whole}\` (${large})`);
  return false;
}
