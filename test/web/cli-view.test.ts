/** `bitloom view` as a user runs it: what it writes and says without serving. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeTrace } from "../../simulator/index.ts";
import { arrayOf, peStatesAt, waveAt } from "../../web/array.ts";
import { load } from "../../web/load/load.ts";
import { type Bitloom, buildBitloom } from "../cli/bitloom.ts";
import { simulated } from "./traces.ts";

const TINY = {
  model_type: "llama",
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 2,
  vocab_size: 96,
};

describe("bitloom view", () => {
  let bitloom: Bitloom;
  beforeAll(async () => {
    bitloom = await buildBitloom();
    writeFileSync(join(bitloom.cwd, "run.trace"), encodeTrace(simulated().trace!));
    writeFileSync(join(bitloom.cwd, "run.log"), "Kanata\t0004\n");
  });
  afterAll(() => bitloom?.dispose());

  it("writes one page that holds the trace", () => {
    expect(bitloom.run(["view", "run.trace", "--html", "run.html"])).toMatchObject({ exit: 0, stdout: "" });
    const page = readFileSync(join(bitloom.cwd, "run.html"), "utf8");
    expect(page).toContain('id="bitloom-trace" data-name="run.trace"');
    expect(page).toContain("connect-src 'none'");
  });

  it("writes one page of several runs, with the timeline of each", async () => {
    const config = join(bitloom.cwd, "tiny.json");
    writeFileSync(config, JSON.stringify(TINY));
    const runs = ["--hw", "systolic-32-os,systolic-32-is", "--phase", "decode", "--context", "16"];
    expect(bitloom.run(["simulate", config, ...runs, "--report", "report.html"])).toMatchObject({ exit: 0 });
    const page = readFileSync(join(bitloom.cwd, "report.html"), "utf8");
    const holders = [...page.matchAll(/<script type="application\/octet-stream" id="([^"]+)"[^>]*>([^<]+)<\/script>/g)];
    expect(holders.map((h) => h[1])).toEqual(["bitloom-trace", "bitloom-trace-1"]);
    expect(page).toContain("connect-src 'none'");
    const json = JSON.parse(bitloom.run(["simulate", config, ...runs, "--json"]).stdout);
    for (const [i, [, , text = ""]] of holders.entries()) {
      const loaded = await load(Buffer.from(text, "base64"));
      if (loaded.kind !== "model") throw new Error("no trace");
      expect(loaded.model.cycles).toBe(json.results[i].totals.cycles);
      expect(loaded.model.hardware).toBe(json.results[i].hardware);
      expect(loaded.model.run?.machine?.name).toBe(json.results[i].hardware);
    }
  });

  it.each([
    ["systolic-32-os", "M=32,N=40,K=128"],
    ["bitmod", "M=32,N=36,K=256"],
    ["olive", "M=64,N=80,K=128"],
  ])(
    "shows the array of %s as its PEs were stepped; the wave that a trace of depth cycle implies is the same",
    async (hw, product) => {
      const run = ["simulate", product, "--depth", "pe", "--hw", hw, "--weight-bits", "4", "--trace", "pe.trace"];
      expect(bitloom.run(run)).toMatchObject({ exit: 0 });
      const loaded = await load(readFileSync(join(bitloom.cwd, "pe.trace")));
      if (loaded.kind !== "model") throw new Error("no trace");
      const { model } = loaded;
      const info = arrayOf(model)!;
      const multiply = model.peStates.indexOf("multiply");
      const [stepped, implied]: [number[], number[]] = [[], []];
      for (let t = 0; t < model.cycles; t++) {
        stepped.push(peStatesAt(model, info, t)!.states.reduce((n, s) => n + (s === multiply ? 1 : 0), 0));
        implied.push(waveAt(model, info, t).working);
      }
      expect(Math.max(...stepped)).toBe(info.rows * info.columns);
      expect(implied).toEqual(stepped);
    },
  );

  it("says what a trace holds, as text and as a document", () => {
    expect(bitloom.run(["view", "run.log", "--info"]).stdout).toMatch(/^run\.log: a Kanata log, /);
    const { exit, stdout } = bitloom.run(["view", "run.trace", "--json"]);
    expect([exit, JSON.parse(stdout)]).toMatchObject([0, { schema: "bitloom.view/1", kind: "bitloom" }]);
  });

  it("refuses what makes no sense, exit 2", () => {
    expect(bitloom.run(["view", "run.trace", "--port", "99999"]).exit).toBe(2);
    expect(bitloom.run(["view", "run.trace", "run.log", "--html", "x.html"]).exit).toBe(2);
    expect(bitloom.run(["view", "run.log", "--chrome", "x.json"]).exit).toBe(2);
  });
});
