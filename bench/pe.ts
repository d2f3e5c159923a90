/** Times depth `pe` on one core: `npx esbuild bench/pe.ts --bundle --platform=node --format=esm --outfile=out/pe.mjs && node out/pe.mjs [M N K] [--json FILE]`. */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { DATAFLOWS, type Dataflow } from "../hw-models/schema.ts";
import { type PeRun, stepArray } from "../simulator/pe/array.ts";
import { stepBitSerial } from "../simulator/pe/bit-serial.ts";
import { PAIR_FORMATS, stepOlive } from "../simulator/pe/olive.ts";
import { FP4 } from "../simulator/pe/terms.ts";

const RUNS = 5;
const SIZE = 32;
const FLAGS = process.argv.slice(2);
const OUT = FLAGS.includes("--json") ? FLAGS[FLAGS.indexOf("--json") + 1] : undefined;
const [m = 512, n = 256, k = 256] = FLAGS.filter((f) => /^\d+$/.test(f)).map(Number);

const values = (count: number, step: number): Float64Array =>
  Float64Array.from({ length: count }, (_, i) => (((i * step) % 65) - 32) / 8);
const codes = (count: number, step: number): Float64Array =>
  Float64Array.from({ length: count }, (_, i) => (i * step) % 16);
const overlaps = {
  "nothing overlaps": { shadowRegisters: false, fillOverlapsDrain: false },
  "all overlaps": { shadowRegisters: true, fillOverlapsDrain: true },
} as const;
const overlapOf = (name: keyof typeof overlaps) => ({
  ...overlaps[name],
  separateDrain: true,
  controlCyclesPerFold: 0,
});

const plain = (dataflow: Dataflow, name: keyof typeof overlaps) => () =>
  stepArray(
    { rows: SIZE, columns: SIZE, dataflow, overlap: overlapOf(name) },
    { m, n, k, x: values(m * k, 7), w: values(n * k, 11) },
  );

const bitSerial = () =>
  stepBitSerial(
    {
      rows: SIZE,
      columns: SIZE,
      overlap: overlapOf("nothing overlaps"),
      bitSerial: { lanes: 4, rescaleCycles: 8, tileRows: 8, tileColumns: 8 },
    },
    {
      ...{ m, n, k, group: 128, encoder: FP4, x: values(m * k, 7), codes: codes(n * k, 11) },
      scales: codes((n * k) / 128, 3),
      selectors: new Float64Array((n * k) / 128),
    },
  );

/** 64 × 64 PEs of four bits; with operands of eight, gangs of four. */
const olive = (format: "olive_int4" | "olive_int8", size: number) => () => {
  const of = (count: number, step: number) => ({ codes: codes(count, step), format: PAIR_FORMATS[format]! });
  const array = { rows: size, columns: size, dataflow: "os", overlap: overlapOf("nothing overlaps") } as const;
  return stepOlive(array, { m, n, k, x: of(m * k, 7), w: of(n * k, 11) });
};

const CASES: Readonly<Record<string, () => PeRun>> = {
  ...Object.fromEntries(
    DATAFLOWS.flatMap((d) =>
      (["nothing overlaps", "all overlaps"] as const).map((o) => [`plain, ${d}, ${o}`, plain(d, o)] as const),
    ),
  ),
  "bit-serial PEs of four lanes, fp4 in groups of 128": bitSerial,
  "OliVe, 64 × 64 PEs, 4 by 4 bits": olive("olive_int4", 64),
  "OliVe, 64 × 64 PEs in gangs of four, 8 by 8 bits": olive("olive_int8", 32),
};

const shape = `${m} × ${n} × ${k}`;
console.log(`${shape} on ${SIZE} × ${SIZE}, one core, ${process.version} ${process.arch}; median of ${RUNS} runs`);
const results = Object.entries(CASES).map(([name, run]) => {
  const rates = Array.from({ length: RUNS }, () => {
    // Processor time, because others may share the core.
    const start = process.cpuUsage();
    const { peCycles } = run();
    return peCycles / process.cpuUsage(start).user;
  });
  rates.sort((a, b) => a - b);
  const millionPeCyclesPerSecond = Math.round(rates[RUNS >> 1]!);
  console.log(`${name}: ${millionPeCyclesPerSecond} M PE-cycles/s`);
  return { name, millionPeCyclesPerSecond };
});
if (OUT !== undefined) {
  const about = {
    benchmark: "depth pe, one core",
    date: new Date().toISOString().slice(0, 10),
    command: `node out/pe.mjs ${FLAGS.join(" ")}`,
    device: `${cpus()[0]?.model.trim()}, ${cpus().length} cores, shared; processor time of one`,
    node: process.version,
    shape: { m, n, k },
    runs: RUNS,
  };
  writeFileSync(OUT, `${JSON.stringify({ ...about, results }, null, 2)}\n`);
}
