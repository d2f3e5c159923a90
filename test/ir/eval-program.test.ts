/** Programs against loops written by hand. */
import { describe, expect, it } from "vitest";
import { type EvalOptions, evalProgram, type TensorValues } from "../../ir/eval/program.ts";
import { f16Round } from "../../ir/float.ts";
import { program } from "./read.ts";

/** Small integers from a fixed sequence. */
function numbers(count: number, modulus = 11, offset = 5): Float64Array {
  let state = 12345;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return ((state >>> 8) % modulus) - offset;
  });
}

function run(text: string, inputs: TensorValues = {}, options: EvalOptions = { arithmetic: "typed" }): TensorValues {
  return evalProgram(program(text), inputs, options);
}

function matmul(x: Float64Array, w: Float64Array, [m, n, k]: readonly [number, number, number]): Float64Array {
  return Float64Array.from({ length: m * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    let sum = 0;
    for (let l = 0; l < k; l++) sum += x[i * k + l]! * w[j * k + l]!;
    return sum;
  });
}

describe("contract", () => {
  const whole = (m: number, n: number, k: number): string => `
    input x: f16[m ${m}, k ${k}] global
    input w: i8[n ${n}, k ${k}] global
    local acc: f32[m ${m}, n ${n}] global
    output y: f16[m ${m}, n ${n}] global
    acc[m, n] = fill 0f32 for m ${m}, n ${n}
    acc[m, n] += contract x[m, k] * w[n, k] over k for m ${m}, n ${n}, k ${k}
    y[m, n] = map f16(acc[m, n]) for m ${m}, n ${n}`;

  it("sums products", () => {
    const [x, w] = [numbers(5 * 12), numbers(7 * 12, 9, 4)];
    const { y } = run(whole(5, 7, 12), { x, w });
    expect(y).toEqual(matmul(x, w, [5, 7, 12]));
  });

  it("sums long products in real arithmetic", () => {
    const [x, w] = [numbers(64 * 512), numbers(256 * 512)];
    const { y } = run(whole(64, 256, 512), { x, w }, { arithmetic: "real" });
    expect(y![64 * 256 - 1]).toBe(f16Round(matmul(x.slice(-512), w.slice(-512), [1, 1, 512])[0]!));
  });

  it("tiles with masked tails and any order of parallel loops", () => {
    const [x, w] = [numbers(5 * 13), numbers(7 * 13, 9, 4)];
    const tiled = `
      input x: f16[m 5, k 13] global
      input w: i8[n 7, k 13] global
      output y: f32[m 5, n 7] global
      local xs: f16[m 2, k 4] shared
      local acc: f32[m 2, n 4] register
      loop m0 0..5 step 2 : grid.y {
        loop n0 0..7 step 4 : grid.x {
          acc[m, n] = fill 0f32 for m 2, n 4
          loop k0 0..13 step 4 {
            xs[m, k] = copy x[m0 + m, k0 + k]? for m 2, k 4
            acc[m, n] += contract xs[m, k] * w[n0 + n, k0 + k]? over k for m 2, n 4, k 4
          }
          y[m0 + m, n0 + n]? = copy acc[m, n] for m 2, n 4
        }
      }`;
    for (const order of ["forward", "backward"] as const)
      expect(run(tiled, { x, w }, { arithmetic: "typed", order }).y).toEqual(matmul(x, w, [5, 7, 13]));
  });

  it("wraps integer sums and rounds each f32 sum", () => {
    const wrap = `
      input a: i32[k 2] global
      output y: i32[] global
      y[] = fill 0
      y[] += contract a[k] * a[k] over k for k 2`;
    expect(run(wrap, { a: Float64Array.of(65536, 46341) }).y![0]).toBe(
      Number(BigInt.asIntN(32, 65536n ** 2n + 46341n ** 2n)),
    );
    const round = `
      input a: f32[k 3] global
      input b: f32[k 3] global
      output y: f32[] global
      y[] = fill 0f32
      y[] += contract a[k] * b[k] over k for k 3`;
    const inputs = { a: Float64Array.of(2 ** 24, 1, 1), b: Float64Array.of(1, 1, 1) };
    expect(run(round, inputs).y![0]).toBe(2 ** 24);
    expect(run(round, inputs, { arithmetic: "real" }).y![0]).toBe(2 ** 24 + 2);
  });

  it("reads bit planes: Σ a·b = Σ weights · popc(planes)", () => {
    const [x, w] = [numbers(3 * 8, 16, 8), numbers(2 * 8, 4, 2)];
    const { y } = run(
      `
      input x: i4[m 3, k 8] global
      input w: i2[n 2, k 8] global
      local p: i32[m 3, n 2, i 4, j 2] register
      output y: i32[m 3, n 2] global
      table wx: i32 = [1, 2, 4, -8]
      table ww: i32 = [1, -2]
      p[m, n, i, j] = fill 0 for m 3, n 2, i 4, j 2
      p[m, n, i, j] += contract x[m, k].bit(i) * w[n, k].bit(j) over k by popc for m 3, n 2, i 4, j 2, k 8
      y[m, n] = map wx[i] * ww[j] * p[m, n, i, j] over i, j reduce sum for m 3, n 2, i 4, j 2`,
      { x, w },
    );
    expect(y).toEqual(matmul(x, w, [3, 2, 8]));
  });
});

