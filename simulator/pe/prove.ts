/** Depth `pe` of one product: steps every PE with values, and holds the result against the depth `cycle` and the evaluator. */
import { partsOf } from "../../hw-models/derive.ts";
import type { AcceleratorModel, SystolicSpec, UnitSpec } from "../../hw-models/schema.ts";
import { Diagnostics, internal } from "../../ir/diagnostics.ts";
import { evalProgram, type TensorValues } from "../../ir/eval/program.ts";
import type { Program } from "../../ir/program.ts";
import { type Run, runProgram } from "../engine.ts";
import type { Recorder } from "../lanes.ts";
import type { Tiler } from "../simulate.ts";
import { isSteppable, type PeRun, stepArray } from "./array.ts";
import { stepBitSerial } from "./bit-serial.ts";
import { PAIR_FORMATS, stepOlive } from "./olive.ts";
import { type Encoder, FP3, FP4 } from "./terms.ts";

/** How the PEs of an array compute, as far as values go. */
export type DatapathKind = "multiply" | "bit-serial" | "pairs";

export function datapathOf({ bitSerial, pairCodes }: SystolicSpec): DatapathKind {
  if (bitSerial !== undefined) return "bit-serial";
  return pairCodes === true ? "pairs" : "multiply";
}

/** Formats of the language's library that a datapath is built for, by bits; undefined where it takes none such. */
export function formatFor(kind: DatapathKind, bits: number, operand: "weight" | "activation"): string | undefined {
  if (kind === "pairs") return { 4: "olive_int4", 8: "olive_int8" }[bits];
  if (bits === 16) return kind === "multiply" || operand === "activation" ? "f16" : undefined;
  const isInt = Number.isInteger(bits) && bits >= 2 && bits <= 8;
  if (kind === "multiply") return isInt ? (operand === "weight" ? `i${bits}_g128` : `i${bits}_tensor`) : undefined;
  if (operand === "activation") return undefined;
  return { 3: "bitmod3", 4: "bitmod4", 5: "bitmod_int5", 6: "bitmod_int6", 8: "bitmod_int8" }[bits];
}

/** How codes of one of BitMoD's formats become terms. */
function encoderOf(bits: number): Encoder {
  if (bits === 3) return FP3;
  return bits === 4 ? FP4 : { kind: "booth", bits };
}

const BITMOD_GROUP = 128;

/** One product with its operands. */
export interface PeCase {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly weightFormat: string;
  readonly weightBits: number;
  readonly activationFormat: string;
  /** y[m, n] = Σ_k x[m, k] · w[n, k] in these formats: what the evaluator and the depth `cycle` carry out. */
  readonly program: Program;
  /** Values of the program's inputs. */
  readonly inputs: TensorValues;
  /** What the formats' own decoders make of them, row-major: plain PEs get decoded numbers. */
  readonly x: Float64Array;
  readonly w: Float64Array;
}

export interface PeProof {
  readonly run: PeRun;
  /** The depth `cycle` on the same array, memory and decoders taking no time. */
  readonly engine: Run;
  readonly program: Program;
  /** Results that are not, bit for bit, what the evaluator says. */
  readonly wrongValues: number;
}

const FREE = Number.POSITIVE_INFINITY;

/** The machine with nothing but its array taking time: what the depth `pe` steps. */
export function arrayAlone(machine: AcceleratorModel): AcceleratorModel {
  const freed = (unit: UnitSpec): UnitSpec => {
    switch (unit.kind) {
      case "dram":
        return { ...unit, bytesPerCycle: FREE, latencyCycles: 0 };
      case "sram":
        return { ...unit, capacityBytes: FREE };
      case "dma":
        return { ...unit, requestBytes: FREE };
      case "feeder":
        return { ...unit, rowsPerCycle: 1, codesPerCycle: FREE, fifoRows: MANY };
      case "systolic":
        return unit;
      case "vector":
        return { ...unit, elementsPerCycle: FREE };
    }
  };
  return { ...machine, units: machine.units.map(freed) };
}

/** Blocks of sums that the array never waits for. */
const MANY = 2 ** 16;

/** The program on the array by itself. */
function engineRun(
  program: Program,
  machine: AcceleratorModel,
  tile: Tiler,
  recorder: Recorder | undefined,
): Pick<PeProof, "engine" | "program"> {
  const sink = new Diagnostics();
  const tiled = tile(program, machine, partsOf(machine).array.dataflow, sink);
  if (tiled === undefined) return internal(`${program.name} does not fit unlimited buffers: ${sink.list[0]?.message}`);
  const free = ["accumulator", "result"];
  const rings = tiled.rings.map((r) => (free.includes(r.id) ? { ...r, depth: MANY } : r));
  return { program: tiled, engine: runProgram({ ...tiled, rings }, machine, recorder) };
}

