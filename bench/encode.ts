/** Times the encoders on one core: `npx esbuild bench/encode.ts --bundle --platform=node --format=esm --outfile=out/encode.mjs && node out/encode.mjs`. */
import { bitmodRule } from "../compiler/quantize/bitmod.ts";
import { studyTensor } from "../compiler/quantize/encoder.ts";
import { encoderOfFormat } from "../compiler/quantize/format-encode.ts";
import { flintGrid, intGrid } from "../compiler/quantize/grids.ts";
import { type GroupRule, groupEncoder } from "../compiler/quantize/groups.ts";
import { formatNamed } from "../compiler/quantize/named.ts";

const RUNS = 5;

/** Seeded heavy-tailed weights: normal (Box–Muller) with one value in 500 twenty times larger. */
function weights(count: number): Float32Array {
  const state = Uint32Array.of(1);
  const next = (): number => {
    state[0] = Math.imul(state[0]!, 1664525) + 1013904223;
    return (state[0]! + 0.5) / 2 ** 32;
  };
  return Float32Array.from({ length: count }, () => {
    const normal = Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
    return 0.02 * normal * (next() < 0.002 ? 20 : 1);
  });
}

const [rows = 4096, columns = 4096] = process.argv.slice(2).map(Number);
const values = weights(rows * columns);
const rules: Readonly<Record<string, GroupRule>> = {
  "BitMoD 3-bit g128": bitmodRule(3),
  "BitMoD 4-bit g128": bitmodRule(4),
  "int4 symmetric g128": { grids: [intGrid(4, "symmetric")], group: 128 },
  "flint4 g128": { grids: [flintGrid(4, true)], group: 128 },
};

console.log(
  `${rows} × ${columns} f32, one core, ${process.version} ${process.arch}; processor time, median of ${RUNS} runs`,
);
/** Seconds of this process on its core: others on the machine do not count. */
function time(name: string, encode: () => unknown, count: number, runs = RUNS): void {
  const seconds = Array.from({ length: runs }, () => {
    const start = process.cpuUsage();
    encode();
    return process.cpuUsage(start).user / 1e6;
  }).sort((a, b) => a - b);
  const median = seconds[runs >> 1]!;
  console.log(`${name.padEnd(34)} ${median.toFixed(3)} s  ${(count / median / 1e6).toFixed(2)} M values/s`);
}

for (const [name, rule] of Object.entries(rules)) {
  const encode = groupEncoder(rule);
  time(name, () => encode(values, columns), values.length);
}

/** Formats as `quantize` encodes them, scales stored and all; slow searches on fewer rows. */
const FORMATS: readonly (readonly [format: string, rule: string | undefined, rows: number])[] = [
  ["bitmod3", undefined, rows],
  ["int4_g128", undefined, rows],
  ["u4_g128", undefined, rows],
  ["u4_g128", "mse", rows / 8],
  ["nf4_double", undefined, rows],
  ["mxfp4", undefined, rows],
  ["q4_0", undefined, rows],
  ["q4_k", undefined, rows / 8],
  ["q6_k", undefined, rows / 8],
  ["iq4_xs", undefined, rows / 8],
  ["olive_int4", undefined, rows / 16],
  ["table4_row", undefined, rows / 16],
  ["multi_base3_g128", undefined, rows / 16],
  ["aqlm_2x8", undefined, rows / 64],
  ["lattice_e8", undefined, rows / 64],
  ["trellis2", undefined, rows / 1024],
];

for (const [name, rule, count] of FORMATS) {
  const format = formatNamed([], name);
  const encoder = format && encoderOfFormat(format, rule === undefined ? {} : { rule });
  if (encoder === undefined) continue;
  const own = values.subarray(0, Math.max(1, Math.floor(count)) * columns);
  const run = () => encoder.encode(own, columns, studyTensor(encoder, own, columns));
  time(`${name} (${encoder.rule}), ${own.length / columns} rows`, run, own.length, 3);
}