describe("map", () => {
  it("reduces over axes anywhere in the domain", () => {
    const a = numbers(2 * 3 * 4);
    const { s, m } = run(
      `
      input a: f32[i 2, j 3, l 4] global
      output s: f32[j 3] global
      output m: f32[i 2, l 4] global
      s[j] = map a[i, j, l] * f32(l + 1) over i, l reduce sum for i 2, j 3, l 4
      m[i, l] = map abs(a[i, j, l]) over j reduce max for i 2, j 3, l 4`,
      { a },
    );
    const at = (i: number, j: number, l: number): number => a[i * 12 + j * 4 + l]!;
    for (let j = 0; j < 3; j++) {
      let sum = 0;
      for (let i = 0; i < 2; i++) for (let l = 0; l < 4; l++) sum += at(i, j, l) * (l + 1);
      expect(s![j]).toBe(sum);
    }
    for (let i = 0; i < 2; i++)
      for (let l = 0; l < 4; l++) expect(m![i * 4 + l]).toBe(Math.max(...[0, 1, 2].map((j) => Math.abs(at(i, j, l)))));
  });

  it("indexes by quotients and remainders of several axes", () => {
    const a = numbers(24);
    const { y } = run(
      `
      input a: i8[r 4, c 6] global
      output y: i8[i 8, j 3] global
      y[i, j] = map a[(i * 3 + j) / 6, (i * 3 + j) % 6] for i 8, j 3`,
      { a },
    );
    expect(y).toEqual(a);
  });

  it("rounds in real arithmetic only where a cast ends in an output", () => {
    const third = `
      output y: f16[] global
      workspace z: f16[] global
      y[] = map f16(1f32 / 3f32)
      z[] = map f16(1f32 / 3f32)`;
    expect(run(third, {}, { arithmetic: "real" })).toEqual({
      y: Float64Array.of(f16Round(1 / 3)),
      z: Float64Array.of(1 / 3),
    });
    expect(run(third, {}, { arithmetic: "real", roundOutputs: false }).y![0]).toBe(1 / 3);
    expect(run(third).z![0]).toBe(f16Round(Math.fround(1 / 3)));
  });
});