/** Cycles of a product on the machine's array by itself, at depth `cycle`. */
export function engineCycles(machine: AcceleratorModel, { program }: PeCase, tile: Tiler): number {
  return engineRun(program, arrayAlone(machine), tile, undefined).engine.cycles;
}

/**
 * Arrays that stand side by side: of each fold's columns, every array takes its own, and rows of operands enter all of
 * them in the same cycle. The first one always has columns, so it is the last to end. States are not recorded.
 */
function stepSideBySide(array: SystolicSpec, { m, n, k, x, w }: PeCase): PeRun {
  const { columns, arrays = 1, dataflow } = array;
  const [extent, from] = dataflow === "is" ? [m, x] : [n, w];
  const y = new Float64Array(m * n);
  let cycles = 0;
  for (let a = 0; a < arrays; a++) {
    const own = Array.from({ length: extent }, (_, i) => i).filter((i) => Math.floor(i / columns) % arrays === a);
    if (own.length === 0) continue;
    const part = new Float64Array(own.length * k);
    for (const [at, index] of own.entries()) part.set(from.subarray(index * k, (index + 1) * k), at * k);
    const sub = dataflow === "is" ? { m: own.length, n, k, x: part, w } : { m, n: own.length, k, x, w: part };
    const run = stepArray(array, sub);
    cycles = Math.max(cycles, run.cycles);
    own.forEach((index, at) => {
      if (dataflow === "is") y.set(run.y.subarray(at * n, (at + 1) * n), index * n);
      else for (let row = 0; row < m; row++) y[row * n + index] = run.y[row * own.length + at]!;
    });
  }
  return { cycles, peCycles: cycles * array.rows * columns * arrays, y };
}

function step(array: SystolicSpec, product: PeCase, withStates: boolean): PeRun {
  const { m, n, k, inputs, weightBits, weightFormat, activationFormat } = product;
  const input = (id: string): Float64Array => inputs[id] ?? internal(`${product.program.name} has no ${id}`);
  switch (datapathOf(array)) {
    case "multiply":
      return (array.arrays ?? 1) > 1 ? stepSideBySide(array, product) : stepArray(array, product, withStates);
    case "bit-serial": {
      const { bitSerial } = array;
      if (bitSerial === undefined) return internal("no bit-serial PEs");
      const run = stepBitSerial(
        { ...array, bitSerial },
        {
          ...{ m, n, k, x: product.x, encoder: encoderOf(weightBits), codes: input("w.q"), group: BITMOD_GROUP },
          ...{ scales: input("w.scale"), selectors: inputs["w.special"] },
        },
        withStates,
      );
      // The second of the two scales belongs to a row of weights: one multiplication for each result.
      const row = input("w.row");
      return { ...run, y: run.y.map((value, at) => value * row[at % n]!) };
    }
    case "pairs": {
      const of = (id: "x" | "w", format: string) => ({
        codes: input(`${id}.q`),
        format: PAIR_FORMATS[format] ?? internal(`no pair format ${format}`),
      });
      const run = stepOlive(array, { m, n, k, x: of("x", activationFormat), w: of("w", weightFormat) }, withStates);
      const scale = input("x.tensor")[0]! * input("w.tensor")[0]!;
      return { ...run, y: run.y.map((value) => value * scale) };
    }
  }
}

/** Whether registers can carry what the machine overlaps, and why not. */
export function whyNotSteppable(machine: AcceleratorModel): string | undefined {
  const { array } = partsOf(machine);
  if ((array.arrays ?? 1) > 1 && datapathOf(array) !== "multiply") return "such arrays side by side are not stepped";
  if (array.fusion?.spread === "sum") return "its PEs add several products of one sum";
  return isSteppable(array) ? undefined : "no registers can carry what it overlaps";
}

/** Steps a product on a machine's array, and carries the same program out in two other ways. */
export function proveProduct(
  machine: AcceleratorModel,
  product: PeCase,
  tile: Tiler,
  options: { readonly withStates?: boolean; readonly recorder?: Recorder | undefined } = {},
): PeProof {
  const alone = arrayAlone(machine);
  const run = step(partsOf(alone).array, product, options.withStates === true);
  const found = engineRun(product.program, alone, tile, options.recorder);
  const { y } = evalProgram(product.program, product.inputs, { arithmetic: "real", roundOutputs: false });
  const expected = y ?? internal("the program has no y");
  let wrongValues = 0;
  // 0 and −0 are one number.
  for (let i = 0; i < expected.length; i++) if (run.y[i] !== expected[i]) wrongValues++;
  return { run, ...found, wrongValues };
}
