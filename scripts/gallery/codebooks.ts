/** The gallery's codebooks, lattices and trellises. */
import { bitsToF16, f16Round } from "../../ir/float.ts";
import { type Matrix, uniform } from "./data.ts";
import { pyramidPoints, threeInstructions } from "./numbers.ts";
import { type Kit, linear, packed, type Stored } from "./pack.ts";
import type { System } from "./systems.ts";

/** Vectors of one length, one after the other. */
interface Vectors {
  readonly size: number;
  readonly values: Float64Array;
}

const countOf = ({ values, size }: Vectors): number => values.length / size;

function nearestVector(table: Vectors, vectors: Vectors, v: number): number {
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (let c = 0; c < countOf(table); c++) {
    let error = 0;
    for (let i = 0; i < table.size && error < least; i++)
      error += (table.values[c * table.size + i]! - vectors.values[v * vectors.size + i]!) ** 2;
    if (error < least) [best, least] = [c, error];
  }
  return best;
}

/** Lloyd's algorithm from random vectors; entries are rounded to f16. */
export function fitVectors(
  vectors: Vectors,
  entries: number,
  seed: number,
  rounds = 4,
): { table: Vectors; codes: number[] } {
  const next = uniform(seed);
  const { size } = vectors;
  const pick = Array.from({ length: entries }, () => Math.floor(next() * countOf(vectors)));
  let table: Vectors = {
    size,
    values: Float64Array.from(pick.flatMap((v) => [...vectors.values.subarray(v * size, (v + 1) * size)])),
  };
  const assign = (): number[] => Array.from({ length: countOf(vectors) }, (_, v) => nearestVector(table, vectors, v));
  for (let round = 0; round < rounds; round++) {
    const codes = assign();
    const [sums, counts] = [new Float64Array(entries * size), new Float64Array(entries)];
    codes.forEach((c, v) => {
      counts[c]!++;
      for (let i = 0; i < size; i++) sums[c * size + i]! += vectors.values[v * size + i]!;
    });
    const old = table.values;
    table = {
      size,
      values: sums.map((s, j) =>
        f16Round(counts[Math.floor(j / size)]! > 0 ? s / counts[Math.floor(j / size)]! : old[j]!),
      ),
    };
  }
  return { table, codes: assign() };
}

/** What vectors leave after a table. */
export function residual(vectors: Vectors, { table, codes }: { table: Vectors; codes: number[] }): Vectors {
  const { size } = vectors;
  const values = vectors.values.map((v, j) => v - table.values[codes[Math.floor(j / size)]! * size + (j % size)]!);
  return { size, values };
}

/** The largest magnitude of each row, as f16. */
export function rowPeaks({ values, rows, columns }: Matrix): Float64Array {
  return Float64Array.from({ length: rows }, (_, n) =>
    f16Round(values.subarray(n * columns, (n + 1) * columns).reduce((p, v) => Math.max(p, Math.abs(v)), 0)),
  );
}

function aqlm(kit: Kit): Stored {
  const { values, columns } = kit.w;
  const scale = rowPeaks(kit.w);
  const vectors = { size: 8, values: Float64Array.from(values, (v, i) => v / scale[Math.floor(i / columns)]!) };
  const first = fitVectors(vectors, 256, 1);
  const second = fitVectors(residual(vectors, first), 256, 2);
  return {
    "w.vectors": [...first.table.values, ...second.table.values],
    "w.scale": scale,
    "w.q": first.codes.flatMap((c, v) => [c, second.codes[v]!]),
  };
}

/** Vectors of eight rows, column by column: what `along N` stores. */
function vptq({ w: { values, rows, columns } }: Kit): Stored {
  const column = (k: number): number[] => Array.from({ length: rows }, (_, n) => values[n * columns + k]!);
  const bias = Float64Array.from({ length: columns }, (_, k) => f16Round(column(k).reduce((a, b) => a + b) / rows));
  const scale = Float64Array.from({ length: columns }, (_, k) =>
    f16Round(Math.max(...column(k).map((v) => Math.abs(v - bias[k]!)))),
  );
  const scaled = Float64Array.from({ length: values.length }, (_, j) => {
    const [k, n] = [Math.floor(j / rows), j % rows];
    return (values[n * columns + k]! - bias[k]!) / scale[k]!;
  });
  const main = fitVectors({ size: 8, values: scaled }, 256, 3);
  const rest = fitVectors(residual({ size: 8, values: scaled }, main), 64, 4);
  return {
    "w.main": main.table.values,
    "w.residual": rest.table.values,
    "w.scale": scale,
    "w.bias": bias,
    "w.q": main.codes,
    "w.r": rest.codes,
  };
}

