/** What passes say of themselves: a program changes exactly where a rule is said to have applied, and the reasons are true. */
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { type Compiled, compile } from "../../compiler/driver.ts";
import { ALGEBRA, SCHEDULING } from "../../compiler/pipelines.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import type { Program } from "../../ir/program.ts";
import { printProgram } from "../../ir/text/print.ts";
import { QUICKSTART } from "../passes/support.ts";

const SIZES = { M: 2, N: 64, K: 4096 };
const diagnostics = new Diagnostics();
const module = check([{ name: "quickstart.loom", text: QUICKSTART }], diagnostics);

const cache = new Map<string, Compiled>();

function compiled(op: string, target: string): Compiled {
  const known = cache.get(`${op} ${target}`);
  if (known !== undefined) return known;
  const made = compile({ sources: [], op, sizes: SIZES, target }, diagnostics, module);
  if (made === undefined) throw new Error(JSON.stringify(diagnostics.list));
  cache.set(`${op} ${target}`, made);
  return made;
}

function decisionsOf({ stages }: Compiled, pass: string) {
  return stages
    .filter((s) => s.pass === pass)
    .flatMap((s) => s.decisions.map(({ rule, outcome, why, count }) => ({ rule, outcome, why, count })));
}

const PROGRAM_PASSES = new Set([...ALGEBRA, ...SCHEDULING].map((p) => p.name));

describe("decisions of passes", () => {
  it.each([
    ["linear_w4a16", "cuda.sm90a"],
    ["linear_w4a16", "wgsl.p0"],
    ["linear_w2a8", "cuda.sm90a"],
    ["linear_nf4", "metal.3"],
  ])("%s for %s: programs change exactly where a rule applied", (op, target) => {
    const made = compiled(op, target);
    let before = printProgram(made.source);
    for (const { pass, result, decisions } of made.stages) {
      if (!PROGRAM_PASSES.has(pass)) continue;
      const after = printProgram(result as Program);
      const applied = decisions.filter((d) => d.outcome === "applied");
      expect([pass, applied.length > 0]).toEqual([pass, after !== before]);
      before = after;
    }
  });

  it("says why a block's scale stays in the sum over whole rows, and leaves it within a lane's chunk", () => {
    const made = compiled("linear_w4a16", "wgsl.p0");
    expect(decisionsOf(made, "hoist-scales")).toEqual([
      {
        rule: "hoist-factor",
        outcome: "kept",
        why: "w.scale and w.q change along k: the product stays in the sum",
        count: 1,
      },
    ]);
    expect(decisionsOf(made, "hoist-group-scales")[0]).toMatchObject({ rule: "hoist-factor", outcome: "applied" });
  });

  it("states the bound that makes an integer sum exact", () => {
    // Codes of 8 and 2 bits in two's complement: magnitudes up to 128 and 2.
    const bound = SIZES.K * 128 * 2;
    const [decision] = decisionsOf(compiled("linear_w2a8", "cuda.sm90a"), "integer-contract");
    expect(decision).toMatchObject({ outcome: "applied" });
    expect(decision!.why).toContain(`|sum| ≤ ${bound} <`);
  });

  it("says what a target lacks, once with how often", () => {
    const [none] = decisionsOf(compiled("linear_w4a16", "wgsl.p0"), "collectives");
    expect(none!.why).toMatch(/^wgsl\.p0 has no block\.sum/);
    // Each warp owns tileM × tileN results, and each is summed over the lanes.
    const { tileM, tileN } = compiled("linear_w4a16", "wgsl.p0").report.schedule;
    expect(none!.count).toBe(tileM * tileN);
    expect(decisionsOf(compiled("linear_w4a16", "cuda.sm90a"), "collectives")).toEqual([]);
  });

  it("points at the text that a decision is about", () => {
    const made = compiled("linear_w4a16", "wgsl.p0");
    const [decode] = made.stages.find((s) => s.pass === "expand-format")!.decisions;
    const line = QUICKSTART.slice(0, decode!.span.start).split("\n").at(-1);
    expect(line).toBe("op linear_w4a16<M, N, K>(x: f16[M, K], ");
  });
});
