/** SCALE-Sim's printed reports of versions 2 and 3 against closed forms and against our replica of its buffers. */
import { describe, expect, it } from "vitest";
import {
  overallUtilisation,
  SCALESIM_DATAFLOWS,
  type ScalesimDataflow,
  type ScalesimVersion,
  scalesimCompute,
} from "../../simulator/peer/scalesim.ts";
import { scalesimStalls } from "../../simulator/peer/scalesim-stalls.ts";
import { type ConvLayer, type GemmLayer, gemmOf } from "../../simulator/peer/workload.ts";
import { type Row, readTable } from "./csv.ts";

const results = readTable("scalesim/results.csv");
const versionOf = (row: Row): ScalesimVersion => row.version!.slice(0, 2) as ScalesimVersion;

const arrayOf = (row: Row) => ({
  dataflow: row.dataflow as ScalesimDataflow,
  rows: Number(row.rows),
  columns: Number(row.cols),
});

function layerOf(row: Row): GemmLayer | ConvLayer {
  const name = row.layer!;
  const conv = /^H(\d+)xW(\d+) R(\d+)xS(\d+) C(\d+) F(\d+) stride(\d+)/.exec(row.conv_dims!)?.slice(1).map(Number);
  if (conv === undefined) return { kind: "gemm", name, m: Number(row.M), n: Number(row.N), k: Number(row.K), count: 1 };
  const [inputHeight, inputWidth, kernelHeight, kernelWidth, channels, filters, stride] = conv as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return { kind: "conv", name, inputHeight, inputWidth, kernelHeight, kernelWidth, channels, filters, stride };
}

describe("scalesim, every printed layer", () => {
  it("has the compute cycles and the efficiencies of all rows", () => {
    expect(results.length).toBe(763);
    for (const row of results) {
      const at = `${row.config} ${row.layer}`;
      const layer = gemmOf(layerOf(row));
      const ours = scalesimCompute(layer, arrayOf(row));
      expect([layer.m, layer.n, layer.k], at).toEqual([Number(row.M), Number(row.N), Number(row.K)]);
      expect(ours.computeCycles, at).toBe(Number(row.compute_cycles));
      expect(Number(row.total_cycles), at).toBe(ours.computeCycles + Number(row.stall_cycles));
      expect(100 * ours.mappingEfficiency, at).toBeCloseTo(Number(row.mapping_eff_pct), 5);
      expect(100 * ours.computeUtilisation, at).toBeCloseTo(Number(row.compute_util_pct), 5);
      const overall = 100 * overallUtilisation(ours.macs, Number(row.total_cycles), arrayOf(row));
      expect(overall, at).toBeCloseTo(Number(row.overall_util_pct), 5);
    }
  });
});

describe("scalesim, SRAM accesses", () => {
  /** Counts the words that the ports ask for, cycle by cycle, from the timing of one fold. */
  function countAccesses(m: number, n: number, k: number, dataflow: ScalesimDataflow, rows: number, columns: number) {
    const [sr, sc, t] = { os: [m, n, k], ws: [k, n, m], is: [k, m, n] }[dataflow] as [number, number, number];
    const counts = { onRows: 0, onColumns: 0, written: 0 };
    for (let c0 = 0; c0 < sc; c0 += columns)
      for (let r0 = 0; r0 < sr; r0 += rows) {
        const fold = (dataflow === "os" ? 0 : rows) + rows + columns + t - 2;
        for (let cycle = 0; cycle < fold; cycle++) {
          for (let r = 0; r < Math.min(rows, sr - r0); r++) {
            const time = cycle - r - (dataflow === "os" ? 0 : rows);
            if (time >= 0 && time < t) counts.onRows++;
            if (dataflow !== "os" && cycle === rows - 1 - r) counts.onColumns += Math.min(columns, sc - c0);
          }
          for (let c = 0; c < Math.min(columns, sc - c0); c++) {
            if (dataflow === "os") {
              if (cycle - c >= 0 && cycle - c < t) counts.onColumns++;
              const row = rows - 1 - (cycle - (t - 1) - c);
              if (row >= 0 && row < Math.min(rows, sr - r0)) counts.written++;
            } else {
              const row = cycle - (2 * rows - 1) - c;
              if (row >= 0 && row < t) counts.written++;
            }
          }
        }
      }
    return counts;
  }

  it.each(SCALESIM_DATAFLOWS)("are what %s arrays ask for", (dataflow) => {
    const shapes = [
      [17, 5, 9],
      [4, 4, 4],
      [1, 33, 7],
      [31, 8, 1],
      [20, 12, 40],
    ] as const;
    for (const [m, n, k] of shapes)
      for (const [rows, columns] of [
        [4, 7],
        [8, 8],
        [12, 5],
      ] as const) {
        const ours = scalesimCompute({ m, n, k }, { dataflow, rows, columns });
        const counted = countAccesses(m, n, k, dataflow, rows, columns);
        const [onRows, onColumns] =
          dataflow === "is" ? [ours.filterReads, ours.ifmapReads] : [ours.ifmapReads, ours.filterReads];
        expect([onRows, onColumns]).toEqual([counted.onRows, counted.onColumns]);
        const folds = Math.ceil(m / rows) * Math.ceil(n / columns);
        // SCALE-Sim adds rows + columns to every output-stationary fold by mistake.
        const surplus = dataflow === "os" ? folds * (rows + columns) : 0;
        expect(ours.ofmapWrites).toBe(counted.written + surplus);
      }
  });
});

