/** Any pair of operands of 1 to 8 bits compiles from one text: the 64 of them on every target, exact wherever they run. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planWebGpu, runWebGpu } from "../../backends/hosts/webgpu.ts";
import { TARGETS } from "../../backends/index.ts";
import type { Compiled } from "../../compiler/driver.ts";
import { storedType } from "../../compiler/trial.ts";
import { fromWords } from "../../ir/storage.ts";
import { prepareMetal } from "../exec/metal.ts";
import { describeWith } from "../tools.ts";
import { type OpenDevice, openDevice } from "../webgpu.ts";
import { runInUnit, unitOf } from "./batch.ts";
import { nvccProgram, nvccSays } from "./nvcc.ts";
import { compilePair, type Pair, pairOperands, pairs, type Storage } from "./pairs.ts";

const STORAGES: readonly Storage[] = ["packed", "planes"];
/** Small tiles keep texts short; strategies are chosen as ever. */
const SMALL = { packed: { tileM: 1, tileN: 1, chunk: 4 }, planes: { tileM: 1, tileN: 1, chunk: 32 } } as const;

function wrong(pair: Pair, made: Compiled, expected: Float64Array, words: Uint32Array): readonly string[] {
  const y = fromWords(made.program.tensors.find((t) => t.id === "y")!, words, storedType(made, "y"));
  const at = expected.findIndex((value, n) => y[n] !== value);
  return at < 0 ? [] : [`${pair.name} ${pair.storage} [${at}]: ${y[at]} in place of ${expected[at]}`];
}

describe("64 pairs", () => {
  it("are 64", () => {
    for (const storage of STORAGES) {
      const widths = new Set(pairs(storage).map(({ x, w }) => `${x.bits} ${w.bits}`));
      expect(widths.size).toBe(64);
      const kinds = new Set(pairs(storage).flatMap(({ x, w }) => [x, w].map((o) => `${o.kind}${o.bits}`)));
      expect([...kinds].filter((k) => k.endsWith("1")).toSorted()).toEqual(["b1", "i1", "u1"]);
    }
  });
});

describeWith(["clang-16"], "64 pairs in Metal", () => {
  it.each(STORAGES)("%s: the integers of every pair", { timeout: 300_000 }, (storage) => {
    const all = pairs(storage);
    const made = all.map((p) => compilePair(p, "metal.3", SMALL[storage]));
    const run = prepareMetal(unitOf(made), "none");
    const found = all.flatMap((pair, op) => {
      const { words, expected } = pairOperands(pair, made[op]!);
      const result = runInUnit(made[op]!, op, words, run);
      return [...result.errors, ...wrong(pair, made[op]!, expected, result.words)];
    });
    expect(found).toEqual([]);
  });

  // Rows of 63 words: a lane's two last words are not one vector, since the second belongs to the next row.
  it("rows of an odd number of words end where they end", () => {
    const sizes = { M: 3, N: 2, K: 1000 };
    const pair = pairs("packed").find(({ x, w }) => x.bits === 2 && w.bits === 1)!;
    const made = compilePair(pair, "metal.3", {}, sizes);
    const { words, expected } = pairOperands(pair, made, sizes);
    const result = runInUnit(made, 0, words, prepareMetal(unitOf([made]), "none"));
    expect([...result.errors, ...wrong(pair, made, expected, result.words)]).toEqual([]);
  });
});

describeWith(["swiftshader", "vulkan"], "64 pairs in WGSL", () => {
  let open: OpenDevice;
  beforeAll(async () => {
    open = await openDevice();
  });
  afterAll(() => open.close());

  // Every pair once, in one storage or the other; Metal runs both.
  it.each([
    ["packed", "wgsl.p2", 0],
    ["planes", "wgsl.p0", 1],
  ] as const)("%s on %s: the integers of every other pair", { timeout: 300_000 }, async (storage, target, odd) => {
    const found: string[] = [];
    for (const pair of pairs(storage).filter(({ x, w }) => (x.bits + w.bits) % 2 === odd)) {
      const made = compilePair(pair, target, SMALL[storage]);
      const { words, expected } = pairOperands(pair, made);
      const plan = planWebGpu({ name: pair.name, program: made.program, kernels: made.kernels }, made.target);
      found.push(...wrong(pair, made, expected, (await runWebGpu(open.device, plan, words)).y!));
    }
    expect(found).toEqual([]);
  });
});

describe.skipIf(nvccProgram === undefined)("64 pairs in CUDA", () => {
  // One architecture of each sort: one-bit rows native, and only emulated. Every pair is compiled by both together.
  const cuda = TARGETS.filter((t) => t.name === "cuda.sm90a" || t.name === "cuda.sm120a");
  it.each(cuda.map((t, n) => [t.name, n] as const))("%s: without warnings", { timeout: 300_000 }, async (target, n) => {
    const own = STORAGES.flatMap((s) => pairs(s)).filter((p, at) => (p.storage === "planes" ? n === 0 : at % 2 === n));
    const made = own.map((p) => compilePair(p, target, p.storage === "packed" ? SMALL.packed : {}));
    // Tensor cores take all planes that fit a lane's registers; who does not says why.
    for (const { report } of made.filter((_, at) => own[at]!.storage === "planes")) {
      const { strategy, reasons } = report.schedule;
      if (strategy === "popc") expect(reasons.join(" ")).toMatch(/planes need \d+ accumulators a lane/);
    }
    // Plane pairs differ in how often they repeat the same instructions: nvcc reads a third, or all where it is asked to.
    const everything = process.env.BITLOOM_ALL_ARCHITECTURES === "1";
    const read = made.filter((_, at) => everything || own[at]!.storage === "packed" || at % 3 === 0);
    expect(await nvccSays(target, unitOf(read))).toBe("");
  });

  it("counts bits in lanes where the one-bit rows are only emulated", () => {
    const [pair] = pairs("planes").filter(({ x, w }) => x.bits === 4 && w.bits === 2);
    expect(compilePair(pair!, "cuda.sm90a").report.schedule.strategy).toBe("mma");
    expect(compilePair(pair!, "cuda.sm120a").report.schedule.strategy).toBe("popc");
  });
});
