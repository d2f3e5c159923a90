/** The kernel verifier: good kernels pass, and each kind of mistake is named at its statement. */
import { describe, expect, it } from "vitest";
import type { ExprId } from "../../ir/expr.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Target } from "../../ir/target.ts";
import { sharedBytesOf, verifyKernel } from "../../ir/verify/kernel.ts";
import { gemv, KernelBuilder, sharedSum } from "./kernels.ts";

const TARGET: Target = {
  name: "toy",
  family: "toy",
  about: "a target of the tests",
  lanes: 32,
  exchange: "warp",
  warps: 4,
  types: ["i32", "u32", "f32", "f16"],
  stores: {},
  vectorWords: 2,
  rows: [
    { row: "mma.m16n8k16.f16", support: "native" },
    { row: "mma.m16n8k256.b1", support: "emulated", instead: "mma.m16n8k32.s8" },
  ],
  tables: "constant",
  limits: { threads: 256, sharedBytes: 1024, registersPerLane: 255, bindings: 3, gridX: 100, gridYZ: 10 },
  rules: [],
  model: "toy",
};

/** A kernel of one warp around `make`. */
function kernel(
  make: (b: KernelBuilder) => void,
  shape: Partial<Pick<Kernel, "lanes" | "warps" | "grid">> = {},
): Kernel {
  const b = new KernelBuilder({ lanes: 32, warps: 1, ...shape });
  make(b);
  return b.done();
}

const errorsOf = (make: (b: KernelBuilder) => void, target?: Target): string[] => verifyKernel(kernel(make), target);

describe("what passes", () => {
  it.each([
    ["gemv", gemv(8, 100, 4)],
    ["sharedSum", sharedSum(32, 4, true)],
  ])("%s", (_, k) => {
    expect(verifyKernel(k)).toEqual([]);
    expect(verifyKernel(k, TARGET)).toEqual([]);
  });

  it("dead expressions may be of any type", () => {
    const errors = errorsOf((b) => {
      b.e.constant(1.5, "f64");
      b.e.symbol("nowhere", "i64");
    }, TARGET);
    expect(errors).toEqual([]);
  });

  it("a collective under a condition that is uniform enough", () => {
    const errors = errorsOf((b) => {
      const cond = b.op("lt", b.warp(), b.int(1));
      b.if(cond, "warp", () => b.exchange("sum", "warp", "i32", b.lane()));
      b.if(cond, "block", () => b.barrier());
    });
    expect(errors).toEqual([]);
  });
});

describe("names and types", () => {
  it("a local used outside its scope", () => {
    const errors = errorsOf((b) => {
      let inner: ExprId | undefined;
      b.if(b.op("lt", b.lane(), b.int(3)), "none", () => {
        inner = b.let(b.int(1), "inner");
      });
      b.let(b.e.add(inner!, b.lane()));
    });
    expect(errors).toEqual(["body[1] (let t0): inner is used outside its scope or before it is set"]);
  });

  it("a local declared twice, and one that changes without var", () => {
    const errors = errorsOf((b) => {
      const x = b.let(b.int(1), "x");
      b.let(b.int(2), "x");
      b.assign(x, b.int(3));
    });
    expect(errors).toEqual([
      "body[1] (let x): x is declared twice",
      "body[2] (assign x): x never changes: declare it with var",
    ]);
  });

  it("operands of different types", () => {
    const errors = errorsOf((b) => {
      b.let(b.op("add", b.lane(), b.e.constant(1, "f32")), "x");
      b.let(b.op("popc", b.e.constant(1, "f32")), "y");
      b.let(b.e.bits(b.lane(), "f16"), "z");
      b.let(b.op("select", b.lane(), b.lane(), b.lane()), "s");
    });
    expect(errors).toEqual([
      "body[0] (let x): add does not take i32, f32",
      "body[1] (let y): popc does not take f32",
      "body[2] (let z): the bits of i32 cannot be read as f16",
      "body[3] (let s): select does not take i32, i32, i32",
    ]);
  });

  it("values and conditions of the wrong type", () => {
    const errors = errorsOf((b) => {
      b.output("y", "f32", 32);
      b.write("y", b.lane(), b.lane());
      b.if(b.lane(), "none", () => {});
      b.for(b.int(0), b.e.constant(4, "u32"), 1, () => {});
    });
    expect(errors).toEqual([
      "body[0] (write y): y holds f32, not i32",
      "body[1] (if): the condition must be bool, not i32",
      "body[2] (for i0): a loop's end must be i32, not u32",
    ]);
  });
});

describe("accesses", () => {
  it("respect the buffer's mode", () => {
    const errors = errorsOf((b) => {
      b.input("x", "f32", 32);
      b.output("y", "f32", 32);
      b.write("x", b.lane(), b.read("y", b.lane()));
    });
    expect(errors).toEqual(["body[0] (read r0 from y): y is only written", "body[1] (write x): x is read-only"]);
  });

  it("are aligned where that can be known", () => {
    const errors = errorsOf((b) => {
      b.input("x", "f32", 4096);
      const base = b.let(b.e.mul(b.lane(), b.int(8)));
      b.readVector("x", base, 4);
      b.readVector("x", b.e.add(base, b.int(2)), 4);
      b.for(b.int(2), b.int(64), 4, (k) => b.readVector("x", b.e.add(base, k), 4));
      b.readVector("x", b.e.add(base, b.lane()), 4);
    });
    expect(errors).toEqual([
      "body[2] (read r5, r6, r7, r8 from x): the index into x is never a multiple of 4",
      "body[3].body[0] (read r10, r11, r12, r13 from x): the index into x is never a multiple of 4",
    ]);
  });

  it("stay inside where the index is constant", () => {
    const errors = errorsOf((b) => {
      b.input("x", "f32", 8);
      b.readVector("x", b.int(8), 1);
    });
    expect(errors).toEqual(["body[0] (read r0 from x): x[8] is outside its 8 elements"]);
  });
});

