/** Asynchronous copies: a two-stage pipeline that is right, each of its classic mistakes, mbarrier phases, matrix rows in flight. */
import { describe, expect, it } from "vitest";
import {
  bufferOf,
  bufferToWords,
  emptyBuffer,
  evalKernel,
  evalKernelModes,
  type KernelBuffers,
  MODES,
} from "../../ir/eval/kernel.ts";
import type { ExprId } from "../../ir/expr.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { ROWS } from "../../ir/row-catalogue.ts";
import { verifyKernel } from "../../ir/verify/kernel.ts";
import { KernelBuilder } from "./kernels.ts";

const TILES = 5;
const THREADS = 64;
const TILE = THREADS * 4;

type Mistake = "drain" | "barrier" | "refill" | "commit" | "late drain";

/** out[t] = Σ over tiles of x[tile, other thread's chunk], two stages of shared memory filled by cp.async. */
function pipeline(mistake?: Mistake): Kernel {
  const b = new KernelBuilder({ lanes: 32, warps: 2 });
  b.input("x", "u32", TILES * TILE);
  b.output("out", "u32", THREADS);
  b.shared("stage", "u32", 2 * TILE);
  const chunk = b.at(b.int(0), [b.thread(), 4]);
  const fill = (tile: ExprId): void => {
    const slot = b.op("mod", tile, b.int(2));
    const from = b.access("x", b.at(chunk, [tile, TILE]), 4);
    b.cpAsync(from, b.access("stage", b.at(chunk, [slot, TILE]), 4), 16, b.op("lt", tile, b.int(TILES)));
    if (mistake !== "commit") b.sync("commit", "warp");
  };
  const sum = b.var(b.e.constant(0, "u32"), "sum");
  fill(b.int(0));
  fill(b.int(1));
  b.for(b.int(0), b.int(TILES), 1, (t) => {
    if (mistake !== "drain") b.sync("drain", "warp", { count: b.int(mistake === "late drain" ? 2 : 1) });
    if (mistake !== "barrier") b.barrier();
    // Without the barrier even lanes of one warp do not see each other's copies.
    const other = b.op("xor", b.thread(), b.int(mistake === "barrier" ? 31 : THREADS - 1));
    const slot = b.op("mod", t, b.int(2));
    for (const part of b.readVector("stage", b.at(b.int(0), [other, 4], [slot, TILE]), 4))
      b.assign(sum, b.e.add(sum, part));
    if (mistake !== "refill") b.barrier();
    fill(b.e.add(t, b.int(2)));
  });
  b.sync("drain", "warp", { count: b.int(0) });
  b.write("out", b.thread(), sum);
  return b.done();
}

function pipelineBuffers(): KernelBuffers {
  return new Map([
    [
      "x",
      bufferOf(
        "u32",
        Array.from({ length: TILES * TILE }, (_, i) => (i * 2654435761) % 1000),
      ),
    ],
    ["out", emptyBuffer("u32", THREADS)],
  ]);
}

/** The errors of a kernel in every mode: a mistake must not depend on luck. */
function errorsInAllModes(kernel: Kernel, buffers: () => KernelBuffers): string[] {
  const all = MODES.map((mode) => evalKernel(kernel, buffers(), mode).errors);
  for (const errors of all) expect(errors.length).toBeGreaterThan(0);
  return all.map((errors) => errors[0]!);
}