/** For each vector the point and the gain of least error. */
function pyramid({ w }: Kit): Stored {
  const points = pyramidPoints();
  const scale = rowPeaks(w).map((p) => f16Round(p / 2));
  const [q, gain]: [number[], number[]] = [[], []];
  for (let v = 0; v < w.values.length / 8; v++) {
    const own = w.values.subarray(v * 8, v * 8 + 8);
    const s = scale[Math.floor((v * 8) / w.columns)]!;
    let [least, code, g] = [Number.POSITIVE_INFINITY, 0, 0];
    for (let e = 0; e < 4; e++)
      points.forEach((p, c) => {
        const error = own.reduce((sum, x, i) => sum + (x - s * 2 ** -e * p[i]!) ** 2, 0);
        if (error < least) [least, code, g] = [error, c, e];
      });
    q.push(code);
    gain.push(g);
  }
  return { "w.point": points.flat(), "w.scale": scale, "w.gain": gain, "w.q": q };
}

const STATES = 2 ** 16;

/** The code of each state. */
function stateValues(): Float64Array {
  return Float64Array.from({ length: STATES }, (_, state) => threeInstructions(state, bitsToF16));
}

/**
 * A beam search for the codes of blocks of 256 values: each has `bits` new bits, the state is the newest sixteen. The last
 * codes of a block are 0, since the stream bites its tail.
 */
export function searchTrellis(
  w: Matrix,
  bits: number,
  width: number,
): { readonly q: Float64Array; readonly scale: Float64Array } {
  const value = stateValues();
  const forced = 16 / bits - 1;
  const q = new Float64Array(w.values.length);
  const sigma = Math.sqrt(value.reduce((sum, v) => sum + v * v, 0) / STATES);
  const scale = Float64Array.from({ length: w.rows }, (_, n) => {
    const own = w.values.subarray(n * w.columns, (n + 1) * w.columns);
    return f16Round(Math.sqrt(own.reduce((sum, v) => sum + v * v, 0) / w.columns) / sigma);
  });
  for (let start = 0; start < q.length; start += 256) {
    const s = scale[Math.floor(start / w.columns)]!;
    let beam: { state: number; error: number; path: readonly [number, unknown] | undefined }[] = [
      { state: 0, error: 0, path: undefined },
    ];
    for (let i = 0; i < 256; i++) {
      const codes = i >= 256 - forced ? [0] : [...Array(2 ** bits).keys()];
      const grown = beam.flatMap(({ state, error, path }) =>
        codes.map((code) => {
          const next = (state * 2 ** bits + code) % STATES;
          return {
            state: next,
            error: error + (w.values[start + i]! - s * value[next]!) ** 2,
            path: [code, path] as const,
          };
        }),
      );
      beam = grown.sort((a, b) => a.error - b.error).slice(0, width);
    }
    let path: unknown = beam[0]!.path;
    for (let i = 255; i >= 0; i--) {
      const [code, rest] = path as readonly [number, unknown];
      q[start + i] = code;
      path = rest;
    }
  }
  return { q, scale };
}

/** The value of a trellis code at a position of its block. */
export function trellisValue(q: ArrayLike<number>, block: number, i: number, bits: number): number {
  let state = 0;
  for (let j = 16 / bits - 1; j >= 0; j--) state = state * 2 ** bits + q[block * 256 + ((i - j + 256) % 256)]!;
  return threeInstructions(state, bitsToF16);
}

export const CODEBOOKS: readonly System[] = [
  {
    file: "aqlm",
    name: "AQLM, PV-Tuning",
    pack: (kit) => [
      linear(kit, {
        op: "aqlm",
        ...packed(
          kit,
          "two_codebooks",
          (f, { n, k, group }) => {
            const sum = [0, 1].reduce(
              (t, c) => t + f("vectors")[2048 * c + 8 * f("q")[2 * group(8) + c]! + (k % 8)]!,
              0,
            );
            return f("scale")[n]! * sum;
          },
          aqlm(kit),
        ),
      }),
    ],
  },
  {
    file: "vptq",
    name: "VPTQ",
    pack: (kit) => {
      const blocks = kit.w.rows / 8;
      const own = packed(
        kit,
        "residual_vectors",
        (f, { n, k }) => {
          const v = k * blocks + Math.floor(n / 8);
          const sum = f("main")[8 * f("q")[v]! + (n % 8)]! + f("residual")[8 * f("r")[v]! + (n % 8)]!;
          return f("scale")[k]! * sum + f("bias")[k]!;
        },
        vptq(kit),
      );
      return [linear(kit, { op: "vptq", ...own })];
    },
  },
  {
    file: "pyramid-vq",
    name: "Pyramid VQ",
    pack: (kit) => {
      const points = pyramidPoints();
      const own = packed(
        kit,
        "pyramid",
        (f, { n, k, group }) => f("scale")[n]! * 2 ** -f("gain")[group(8)]! * points[f("q")[group(8)]!]![k % 8]!,
        pyramid(kit),
      );
      return [linear(kit, { op: "pyramid_vq", ...own })];
    },
  },
  {
    file: "qtip",
    name: "QTIP",
    pack: (kit) => {
      const { q, scale } = searchTrellis(kit.w, 2, 24);
      const own = packed(
        kit,
        "bitshift_trellis",
        (f, { n, k, group }) => f("scale")[n]! * trellisValue(f("q"), group(256), k % 256, 2),
        { "w.scale": scale, "w.q": q },
      );
      return [linear(kit, { op: "qtip", ...own })];
    },
  },
];