describe("collectives", () => {
  it("stand under uniform control flow of their scope", () => {
    const errors = errorsOf((b) => {
      const cond = b.op("lt", b.lane(), b.int(1));
      b.if(cond, "none", () => b.exchange("sum", "warp", "i32", b.lane()));
      b.if(cond, "warp", () => b.barrier());
    });
    expect(errors).toEqual([
      "body[0].then[0] (sum x0, warp): a collective of the warp, where control flow is uniform in no scope",
      "body[1].then[0] (barrier, block): a collective of the block, where control flow is uniform only in the warp",
    ]);
  });

  it("name rows that exist, with their registers and lanes", () => {
    const errors = errorsOf((b) => {
      const d = Array.from({ length: 4 }, (_, i) => b.nameOf(b.var(b.e.constant(0, "f32"), `d${i}`)));
      const w = b.let(b.e.constant(0, "u32"), "w");
      b.collective("warp", { family: "matrix", row: "mma.nothing", a: [w], b: [w], d });
      b.collective("warp", { family: "matrix", row: "mma.m16n8k16.f16", a: [w, w, w], b: [w, w], d });
      b.collective("warp", { family: "matrix", row: "test.m4n4k8.s8", a: [w, w], b: [w, w], d });
    });
    expect(errors[0]).toBe("body[5] (mma.nothing, warp): there is no matrix row mma.nothing");
    expect(errors[1]).toBe("body[6] (mma.m16n8k16.f16, warp): operand a of mma.m16n8k16.f16 takes 4 registers, not 3");
    expect(errors[2]).toBe("body[7] (test.m4n4k8.s8, warp): test.m4n4k8.s8 is made for 4 lanes, the warp has 32");
    expect(errors).toContain("body[7] (test.m4n4k8.s8, warp): d0 is f32, not i32");
  });

  it("use mbarriers in shared u64 buffers", () => {
    const errors = errorsOf((b) => {
      b.shared("bar", "u32", 1);
      b.sync("arrive", "warp", { at: b.access("bar", b.int(0)) });
      b.sync("wait", "warp", { count: b.int(0) });
    });
    expect(errors).toEqual([
      "body[0] (arrive bar, warp): an mbarrier is an element of a shared u64 buffer, not of bar",
      "body[1] (wait, warp): wait needs an mbarrier",
    ]);
  });

  it("copy whole chunks between global and shared memory", () => {
    const errors = errorsOf((b) => {
      b.input("x", "u32", 1024);
      b.shared("s", "u32", 1024);
      const at = b.at(b.int(0), [b.lane(), 4]);
      b.cpAsync(b.access("x", at), b.access("s", at), 12);
      b.cpAsync(b.access("s", at), b.access("s", at), 16);
      b.cpAsync(b.access("x", b.e.add(at, b.int(1))), b.access("s", at), 16);
    });
    expect(errors.map((e) => e.replace(/^.*?: /, ""))).toEqual([
      "cpAsync does not copy 12 bytes",
      "cpAsync does not copy from shared to shared memory",
      "the index into x is never a multiple of 4",
    ]);
  });
});

describe("targets", () => {
  it("limit types, widths, rows and sizes", () => {
    const k = kernel(
      (b) => {
        for (const id of ["p", "q", "r", "s"]) b.input(id, "f32", 1024);
        b.shared("t", "f32", 300);
        b.let(b.e.cast(b.lane(), "f64"), "wide");
        b.readVector("p", b.int(0), 4);
        const d = Array.from({ length: 4 }, (_, i) => b.nameOf(b.var(b.int(0), `d${i}`)));
        const w = b.let(b.e.constant(0, "u32"), "w");
        b.collective("warp", { family: "matrix", row: "mma.m16n8k256.b1", a: [w, w, w, w], b: [w, w], d });
        b.collective("warp", { family: "matrix", row: "mma.m16n8k32.s8", a: [w, w, w, w], b: [w, w], d });
      },
      { warps: 9, grid: [101, 1, 11] },
    );
    expect(verifyKernel(k)).toEqual([]);
    expect(sharedBytesOf(k)).toBe(1200);
    expect(verifyKernel(k, TARGET)).toEqual([
      "288 lanes in a block; toy allows 256",
      "1200 bytes of shared memory; toy allows 1024",
      "4 global buffers; toy allows 3",
      "101 blocks in grid dimension x; toy allows 100",
      "11 blocks in grid dimension y or z; toy allows 10",
      "body[0] (let wide): toy has no f64",
      expect.stringMatching(/^body\[1\].*: an access of 4 words; toy moves 2 at most$/),
      expect.stringMatching(/toy emulates mma.m16n8k256.b1; use mma.m16n8k32.s8$/),
      expect.stringMatching(/toy has no row mma.m16n8k32.s8$/),
    ]);
    const allowed = verifyKernel(k, TARGET, { allowEmulated: true });
    expect(allowed.some((e) => e.includes("emulates"))).toBe(false);
  });
});