describe("a two-stage cp.async pipeline", () => {
  it("adds every tile", () => {
    expect(verifyKernel(pipeline())).toEqual([]);
    const buffers = pipelineBuffers();
    expect(evalKernelModes(pipeline(), buffers).errors).toEqual([]);
    const x = buffers.get("x")!.data;
    const expected = Array.from({ length: THREADS }, (_, t) => {
      let sum = 0;
      for (let tile = 0; tile < TILES; tile++)
        for (let i = 0; i < 4; i++) sum += x[tile * TILE + (THREADS - 1 - t) * 4 + i]!;
      return sum;
    });
    expect([...buffers.get("out")!.data]).toEqual(expected);
  });

  it.each([
    ["drain", /stage\[\d+\], which body\[1\].*is still filling: nothing waits/],
    ["late drain", /stage\[\d+\], which body\[1\].*is still filling: nothing waits/],
    [
      "barrier",
      /which body\[\d+\].* filled: only warp \d, lane \d+ of the 64 lanes waited for it, and no barrier follows/,
    ],
    ["refill", /writes stage\[\d+\], which warp \d, lane \d+ reads at .*a race|reads stage.* is still filling/],
    ["commit", /is still filling|never committed/],
  ] as const)("without its %s is wrong in every mode", (mistake, message) => {
    for (const error of errorsInAllModes(pipeline(mistake), pipelineBuffers)) expect(error).toMatch(message);
  });

  it("gives other results without checks in late mode when the drain is missing", () => {
    const [early, late] = (["early", "late"] as const).map((transfers) => {
      const buffers = pipelineBuffers();
      expect(evalKernel(pipeline("drain"), buffers, { transfers, check: false }).errors).toEqual([]);
      return [...buffers.get("out")!.data];
    });
    expect(early).not.toEqual(late);
  });

  it("reports copies that nobody drained", () => {
    const b = new KernelBuilder({ lanes: 32, warps: 1 });
    b.input("x", "u32", 128);
    b.shared("s", "u32", 128);
    const at = b.at(b.int(0), [b.lane(), 4]);
    b.cpAsync(b.access("x", at), b.access("s", at), 16);
    b.sync("commit", "warp");
    const { errors } = evalKernel(b.done(), new Map([["x", emptyBuffer("u32", 128)]]));
    expect(errors).toEqual([
      "body[0] (cpAsync x to s, warp): block 0, warp 0 ends with operations that were never drained",
    ]);
  });
});

type PhaseMistake = "fixed parity" | "no arrive" | "bytes" | "no fence" | "early refill";

/**
 * Warp 0 fills one shared tile with bulk copies, `tiles` times; warp 1 sums it. full counts bytes, empty the consumer.
 * The wait parities run on with the tile: a fixed parity is right for the first tile only.
 */
function handOver(tiles: number, mistake?: PhaseMistake): Kernel {
  const b = new KernelBuilder({ lanes: 32, warps: 2 });
  b.input("x", "u32", tiles * 64);
  b.output("out", "u32", 32);
  b.shared("tile", "u32", 64);
  b.shared("bars", "u64", 2);
  const full = b.access("bars", b.int(0));
  const empty = b.access("bars", b.int(1));
  const producer = b.op("eq", b.warp(), b.int(0));
  b.if(producer, "warp", () => {
    for (const at of [full, empty]) b.sync("init", "warp", { at, count: b.int(1) });
  });
  b.write("tile", b.thread(), b.e.constant(7, "u32"));
  if (mistake !== "no fence") b.sync("fence", "warp", { proxy: "async" });
  b.barrier();
  const sum = b.var(b.e.constant(0, "u32"), "sum");
  const parity = (t: ExprId): ExprId => (mistake === "fixed parity" ? b.int(0) : b.op("mod", t, b.int(2)));
  b.if(
    producer,
    "warp",
    () => {
      b.for(b.int(0), b.int(tiles), 1, (t) => {
        // The first wait is for the phase before the first, which counts as ended.
        if (mistake !== "early refill") {
          const before = b.op("mod", b.e.add(t, b.int(1)), b.int(2));
          b.sync("wait", "warp", { at: empty, count: before });
        }
        const bytes = mistake === "bytes" ? 512 : 256;
        b.sync("expect", "warp", { at: full, count: b.int(bytes) });
        const one = b.exchange("elect", "warp", "bool");
        const from = b.access("x", b.at(b.int(0), [t, 64]));
        b.transfer("bulk", from, b.access("tile", b.int(0)), 256, { kind: "mbarrier", at: full }, one);
        b.sync("arrive", "warp", { at: full });
      });
    },
    () => {
      b.for(b.int(0), b.int(tiles), 1, (t) => {
        b.sync("wait", "warp", { at: full, count: parity(t) });
        for (const half of [0, 32]) b.assign(sum, b.e.add(sum, b.read("tile", b.e.add(b.lane(), b.int(half)))));
        if (mistake !== "no arrive") b.sync("arrive", "warp", { at: empty });
      });
      b.write("out", b.lane(), sum);
    },
  );
  return b.done();
}

