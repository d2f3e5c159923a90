/** Evidence about the systolic array: SCALE-Sim by its formulas, and our own engine against counts of others. */
import { Diagnostics, internal } from "../../ir/diagnostics.ts";
import { runProgram } from "../engine.ts";
import { type ScalesimDataflow, type ScalesimVersion, scalesimCompute } from "../peer/scalesim.ts";
import { scalesimStalls } from "../peer/scalesim-stalls.ts";
import type { ConvLayer, GemmLayer } from "../peer/workload.ts";
import type { Tiler } from "../simulate.ts";
import { matmulProgram, plainFormat } from "../workload/matmul.ts";
import { idealMachine } from "./ideal-machine.ts";
import { SCALESIM_COMPUTE, SCALESIM_USER } from "./published-tables.ts";
import { digits, type EvidenceGroup, type EvidenceRow, EXACT, linesOf } from "./row.ts";

/** Percentages are printed with six digits behind the point. */
const PRINTED_DIGITS = 6;

function computeRows(): readonly EvidenceRow[] {
  return linesOf(SCALESIM_COMPUTE).flatMap(([times, dataflow = "", ...numbers]) => {
    const [rows, columns, m, n, k, cycles, efficiency] = numbers.map(Number) as [
      ...[number, number, number, number, number],
      ...[number, number],
    ];
    const ours = scalesimCompute({ m, n, k }, { dataflow: dataflow as ScalesimDataflow, rows, columns });
    const of = `${m}×${n}×${k} on ${dataflow} ${rows}×${columns}`;
    const base = { times: Number(times) };
    return [
      { ...base, claim: `${of}: compute cycles`, published: cycles, ours: ours.computeCycles, agreement: EXACT },
      {
        ...base,
        claim: `${of}: mapping efficiency, %`,
        published: efficiency,
        ours: 100 * ours.mappingEfficiency,
        agreement: digits(PRINTED_DIGITS),
      },
    ];
  });
}

function layerOf(form: string | undefined, dims: readonly number[]): GemmLayer | ConvLayer {
  const [a, b, c, d, e, f, g] = dims as [number, number, number, number, number, number, number];
  if (form === "gemm") return { kind: "gemm", name: "layer", m: a, n: b, k: c, count: 1 };
  const kernel = { kernelHeight: c, kernelWidth: d, channels: e, filters: f, stride: g };
  return { kind: "conv", name: "layer", inputHeight: a, inputWidth: b, ...kernel };
}

function userRows(): readonly EvidenceRow[] {
  return linesOf(SCALESIM_USER).flatMap((fields) => {
    const [version, dataflow, rows, columns, ifmap, filter, ofmap, words, form, ...rest] = fields;
    const dims = rest.slice(0, 7).map(Number);
    const [total, stall] = rest.slice(7).map(Number);
    const perCycle = Number(words);
    const ours = scalesimStalls(
      layerOf(form, dims),
      { dataflow: dataflow as ScalesimDataflow, rows: Number(rows), columns: Number(columns) },
      {
        version: version as ScalesimVersion,
        sramKB: { ifmap: Number(ifmap), filter: Number(filter), ofmap: Number(ofmap) },
        wordsPerCycle: { ifmap: perCycle, filter: perCycle, ofmap: perCycle },
      },
    );
    const of = `${version} ${form} ${dims.filter((d) => d > 0).join("×")} on ${dataflow} ${rows}×${columns}, ${words} words a cycle`;
    return [
      { claim: `${of}: total cycles`, published: total ?? 0, ours: ours.totalCycles, agreement: EXACT },
      { claim: `${of}: stall cycles`, published: stall ?? 0, ours: ours.stallCycles, agreement: EXACT },
    ];
  });
}

/** Rows and columns, length of the sums, cycles of the register-transfer model: 2R + C + T − 1. */
const REGISTER_TRANSFER = [
  [4, 4, 4, 15],
  [4, 4, 16, 27],
  [8, 4, 16, 35],
  [8, 8, 32, 55],
  [16, 16, 64, 111],
] as const;

/** Rows and columns, length of the sums, cycles of STONNE's mesh: K + R + C + 3. */
const STONNE = [
  [4, 4, 4, 15],
  [4, 4, 16, 27],
  [16, 16, 64, 99],
  [16, 16, 256, 291],
  [32, 32, 256, 323],
] as const;

type Point = readonly [rows: number, columns: number, k: number, cycles: number];

/** One output-stationary fold in our engine, with memory, decoders and the vector unit taking no time. */
function foldRows(
  points: readonly Point[],
  overlap: { readonly separateDrain: boolean; readonly controlCyclesPerFold: number },
  tile: Tiler,
): readonly EvidenceRow[] {
  return points.map(([rows, columns, k, cycles]) => {
    const machine = idealMachine({ rows, columns, dataflow: "os", overlap });
    const operands = { activation: "f16", weight: plainFormat("f16"), output: "f16" } as const;
    const program = matmulProgram({ name: "fold", batch: 1, m: rows, n: columns, k, ...operands });
    const tiled = tile(program, machine, "os", new Diagnostics()) ?? internal("a fold does not fit");
    return {
      claim: `${rows}×${columns} array, sums of ${k}: cycles`,
      published: cycles,
      ours: runProgram(tiled, machine).cycles,
      agreement: EXACT,
    };
  });
}

/** Arrays: `tile` cuts products for our engine. */
export function arrayEvidence(tile: Tiler): readonly EvidenceGroup[] {
  return [
    {
      name: "scalesim",
      title: "SCALE-Sim's printed reports, preset scalesim",
      source: "runs of scale-sim-v2 at 22f88b1 and SCALE-Sim at 1d62b68",
      rows: computeRows(),
    },
    {
      name: "scalesim-user",
      title: "SCALE-Sim's USER mode: stalls of its buffers, preset scalesim",
      source: "runs of scale-sim-v2 at 22f88b1 and SCALE-Sim at 1d62b68",
      rows: userRows(),
    },
    {
      name: "register-transfer",
      title: "SCALE-Sim's register-transfer model, depth cycle",
      source: "runs of SCALE-Sim's rtl at 1d62b68: 2R + C + T − 1",
      rows: foldRows(REGISTER_TRANSFER, { separateDrain: false, controlCyclesPerFold: 1 }, tile),
    },
    {
      name: "stonne",
      title: "STONNE's TPU mesh, depth cycle",
      source: "runs of stonne-simulator/stonne at 22634b8: K + R + C + 3",
      rows: foldRows(STONNE, { separateDrain: true, controlCyclesPerFold: 5 }, tile),
    },
  ];
}
