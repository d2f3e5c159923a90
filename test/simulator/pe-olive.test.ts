/** OliVe's PEs at depth `pe`: decoders against the language's formats on every pair of codes, sums against the evaluator. */
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { instantiate } from "../../compiler/instantiate/instantiate.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { evalProgram } from "../../ir/eval/program.ts";
import type { Program } from "../../ir/program.ts";
import { stepArray } from "../../simulator/pe/array.ts";
import { decodePair, PAIR_FORMATS, type PairFormat, split, stepOlive } from "../../simulator/pe/olive.ts";
import { random } from "../passes/support.ts";

const FORMATS = Object.entries(PAIR_FORMATS);

function instantiated(text: string, op: string, sizes: Readonly<Record<string, number>>): Program {
  const sink = new Diagnostics();
  const program = instantiate(check([{ name: "olive.loom", text }], sink), op, sizes, sink);
  if (program === undefined) throw new Error(JSON.stringify(sink.list));
  return program;
}

describe("border decoders", () => {
  it.each(FORMATS)("%s: exponent–integer pairs of all pairs of codes are the format's values", (name, format) => {
    const codes = 2 ** format.bits;
    const text = `op decode<N, K>(w: ${name}[N, K]) -> f32[N, K] { y[n, k] = w[n, k] }`;
    // Of 8-bit codes, every one beside every 5th.
    const others = Array.from({ length: codes }, (_, i) => i).filter(
      (c) => format.bits === 4 || c % 5 === 3 || c === 128,
    );
    const pairs = others.flatMap((b) => Array.from({ length: codes }, (_, a) => [a, b] as const));
    const program = instantiated(text, "decode", { N: pairs.length, K: 2 });
    const inputs = { "w.q": Float64Array.from(pairs.flat()), "w.tensor": Float64Array.of(1) };
    const { y } = evalProgram(program, inputs, { arithmetic: "real" });
    const decoded = pairs.flatMap(([a, b]) => [decodePair(format, a, b), decodePair(format, b, a)]);
    expect(decoded.map((p) => p.integer * 2 ** p.exponent + 0)).toEqual([...y!].map((v) => v + 0));
    for (const pair of decoded) {
      const parts = split(pair, format.bits);
      expect(parts.reduce((sum, p) => sum + p.integer * 2 ** p.exponent, 0)).toBe(pair.integer * 2 ** pair.exponent);
      // Four bits of magnitude, or of two's complement.
      expect(parts.every((p) => p.integer >= -15 && p.integer <= 15)).toBe(true);
    }
  });
});

describe("OliVe's array, stepped", () => {
  const below = (next: () => number) => (n: number) => Math.floor(next() * n);
  /** Mostly normal codes, and some pairs with an outlier. */
  const operand = (format: PairFormat, count: number, next: () => number): Float64Array => {
    const codes = Float64Array.from({ length: count }, () => below(next)(2 ** format.bits));
    for (let i = 0; i < count; i += 2) if (next() < 0.2) codes[i + below(next)(2)] = 2 ** (format.bits - 1);
    return codes;
  };

  it.each(FORMATS.flatMap(([x]) => FORMATS.map(([w]) => [x, w] as const)))(
    "%s by %s: values of the evaluator, cycles of the plain array",
    (xName, wName) => {
      const [xFormat, wFormat] = [PAIR_FORMATS[xName]!, PAIR_FORMATS[wName]!];
      const text = `op product<M, N, K>(x: ${xName}[M, K], w: ${wName}[N, K]) -> f32[M, N] {
        y[m, n] = sum k { x[m, k] * w[n, k] } }`;
      const next = random(xName.length * 31 + wName.length);
      for (const [i, overlapped] of [false, true, false].entries()) {
        const [m, n, k] = [1 + below(next)(13), 1 + below(next)(13), 2 * (1 + below(next)(12))];
        const overlap = {
          shadowRegisters: false,
          fillOverlapsDrain: overlapped,
          separateDrain: overlapped || i === 2,
          controlCyclesPerFold: 0,
        };
        const array = { rows: 1 + below(next)(5), columns: 1 + below(next)(5), dataflow: "os", overlap } as const;
        const [x, w] = [operand(xFormat, m * k, next), operand(wFormat, n * k, next)];
        const found = stepOlive(array, { m, n, k, x: { codes: x, format: xFormat }, w: { codes: w, format: wFormat } });
        const scales = { "x.tensor": Float64Array.of(1), "w.tensor": Float64Array.of(1) };
        const program = instantiated(text, "product", { M: m, N: n, K: k });
        const { y } = evalProgram(
          program,
          { "x.q": x, "w.q": w, ...scales },
          { arithmetic: "real", roundOutputs: false },
        );
        expect([...found.y].map((v) => v + 0)).toEqual([...y!].map((v) => v + 0));
        const zeros = { m, n, k, x: new Float64Array(m * k), w: new Float64Array(n * k) };
        expect(found.cycles).toBe(stepArray(array, zeros).cycles);
        expect(found.peCycles).toBe((found.cycles * array.rows * array.columns * xFormat.bits * wFormat.bits) / 16);
      }
    },
  );

  it("wraps at 32 bits, as its accumulators do", () => {
    const format = PAIR_FORMATS.olive_int8!;
    // The largest outlier, 63 · 2^5, with a victim beside it: 512 products of its square are 2^31 and more.
    const k = 1200;
    const codes = Float64Array.from({ length: k }, (_, i) => (i % 2 === 0 ? 127 : 128));
    const overlap = { shadowRegisters: false, fillOverlapsDrain: false, separateDrain: true, controlCyclesPerFold: 0 };
    const operand = { codes, format };
    const { y } = stepOlive(
      { rows: 1, columns: 1, dataflow: "os", overlap },
      { m: 1, n: 1, k, x: operand, w: operand },
    );
    expect(y[0]).toBe(Number(BigInt.asIntN(32, BigInt(k / 2) * (63n * 32n) ** 2n)));
  });
});