const handOverBuffers = (tiles: number) => (): KernelBuffers =>
  new Map([
    [
      "x",
      bufferOf(
        "u32",
        Array.from({ length: tiles * 64 }, (_, i) => i * i),
      ),
    ],
    ["out", emptyBuffer("u32", 32)],
  ]);

describe("mbarriers", () => {
  it.each([1, 2, 3, 4])("hand over %i tiles", (tiles) => {
    expect(verifyKernel(handOver(tiles))).toEqual([]);
    const buffers = handOverBuffers(tiles)();
    expect(evalKernelModes(handOver(tiles), buffers).errors).toEqual([]);
    const expected = Array.from({ length: 32 }, (_, lane) => {
      let sum = 0;
      for (let t = 0; t < tiles; t++) for (const i of [lane, lane + 32]) sum += (t * 64 + i) ** 2;
      return sum;
    });
    expect([...buffers.get("out")!.data]).toEqual(expected);
  });

  it("a fixed parity works for one tile and fails at the second", () => {
    expect(evalKernelModes(handOver(1, "fixed parity"), handOverBuffers(1)()).errors).toEqual([]);
    for (const error of errorsInAllModes(handOver(3, "fixed parity"), handOverBuffers(3)))
      expect(error).toMatch(/tile\[\d+\].*(is still filling|reads at)|deadlock/);
  });

  it("a consumer that never arrives stops the producer, and the message says who waits for what", () => {
    const errors = errorsInAllModes(handOver(2, "no arrive"), handOverBuffers(2));
    for (const error of errors) {
      expect(error).toContain("deadlock: warp 0 waits at body[");
      expect(error).toMatch(
        /parity 0 of mbarrier bars\[1\], which is in phase 0 and misses 1 of 1 arrivals and 0 bytes/,
      );
      expect(error).toMatch(/warp 1 waits .* mbarrier bars\[0\], which is in phase 1/);
    }
  });

  it("bytes that never come are missed", () => {
    for (const error of errorsInAllModes(handOver(1, "bytes"), handOverBuffers(1))) {
      expect(error).toContain("misses 0 of 1 arrivals and 256 bytes");
      expect(error).toContain("warp 0 has ended");
    }
  });

  it("a refill that does not wait overwrites what is being read", () => {
    for (const error of errorsInAllModes(handOver(2, "early refill"), handOverBuffers(2)))
      expect(error).toMatch(/(overwrites|writes|reads) tile\[\d+\]/);
  });

  it("a bulk copy over what lanes wrote needs a fence", () => {
    for (const error of errorsInAllModes(handOver(1, "no fence"), handOverBuffers(1)))
      expect(error).toMatch(/overwrites tile\[0\] asynchronously; no fence async follows the write at body\[1\]/);
  });

  it("leftover bytes are an error", () => {
    const b = new KernelBuilder({ lanes: 32, warps: 1 });
    b.shared("bars", "u64", 1);
    const at = b.access("bars", b.int(0));
    b.sync("init", "warp", { at, count: b.int(2) });
    b.sync("expect", "warp", { at, count: b.int(16) });
    expect(evalKernel(b.done(), new Map()).errors).toEqual([
      "block 0 ends; mbarrier bars[0] is left with 16 expected bytes that never came",
    ]);
  });

  it("a copy that nobody waits for is an error", () => {
    const b = new KernelBuilder({ lanes: 32, warps: 1 });
    b.input("x", "u32", 64);
    b.shared("s", "u32", 64);
    b.shared("bars", "u64", 1);
    const at = b.access("bars", b.int(0));
    b.sync("init", "warp", { at, count: b.int(1) });
    b.sync("expect", "warp", { at, count: b.int(256) });
    const one = b.exchange("elect", "warp", "bool");
    b.transfer("bulk", b.access("x", b.int(0)), b.access("s", b.int(0)), 256, { kind: "mbarrier", at }, one);
    b.sync("arrive", "warp", { at });
    const buffers = (): KernelBuffers => new Map([["x", emptyBuffer("u32", 64)]]);
    for (const error of errorsInAllModes(b.done(), buffers))
      expect(error).toMatch(/^body\[3\].*nobody waited on mbarrier bars\[0\] for this transfer$/);
  });

  it("may be used by other warps only after a barrier", () => {
    const b = new KernelBuilder({ lanes: 32, warps: 2 });
    b.shared("bars", "u64", 1);
    const at = b.access("bars", b.int(0));
    b.if(b.op("eq", b.warp(), b.int(0)), "warp", () => b.sync("init", "warp", { at, count: b.int(1) }));
    b.if(b.op("eq", b.warp(), b.int(1)), "warp", () => b.sync("arrive", "warp", { at }));
    const { errors } = evalKernel(b.done(), new Map());
    expect(errors[0]).toContain("warp 1: no barrier follows the init of mbarrier bars[0] by warp 0");
  });
});

