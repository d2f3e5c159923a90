/** BitMoD's PEs at depth `pe`: terms against the formats' own decoders, cycles against the engine, values against the evaluator. */
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { instantiate } from "../../compiler/instantiate/instantiate.ts";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import type { OverlapSpec } from "../../hw-models/schema.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { evalProgram } from "../../ir/eval/program.ts";
import type { Program, Ring } from "../../ir/program.ts";
import { runProgram } from "../../simulator/engine.ts";
import { idealMachine } from "../../simulator/evidence/ideal-machine.ts";
import { type SerialArray, type SerialProduct, stepBitSerial } from "../../simulator/pe/bit-serial.ts";
import { tallyOf } from "../../simulator/pe/record.ts";
import {
  boothTerms,
  type Encoder,
  encodeTerms,
  FP3,
  FP4,
  leadingOneTerms,
  termCount,
  valueOfTerm,
} from "../../simulator/pe/terms.ts";
import { groupedFormat, matmulProgram } from "../../simulator/workload/matmul.ts";

function seeded(seed: number): (below: number) => number {
  const state = Uint32Array.of(seed);
  return (below) => {
    state[0] = Math.imul(state[0]! ^ (state[0]! >>> 15), 2246822519) + 2654435769;
    return Math.floor((((state[0]! ^ (state[0]! >>> 13)) >>> 0) / 2 ** 32) * below);
  };
}

/** y = Σ x · w, w in a format of the language. */
function programOf(format: string, prelude: string, m: number, n: number, k: number): Program {
  const text = `${prelude}
op product<M, N, K>(x: f16[M, K], w: ${format}[N, K]) -> f32[M, N] { y[m, n] = sum k { x[m, k] * w[n, k] } }`;
  const sink = new Diagnostics();
  const program = instantiate(check([{ name: "product.loom", text }], sink), "product", { M: m, N: n, K: k }, sink);
  if (program === undefined) throw new Error(JSON.stringify(sink.list));
  return program;
}

describe("term encoders", () => {
  it.each([3, 4, 5, 6, 7, 8])("Booth digits of every signed integer of %i bits sum to it", (bits) => {
    for (let value = -(2 ** (bits - 1)); value < 2 ** (bits - 1); value++) {
      const terms = boothTerms(value, bits);
      expect(terms.length).toBe(Math.ceil(bits / 2));
      expect(terms.reduce((sum, t) => sum + valueOfTerm(t), 0)).toBe(value);
      // Section IV: a digit is 0, ±1 or ±2 at an even place.
      for (const t of terms) expect([t.exponent <= 1, t.significance % 2]).toEqual([true, 0]);
    }
  });

  it.each([
    ["bitmod3", FP3, 3],
    ["bitmod4", FP4, 4],
  ] as const)(
    "%s: two terms sum to what the format's decoder says, special values included",
    (format, encoder, bits) => {
      const codes = Array.from({ length: 128 }, (_, i) => i % 2 ** bits);
      const program = programOf(format, "", 1, 4, 128);
      // Row k of an identity picks weight k.
      for (const at of [...Array(2 ** bits).keys()]) {
        const x = Float64Array.from({ length: 128 }, (_, k) => (k === at ? 1 : 0));
        const inputs = {
          x,
          "w.row": Float64Array.of(1, 1, 1, 1),
          "w.scale": Float64Array.of(1, 1, 1, 1),
          "w.special": Float64Array.of(0, 1, 2, 3),
          "w.q": Float64Array.from([...codes, ...codes, ...codes, ...codes]),
        };
        const { y } = evalProgram(program, inputs, { arithmetic: "real" });
        for (let selector = 0; selector < 4; selector++) {
          const terms = encodeTerms(encoder, codes[at]!, selector);
          expect(terms.length).toBe(2);
          expect(terms.reduce((sum, t) => sum + valueOfTerm(t), 0)).toBe(y![selector]! + 0);
        }
      }
    },
  );

  it("writes 7 as 8 − 1, as the paper does", () => {
    expect(leadingOneTerms(7).map(valueOfTerm)).toEqual([8, -1]);
    expect(leadingOneTerms(-7).map(valueOfTerm)).toEqual([-8, 1]);
    expect(() => leadingOneTerms(5.5)).toThrow(/no sum of two/);
    expect(() => leadingOneTerms(16)).toThrow(/four integer bits/);
  });
});

const sums = ({ id }: Ring): number => (id === "accumulator" || id === "result" ? 256 : 0);

/** The array of the depth `cycle` by itself, on the same program. */
function engineCycles(program: Program, array: SerialArray, bits: number, terms: number): number {
  const { rows, columns, overlap } = array;
  const ideal = idealMachine({ rows, columns, dataflow: "os", overlap });
  const bitSerial = { ...array.bitSerial, terms: [{ bits, cycles: terms }], keyValueBits: 8 };
  const units = ideal.units.map((u) => (u.kind === "systolic" ? { ...u, bitSerial } : u));
  const machine = { ...ideal, units };
  const tiled = tileMachine(program, machine, "os", new Diagnostics())!;
  const rings = tiled.rings.map((r) => ({ ...r, depth: Math.max(r.depth, sums(r)) }));
  return runProgram({ ...tiled, rings }, machine).cycles;
}

