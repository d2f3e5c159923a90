/** Times the encoders on one core: `npx esbuild bench/encode.ts --bundle --platform=node --format=esm --outfile=out/encode.mjs && node out/encode.mjs`. */
import { bitmodRule } from "../compiler/quantize/bitmod.ts";
import { flintGrid, intGrid } from "../compiler/quantize/grids.ts";
import { type GroupRule, groupEncoder } from "../compiler/quantize/groups.ts";

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
for (const [name, rule] of Object.entries(rules)) {
  const encode = groupEncoder(rule);
  // Time of this process on its core: others on the machine do not count.
  const seconds = Array.from({ length: RUNS }, () => {
    const start = process.cpuUsage();
    encode(values, columns);
    return process.cpuUsage(start).user / 1e6;
  }).sort((a, b) => a - b);
  const median = seconds[RUNS >> 1]!;
  console.log(`${name.padEnd(20)} ${median.toFixed(3)} s  ${(values.length / median / 1e6).toFixed(0)} M values/s`);
}
