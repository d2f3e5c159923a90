/** Networks from the headers of tensor files: what GGUF says of itself, and safetensors beside their config.json. */
import type { Diagnostics } from "../../ir/diagnostics.ts";
import type { AllocationRule } from "../../simulator/workload/allocation.ts";
import type { LinearStage, Network, Stage } from "../../simulator/workload/network.ts";
import type { MetadataValue, TensorFile, TensorInfo } from "../io/tensor-file.ts";

/** A network whose layers are stored as the file stores them. */
export interface TensorNetwork {
  readonly network: Network;
  /** By layer: the name of the type in its container, such as `Q4_K`. */
  readonly types: ReadonlyMap<string, TensorInfo["type"]>;
}

const whole = (value: MetadataValue | undefined): number | undefined => {
  const first = typeof value === "object" ? value.items?.[0] : value;
  const number = typeof first === "bigint" ? Number(first) : first;
  return typeof number === "number" && Number.isSafeInteger(number) && number > 0 ? number : undefined;
};

/** Matrices of a block in the order in which a pass meets them; what is not listed comes last. */
const ORDER = [
  "attn_qkv",
  "attn_q",
  "attn_k",
  "attn_v",
  "ATTENTION",
  "attn_output",
  "ffn_gate_inp",
  "ffn_gate",
  "ffn_up",
  "ffn_down",
  "ffn_gate_exps",
  "ffn_up_exps",
  "ffn_down_exps",
  "ssm_in",
  "ssm_x",
  "ssm_dt",
  "ssm_out",
] as const;

const roleOf = (part: string): LinearStage["role"] =>
  part.startsWith("attn")
    ? "attention-projection"
    : part === "ffn_gate_inp"
      ? "router"
      : part.startsWith("ssm")
        ? "state-space"
        : "feed-forward";

/** The matrices of one block by their names, and their attention where the header gives its heads. */
function ggufBlock(
  parts: ReadonlyMap<string, TensorInfo>,
  prefix: string,
  attention: Omit<Extract<Stage, { kind: "attention" }>, "kind" | "name"> | undefined,
  perToken: number,
  types: Map<string, TensorInfo["type"]>,
): readonly Stage[] {
  const rank = (part: string): number => {
    const at = (ORDER as readonly string[]).indexOf(part);
    return at < 0 ? ORDER.length : at;
  };
  const hasAttention = attention !== undefined && [...parts.keys()].some((p) => p.startsWith("attn_"));
  const names = [...parts.keys(), ...(hasAttention ? ["ATTENTION"] : [])].sort((a, b) => rank(a) - rank(b));
  return names.flatMap((part): readonly Stage[] => {
    if (part === "ATTENTION") return [{ kind: "attention", name: `${prefix}.attn`, ...attention! }];
    const tensor = parts.get(part)!;
    const [k = 1, n = 1] = [tensor.shape.at(-1), tensor.shape.at(-2)];
    const base = { kind: "linear", role: roleOf(part), n, k, bias: false } as const;
    const experts = tensor.shape.length === 3 ? tensor.shape[0] : undefined;
    types.set(experts === undefined ? `${prefix}.${part}` : `${prefix}.${part}.*`, tensor.type);
    if (experts === undefined) return [{ ...base, name: `${prefix}.${part}` }];
    return [{ ...base, name: `${prefix}.${part}.#`, experts: { count: experts, perToken } }];
  });
}

