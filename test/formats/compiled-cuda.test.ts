/** Every format decoded and multiplied in CUDA: nvcc takes the kernels without a warning, on every architecture. */
import { describe, expect, it } from "vitest";
import { TARGETS } from "../../backends/index.ts";
import { unitOf } from "./batch.ts";
import { caseOf, compileCase, FORMATS, type Kind } from "./compiled.ts";
import { nvccProgram, nvccSays } from "./nvcc.ts";

const CUDA = TARGETS.filter((t) => t.family === "cuda");
const KINDS: readonly Kind[] = ["decode", "linear"];
const CASES = KINDS.flatMap((kind) => FORMATS.map((name) => [name, kind] as const));

/**
 * Kernels of multiply–adds have the same text on every architecture (the first test), so nvcc reads each once: every
 * architecture compiles its share. BITLOOM_ALL_ARCHITECTURES=1 compiles every kernel for each of them.
 */
const everywhere = process.env.BITLOOM_ALL_ARCHITECTURES === "1";

describe("formats in CUDA", () => {
  it("are the same text on every architecture", () => {
    for (const [name, kind] of [
      ["bitmod3", "linear"],
      ["q4_k", "decode"],
      ["i4_g64", "linear"],
    ] as const) {
      const texts = CUDA.map((t) => unitOf([compileCase(caseOf(name, kind), t.name)]));
      expect(new Set(texts).size).toBe(1);
    }
  });

  it.skipIf(nvccProgram === undefined).each(CUDA.map((t, n) => [t.name, n] as const))(
    "%s compiles without warnings",
    { timeout: 300_000 },
    async (target, n) => {
      const own = CASES.filter((_, at) => everywhere || at % CUDA.length === n);
      const made = own.map(([name, kind]) => compileCase(caseOf(name, kind), target));
      expect(await nvccSays(target, unitOf(made))).toBe("");
    },
  );
});