const OVERLAPS: readonly OverlapSpec[] = [false, true]
  .flatMap((fillOverlapsDrain) =>
    [false, true].flatMap((separateDrain) =>
      [0, 3].map((controlCyclesPerFold) => ({
        shadowRegisters: false,
        fillOverlapsDrain,
        separateDrain,
        controlCyclesPerFold,
      })),
    ),
  )
  .filter((o) => !o.fillOverlapsDrain || o.separateDrain);

/** f16 numbers with all their digits, whose sums are exact in any order. */
const activations = (count: number, below: (n: number) => number): Float64Array =>
  Float64Array.from({ length: count }, () => (below(4095) - 2047) * 2 ** (below(5) - 8));

describe("BitMoD's array, stepped", () => {
  it.each(OVERLAPS.map((overlap, i) => ({ overlap, i, name: JSON.stringify(overlap) })))(
    "$name: cycles of the engine, values of the evaluator, groups of every length",
    ({ overlap, i }) => {
      const below = seeded(i + 1);
      let waited = 0;
      for (let shape = 0; shape < 120; shape++) {
        const array: SerialArray = {
          rows: 1 + below(6),
          columns: 1 + below(6),
          overlap,
          bitSerial: {
            lanes: 1 + below(4),
            rescaleCycles: 1 + below(8),
            tileRows: 1 + below(3),
            tileColumns: 1 + below(3),
          },
        };
        const [m, n, k] = [1 + below(12), 1 + below(12), 3 + below(28)];
        const group = 2 + below(Math.min(11, k - 2));
        const bits = 3 + below(6);
        const encoder: Encoder = { kind: "booth", bits };
        const groups = Math.ceil(k / group);
        const product: SerialProduct = {
          ...{ m, n, k, group, encoder },
          x: activations(m * k, below),
          codes: Float64Array.from({ length: n * k }, () => below(2 ** bits) - 2 ** (bits - 1)),
          scales: Float64Array.from({ length: n * groups }, () => below(2 ** array.bitSerial.rescaleCycles)),
        };
        const found = stepBitSerial(array, product, shape % 20 === 0);
        if (found.pes !== undefined) waited += tallyOf(found.pes).rescale;
        const weight = groupedFormat(bits, group);
        const shapeOf = { name: "product", batch: 1, m, n, k, activation: "f16", weight, output: "f32" } as const;
        const program = matmulProgram(shapeOf);
        const at = JSON.stringify({ ...array, m, n, k, group, bits });
        expect(found.cycles, at).toBe(engineCycles(program, array, bits, termCount(encoder)));
        const inputs = {
          x: product.x,
          "w.q": Float64Array.from(product.codes),
          "w.scale": Float64Array.from(product.scales),
        } as Record<string, Float64Array>;
        expect([...found.y], at).toEqual([...evalProgram(program, inputs, { arithmetic: "real" }).y!]);
      }
      expect(waited).toBeGreaterThan(0);
    },
  );

  const short = (block: number): string => `format short {
    block ${block}  row: f16  scale: u8  special: u2  q: u4[${block}]
    value(i) = row * scale * (q[i] == 8 ? [5, -5, 8, -8][special] : minifloat(q[i], 2, 1, 1))
  }`;

  it.each([
    ["bitmod3", "", FP3, 3, 128],
    ["bitmod4", "", FP4, 4, 128],
    ["bitmod_int6", "", { kind: "booth", bits: 6 }, 6, 128],
    ["bitmod_int8", "", { kind: "booth", bits: 8 }, 8, 128],
    ["short", short(8), FP4, 4, 8],
    ["short", short(16), FP4, 4, 16],
  ] as const)(
    "%s%.0s%.0s%.0s %i: values of the language's format on 4 × 8 PEs",
    (format, prelude, encoder, bits, group) => {
      const array: SerialArray = {
        rows: 4,
        columns: 8,
        overlap: OVERLAPS[2]!,
        bitSerial: { lanes: 4, rescaleCycles: 8, tileRows: 2, tileColumns: 4 },
      };
      const [m, n, k] = [7, 13, 256];
      const below = seeded(bits * group);
      const program = programOf(format, prelude, m, n, k);
      const groups = k / group;
      const low = encoder.kind === "booth" ? -(2 ** (bits - 1)) : 0;
      const codes = Float64Array.from({ length: n * k }, () => low + below(2 ** bits));
      const scales = Float64Array.from({ length: n * groups }, () => below(256));
      const selectors = Float64Array.from({ length: n * groups }, () => below(4));
      const row = Float64Array.from({ length: n }, () => (1 + below(63)) / 64);
      const x = activations(m * k, below);
      const found = stepBitSerial(array, { m, n, k, x, encoder, codes, group, scales, selectors }, true);
      const all = { x, "w.q": codes, "w.scale": scales, "w.special": selectors, "w.row": row };
      const expected = evalProgram(program, all, { arithmetic: "real", roundOutputs: false }).y!;
      expect([...found.y.map((v, at) => v * row[at % n]!)]).toEqual([...expected]);
      expect(found.cycles).toBe(engineCycles(program, array, bits, termCount(encoder)));
      const tally = tallyOf(found.pes!);
      expect(tally.multiply).toBe((m * n * k * termCount(encoder)) / 4);
      // Groups of 8 take 4 cycles and 8 of rescaling: every group but the first waits.
      expect(tally.rescale > 0).toBe(group < 16);
    },
  );
});