/** The network of a GGUF header, in llama.cpp's names; `file/header` where it does not describe one. */
export function networkOfGguf(file: TensorFile, name: string, sink: Diagnostics): TensorNetwork | undefined {
  const { metadata, tensors } = file;
  const architecture = metadata.get("general.architecture");
  const value = (key: string): MetadataValue | undefined => metadata.get(`${String(architecture)}.${key}`);
  const heads = whole(value("attention.head_count"));
  const hidden = whole(value("embedding_length"));
  const blocks = new Map<number, Map<string, TensorInfo>>();
  for (const tensor of tensors) {
    const match = /^blk\.(\d+)\.(\w+)\.weight$/.exec(tensor.name);
    if (match === null || tensor.shape.length < 2 || /_norm$|conv1d/.test(match[2]!)) continue;
    const block = Number(match[1]);
    blocks.set(block, (blocks.get(block) ?? new Map<string, TensorInfo>()).set(match[2]!, tensor));
  }
  if (blocks.size === 0 || hidden === undefined) {
    const span = { file: 0, start: 0, end: 0 };
    sink.error("file/header", span, "this header names no blocks of a language model (blk.0.….weight)");
    return undefined;
  }
  const keyValueHeads = whole(value("attention.head_count_kv")) ?? heads;
  const headSize = whole(value("attention.key_length")) ?? (heads === undefined ? undefined : hidden / heads);
  const window = whole(value("attention.sliding_window"));
  const attention =
    heads === undefined || keyValueHeads === undefined || headSize === undefined
      ? undefined
      : { heads, keyValueHeads, headSize, ...(window === undefined ? {} : { window }) };
  const types = new Map<string, TensorInfo["type"]>();
  const perToken = whole(value("expert_used_count")) ?? 1;
  const stages = [...blocks]
    .sort(([a], [b]) => a - b)
    .flatMap(([i, parts]) => ggufBlock(parts, `blk.${i}`, attention, perToken, types));
  // Without a matrix of its own, the output takes the tokens' embedding.
  const output = tensors.find((t) => t.name === "output.weight") ?? tensors.find((t) => t.name === "token_embd.weight");
  if (output !== undefined) {
    const [n = 1, k = 1] = output.shape;
    stages.push({ kind: "linear", name: "output", role: "output", n, k, bias: false });
    types.set("output", output.type);
  }
  const given = metadata.get("general.name");
  const network: Network = {
    name: typeof given === "string" && given !== "" ? given : name,
    family: String(architecture),
    pass: "decoder",
    stages,
    otherParameters: otherParameters(tensors, stages),
  };
  return { network, types };
}

/** What the file holds besides the stages' matrices. */
function otherParameters(tensors: readonly TensorInfo[], stages: readonly Stage[]): Network["otherParameters"] {
  const count = (t: TensorInfo): number => t.shape.reduce((p, e) => p * e, 1);
  const vectors = tensors.filter((t) => t.shape.length < 2).reduce((sum, t) => sum + count(t), 0);
  const all = tensors.reduce((sum, t) => sum + count(t), 0);
  const matrices = stages.reduce((sum, s) => sum + (s.kind === "linear" ? (s.experts?.count ?? 1) * s.n * s.k : 0), 0);
  return { embeddings: Math.max(0, all - vectors - matrices), vectors };
}

/**
 * How the tensors of a safetensors file store the layers of a network whose config stands beside it. Layers that the file
 * does not hold under their name, such as those of other shards, keep what is asked for.
 */
export function typesOfSafetensors(file: TensorFile, network: Network): TensorNetwork["types"] {
  const stored = new Map(file.tensors.map((t) => [t.name, t.type]));
  const types = new Map<string, TensorInfo["type"]>();
  for (const stage of network.stages) {
    if (stage.kind !== "linear") continue;
    const type =
      stored.get(`${stage.name.replace("#", "0")}.weight`) ??
      (stage.tied ? [...stored].find(([name]) => /embed|wte/.test(name))?.[1] : undefined);
    if (type !== undefined) types.set(stage.name.replace("#", "*"), type);
  }
  return types;
}

/** Allocation rules from types, each by what finds a storage for it; types without one are left out. */
export function rulesOf(
  types: TensorNetwork["types"],
  storageOf: (type: TensorInfo["type"]) => AllocationRule["weights"],
): readonly AllocationRule[] {
  return [...types].flatMap(([layers, type]) => {
    const weights = storageOf(type);
    return weights === undefined ? [] : [{ layers, weights }];
  });
}