describe("decode", () => {
  it("evaluates a format's value, neighbours and sub-block fields included", () => {
    const text = `
      format pair block 4 record 32 {
        field d: f16 row strided(bit 16 -> address 16: address += 1 * (bit % 16))
        field s: i8[2] block strided(i 2, bit 8 -> address 16: address += 8 * (i % 2), address += 1 * (bit % 8))
        field q: u4[4] block strided(i 4, bit 4 -> address 16: address += 4 * (i % 4), address += 1 * (bit % 4))
        table t: f32 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6]
        value = f32(d) * f32(s[i / 2]) * (t[q[i]] + 0.25f32 * t[q[i + 1 - 2 * (i % 2)]])
      }
      input d: f16[n 2] global
      input s: i8[n 2, g 6] global
      input q: u4[n 2, k 12] global
      output y: f32[n 2, k 12] global
      y[n, k] = decode pair(d[n], s[n, k / 4 * 2], q[n, k]) at k for n 2, k 12`;
    const table = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6];
    const [d, s, q] = [Float64Array.of(0.5, 2), numbers(12), numbers(24, 16, 0)];
    const { y } = run(text, { d, s, q });
    for (let n = 0; n < 2; n++)
      for (let k = 0; k < 12; k++) {
        const partner = k % 2 === 0 ? k + 1 : k - 1;
        const value = table[q[n * 12 + k]!]! + 0.25 * table[q[n * 12 + partner]!]!;
        expect(y![n * 12 + k]).toBe(d[n]! * s[n * 6 + Math.floor(k / 2)]! * value);
      }
  });
});

describe("quantize", () => {
  const format = (scope: string, block: number): string => `
    format i8s block ${block} record ${8 * block} {
      field q: i8[${block}] block strided(i ${block}, bit 8 -> address ${8 * block}: address += 8 * (i % ${block}), address += 1 * (bit % 8))
      field s: f32 ${scope} strided(bit 32 -> address 32: address += 1 * (bit % 32))
      value = s * f32(q[i])
      encoder absmax scale s code q
    }`;
  const x = Float64Array.of(1, -2, 4, 0.5, 0, 0, 0, 0, -254, 127, 1, 3);

  it("takes the largest magnitude of each row", () => {
    const { q, s } = run(
      `${format("row", 4)}
      input x: f16[m 3, k 4] global
      output q: i8[m 3, k 4] global
      output s: f32[m 3] global
      q[m, k], s[m] = quantize i8s(x[m, k]) over k for m 3, k 4`,
      { x },
    );
    expect([...q!]).toEqual([32, -64, 127, 16, 0, 0, 0, 0, -127, 64, 0, 2]);
    expect([...s!]).toEqual([Math.fround(4 / 127), 0, 2]);
  });

  it("takes it of each block, and of the tensor", () => {
    const { s, t } = run(
      `${format("block", 2)}
      ${format("tensor", 1).replace("i8s", "whole")}
      input x: f16[m 3, k 4] global
      workspace q: i8[m 3, k 4] global
      output s: f32[m 3, g 2] global
      output t: f32[] global
      q[m, k], s[m, k / 2] = quantize i8s(x[m, k]) over k for m 3, k 4
      q[m, k], t[] = quantize whole(x[m, k]) over k for m 3, k 4`,
      { x },
    );
    expect([...s!]).toEqual([2, 4, 0, 0, 254, 3].map((max) => Math.fround(max / 127)));
    expect([...t!]).toEqual([2]);
  });
});

describe("loops, launches, conditions", () => {
  it("nests, skips and passes values between launches through global tensors", () => {
    const { y } = run(`
      workspace a: i32[i 6] global
      output y: i32[i 6] global
      launch first {
        loop i 0..6 : grid.x {
          when i % 2 == 0 { a[i] = fill i * 10 }
          when i % 2 == 1 { a[i] = fill -i }
        }
      }
      launch second {
        loop i 0..6 step 3 : warp {
          y[i + j] = map a[5 - i - j] for j 3
        }
      }`);
    expect([...y!]).toEqual([-5, 40, -3, 20, -1, 0]);
  });

  it("rejects what is read before it is written in the same parallel iteration", () => {
    const text = (map: string): string => `
      local r: i32[] register
      output y: i32[i 3] global
      loop i 0..3 ${map} {
        when i == 0 { r[] = fill 7 }
        y[i] = copy r[]
      }`;
    expect([...run(text("")).y!]).toEqual([7, 7, 7]);
    expect(() => run(text(": grid.x"))).toThrow("r[] is read but was never written");
    expect(() => run("output y: i32[i 2] global\ny[i] += contract y[i] * y[i] for i 2")).toThrow("never written");
    expect(() => run("output y: i32[i 2] global\ny[0] = fill 1")).toThrow("1 elements that were never written");
  });

  it("rejects indices outside", () => {
    expect(() => run("output y: i32[i 3] global\ny[i + 1] = fill 0 for i 3")).toThrow(
      "index 1..3 of axis 0 outside y[3]",
    );
    expect(() => run("output y: i32[i 3] global\ny[i * i] = fill 0 for i 3")).toThrow("index 0..4");
    expect(() => run("output y: i32[i 3] global\ny[i * j] = fill 0 for i 3, j 3")).toThrow("index 4 of axis 0");
    const masked =
      "output y: i32[i 3] global\nlocal l: i32[i 3] global\ny[i] = fill 0 for i 3\ny[i + 1]? = fill 9 for i 3";
    expect([...run(masked).y!]).toEqual([0, 9, 9]);
  });

  it("checks the inputs it is given", () => {
    const text = "input x: i32[i 2] global\noutput y: i32[i 2] global\ny[i] = copy x[i] for i 2";
    expect(() => run(text)).toThrow("no values for input x");
    expect(() => run(text, { x: new Float64Array(3) })).toThrow("has 3 values");
  });
});