type StoreMistake = "fence" | "drain" | "reuse" | "barrier";

/** Lanes fill a shared tile, an elected lane stores it with one bulk copy, lanes fill it again once it was read. */
function bulkStore(mistake?: StoreMistake): Kernel {
  const b = new KernelBuilder({ lanes: 32, warps: 2 });
  b.output("out", "f16", 128);
  b.shared("tile", "f16", 128);
  const fill = (value: ExprId): void => {
    const at = b.e.mul(b.thread(), b.int(2));
    b.write("tile", at, [b.e.cast(value, "f16"), b.e.cast(b.op("neg", value), "f16")]);
  };
  fill(b.thread());
  if (mistake !== "fence") b.sync("fence", "warp", { proxy: "async" });
  if (mistake !== "barrier") b.barrier();
  b.if(b.op("eq", b.warp(), b.int(0)), "warp", () => {
    const one = b.exchange("elect", "warp", "bool");
    b.transfer("bulk", b.access("tile", b.int(0)), b.access("out", b.int(0)), 256, { kind: "group" }, one);
    b.sync("commit", "warp", { proxy: "async" });
    if (mistake !== "drain" && mistake !== "reuse") b.sync("drain", "warp", { count: b.int(0), proxy: "async" });
  });
  b.barrier();
  if (mistake !== "drain") fill(b.int(0));
  if (mistake === "reuse") b.sync("drain", "warp", { count: b.int(0), proxy: "async" });
  return b.done();
}

describe("bulk stores", () => {
  const buffers = (): KernelBuffers => new Map([["out", emptyBuffer("f16", 128)]]);

  it("write what lanes wrote", () => {
    expect(verifyKernel(bulkStore())).toEqual([]);
    const given = buffers();
    expect(evalKernelModes(bulkStore(), given).errors).toEqual([]);
    expect([...given.get("out")!.data]).toEqual(
      Array.from({ length: 128 }, (_, i) => (i % 2 === 0 ? i / 2 : (1 - i) / 2)),
    );
  });

  it.each([
    ["fence", /reads tile\[0\] asynchronously; no fence async follows the write at body\[0\]/],
    ["drain", /warp 0 ends with operations that were never drained \(proxy async\)/],
    ["reuse", /overwrites tile\[\d+\], which body\[3\].then\[1\] \(bulk tile to out, warp\) still reads/],
    ["barrier", /reads tile\[\d+\], which (nothing has written|warp \d, lane \d+ wrote)/],
  ] as const)("without %s are wrong in every mode", (mistake, message) => {
    for (const error of errorsInAllModes(bulkStore(mistake), buffers)) expect(error).toMatch(message);
  });

  it("keep the bits between buffers of different types", () => {
    const b = new KernelBuilder({ lanes: 4, warps: 1 });
    b.input("x", "u32", 16);
    b.output("out", "f16", 32);
    b.shared("s", "f16", 32);
    const [from, to] = [4, 8].map((n) => b.e.mul(b.lane(), b.int(n)));
    b.cpAsync(b.access("x", from!), b.access("s", to!), 16);
    b.sync("commit", "warp");
    b.sync("drain", "warp", { count: b.int(0) });
    for (const i of [0, 4]) {
      const at = b.e.add(to!, b.int(i));
      b.write("out", at, b.readVector("s", at, 4));
    }
    const words = Uint32Array.from({ length: 16 }, (_, i) => ((0x3c00 + 17 * i) << 16) | (0x4200 + i));
    const given = new Map([
      ["x", bufferOf("u32", words)],
      ["out", emptyBuffer("f16", 32)],
    ]);
    expect(verifyKernel(b.done())).toEqual([]);
    expect(evalKernelModes(b.done(), given).errors).toEqual([]);
    expect(bufferToWords(given.get("out")!)).toEqual(words);
  });
});

