/** Running the gallery: files checked, operators compiled, operands packed, results compared. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Backend } from "../../backends/syntax.ts";
import { check } from "../../compiler/check/check.ts";
import type { Module } from "../../compiler/check/module.ts";
import { type Compiled, compile } from "../../compiler/driver.ts";
import { instantiate } from "../../compiler/instantiate/instantiate.ts";
import type { ScheduleRequest } from "../../compiler/schedule/schedule.ts";
import { storedType, storeInputs } from "../../compiler/trial.ts";
import { Diagnostics, internal, type Source } from "../../ir/diagnostics.ts";
import { bitsOf } from "../../ir/scalar.ts";
import { fromWords } from "../../ir/storage.ts";
import { activations, heavyTailed } from "./data.ts";
import type { Case } from "./pack.ts";
import type { System } from "./systems.ts";

/** The shape that every system is run at. */
export const SHAPE = { M: 3, N: 32, K: 512 } as const;
const SEED = 20;

const known = new Map<string, Loaded>();

const folder = fileURLToPath(new URL("../../examples/gallery/", import.meta.url));

/** Names of the gallery's files, without their ending. */
export function galleryFiles(): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".loom"))
    .map((name) => name.slice(0, -".loom".length))
    .sort();
}

export interface Loaded {
  readonly system: System;
  readonly source: Source;
  readonly module: Module;
  readonly cases: readonly Case[];
}

/** A system's file, checked, with packed operands for each of its operators. Throws on any diagnostic. */
export function load(system: System): Loaded {
  const before = known.get(system.file);
  if (before !== undefined) return before;
  const source = { name: `${system.file}.loom`, text: readFileSync(`${folder}${system.file}.loom`, "utf8") };
  const diagnostics = new Diagnostics();
  const module = check([source], diagnostics);
  if (diagnostics.list.length > 0) internal(JSON.stringify(diagnostics.list));
  const x = activations(SHAPE.M, SHAPE.K, SEED);
  const w = heavyTailed(SHAPE.N, SHAPE.K, SEED + 1);
  const loaded = { system, source, module, cases: system.pack({ module, x, w }) };
  known.set(system.file, loaded);
  return loaded;
}

/** One case compiled for a target; `schedule` for less unrolling. Throws on any diagnostic. */
export function compileCase(
  { source, module }: Loaded,
  { op, sizes }: Case,
  target: string | Backend,
  schedule?: ScheduleRequest,
): Compiled {
  const diagnostics = new Diagnostics();
  const request = { sources: [source], op, sizes, target, ...(schedule === undefined ? {} : { schedule }) };
  const made = compile(request, diagnostics, module);
  return made ?? internal(`${source.name}: ${JSON.stringify(diagnostics.list)}`);
}

/** Words of a case's operands as launchers take them. */
export function wordsOf(made: Compiled, { tensors }: Case): Record<string, Uint32Array> {
  const inputs = Object.fromEntries(
    made.source.tensors
      .filter((t) => t.role === "input")
      .map((t) => {
        const values = Float64Array.from(tensors[t.id] ?? internal(`${made.name}: nothing packs ${t.id}`));
        const length = t.shape.reduce((n, e) => n * e, 1);
        if (values.length !== length) internal(`${made.name}: ${t.id} has ${values.length} of ${length} values`);
        return [t.id, values];
      }),
  );
  const unknown = Object.keys(tensors).filter((id) => !(id in inputs));
  if (unknown.length > 0) internal(`${made.name} has no operand ${unknown}`);
  return storeInputs(made.source, inputs);
}

/** The largest error of a result, as a part of what the compiler allows itself: at most 1 is right, NaN is infinite. */
export function errorOverBound(made: Compiled, { expected, magnitude }: Case, words: Uint32Array): number {
  const tensor = made.program.tensors.find((t) => t.role === "output") ?? internal("no output");
  const values = fromWords(tensor, words, storedType(made, tensor.id));
  const { bound } = made.report.accumulator;
  let worst = 0;
  expected.forEach((y, i) => {
    const allowed = bound.relativeToMagnitude * magnitude[i]! + bound.relativeToResult * Math.abs(y) + bound.absolute;
    const share = Math.abs(values[i]! - y) / allowed;
    worst = share <= worst ? worst : Number.isNaN(share) ? Number.POSITIVE_INFINITY : share;
  });
  return worst;
}

/** Stored bits for each weight of a layer of 4096 × 4096, everything that is not an activation counted. */
export function bitsPerWeight({ source, module }: Loaded, { op, layer, shared }: Case): number {
  const diagnostics = new Diagnostics();
  const program =
    instantiate(module, op, layer, diagnostics) ?? internal(`${source.name}: ${JSON.stringify(diagnostics.list)}`);
  const stored = program.tensors.filter(
    (t) => t.role === "input" && !/^x\d*(\.|$)/.test(t.id) && !shared.includes(t.id),
  );
  const bits = stored.reduce((sum, t) => sum + t.shape.reduce((n, e) => n * e, 1) * bitsOf(t.type), 0);
  return bits / ((layer.N ?? SHAPE.N) * (layer.K ?? SHAPE.K));
}

/** ‖y − ŷ‖ / ‖y‖ of the results with and without quantization. */
export function relativeError({ expected, exact }: Case): number {
  const norm = (values: Float64Array): number => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));
  return norm(expected.map((y, i) => y - exact[i]!)) / norm(exact);
}
