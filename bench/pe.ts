/** Times depth `pe` on one core: `npx esbuild bench/pe.ts --bundle --platform=node --format=esm --outfile=out/pe.mjs && node out/pe.mjs`. */
import { DATAFLOWS } from "../hw-models/schema.ts";
import { stepArray } from "../simulator/pe/array.ts";

const RUNS = 5;
const SIZE = 32;
const [m = 512, n = 256, k = 256] = process.argv.slice(2).map(Number);

const values = (count: number, step: number): Float64Array =>
  Float64Array.from({ length: count }, (_, i) => (((i * step) % 65) - 32) / 8);
const product = { m, n, k, x: values(m * k, 7), w: values(n * k, 11) };
const overlaps = {
  "nothing overlaps": { shadowRegisters: false, fillOverlapsDrain: false },
  "all overlaps": { shadowRegisters: true, fillOverlapsDrain: true },
} as const;

console.log(
  `${m} × ${n} × ${k} on ${SIZE} × ${SIZE}, one core, ${process.version} ${process.arch}; median of ${RUNS} runs`,
);
for (const dataflow of DATAFLOWS)
  for (const [name, flags] of Object.entries(overlaps)) {
    const overlap = { ...flags, separateDrain: true, controlCyclesPerFold: 0 };
    const array = { rows: SIZE, columns: SIZE, dataflow, overlap };
    const rates = Array.from({ length: RUNS }, () => {
      // Processor time, because others may share the core.
      const start = process.cpuUsage();
      const { peCycles } = stepArray(array, product);
      return peCycles / process.cpuUsage(start).user;
    });
    rates.sort((a, b) => a - b);
    console.log(`${dataflow}, ${name}: ${rates[RUNS >> 1]!.toFixed(0)} M PE-cycles/s`);
  }
