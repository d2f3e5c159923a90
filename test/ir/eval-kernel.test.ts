/** The kernel evaluator: statements, masks, exchanges, barriers and races, against sums written out in the test. */
import { describe, expect, it } from "vitest";
import {
  bufferFromWords,
  bufferOf,
  bufferToWords,
  type EvalKernelOptions,
  emptyBuffer,
  evalKernel,
  evalKernelModes,
} from "../../ir/eval/kernel.ts";
import type { ExprId } from "../../ir/expr.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Scalar } from "../../ir/scalar.ts";
import { gemv, KernelBuilder, sharedSum } from "./kernels.ts";

const f = Math.fround;

/** Small multiples of 1/8, so that products round in f32 only through long sums. */
function noise(length: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return f(((state >>> 8) / 2 ** 24) * 2 - 1);
  });
}

/** One lane after the other, then the ladder, in f32. */
function gemvByHand(w: readonly number[], x: readonly number[], rows: number, columns: number): number[] {
  return Array.from({ length: rows }, (_, row) => {
    let parts = Array.from({ length: 32 }, (_, lane) => {
      let acc = 0;
      for (let k = lane; k < columns; k += 32) {
        // The product of two f32 is exact in f64; adding in f64 first rounds twice, which these values do not show.
        acc = f(w[row * columns + k]! * x[k]! + acc);
      }
      return acc;
    });
    for (const mask of [16, 8, 4, 2, 1]) parts = parts.map((v, lane) => f(v + parts[lane ^ mask]!));
    return parts[0]!;
  });
}

describe("statements and exchanges", () => {
  it("computes a GEMV as lanes would, with a ragged end", () => {
    const [rows, columns] = [8, 100];
    const w = noise(rows * columns, 1);
    const x = noise(columns, 2);
    const buffers = new Map([
      ["w", bufferOf("f32", w)],
      ["x", bufferOf("f32", x)],
      ["y", emptyBuffer("f32", rows)],
    ]);
    expect(evalKernelModes(gemv(rows, columns, 4), buffers).errors).toEqual([]);
    expect([...buffers.get("y")!.data]).toEqual(gemvByHand(w, x, rows, columns));
  });

  it("sums through shared memory with barriers", () => {
    const x = Array.from({ length: 256 }, (_, i) => i * 77 + 1);
    const buffers = new Map([
      ["x", bufferOf("u32", x)],
      ["y", emptyBuffer("u32", 2)],
    ]);
    expect(evalKernelModes(sharedSum(32, 4, true), buffers).errors).toEqual([]);
    const sum = (from: number): number => x.slice(from, from + 128).reduce((a, b) => a + b, 0);
    expect([...buffers.get("y")!.data]).toEqual([sum(0), sum(128)]);
  });

  it("reports the race when the barriers are gone", () => {
    const buffers = new Map([
      ["x", emptyBuffer("u32", 256)],
      ["y", emptyBuffer("u32", 2)],
    ]);
    const { errors } = evalKernel(sharedSum(32, 4, false), buffers, { order: "highest" });
    expect(errors[0]).toMatch(/part\[\d+\].*a race/);
    expect(errors[0]).toContain("body[1] (write part)");
  });
});

interface Shape extends Partial<Pick<Kernel, "lanes" | "warps" | "grid">> {}

/** What `out[thread of the grid]` holds after a kernel that computes one value a lane. */
function valuesOf(type: Scalar, make: (b: KernelBuilder) => ExprId, shape: Shape = {}): number[] {
  const { lanes = 8, warps = 1, grid = [1, 1, 1] } = shape;
  const b = new KernelBuilder({ lanes, warps, grid });
  const threads = lanes * warps;
  const blocks = grid[0] * grid[1] * grid[2];
  b.output("out", type, threads * blocks);
  const result = make(b);
  const block = b.at(b.int(0), [b.group(0), 1], [b.group(1), grid[0]], [b.group(2), grid[0] * grid[1]]);
  b.write("out", b.at(b.thread(), [block, threads]), result);
  const buffers = new Map([["out", emptyBuffer(type, threads * blocks)]]);
  expect(evalKernelModes(b.done(), buffers).errors).toEqual([]);
  return [...buffers.get("out")!.data];
}

