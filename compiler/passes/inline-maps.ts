/**
 * inline-maps: a value computed point by point that only maps read is computed where it is read.
 *
 * What a launch needs twice, once for a maximum and once for codes, is then read and computed twice instead of being kept;
 * and what is looked up at another place is computed for that place.
 */
import { internal } from "../../ir/diagnostics.ts";
import type { ExprId } from "../../ir/expr.ts";
import { isTileOp, type Program, type Region, type Step, type TileOp } from "../../ir/program.ts";
import type { Scalar } from "../../ir/scalar.ts";
import { mapBodies, ProgramEditor, plainSymbol } from "../edit.ts";
import { applied, type Pass, type PassContext } from "../pass.ts";
import { producerOf } from "./hoist-scales.ts";
import { dropDead } from "./integer-contract.ts";

type MapOp = Extract<TileOp, { kind: "map" }>;

/** A map's inputs while they are rebuilt. */
interface Inputs {
  readonly regions: Region[];
  /** What each old input is now. */
  readonly values: Map<number, ExprId>;
}

function typeOf(editor: ProgramEditor, region: Region): Scalar {
  return region.bit === undefined ? editor.tensor(region.tensor).type : "u1";
}

function addInput(editor: ProgramEditor, inputs: Inputs, region: Region): ExprId {
  const key = JSON.stringify(region);
  const known = inputs.regions.findIndex((r) => JSON.stringify(r) === key);
  const n = known >= 0 ? known : inputs.regions.push(region) - 1;
  return editor.build.input(n, typeOf(editor, region));
}

/** What the producer computes at the place that a region reads; 0 where that may be outside and is. */
function valueAt(editor: ProgramEditor, producer: MapOp, at: Region, inputs: Inputs): ExprId {
  const { build } = editor;
  const binding = new Map<string, ExprId>();
  producer.to.index.forEach((index, i) => {
    binding.set(plainSymbol(build, index) ?? internal(`${producer.to.tensor} is made at no plain axes`), at.index[i]!);
  });
  const own = new Map<number, ExprId>();
  producer.inputs.forEach((region, n) => {
    const moved = editor.region(region, binding, own);
    own.set(n, addInput(editor, inputs, at.tail === "mask" ? { ...moved, tail: "mask" } : moved));
  });
  const value = editor.substitute(producer.value, binding, own);
  if (at.tail === "exact") return value;
  const { shape } = editor.tensor(at.tensor);
  return at.index.reduce((inside, index, i) => {
    const test = build.op("lt", index, build.constant(shape[i]!));
    const known = build.get(test);
    if (known.kind === "const" && known.value === 1) return inside;
    return build.op("select", test, inside, build.constant(0, "f32"));
  }, value);
}

/** The map with every input that another map makes computed in place. */
function inlined(editor: ProgramEditor, steps: readonly Step[], op: MapOp, context: PassContext): MapOp {
  const inputs: Inputs = { regions: [], values: new Map() };
  let changed = false;
  op.inputs.forEach((old, n) => {
    const region = editor.region(old, new Map(), inputs.values);
    const producer = editor.tensor(old.tensor).role === "local" ? producerOf(steps, old.tensor) : undefined;
    if (producer === undefined || producer === op || typeOf(editor, old) !== "f32") {
      inputs.values.set(n, addInput(editor, inputs, region));
      return;
    }
    changed = true;
    applied(context, "in-place", op.span, `${old.tensor} is computed where ${op.to.tensor} reads it`);
    inputs.values.set(n, valueAt(editor, producer, region, inputs));
  });
  if (!changed) return op;
  return { ...op, inputs: inputs.regions, value: editor.substitute(op.value, new Map(), inputs.values) };
}

function run(program: Program, context: PassContext): Program {
  const editor = new ProgramEditor(program);
  const body = mapBodies(program.body, (steps) => {
    // In order: what a map is made of is in place before the map itself is read.
    const done: Step[] = [];
    for (const step of steps)
      done.push(isTileOp(step) && step.kind === "map" ? inlined(editor, done, step, context) : step);
    return done.some((step, i) => step !== steps[i]) ? dropDead(editor, done) : steps;
  });
  return editor.done(body);
}

export const inlineMaps: Pass<Program> = {
  name: "inline-maps",
  about: "no map reads a value that another map computes point by point",
  run,
};