describe("scalesim, USER mode", () => {
  const rows = results.filter((row) => row.bandwidth_mode === "USER");
  const key = (version: string, dataflow: string, rows: string, bandwidth: string, topology: string, layer: string) =>
    [version, dataflow, rows, bandwidth, topology, layer].join(" ");
  const ours = new Map<string, readonly [number, number]>();

  it.each(rows.map((row) => ({ name: `${row.config} ${row.layer}`, row })))("$name", ({ row }) => {
    const words = Number(row.bandwidth_words_per_cycle);
    const { ifmap_sram_kB: ifmap, filter_sram_kB: filter, ofmap_sram_kB: ofmap } = row;
    const stalls = scalesimStalls(layerOf(row), arrayOf(row), {
      version: versionOf(row),
      sramKB: { ifmap: Number(ifmap), filter: Number(filter), ofmap: Number(ofmap) },
      wordsPerCycle: { ifmap: words, filter: words, ofmap: words },
    });
    const printed = [stalls.totalCycles, stalls.stallCycles] as const;
    expect(printed).toEqual([Number(row.total_cycles), Number(row.stall_cycles)]);
    const topology = row.topology!.replace(".csv", "");
    ours.set(key(versionOf(row), row.dataflow!, row.rows!, `${words}`, topology, row.layer!), printed);
  });

  it("agrees with small random layers that both versions ran: products, strides that do not divide, tiny buffers", () => {
    // Our runs of SCALE-Sim v2 at 22f88b1 and v3 at 1d62b68.
    for (const row of readTable("scalesim/small-user-runs.csv")) {
      const [a, b, c, d, e, f, g] = row.dims!.split(" ").map(Number) as [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      const size = {
        inputHeight: a,
        inputWidth: b,
        kernelHeight: c,
        kernelWidth: d,
        channels: e,
        filters: f,
        stride: g,
      };
      const layer: GemmLayer | ConvLayer =
        row.form === "gemm"
          ? { kind: "gemm", name: "x", m: a, n: b, k: c, count: 1 }
          : { kind: "conv", name: "x", ...size };
      const words = Number(row.words_per_cycle);
      const { ifmap_sram_kB: ifmap, filter_sram_kB: filter, ofmap_sram_kB: ofmap } = row;
      const array = {
        dataflow: row.dataflow as ScalesimDataflow,
        rows: Number(row.rows),
        columns: Number(row.columns),
      };
      const stalls = scalesimStalls(layer, array, {
        version: row.version as ScalesimVersion,
        sramKB: { ifmap: Number(ifmap), filter: Number(filter), ofmap: Number(ofmap) },
        wordsPerCycle: { ifmap: words, filter: words, ofmap: words },
      });
      expect(stalls, JSON.stringify(row)).toEqual({
        totalCycles: Number(row.total_cycles),
        stallCycles: Number(row.stall_cycles),
        ifmapDramReads: Number(row.ifmap_dram_reads),
        filterDramReads: Number(row.filter_dram_reads),
      });
    }
  });

  it("agrees with the table of stalls that was made from another run", () => {
    for (const row of readTable("scalesim/user-mode-stalls.csv")) {
      const side = row.array!.split("x")[0]!;
      const found = ours.get(key(row.version!, row.dataflow!, side, row.bandwidth!, row.topology!, row.layer!));
      expect(found, JSON.stringify(row)).toEqual([Number(row.scalesim_total), Number(row.scalesim_stall)]);
    }
  });

  it("counts the reads of a matrix that no buffer holds: 16 halves of 32770 words for 65536", () => {
    const layer: GemmLayer = { kind: "gemm", name: "Test 1", m: 256, n: 128, k: 256, count: 1 };
    const each = (value: number) => ({ ifmap: value, filter: value, ofmap: value });
    const memory = { version: "v2", sramKB: each(64), wordsPerCycle: each(10) } as const;
    // DETAILED_ACCESS_REPORT of the 32×32 output-stationary run at 10 words a cycle.
    expect(scalesimStalls(layer, { dataflow: "os", rows: 32, columns: 32 }, memory).ifmapDramReads).toBe(524320);
  });

  it("starts every image of a batch with words of its own", () => {
    const conv: ConvLayer = {
      kind: "conv",
      name: "c",
      inputHeight: 8,
      inputWidth: 8,
      kernelHeight: 3,
      kernelWidth: 3,
      channels: 4,
      filters: 8,
      stride: 1,
    };
    const each = (value: number) => ({ ifmap: value, filter: value, ofmap: value });
    const run = (batch: number) =>
      scalesimStalls(
        { ...conv, batch },
        { dataflow: "os", rows: 8, columns: 8 },
        { version: "v2", sramKB: each(1), wordsPerCycle: each(4) },
      );
    expect(run(4).ifmapDramReads).toBeGreaterThan(2 * run(1).ifmapDramReads);
    expect(run(4).stallCycles).toBeGreaterThan(run(1).stallCycles);
  });
});
