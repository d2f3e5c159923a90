/** `bitloom simulate --depth peer`: published figures by the command, for known models, others, networks and topologies. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../meta/sources.ts";
import { type Row, readTable } from "../validation/csv.ts";
import { type Bitloom, buildBitloom } from "./bitloom.ts";

const LLAMA = join(ROOT, "examples/llama-2-7b.config.json");
const MACHINES = "fp16-baseline,ant,olive,bitmod-lossless,bitmod-lossy";

interface Result {
  readonly hardware: string;
  readonly phase: string;
  readonly depth: string;
  readonly weightBits: number;
  readonly totals: { readonly cycles: number; readonly energyPJ: { readonly total: number } };
  readonly layers: readonly unknown[];
}

const machineOf = ({ accelerator, config }: Row): string =>
  accelerator === "BitMoD"
    ? `bitmod-${config}`
    : accelerator === "FP16-baseline"
      ? "fp16-baseline"
      : accelerator!.toLowerCase();

describe("simulate --depth peer", () => {
  let bitloom: Bitloom;
  const at = (name: string): string => join(bitloom.cwd, name);
  const results = (...args: readonly string[]): readonly Result[] => {
    const { exit, stdout, stderr } = bitloom.run(["simulate", ...args, "--depth", "peer", "--json"]);
    expect([exit, stderr]).toEqual([0, ""]);
    const document = JSON.parse(stdout);
    expect(document.schema).toBe("bitloom.simulate/1");
    return document.results;
  };
  beforeAll(async () => {
    bitloom = await buildBitloom();
  });
  afterAll(() => bitloom.dispose());

  it.each([
    ["bitmod-v1", "bitmod/published-v1.csv", "1", "256"],
    ["bitmod-v2", "bitmod/revised-v2.csv", "1", "256"],
    ["bitmod-v2", "bitmod/revised-v2.csv", "4", "256"],
  ])("%s: Llama-2-7B as in %s at batch %s, context %s", (preset, table, batch, context) => {
    const sizes = ["--phase", "prefill,decode", "--batch", batch, "--context", context];
    const ours = results(LLAMA, "--preset", preset, "--hw", MACHINES, ...sizes).map((r) => [
      `${r.hardware} ${r.phase}`,
      r.totals.cycles,
    ]);
    const published = readTable(table)
      .filter((row) => row.model === "meta-llama/Llama-2-7b-hf" && row.batch === batch && row.ctx === context)
      .map((row) => [
        `${machineOf(row)} ${row.mode!.startsWith("disc") ? "prefill" : "decode"}`,
        Number(row["total_cycles(sum of per-layer max(compute,dram))"]),
      ]);
    expect(published.length).toBeGreaterThan(0);
    expect(ours).toEqual(expect.arrayContaining(published));
  });

  it("a model that nobody published needs its weight bits, and then runs on all machines", () => {
    const { _name_or_path, ...config } = JSON.parse(readFileSync(LLAMA, "utf8"));
    expect(_name_or_path).toMatch(/Llama-2-7b/);
    writeFileSync(at("mine.json"), JSON.stringify({ ...config, intermediate_size: 8192 }));
    const args = ["mine.json", "--preset", "bitmod-v2", "--context", "64"];
    const refused = bitloom.run(["simulate", ...args, "--depth", "peer"]);
    expect([refused.exit, refused.stdout]).toEqual([1, ""]);
    expect(refused.stderr).toMatch(/error\[peer\/weight-bits\].* on ant/);
    expect(results(...args, "--weight-bits", "4.5").map((r) => [r.hardware, r.weightBits])).toEqual(
      MACHINES.split(",").map((name) => [name, 4.5]),
    );
  });

  it("networks of a preset, on the machines that have them", () => {
    const published = readTable("ant/totals.csv").filter((r) => r.network === "resnet18");
    const ours = results("resnet18", "--preset", "ant", "--batch", "64");
    expect(ours.map((r) => [r.hardware, r.totals.cycles])).toEqual(
      expect.arrayContaining(published.map((r) => [r.accelerator!.toLowerCase(), Number(r.total_cycles)])),
    );
    expect(ours.length).toBe(published.length);
    const [alexnet] = results("AlexNet", "--preset", "bitfusion", "--batch", "16", "--hw", "16x32-192");
    expect(alexnet?.totals.cycles).toBe(37_666_491);
  });

  it("SCALE-Sim's own files", () => {
    writeFileSync(at("gemm.csv"), "Layer,M,N,K,\nTest 1,256,128,256,\n");
    writeFileSync(
      at("m.cfg"),
      "[general]\nrun_name = m\n[architecture_presets]\nArrayHeight: 16\nArrayWidth: 16\nIfmapSramSzkB: 64\nFilterSramSzkB: 64\nOfmapSramSzkB: 64\nDataflow: ws\n[run_presets]\nInterfaceBandwidth: CALC\n",
    );
    const ours = results("gemm.csv", "--preset", "scalesim", "--hw", "os-16x16,ws-16x16,is-16x16");
    expect(ours.map((r) => r.totals.cycles)).toEqual([36_607, 38_655, 44_543]);
    expect(results("gemm.csv", "--preset", "scalesim", "--hw", "m.cfg").map((r) => r.totals.cycles)).toEqual([38_655]);
    writeFileSync(at("bad.csv"), "Layer,M,N,K,\nTest 1,256,B,256,\n");
    const refused = bitloom.run(["simulate", "bad.csv", "--depth", "peer", "--preset", "scalesim"]);
    expect([refused.exit, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/bad\.csv:2:\d+: error\[topology\/dimension\]/),
    ]);
  });

  it("text: one line a run, with the speedup over the first", () => {
    const args = ["--preset", "bitmod-v1", "--hw", "fp16-baseline,bitmod-lossy", "--context", "256"];
    const { stdout } = bitloom.run(["simulate", LLAMA, "--depth", "peer", ...args]);
    expect(stdout.split("\n")[2]).toMatch(/^bitmod-lossy +prefill +4\.0625 +1202921472 .* 2\.624× /);
  });

  it.each([
    [["--depth", "rtl"], "there is cycle, pe, peer"],
    [["--preset", "ant"], "--preset goes with --depth peer"],
    [["--depth", "peer"], "say which --preset"],
    [["--depth", "peer", "--preset", "bitmod-v3"], "did you mean `bitmod-v"],
    [["--depth", "peer", "--preset", "ant", "--weight-bits", "17"], "numbers from 1 to 16"],
    [["--depth", "peer", "--preset", "ant", "--trace", "t"], "--trace has no meaning"],
  ])("refuses a wrong command line in words: %j", (args, message) => {
    const { exit, stdout, stderr } = bitloom.run(["simulate", LLAMA, ...args]);
    expect([exit, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
  });
});
