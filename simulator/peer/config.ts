/** Reads the dimensions of a transformer from a Hugging Face `config.json`, for the published simulators. */
import { type JsonNode, parseJson } from "../../hw-models/json.ts";
import { count, object, optional, type Reader, required, text } from "../../hw-models/read.ts";
import type { Diagnostics } from "../../ir/diagnostics.ts";
import { KNOWN_MODELS, type KnownModel } from "./data/language-models.ts";
import type { LlmShape } from "./workload.ts";

/** What every family says in its own words. */
interface Dimensions {
  readonly hidden: number;
  readonly feedForward: number;
  readonly blocks: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number | undefined;
  readonly vocabulary: number;
}

interface Family {
  readonly types: readonly string[];
  readonly gated: boolean;
  readonly read: Reader<Dimensions>;
}

const absent = <T>(reader: Reader<T>) => optional<T | undefined>(reader, undefined);

function mapped<A, B>(reader: Reader<A>, to: (value: A) => B): Reader<B> {
  return (node, path, context) => {
    const value = reader(node, path, context);
    return value === undefined ? undefined : to(value);
  };
}

interface CommonFields {
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number | undefined;
  readonly head_dim: number | undefined;
  readonly vocab_size: number;
}

const commonFields = {
  hidden_size: required(count),
  num_hidden_layers: required(count),
  num_attention_heads: required(count),
  num_key_value_heads: absent(count),
  head_dim: absent(count),
  vocab_size: required(count),
};

const common = (fields: CommonFields, feedForward: number): Dimensions => ({
  hidden: fields.hidden_size,
  feedForward,
  blocks: fields.num_hidden_layers,
  heads: fields.num_attention_heads,
  keyValueHeads: fields.num_key_value_heads ?? fields.num_attention_heads,
  headSize: fields.head_dim,
  vocabulary: fields.vocab_size,
});

const standard: Reader<Dimensions> = mapped(
  object<CommonFields & { readonly intermediate_size: number }>(
    { ...commonFields, intermediate_size: required(count) },
    "open",
  ),
  (fields) => common(fields, fields.intermediate_size),
);

const opt: Reader<Dimensions> = mapped(
  object<CommonFields & { readonly ffn_dim: number }>({ ...commonFields, ffn_dim: required(count) }, "open"),
  (fields) => common(fields, fields.ffn_dim),
);

const gpt2: Reader<Dimensions> = mapped(
  object<{
    readonly n_embd: number;
    readonly n_inner: number | undefined;
    readonly n_layer: number;
    readonly n_head: number;
    readonly vocab_size: number;
  }>(
    {
      n_embd: required(count),
      n_inner: absent(count),
      n_layer: required(count),
      n_head: required(count),
      vocab_size: required(count),
    },
    "open",
  ),
  (fields) => ({
    hidden: fields.n_embd,
    // transformers' GPT2Config: n_inner = 4 · n_embd where nothing is said.
    feedForward: fields.n_inner ?? 4 * fields.n_embd,
    blocks: fields.n_layer,
    heads: fields.n_head,
    keyValueHeads: fields.n_head,
    headSize: undefined,
    vocabulary: fields.vocab_size,
  }),
);

/** Families whose blocks are q, k, v, o and two or three matrices; those that store q, k and v as one count as three. */
const FAMILIES: readonly Family[] = [
  { types: ["llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "phi3"], gated: true, read: standard },
  { types: ["phi", "gpt_neox"], gated: false, read: standard },
  { types: ["opt"], gated: false, read: opt },
  { types: ["gpt2"], gated: false, read: gpt2 },
];

/** A transformer from a config, and which of BitMoD's six models it is, if any. */
export interface PeerModel {
  readonly shape: LlmShape;
  readonly known: KnownModel | undefined;
}

/**
 * The dimensions in a config; `name` stands where the file gives none. Reports `json/*`, `workload/missing`, `/type`,
 * `/range`, `/family`, `/shape` at the place in the file.
 */
export function readPeerModel(source: string, file: number, name: string, sink: Diagnostics): PeerModel | undefined {
  const root = parseJson(source, file, sink);
  if (root === undefined) return undefined;
  const context = { sink, area: "workload" };
  const head = object<{ readonly model_type: string; readonly _name_or_path: string | undefined }>(
    { model_type: required(text), _name_or_path: absent(text) },
    "open",
  )(root, "", context);
  if (head === undefined) return undefined;
  const family = FAMILIES.find((f) => f.types.includes(head.model_type));
  if (family === undefined) {
    sink.error(
      "workload/family",
      memberOf(root, "model_type").span,
      `\`model_type\` "${head.model_type}" is not a family that the published simulators' formulas are set up for here`,
      [{ message: `it can be ${FAMILIES.flatMap((f) => f.types).join(", ")}` }],
    );
    return undefined;
  }
  const found = family.read(root, "", context);
  if (found === undefined || !fits(root, found, sink)) return undefined;
  const shape: LlmShape = {
    ...found,
    name: head._name_or_path ?? name,
    headSize: found.headSize ?? found.hidden / found.heads,
    gated: family.gated,
  };
  return { shape, known: knownModel(shape) };
}

/** Which of BitMoD's six models this is: by its name, or by its dimensions. */
export function knownModel(shape: LlmShape): KnownModel | undefined {
  const name = shape.name.toLowerCase();
  const same = (known: LlmShape): boolean =>
    (Object.keys(known) as readonly (keyof LlmShape)[]).every((key) => key === "name" || known[key] === shape[key]);
  return KNOWN_MODELS.find((m) => m.id.toLowerCase() === name) ?? KNOWN_MODELS.find((m) => same(m.shape));
}

function memberOf(root: JsonNode, key: string): JsonNode {
  return (root.kind === "object" ? root.members.find((m) => m.key === key)?.value : undefined) ?? root;
}

function fits(root: JsonNode, found: Dimensions, sink: Diagnostics): boolean {
  const before = sink.list.length;
  const at = (...keys: readonly string[]) =>
    keys.map((key) => memberOf(root, key)).find((node) => node !== root)?.span ?? root.span;
  if (found.heads % found.keyValueHeads !== 0) {
    const message = `${found.keyValueHeads} key–value heads do not divide ${found.heads} heads`;
    sink.error("workload/shape", at("num_key_value_heads"), message);
  }
  if (found.headSize === undefined && found.hidden % found.heads !== 0) {
    const message = `${found.heads} heads do not divide a width of ${found.hidden}`;
    sink.error("workload/shape", at("num_attention_heads", "n_head"), message);
  }
  const embedding = memberOf(root, "word_embed_proj_dim");
  if (embedding.kind === "number" && embedding.value !== found.hidden) {
    const message = `embeddings of width ${embedding.value} beside a width of ${found.hidden} are not supported`;
    sink.error("workload/shape", embedding.span, message);
  }
  return sink.list.length === before;
}
