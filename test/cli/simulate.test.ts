/** `bitloom simulate` on a real model's config: its numbers, its files, and its answers to bad input. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../meta/sources.ts";
import { type Bitloom, buildBitloom } from "./bitloom.ts";

const LLAMA = join(ROOT, "examples/llama-2-7b.config.json");
/** The smallest network that has everything: one block, two heads. */
const TINY = {
  model_type: "llama",
  hidden_size: 256,
  intermediate_size: 512,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  vocab_size: 1024,
};

describe("simulate", () => {
  let bitloom: Bitloom;
  const at = (name: string): string => join(bitloom.cwd, name);
  beforeAll(async () => {
    bitloom = await buildBitloom();
    writeFileSync(at("tiny.json"), JSON.stringify(TINY));
  });
  afterAll(() => bitloom.dispose());

  it("counts the multiply–accumulates of Llama-2-7B as its dimensions give them", () => {
    const { exit, stdout } = bitloom.run(["simulate", LLAMA, "--phase", "decode", "--context", "2048", "--json"]);
    const document = JSON.parse(stdout);
    expect([exit, document.schema]).toEqual([0, "bitloom.simulate/1"]);
    const [result] = document.results;
    // One token: every weight once; the products with 2048 cached keys and values.
    const weights = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008) + 32000 * 4096;
    expect(result.totals.macs).toBe(weights + 32 * 2 * 4096 * 2048);
    expect(result.layers.length).toBeGreaterThan(32 * 7);
  }, 120_000);

  it("gives up at --max-cycles with exit code 4, saying where and what units did", () => {
    const all = bitloom.run(["simulate", "tiny.json", "--context", "64", "--json"]);
    const { cycles } = JSON.parse(all.stdout).results[0].totals;
    const limited = (most: number) =>
      bitloom.run([
        "simulate",
        "tiny.json",
        "--context",
        "64",
        "--json",
        "--max-cycles",
        `${most}`,
        "--trace",
        "t.trace",
      ]);
    expect(limited(cycles).exit).toBe(0);
    const { exit, stdout } = limited(cycles - 1);
    const [diagnostic] = JSON.parse(stdout).diagnostics;
    expect([exit, diagnostic.code]).toEqual([4, "simulate/limit"]);
    expect(diagnostic.message).toMatch(/given up in lm_head, layer 10 of 10: \d+ cycles are more than \d+/);
    expect(diagnostic.notes.map((n: { message: string }) => n.message).join("\n")).toMatch(
      /pe in that layer .* mostly/,
    );
    expect(bitloom.run(["simulate", "tiny.json", "--max-cycles", "none"]).exit).toBe(2);
  });

  it("shows one line a run, in the order asked for", () => {
    const { exit, stdout, stderr } = bitloom.run([
      ...["simulate", "tiny.json", "--hw", "systolic-128,systolic-32-os"],
      ...["--phase", "prefill,decode", "--weight-bits", "16,4", "--context", "64"],
    ]);
    expect(exit).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    expect(lines.indexOf("")).toBe(1 + 8);
    expect(lines[1]).toMatch(/^systolic-128 +prefill +16 .* 1\.00× /);
    expect(lines[8]).toMatch(/^systolic-32-os +decode +4\.125 /);
    expect(stderr).toMatch(/cycles\/s/);
  });

  it("states of every unit sum to the cycles of the run", () => {
    const { stdout } = bitloom.run(["simulate", "tiny.json", "--context", "64", "--json"]);
    const { totals } = JSON.parse(stdout).results[0];
    const sum = (table: Record<string, number>): number => Object.values(table).reduce((a, b) => a + b, 0);
    for (const states of Object.values(totals.units) as { busy: object; stall: object; idle: number }[])
      expect(sum({ ...states.busy, ...states.stall, idle: states.idle })).toBe(totals.cycles);
  });

  it("writes traces that view knows", () => {
    const args = ["simulate", "tiny.json", "--context", "64", "--trace", "t.trace", "--chrome", "t.json"];
    expect(bitloom.run(args)).toMatchObject({ exit: 0, stderr: expect.stringContaining("bitloom view t.json") });
    const { traceEvents } = JSON.parse(readFileSync(at("t.json"), "utf8"));
    expect(traceEvents.length).toBeGreaterThan(50);
    expect(bitloom.run(["view", "t.json", "--info"])).toMatchObject({ exit: 0 });
    const seen = bitloom.run(["view", "t.trace", "--chrome", "u.json", "--info"]);
    expect([seen.exit, seen.stdout]).toEqual([0, expect.stringMatching(/Bitloom trace.*\n.*prefill on systolic-128/)]);
    expect(readFileSync(at("u.json"))).toEqual(readFileSync(at("t.json")));
  });

  it.each([
    [{ ...TINY, hidden_size: undefined }, /error\[workload\/missing\].*hidden_size/],
    [{ ...TINY, hidden_size: -4 }, /config\.json:1:\d+: error\[workload\/range\]/],
    [{ ...TINY, model_type: "rwkv" }, /error\[workload\/family\]/],
  ])("reports a config that is wrong in its place, exit 1, and writes nothing: %j", (config, message) => {
    writeFileSync(at("config.json"), JSON.stringify(config));
    const before = readdirSync(bitloom.cwd);
    const { exit, stdout, stderr } = bitloom.run(["simulate", "config.json", "--chrome", "no.json"]);
    expect([exit, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(message);
    expect(readdirSync(bitloom.cwd)).toEqual(before);
  });

  it("reports a hardware model that is wrong in its place", () => {
    const model = readFileSync(join(ROOT, "hw-models/systolic-128.json"), "utf8");
    writeFileSync(at("machine.json"), model.replace('"bytesPerCycle": 64', '"bytesPerCycle": -64'));
    const { exit, stderr } = bitloom.run(["simulate", "tiny.json", "--hw", "./machine.json"]);
    expect(exit).toBe(1);
    expect(stderr).toMatch(/machine\.json:\d+:\d+: error\[hardware\/range\]/);
  });

  it.each([
    [["--hw", "systolc-128"], "did you mean `systolic-128`?"],
    [["--hw", "h100-sxm"], "is no accelerator"],
    [["--phase", "training"], "there is prefill, decode"],
    [["--weight-bits", "9"], "--weight-bits takes 16 or 2 to 8"],
    [["--context", "0"], "--context takes a number from 1 up"],
    [["--dataflow", "xs"], "there is ws, os, is"],
    [["--window", "5"], "--window takes FROM:TO"],
    [["--weight-bits", "16,4", "--chrome", "no.json"], "a trace is of one run"],
  ])("refuses a wrong command line in words: %j", (args, message) => {
    const { exit, stdout, stderr } = bitloom.run(["simulate", "tiny.json", ...args]);
    expect([exit, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
  });
});
