/** What `bitloom simulate` puts out and `bitloom compare` reads: JSON by its schema, CSV, Markdown, sweeps, formats, headers. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layOutSafetensors } from "../../compiler/io/safetensors.ts";
import type { SimulateReport, SimulateResult } from "../../simulator/simulate.ts";
import { ROOT } from "../meta/sources.ts";
import { type Bitloom, buildBitloom } from "./bitloom.ts";

const LLAMA = { model_type: "llama", hidden_size: 128, intermediate_size: 256, num_hidden_layers: 2 };
const TINY = { ...LLAMA, num_attention_heads: 2, vocab_size: 256, _name_or_path: "tiny" };
const MIXED = { ...TINY, model_type: "mixtral", num_local_experts: 4, num_experts_per_tok: 2, _name_or_path: "mixed" };

const schema = JSON.parse(readFileSync(join(ROOT, "docs/schemas/simulate-1.schema.json"), "utf8"));
const validate = new Ajv2020({ strict: false, allErrors: true }).compile(schema);

describe("simulate's outputs", () => {
  let bitloom: Bitloom;
  beforeAll(async () => {
    bitloom = await buildBitloom();
    const write = (name: string, text: string): void => writeFileSync(join(bitloom.cwd, name), text);
    write("tiny.json", JSON.stringify(TINY));
    write("mixed.json", JSON.stringify(MIXED));
    write("net.csv", "Layer, M, N, K,\nfc1, 5, 64, 96,\nfc2, 5, 32, 64,\n");
    write("own.loom", "format mine {\n  block 64\n  scale: f16\n  q: i3[64]\n  value(i) = scale * q[i]\n}\n");
    write("al.csv", "layers,weights,kv\n*.mlp.*,mine,\n*.qk,,q8_0\n");
  });
  afterAll(() => bitloom.dispose());

  const run = (...args: readonly string[]) => bitloom.run(["simulate", ...args, "--context", "16"]);
  const report = (...args: readonly string[]): SimulateReport => {
    const { stdout, stderr, exit } = run(...args, "--json");
    expect([exit, stderr]).toEqual([0, expect.not.stringContaining("error")]);
    return JSON.parse(stdout);
  };
  const valid = (document: unknown): void => {
    validate(document);
    expect(validate.errors ?? []).toEqual([]);
  };

  it("every depth's JSON is what docs/schemas says, and the schema refuses what is not", () => {
    const machines = ["--hw", "fp16-baseline@f16,bitmod@bitmod4,systolic-32-os@mxfp4"];
    const swept = ["tiny.json", "mixed.json", "net.csv", ...machines, "--phase", "prefill,decode"];
    const cycle = report(...swept, "--threads", "3");
    valid(cycle);
    // Topologies decode nothing: two passes of two models and one of the topology, on three machines.
    expect(cycle.results.length).toBe(3 * 5);
    expect(cycle.comparison!.means.map((m) => m.workloads)).toEqual([3, 3, 3, 2, 2, 2]);
    expect(report(...swept, "--threads", "1")).toEqual(cycle);
    const peer = [
      "--depth",
      "peer",
      "--preset",
      "bitmod-v2",
      "--weight-bits",
      "4",
      "--hw",
      "fp16-baseline,bitmod-lossy",
    ];
    const published = report("tiny.json", ...peer, "--phase", "prefill,decode");
    valid(published);
    expect(published.comparison?.baseline).toBe("fp16-baseline 4 bits");
    const broken = {
      ...cycle,
      results: [{ ...cycle.results[0], totals: { ...cycle.results[0]!.totals, cycles: "1" } }],
    };
    expect(validate(broken)).toBe(false);
  });

  it("CSV holds every figure of every layer", () => {
    const { stdout } = run("tiny.json", "--weights", "mxfp4", "--csv");
    const [header, ...lines] = stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.split(","));
    const [result] = report("tiny.json", "--weights", "mxfp4").results;
    const column = (name: string): readonly string[] => lines.map((l) => l[header!.indexOf(name)]!);
    expect(column("layer")).toEqual([...result!.layers.map((l) => l.name), "total"]);
    expect(column("cycles").map(Number)).toEqual([...result!.layers.map((l) => l.cycles), result!.totals.cycles]);
    expect(column("energyRangePJ.maximum.dram").map(Number).at(-1)).toBe(result!.totals.energyRangePJ.maximum.dram);
    const stall = result!.totals.stalls.find((s) => s.culprit !== null)!;
    const path = `stalls.${stall.unit}.${stall.cause}.${stall.culprit}.exposedCycles`;
    expect(Number(column(path).at(-1))).toBe(stall.exposedCycles);
  });

  it("Markdown has the tables of the text", () => {
    const { stdout } = run("tiny.json", "--weight-bits", "16,4", "--markdown");
    expect(stdout).toMatch(/^\| Machine \| Phase \| Bits \|.*\n\|( ---:? \|)+\n\| systolic-128 \| prefill \| 16 \|/);
    expect(stdout).toContain("\n### Energy against systolic-128 f16, and whether the ranking survives");
  });

  it("stores layers as an allocation table and a user's format say", () => {
    const options = [
      "--loom",
      "own.loom",
      "--allocation",
      "al.csv",
      "--weights",
      "i8_row",
      "--activations",
      "mxfp8_e4m3",
    ];
    const [result] = report("tiny.json", ...options).results;
    const formats = new Map(result!.layers.map((l) => [l.name.replace(/.*\d\./, ""), l.operandFormat]));
    expect(formats.get("mlp.up_proj")).toBe("mine");
    expect(formats.get("self_attn.q_proj")).toBe("i8_row");
    expect([formats.get("self_attn.qk"), formats.get("self_attn.pv")]).toEqual(["q8_0", "f16"]);
    expect(result!.activationFormat).toBe("mxfp8_e4m3");
    expect(result!.configuration).toBe("systolic-128 i8_row allocated x mxfp8_e4m3");
  });

  it("takes networks and their formats from the headers of tensor files", () => {
    writeFileSync(join(bitloom.cwd, "net.gguf"), gguf());
    const [result] = report("net.gguf").results;
    const stored = result!.layers.map((l) => `${l.name} ${l.operandFormat} ${l.shape.n}x${l.shape.k}`);
    expect(stored).toEqual([
      "blk.0.attn_q q4_k 256x256",
      "blk.0.attn_k q6_k 64x256",
      "blk.0.attn_v q6_k 64x256",
      "blk.0.attn.qk f16 16x64",
      "blk.0.attn.pv f16 64x16",
      "blk.0.attn_output q4_k 256x256",
      "blk.0.ffn_gate_inp f32 4x256",
      "blk.0.ffn_up_exps.0-3 IQ2_XXS 512x256",
      "output f16 100x256",
    ]);
    expect(result).toMatchObject({ workload: "header", experts: { active: 4, count: 4, perToken: 2 } });
    // Without its config beside it, a safetensors file says nothing of heads.
    const plan = layOutSafetensors([{ name: "model.layers.0.mlp.up_proj.weight", type: "BF16", shape: [256, 128] }]);
    const bytes = Buffer.alloc(plan.size);
    bytes.set(plan.header);
    writeFileSync(join(bitloom.cwd, "model.safetensors"), bytes);
    expect(run("model.safetensors")).toMatchObject({ exit: 3, stderr: expect.stringContaining("put its config.json") });
    writeFileSync(join(bitloom.cwd, "config.json"), JSON.stringify(TINY));
    const layers = report("model.safetensors").results[0]!.layers;
    expect(layers.filter((l) => l.operandFormat === "bf16").map((l) => l.name)).toEqual(["model.layers.0.mlp.up_proj"]);
  });

  it("says in words what cannot be", () => {
    const cases: readonly (readonly [readonly string[], number, string])[] = [
      [["tiny.json", "--experts", "2"], 1, "tiny has no experts"],
      [["mixed.json", "--experts", "1"], 1, "2 to 4 experts can be reached, not 1"],
      [["net.csv", "--phase", "decode"], 1, "decodes no tokens one by one"],
      [["tiny.json", "--weights", "nf5"], 1, "there is no format `nf5`"],
      [["tiny.json", "--weights", "4", "--weight-bits", "4"], 2, "give one of them"],
      [["resnet5"], 3, "networks that need no file are alexnet"],
    ];
    for (const [args, exit, message] of cases)
      expect(run(...args)).toMatchObject({ exit, stdout: "", stderr: expect.stringContaining(message) });
  });

  it("compare: differences of operations and of the array's states sum to the total's, and limits decide the exit", () => {
    const save = (name: string, ...args: readonly string[]): SimulateResult => {
      const document = report("tiny.json", ...args);
      writeFileSync(join(bitloom.cwd, name), JSON.stringify(document));
      return document.results[0]!;
    };
    const [a, b] = [save("a.json"), save("b.json", "--weights", "q4_k", "--dataflow", "os")];
    const compare = (...args: readonly string[]) => bitloom.run(["compare", ...args]);
    const { exit, stdout } = compare("a.json", "b.json", "--json");
    const [pair] = JSON.parse(stdout).pairs;
    const difference = b.totals.cycles - a.totals.cycles;
    const sum = (values: Iterable<number>): number => [...values].reduce((s, v) => s + v, 0);
    expect([exit, pair.totals.cycles.difference]).toEqual([0, difference]);
    expect(sum(pair.layers.map((l: { cycles: { difference: number } }) => l.cycles.difference))).toBe(difference);
    expect(sum(Object.values(pair.arrayStates))).toBe(difference);
    expect(pair.totals.energy.a).toBe(a.totals.energyPJ.total);
    expect(difference).not.toBe(0);
    const share = (100 * difference) / a.totals.cycles;
    const limit = (percent: number): string => `cycles>${percent.toFixed(6)}%`;
    expect(compare("a.json", "b.json", "--fail-on", limit(share + 0.001)).exit).toBe(0);
    const breached = compare("a.json", "b.json", "--fail-on", `energy>1e30,${limit(share - 0.001)}`);
    expect([breached.exit, breached.stderr]).toEqual([1, expect.stringContaining("breached: cycles>")]);
    expect(compare("a.json", "b.json", "--fail-on", "speed>1").exit).toBe(2);
    expect(compare("a.json", "al.csv").exit).toBe(1);
    expect(compare("a.json", "none.json").exit).toBe(3);
    run("tiny.json", "--trace", "a.trace");
    const same = JSON.parse(compare("a.trace", "a.json", "--json").stdout).pairs[0];
    expect([same.totals.cycles.difference, same.totals.dram.difference]).toEqual([0, 0]);
  });
});

/** A header of GGUF version 3 written here from its specification: metadata, tensor infos, and room for the tensors. */
function gguf(): Uint8Array {
  const parts: Buffer[] = [];
  const u32 = (v: number): void => void parts.push(Buffer.from(Uint32Array.of(v).buffer));
  const u64 = (v: number): void => void parts.push(Buffer.from(BigUint64Array.of(BigInt(v)).buffer));
  const text = (v: string): void => {
    u64(Buffer.byteLength(v));
    parts.push(Buffer.from(v));
  };
  // Sizes slowest axis last, as in the file; types by ggml's numbers with bytes per block and values per block.
  const types = { F32: [0, 4, 1], F16: [1, 2, 1], Q4_K: [12, 144, 256], Q6_K: [14, 210, 256], IQ2_XXS: [16, 66, 256] };
  const tensors: readonly (readonly [string, keyof typeof types, readonly number[]])[] = [
    ["blk.0.attn_norm.weight", "F32", [256]],
    ["blk.0.attn_q.weight", "Q4_K", [256, 256]],
    ["blk.0.attn_k.weight", "Q6_K", [256, 64]],
    ["blk.0.attn_v.weight", "Q6_K", [256, 64]],
    ["blk.0.attn_output.weight", "Q4_K", [256, 256]],
    ["blk.0.ffn_gate_inp.weight", "F32", [256, 4]],
    ["blk.0.ffn_up_exps.weight", "IQ2_XXS", [256, 512, 4]],
    ["token_embd.weight", "F16", [256, 100]],
  ];
  const values: readonly (readonly [string, string | number])[] = [
    ["general.architecture", "llama"],
    ["general.name", "header"],
    ["llama.embedding_length", 256],
    ["llama.attention.head_count", 4],
    ["llama.attention.head_count_kv", 1],
    ["llama.expert_used_count", 2],
  ];
  parts.push(Buffer.from("GGUF"));
  u32(3);
  u64(tensors.length);
  u64(values.length);
  for (const [key, value] of values) {
    text(key);
    u32(typeof value === "string" ? 8 : 4);
    if (typeof value === "string") text(value);
    else u32(value);
  }
  let offset = 0;
  for (const [name, type, shape] of tensors) {
    text(name);
    u32(shape.length);
    for (const size of shape) u64(size);
    u32(types[type][0]!);
    u64(offset);
    const bytes = (shape.reduce((p, s) => p * s, 1) / types[type][2]!) * types[type][1]!;
    offset += Math.ceil(bytes / 32) * 32;
  }
  const header = Buffer.concat(parts);
  return Buffer.concat([header, Buffer.alloc(Math.ceil(header.length / 32) * 32 - header.length + offset)]);
}
