/** `bitloom simulate --depth pe`: proofs of small products, what is refused and why, and traces that hold every PE. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { run } from "../../compiler/cli/simulate.ts";
import { openTerminal } from "../../compiler/cli/terminal.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { PE_STATES } from "../../simulator/pe/record.ts";
import type { PeResult } from "../../simulator/pe/simulate-pe.ts";
import { decodeTrace, peStatesAt, type Trace } from "../../simulator/trace.ts";

const folder = mkdtempSync(join(tmpdir(), "bitloom-pe-"));

async function simulate(workload: string, options: Readonly<Record<string, string | boolean>>) {
  const [out, said]: [string[], string[]] = [[], []];
  const terminal = openTerminal({ write: (text) => out.push(text) }, { write: (text) => said.push(text) }, {});
  const exit = await run(terminal, [workload], { depth: "pe", ...options });
  return { exit, out: out.join(""), said: said.join("") };
}

async function proven(workload: string, options: Readonly<Record<string, string | boolean>>): Promise<PeResult> {
  const { exit, out, said } = await simulate(workload, { ...options, json: true });
  expect([exit, said.includes("error")]).toEqual([0, false]);
  return JSON.parse(out).results[0] as PeResult;
}

/**
 * The states that a fold's place in the trace implies: rows enter at the corner, and the PE in row r and column c meets
 * them r + c cycles later. A second reading of the columns, for output- and weight-stationary arrays without tiles.
 */
function fromFolds(trace: Trace, rows: number, columns: number, cycle: number): readonly string[] {
  const folds = trace.segments[0]!.folds!;
  const out = Array.from({ length: rows * columns }, () => "idle");
  let end = 0;
  folds.cycles.forEach((cycles, i) => {
    end += cycles;
    const start = end - folds.time[i]!;
    for (let at = 0; at < out.length; at++) {
      const [r, c] = [Math.floor(at / columns), at % columns];
      const since = cycle - start - r - c;
      if (since < 0 || since >= folds.time[i]!) continue;
      out[at] = r < folds.rows[i]! && c < folds.columns[i]! ? "multiply" : "padding";
    }
  });
  return out;
}

describe("simulate --depth pe", () => {
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ["bitmod", "M=9,N=40,K=256", "3", "bitmod3"],
    ["bitmod", "M=9,N=40,K=128", "8", "bitmod_int8"],
    ["systolic-32-os", "M=9,N=40,K=128", "4", "i4_g128"],
    ["systolic-32-is", "M=40,N=9,K=40", "16", "f16"],
  ])("%s, %s with %s bits: cycles of depth cycle, values of the evaluator", async (hw, shape, weightBits, format) => {
    const { totals, layers, weightFormat, depth } = await proven(shape, { hw, weightBits });
    expect([depth, weightFormat, layers.length]).toEqual(["pe", format, 1]);
    const { pe } = totals;
    expect([pe.wrongValues, pe.steppedCycles]).toEqual([0, pe.cycleDepthCycles]);
    const all = Object.values(pe.states).reduce((sum, s) => sum + s, 0);
    expect(all).toBe(pe.peCycles);
    // A plain PE multiplies once a cycle; three-bit weights take two cycles for four, eight-bit ones four.
    const perMac = hw === "bitmod" ? (weightBits === "3" ? 2 : 4) / 4 : 1;
    expect(pe.states.multiply).toBe(totals.macs * perMac);
  });

  it.each([
    ["olive", "M=20,N=70,K=64", {}, "olive_int4"],
    ["olive", "M=20,N=40,K=64", { weightBits: "8" }, "olive_int8"],
    ["int8", "M=20,N=70,K=128", {}, "i8_g128"],
    // Streams 40 rows past a preload of 16; and two arrays, of which the second has fewer columns.
    ["edge-16", "M=40,N=30,K=128", {}, "i8_g128"],
    ["tpu-v3", "M=9,N=300,K=130", {}, "f16"],
  ])("%s, %s %j: as it is built", async (hw, shape, options, format) => {
    const { totals, weightFormat } = await proven(shape, { hw, ...options });
    expect([weightFormat, totals.pe.wrongValues]).toEqual([format, 0]);
    expect(totals.pe.steppedCycles).toBe(totals.pe.cycleDepthCycles);
  });

  it("steps every product of a small network", async () => {
    const path = join(folder, "tiny.json");
    const config = { hidden_size: 64, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2 };
    writeFileSync(path, JSON.stringify({ model_type: "llama", vocab_size: 32, ...config }));
    const { layers } = await proven(path, { hw: "systolic-32-os", context: "8" });
    expect(layers.map((l) => l.name.replace("model.layers.0.", ""))).toContain("self_attn.pv[1]");
    expect(layers.every((l) => l.pe.wrongValues === 0)).toBe(true);
  });

  it.each([["systolic-32-os"], ["systolic-128"]])(
    "%s: the trace's folds tell what each PE was seen to do",
    async (hw) => {
      const path = join(folder, `${hw}.trace`);
      const { exit } = await simulate("M=20,N=50,K=140", { hw, trace: path });
      expect(exit).toBe(0);
      const trace = decodeTrace(new Uint8Array(readFileSync(path)), 0, new Diagnostics())!;
      const size = hw === "systolic-128" ? 128 : 32;
      const { cycles } = trace.header.segments[0]!;
      for (let cycle = 0; cycle < cycles; cycle += 37) {
        // Folds say nothing of sums on their way out.
        const stepped = [...peStatesAt(trace, 0, cycle)!].map((s) => PE_STATES[s]!.replace("drain", "idle"));
        expect(stepped).toEqual(fromFolds(trace, size, size, cycle));
      }
    },
  );

  it.each([
    ["M=4096,N=4096,K=4096", {}, /steps products of up to 4194304[\s\S]*--depth cycle/],
    ["M=1,N=1,K=400000", { hw: "systolic-128" }, /PE-cycles, and depth pe steps up to 268435456[\s\S]*fewer PEs/],
    ["M=8,N=8,K=128", { hw: "bitmod", weightBits: "16" }, /does not take weights of 16 bits/],
    ["M=8,N=8,K=128", { hw: "bitmod", weightBits: "4", dataflow: "ws" }, /does not take dataflow ws/],
    ["M=8,N=8,K=100", { hw: "bitmod", weightBits: "4" }, /not a multiple of 128/],
  ])("%s %j: refused with what would go", async (shape, options, message) => {
    const { exit, said } = await simulate(shape, options);
    expect(exit).toBe(1);
    expect(said).toMatch(message);
  });
});