type RowMistake = "no drain" | "register reuse" | "no fence" | "shared reuse" | "no async fence";

/** d = Σ over two steps of a · b by an asynchronous row: A in registers, B in shared memory, row-major. */
function inFlight(mistake?: RowMistake): Kernel {
  const row = ROWS.get("wgmma.m64n8k32.s8")!;
  const b = new KernelBuilder({ lanes: 32, warps: 4 });
  b.input("a", "i8", 2 * 64 * 32);
  b.input("b", "i8", 2 * 8 * 32);
  b.output("d", "i32", 64 * 8);
  b.shared("bs", "i8", 2 * 8 * 32);
  for (let i = 0; i < 4; i++) {
    const at = b.e.add(b.thread(), b.int(128 * i));
    b.write("bs", at, b.read("b", at));
  }
  if (mistake !== "no async fence") b.sync("fence", "warp", { proxy: "async" });
  b.barrier();
  const names = [0, 1].map((step) => Array.from({ length: 4 }, (_, r) => `a${step}_${r}`));
  names.forEach((regs, step) => {
    const at = b.access("a", b.int(step * 64 * 32));
    b.collective("warpgroup", {
      family: "fragment",
      row: row.id,
      operand: "a",
      dir: "load",
      at,
      stride: b.int(32),
      regs,
    });
  });
  const d = Array.from({ length: row.d.regs }, (_, i) => b.nameOf(b.var(b.int(0), `d${i}`)));
  if (mistake !== "no fence") b.sync("fence", "warp", { proxy: "matrix" });
  names.forEach((regs, step) => {
    const a = regs.map((name) => b.e.symbol(name, "u32"));
    const what = { family: "matrix", row: row.id, a, b: b.access("bs", b.int(step * 256)), d } as const;
    b.collective("warpgroup", what);
    b.sync("commit", "warp", { proxy: "matrix" });
    if (mistake === "register reuse" && step === 0) b.let(b.e.add(a[0]!, a[1]!));
  });
  if (mistake === "shared reuse") {
    b.barrier();
    b.write("bs", b.thread(), b.e.constant(1, "i8"));
  }
  if (mistake !== "no drain") b.sync("drain", "warp", { count: b.int(0), proxy: "matrix" });
  const at = b.access("d", b.int(0));
  b.collective("warpgroup", {
    family: "fragment",
    row: row.id,
    operand: "d",
    dir: "store",
    at,
    stride: b.int(8),
    regs: d,
  });
  return b.done();
}

describe("matrix rows in flight", () => {
  const [a, bs] = [64 * 64, 2 * 256].map((n, seed) =>
    Array.from({ length: n }, (_, i) => ((i * 37 + seed * 11) % 256) - 128),
  );
  const buffers = (): KernelBuffers =>
    new Map([
      ["a", bufferOf("i8", a!)],
      ["b", bufferOf("i8", bs!)],
      ["d", emptyBuffer("i32", 512)],
    ]);

  it("accumulate over two groups", () => {
    expect(verifyKernel(inFlight())).toEqual([]);
    const given = buffers();
    expect(evalKernelModes(inFlight(), given).errors).toEqual([]);
    const expected = Array.from({ length: 512 }, (_, i) => {
      let sum = 0;
      for (const step of [0, 1])
        for (let k = 0; k < 32; k++)
          sum += a![step * 2048 + Math.floor(i / 8) * 32 + k]! * bs![step * 256 + (i % 8) * 32 + k]!;
      return sum;
    });
    expect([...given.get("d")!.data]).toEqual(expected);
  });

  it.each([
    ["no drain", /reads a local lent to a matrix row that is not drained/],
    ["register reuse", /reads a local lent to a matrix row that is not drained/],
    ["no fence", /registers of the row were written after the last fence matrix/],
    ["shared reuse", /overwrites bs\[\d+\], which body\[\d+\] \(wgmma.* still reads/],
    ["no async fence", /reads bs\[0\] asynchronously; no fence async follows/],
  ] as const)("%s is wrong in every mode", (mistake, message) => {
    for (const error of errorsInAllModes(inFlight(mistake), buffers)) expect(error).toMatch(message);
  });
});
