/** Workloads of `bitloom simulate`: configs, topologies, headers of tensor files, and networks that need no file. */
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Diagnostics, Source } from "../../ir/diagnostics.ts";
import type { AllocationRule, Storage } from "../../simulator/workload/allocation.ts";
import { CONVOLUTIONAL, convolutional } from "../../simulator/workload/convolutions.ts";
import { readHuggingFace } from "../../simulator/workload/hugging-face.ts";
import { opaqueFormat, plainFormat } from "../../simulator/workload/matmul.ts";
import type { Network } from "../../simulator/workload/network.ts";
import { networkOfTopology } from "../../simulator/workload/topology.ts";
import type { StoredType } from "../io/elements.ts";
import type { TensorFile } from "../io/tensor-file.ts";
import { stdFiles } from "../std.ts";
import { readText } from "./files.ts";
import { isShapeError, parseShape } from "./shape.ts";
import type { FormatSources } from "./simulate-formats.ts";
import { withTensors } from "./tensor-files.ts";
import { networkOfGguf, rulesOf, typesOfSafetensors } from "./tensor-network.ts";
import { EXIT, type Exit, type Terminal } from "./terminal.ts";

/** A network, and how the file that it came from stores it. */
export interface FoundWorkload {
  readonly network: Network;
  readonly stored: readonly AllocationRule[];
}

export type WorkloadOrExit = FoundWorkload | { readonly exit: Exit };

const CONFIG = "config.json";

/** `M=16,N=16,K=256` as a network of one product; undefined where it is none. */
function productOf(text: string): Network | undefined {
  const shape = text.includes("=") ? parseShape(text) : { error: "no sizes" };
  if (isShapeError(shape)) return undefined;
  const { M: m, N: n, K: k, ...others } = shape;
  if (m === undefined || n === undefined || k === undefined || Object.keys(others).length > 0) return undefined;
  return {
    name: text,
    family: "product",
    pass: "fixed",
    stages: [{ kind: "product", name: "product", role: "feed-forward", batch: 1, m, n, k, bias: false }],
    otherParameters: { embeddings: 0, vectors: 0 },
  };
}

/** What ends a workload's name says what it is; a folder is its config.json. */
export async function readWorkload(
  terminal: Terminal,
  path: string,
  formats: FormatSources,
  sources: Source[],
  sink: Diagnostics,
  json: boolean,
): Promise<WorkloadOrExit> {
  const named = existsSync(path) ? undefined : (convolutional(path.toLowerCase()) ?? productOf(path));
  if (named !== undefined) return { network: named, stored: [] };
  if (/\.(gguf|safetensors)$/i.test(path)) return readHeader(terminal, path, formats, sources, sink, json);
  const isFolder = path !== "-" && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const network = readTextual(terminal, isFolder ? join(path, CONFIG) : path, path, sources, sink);
  return typeof network === "object" ? { network, stored: [] } : { exit: network };
}

function readTextual(
  terminal: Terminal,
  path: string,
  name: string,
  sources: Source[],
  sink: Diagnostics,
): Network | Exit {
  const text = readText(terminal, path);
  if (text === undefined) {
    if (!/[./\\]/.test(path)) terminal.say(`networks that need no file are ${CONVOLUTIONAL.join(", ")}`);
    return EXIT.unreadable;
  }
  sources.push({ name: path, text });
  const file = sources.length - 1;
  const read = path.toLowerCase().endsWith(".csv") ? networkOfTopology : readHuggingFace;
  return read(text, file, name, sink) ?? EXIT.failed;
}

/** GGUF describes itself; a safetensors file needs the config.json beside it. */
async function readHeader(
  terminal: Terminal,
  path: string,
  formats: FormatSources,
  sources: Source[],
  sink: Diagnostics,
  json: boolean,
): Promise<WorkloadOrExit> {
  const found: { value?: WorkloadOrExit } = {};
  const exit = await withTensors(terminal, "simulate", path, json, ({ file }) => {
    found.value = fromHeader(terminal, path, file, formats, sources, sink);
    return Promise.resolve(EXIT.ok);
  });
  return found.value ?? { exit };
}

function fromHeader(
  terminal: Terminal,
  path: string,
  file: TensorFile,
  formats: FormatSources,
  sources: Source[],
  sink: Diagnostics,
): WorkloadOrExit {
  const storageOf = (type: StoredType): Storage => storageOfType(type, formats);
  if (file.container === "gguf") {
    const read = networkOfGguf(file, path, sink);
    if (read === undefined) return { exit: EXIT.failed };
    return { network: read.network, stored: rulesOf(read.types, storageOf) };
  }
  const config = join(dirname(path), CONFIG);
  if (!existsSync(config)) {
    terminal.say(`${terminal.accent("red", "error:")} ${path} names tensors, not heads: put its config.json beside it`);
    return { exit: EXIT.unreadable };
  }
  const network = readTextual(terminal, config, path, sources, sink);
  if (typeof network !== "object") return { exit: network };
  return { network, stored: rulesOf(typesOfSafetensors(file, network), storageOf) };
}

const PLAIN = { F16: "f16", BF16: "bf16", F32: "f32" } as const;
/** Types of GGUF whose name in the library is another one. */
const RENAMED: Readonly<Record<string, string>> = { MXFP4: "gguf_mxfp4", NVFP4: "gguf_nvfp4" };

/** A type of a container as a format: the library's declaration, or its size alone where there is none. */
function storageOfType(type: StoredType, formats: FormatSources): Storage {
  const { name, valuesPerBlock, bytesPerBlock } = type;
  if (Object.hasOwn(PLAIN, name)) return plainFormat(PLAIN[name as keyof typeof PLAIN]);
  const declared = RENAMED[name] ?? name.toLowerCase();
  if (stdFiles().some((f) => f.formats.includes(declared))) {
    const found = formats.lookUp(declared, name);
    if ("storage" in found) return found.storage;
  }
  return opaqueFormat(name, valuesPerBlock, bytesPerBlock);
}