describe("rings and roles", () => {
  const piped = (load: string, math: string, depth = 2): string => `
    ring in depth ${depth} from load to math
    input x: i32[k 12] global
    local xs: i32[k 4] shared ring in
    output y: i32[] global
    y[] = fill 0
    roles {
      role load warps 4..5 {
        loop k0 0..12 step 4 {
          ${load}
        }
      }
      role math warps 0..4 {
        loop k0 0..12 step 4 {
          ${math}
        }
      }
    }`;
  const x = numbers(12);
  const loads = "signal in acquire xs[k] = copy x[k0 + k] engine bulk for k 4 signal in commit";
  const maths = "signal in wait y[] += contract xs[k] * xs[k] over k for k 4 signal in release";
  const sum = x.reduce((s, v) => s + v * v, 0);

  it("passes tiles from role to role", () => {
    for (const depth of [1, 2, 5]) expect(run(piped(loads, maths, depth), { x }).y![0]).toBe(sum);
  });

  it("pipelines one role with itself", () => {
    const text = `
      ring in depth 3 from all to all
      input x: i32[k 12] global
      local xs: i32[k 4] shared ring in
      output y: i32[] global
      y[] = fill 0
      loop s 0..2 { signal in acquire xs[k] = copy x[4 * s + k] for k 4 signal in commit }
      loop s 0..3 {
        when s + 2 < 3 { signal in acquire xs[k] = copy x[4 * s + 8 + k] for k 4 signal in commit }
        signal in wait
        y[] += contract xs[k] * xs[k] over k for k 4
        signal in release
      }`;
    expect(run(text, { x }).y![0]).toBe(sum);
  });

  it("starts rings afresh in every parallel iteration", () => {
    const text = piped(loads, maths)
      .replace("output y: i32[] global", "output y: i32[b 2] global")
      .replace("y[] = fill 0", "loop b 0..2 : grid.x { y[b] = fill 0")
      .replace("y[] +=", "y[b] +=");
    expect([...run(`${text}}`, { x }).y!]).toEqual([sum, sum]);
  });

  it("finds wrong signals", () => {
    const wrong = (load: string, math: string): (() => unknown) => {
      return () => run(piped(load, math), { x });
    };
    expect(wrong(loads, maths.replace("signal in release", ""))).toThrow(
      "deadlock: role load waits for math to release instance 0 of ring in",
    );
    expect(wrong(loads.replace("signal in commit", ""), maths)).toThrow(/waits for load to commit instance 0/);
    expect(wrong(loads.replace("signal in acquire", ""), maths)).toThrow(
      "role load writes xs of ring in without an acquired instance",
    );
    expect(wrong(loads, maths.replace("signal in wait", ""))).toThrow(
      "role math reads xs of ring in without a committed instance",
    );
    expect(wrong(loads, `${maths} signal in release`)).toThrow("nothing is waited for");
    expect(wrong(`${loads} signal in wait`, maths)).toThrow("its consumers are math");
    expect(wrong("signal in acquire signal in commit", maths)).toThrow("xs[0] is read but was never written");
  });
});