/** The errors of a kernel without inputs. */
function errorsOf(
  make: (b: KernelBuilder) => void,
  shape: Shape = {},
  options: EvalKernelOptions = {},
): readonly string[] {
  const b = new KernelBuilder({ lanes: 8, warps: 1, ...shape });
  make(b);
  const kernel = b.done();
  const buffers = kernel.buffers
    .filter((x) => x.space === "global")
    .map((x) => [x.id, emptyBuffer(x.type, x.length)] as const);
  return evalKernel(kernel, new Map(buffers), options).errors;
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe("control flow", () => {
  it("runs both sides of a divergent branch under masks", () => {
    const values = valuesOf("i32", (b) => {
      const v = b.var(b.int(100));
      b.if(
        b.op("lt", b.lane(), b.int(5)),
        "none",
        () =>
          b.if(
            b.op("eq", b.lane(), b.int(2)),
            "none",
            () => b.assign(v, b.int(2)),
            () => b.assign(v, b.e.add(v, b.lane())),
          ),
        () => b.assign(v, b.op("neg", v)),
      );
      return v;
    });
    expect(values).toEqual([100, 101, 2, 103, 104, -100, -100, -100]);
  });

  it("runs a loop as often as each lane wants, with the bounds of its entry", () => {
    const values = valuesOf("i32", (b) => {
      const bound = b.var(b.lane());
      const count = b.var(b.int(0));
      b.for(b.int(0), bound, 2, (i) => {
        b.assign(count, b.e.add(count, b.e.add(i, b.int(10))));
        b.assign(bound, b.int(0));
      });
      return count;
    });
    expect(values).toEqual(
      range(8).map((lane) =>
        range(lane)
          .filter((i) => i % 2 === 0)
          .reduce((s, i) => s + i + 10, 0),
      ),
    );
  });

  it("numbers blocks x fastest", () => {
    const values = valuesOf("i32", (b) => b.at(b.group(0), [b.group(1), 10], [b.group(2), 100]), {
      lanes: 1,
      grid: [2, 3, 2],
    });
    expect(values).toEqual([0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121]);
  });

  it("reports a collective that a part of the warp reaches", () => {
    const errors = errorsOf((b) =>
      b.if(b.op("lt", b.lane(), b.int(3)), "none", () =>
        b.exchange("any", "warp", "bool", b.op("lt", b.lane(), b.int(1))),
      ),
    );
    expect(errors).toEqual([
      "body[0].then[0] (any x0, warp): block 0, warp 0: only 3 of 8 lanes reach this collective",
    ]);
  });

  it("reports a claim of uniformity that is wrong", () => {
    const inWarp = errorsOf((b) => b.if(b.op("lt", b.lane(), b.int(3)), "warp", () => {}));
    expect(inWarp[0]).toMatch(/said to be uniform in the warp; it holds in 3 lanes and not in 5/);
    const inBlock = errorsOf((b) => b.if(b.op("lt", b.warp(), b.int(1)), "block", () => {}), { warps: 2 });
    expect(inBlock[0]).toMatch(/said to be uniform in the block; another warp decided otherwise/);
  });

  it("reports warps that wait at different barriers", () => {
    const errors = errorsOf(
      (b) =>
        b.if(
          b.op("lt", b.warp(), b.int(2)),
          "warp",
          () => b.barrier(),
          () => b.barrier(),
        ),
      { warps: 3 },
    );
    expect(errors).toEqual([
      "block 0: deadlock: warp 0 waits at body[0].then[0] (barrier, block) for warps 2; " +
        "warp 1 waits at body[0].then[0] (barrier, block) for warps 2; " +
        "warp 2 waits at body[0].else[0] (barrier, block) for warps 0, 1",
    ]);
  });
});

describe("exchanges", () => {
  const cases: readonly [string, Scalar, (b: KernelBuilder) => ExprId, number[]][] = [
    [
      "shuffleXor",
      "i32",
      (b) => b.exchange("shuffleXor", "warp", "i32", b.lane(), b.int(5)),
      range(8).map((l) => l ^ 5),
    ],
    [
      "shuffleAt",
      "i32",
      (b) => b.exchange("shuffleAt", "warp", "i32", b.at(b.int(7), [b.lane(), 3]), b.op("sub", b.int(7), b.lane())),
      range(8).map((l) => 7 + 3 * (7 - l)),
    ],
    [
      "broadcast",
      "i32",
      (b) => b.exchange("broadcast", "warp", "i32", b.e.add(b.lane(), b.int(9))),
      range(8).map(() => 9),
    ],
    [
      "ballot",
      "u32",
      (b) => b.exchange("ballot", "warp", "u32", b.op("gt", b.lane(), b.int(4))),
      range(8).map(() => 0b11100000),
    ],
    [
      "sum",
      "i32",
      (b) => b.exchange("sum", "warp", "i32", b.at(b.int(0x7fffffff), [b.lane(), 1])),
      range(8).map(() => Number(BigInt.asIntN(32, 8n * 0x7fffffffn + 28n))),
    ],
    ["max", "i32", (b) => b.exchange("max", "warp", "i32", b.op("sub", b.int(-3), b.lane())), range(8).map(() => -3)],
  ];
  it.each(cases)("%s", (_, type, make, expected) => {
    expect(valuesOf(type, make)).toEqual(expected);
  });

  it("sums floats in the order of a xor ladder", () => {
    // Far lanes first: 1e8 meets −1e8 and the ones survive. Near lanes first, 1e8 would swallow them.
    const value = (l: number): number => (l === 0 ? 1e8 : l === 4 ? -1e8 : 1);
    const values = valuesOf("f32", (b) => {
      const one = b.e.constant(1, "f32");
      const big = (lane: number, v: number, or: ExprId): ExprId =>
        b.op("select", b.op("eq", b.lane(), b.int(lane)), b.e.constant(v, "f32"), or);
      return b.exchange("sum", "warp", "f32", big(0, 1e8, big(4, -1e8, one)));
    });
    let ladder = range(8).map(value);
    for (const mask of [4, 2, 1]) ladder = ladder.map((v, l) => f(v + ladder[l ^ mask]!));
    expect(ladder[0]).toBe(6);
    expect(values).toEqual(ladder);
  });

  it("goes over all lanes of a block, also of 3 warps", () => {
    const all = valuesOf("i32", (b) => b.exchange("sum", "block", "i32", b.thread()), { warps: 3, grid: [2, 1, 1] });
    expect(all).toEqual(range(48).map(() => (24 * 23) / 2));
    expect(valuesOf("bool", (b) => b.exchange("elect", "block", "bool"), { warps: 2 })).toEqual(
      range(16).map((t) => Number(t === 0)),
    );
    expect(
      valuesOf("i32", (b) => b.exchange("shuffleAt", "block", "i32", b.thread(), b.op("sub", b.int(15), b.thread())), {
        warps: 2,
      }),
    ).toEqual(range(16).map((t) => 15 - t));
  });

  it("reports a source lane that does not exist", () => {
    const errors = errorsOf((b) => b.exchange("shuffleAt", "warp", "i32", b.lane(), b.e.add(b.lane(), b.int(1))));
    expect(errors[0]).toContain("block 0, warp 0, lane 7: takes the value of lane 8; there are 8");
  });
});

describe("memory", () => {
  it("reads 0 where `when` is false, wherever the index points", () => {
    const b = new KernelBuilder({ lanes: 8, warps: 1 });
    b.input("x", "i32", 4);
    b.output("out", "i32", 8);
    b.write("out", b.lane(), b.read("x", b.lane(), b.op("lt", b.lane(), b.int(4))));
    const out = emptyBuffer("i32", 8);
    expect(
      evalKernel(
        b.done(),
        new Map([
          ["x", bufferOf("i32", [5, 6, 7, 8])],
          ["out", out],
        ]),
      ).errors,
    ).toEqual([]);
    expect([...out.data]).toEqual([5, 6, 7, 8, 0, 0, 0, 0]);
  });

  it("reports accesses outside and off alignment, naming the lane", () => {
    const errors = errorsOf((b) => {
      b.input("x", "i32", 8);
      b.read("x", b.e.add(b.lane(), b.int(3)));
      b.readVector("x", b.lane(), 2, b.op("lt", b.lane(), b.int(7)));
    });
    expect(errors).toEqual([
      "body[0] (read r0 from x): block 0, warp 0, lane 5: x[8] is outside its 8 elements",
      "body[1] (read r1, r2 from x): block 0, warp 0, lane 1: x[1] is misaligned: the index must be a multiple of 2",
    ]);
  });

  it("reports values that nobody wrote", () => {
    const errors = errorsOf((b) => {
      b.shared("s", "i32", 8);
      b.output("out", "i32", 8);
      b.read("s", b.lane());
      b.read("out", b.lane());
      b.let(b.e.symbol("nowhere", "i32"));
    });
    expect(errors.map((e) => e.replace(/^.*?: /, ""))).toEqual([
      "block 0, warp 0, lane 0 reads s[0], which nothing has written",
      "block 0, warp 0, lane 0 reads out[0], which nothing has written",
      "nowhere is used before it is set",
    ]);
  });

  it("orders the lanes of a warp by a barrier of the warp only", () => {
    const kernel = (sync: "barrier" | "exchange"): readonly string[] =>
      errorsOf((b) => {
        b.shared("s", "i32", 8);
        b.write("s", b.lane(), b.lane());
        if (sync === "barrier") b.barrier("warp");
        else b.exchange("elect", "warp", "bool");
        b.read("s", b.op("xor", b.lane(), b.int(1)));
      });
    expect(kernel("barrier")).toEqual([]);
    expect(kernel("exchange")[0]).toMatch(
      /lane 0 reads s\[1\], which warp 0, lane 1 wrote at body\[0\] \(write s\): a race, no barrier orders them$/,
    );
  });

  it("reports two lanes that write one element, even the same value", () => {
    const errors = errorsOf((b) => {
      b.output("out", "i32", 8);
      b.write("out", b.op("div", b.lane(), b.int(2)), b.int(1));
    });
    expect(errors[0]).toMatch(/lane 1 overwrites out\[0\], which warp 0, lane 0 wrote at body\[0\].*a race/);
  });

  it("reports a write after a read that nothing orders", () => {
    const errors = errorsOf((b) => {
      b.output("io", "i32", 8, "readWrite");
      const v = b.read("io", b.op("xor", b.lane(), b.int(1)));
      b.write("io", b.lane(), v);
    });
    expect(errors[0]).toMatch(/lane 0 writes io\[0\], which warp 0, lane 1 reads at body\[0\]/);
  });

  it("never orders two blocks, except by atomics", () => {
    const grid = [3, 1, 1] as const;
    const blocks = errorsOf(
      (b) => {
        b.output("io", "i32", 1, "readWrite");
        b.if(b.op("eq", b.lane(), b.int(0)), "none", () => {
          b.if(
            b.op("eq", b.group(), b.int(2)),
            "none",
            () => b.write("io", b.int(0), b.int(1)),
            () => b.read("io", b.int(0)),
          );
        });
      },
      { grid },
    );
    expect(blocks[0]).toMatch(
      /block 2, warp 0, lane 0 writes io\[0\], which block \d reads at .*: nothing orders blocks/,
    );
    const b = new KernelBuilder({ lanes: 8, warps: 2, grid });
    b.output("io", "i32", 1, "readWrite");
    b.atomicAdd("io", b.int(0), b.e.add(b.thread(), b.int(1)));
    const io = bufferOf("i32", [1000]);
    expect(evalKernelModes(b.done(), new Map([["io", io]])).errors).toEqual([]);
    expect(io.data[0]).toBe(1000 + 3 * 136);
    const mixed = errorsOf((m) => {
      m.output("io", "i32", 1, "readWrite");
      m.atomicAdd("io", m.int(0), m.int(1));
      m.read("io", m.int(0));
    });
    const partial = errorsOf(
      (m) => {
        m.output("io", "i32", 1, "readWrite");
        m.if(m.op("eq", m.lane(), m.int(0)), "none", () => {
          m.atomicAdd("io", m.int(0), m.int(1));
          m.if(m.op("eq", m.group(), m.int(2)), "none", () => m.read("io", m.int(0)));
        });
      },
      { grid },
    );
    expect(partial[0]).toMatch(/block 2, warp 0, lane 0 reads io\[0\], which block \d wrote at/);
    expect(mixed[0]).toMatch(/reads io\[0\], which warp 0 wrote at body\[0\] \(atomicAdd io\)/);
  });

  it("runs only the blocks that are asked for", () => {
    const b = new KernelBuilder({ lanes: 1, warps: 1, grid: [4, 1, 1] });
    b.output("out", "i32", 4);
    b.write("out", b.group(), b.int(7));
    const out = emptyBuffer("i32", 4);
    expect(evalKernel(b.done(), new Map([["out", out]]), { blocks: [1, 3] }).errors).toEqual([]);
    expect([...out.data]).toEqual([0, 7, 0, 7]);
  });
});

describe("faults", () => {
  it("are reported for active lanes only", () => {
    const make = (b: KernelBuilder): void => {
      const table = b.table({ name: "tab", type: "i32", values: [1, 2, 3, 4] });
      b.if(b.op("lt", b.lane(), b.int(4)), "none", () => b.let(b.e.table(table, b.lane())));
      b.if(b.op("gt", b.lane(), b.int(0)), "none", () => b.let(b.op("div", b.int(8), b.lane())));
    };
    expect(errorsOf(make)).toEqual([]);
    const errors = errorsOf((b) => {
      b.let(b.op("mod", b.int(8), b.lane()));
      b.let(b.e.table(b.table({ name: "tab", type: "i32", values: [1, 2, 3, 4] }), b.lane()));
    });
    expect(errors).toEqual([
      "body[0] (let t0): block 0, warp 0, lane 0: integer division by zero",
      "body[1] (let t1): block 0, warp 0, lane 4: index 4 outside table tab of 4",
    ]);
  });

  it("end the evaluation after as many as wanted", () => {
    const make = (b: KernelBuilder): void => {
      b.shared("s", "i32", 8);
      for (let i = 0; i < 20; i++) b.read("s", b.lane());
    };
    expect(errorsOf(make)).toHaveLength(10);
    expect(errorsOf(make, {}, { maxErrors: 3 })).toHaveLength(3);
    expect(errorsOf(make, {}, { check: false })).toEqual([]);
  });

  it("name a buffer that is missing or of another type", () => {
    const kernel = gemv(4, 32, 4);
    expect(evalKernel(kernel, new Map()).errors).toEqual(["no buffer w is given"]);
    expect(evalKernel(kernel, new Map([["w", emptyBuffer("f16", 128)]])).errors).toEqual([
      "buffer w is f32[128], given f16[128]",
    ]);
  });

  it("show that float atomics depend on the order", () => {
    const b = new KernelBuilder({ lanes: 1, warps: 3 });
    b.output("io", "f32", 1, "readWrite");
    const big = b.op("select", b.op("eq", b.warp(), b.int(1)), b.e.constant(-1e8, "f32"), b.e.constant(1, "f32"));
    b.atomicAdd("io", b.int(0), b.op("select", b.op("eq", b.warp(), b.int(0)), b.e.constant(1e8, "f32"), big));
    const { errors } = evalKernelModes(b.done(), new Map([["io", emptyBuffer("f32", 1)]]));
    expect(errors[0]).toMatch(/io\[0\] is 1 with lowest warp first.* but 0 with highest warp first/);
  });
});

describe("buffers", () => {
  it.each(["u8", "i8", "u16", "f16", "bf16", "i32", "u32", "f32"] as const)("pack %s into words and back", (type) => {
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => (i * 37 + 5) % 120);
    const words = new Uint32Array(bytes.buffer);
    const buffer = bufferFromWords(type, words);
    const view = new DataView(bytes.buffer);
    const read = {
      u8: view.getUint8,
      i8: view.getInt8,
      u16: view.getUint16,
      i32: view.getInt32,
      u32: view.getUint32,
      f32: view.getFloat32,
    };
    if (type in read)
      expect(buffer.data[1]).toBe(read[type as keyof typeof read].call(view, 16 / buffer.data.length, true));
    expect(bufferToWords(buffer)).toEqual(words);
  });
});
