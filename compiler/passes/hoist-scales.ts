/**
 * hoist-scales: factors that do not depend on the reduced axis leave the sum.
 *
 * Σ_k x[m,k] · (s[n] · f(w[n,k])) = s[n] · Σ_k x[m,k] · f(w[n,k]): what remains inside is the code alone, which an integer
 * or bit-plane contraction can take. Exact in real arithmetic; in f32 it removes one rounding a term.
 */
import type { ExprId } from "../../ir/expr.ts";
import { isTileOp, type Program, type Region, type Step, type TileOp } from "../../ir/program.ts";
import type { Scalar } from "../../ir/scalar.ts";
import {
  factorsOf,
  inputsBehind,
  inputsOf,
  mapBodies,
  ProgramEditor,
  plainSymbol,
  productOf,
  regionSymbols,
  symbolsOf,
} from "../edit.ts";
import { applied, kept, type Pass, type PassContext } from "../pass.ts";

type MapOp = Extract<TileOp, { kind: "map" }>;
type Contract = Extract<TileOp, { kind: "contract" }>;

/** The pointwise map that produces a tensor, if that is what produces it. */
export function producerOf(steps: readonly Step[], tensor: string): MapOp | undefined {
  const found = steps.filter((s): s is TileOp => isTileOp(s) && s.kind !== "quantize" && s.to.tensor === tensor);
  const only = found.length === 1 ? found[0] : undefined;
  return only?.kind === "map" && only.reduce === undefined ? only : undefined;
}

/** Axis symbols of the producer's result, replaced by the index expressions of the place that reads it. */
export function bindAxes(editor: ProgramEditor, producer: MapOp, at: Region): ReadonlyMap<string, ExprId> | undefined {
  const binding = new Map<string, ExprId>();
  for (const [i, index] of producer.to.index.entries()) {
    const axis = plainSymbol(editor.build, index);
    if (axis === undefined) return undefined;
    binding.set(axis, at.index[i]!);
  }
  return binding;
}

interface Hoisted {
  /** The producer with only the factors that stay. */
  readonly kept: MapOp;
  /** Regions of the factors that leave, indexed by the contraction's axes, and the product of those factors. */
  readonly inputs: readonly Region[];
  readonly value: ExprId;
}

/** The tensors that a factor reads, for people. */
function namesOf(editor: ProgramEditor, regions: readonly Region[], factor: ExprId): string {
  const names = [...inputsOf(editor.build, factor)].map((i) => regions[i]!.tensor.replace(/\.r$/, ""));
  return names.length === 0 ? "a constant" : [...new Set(names)].join(" · ");
}

function hoist(
  editor: ProgramEditor,
  steps: readonly Step[],
  op: Contract,
  at: Region,
  context: PassContext,
): Hoisted | undefined {
  const { build } = editor;
  const producer = producerOf(steps, at.tensor);
  const binding = producer && bindAxes(editor, producer, at);
  if (producer === undefined || binding === undefined) return undefined;
  const regions = producer.inputs.map((r) => editor.region(r, binding));
  const over = new Set(op.over);
  const varies = (factor: ExprId): boolean =>
    [...symbolsOf(build, factor)].some((s) =>
      [...symbolsOf(build, binding.get(s) ?? factor)].some((t) => over.has(t)),
    ) ||
    [...inputsOf(build, factor)]
      .flatMap((i) => [...inputsBehind(build, regions, i)])
      .some((i) => [...regionSymbols(build, regions[i]!)].some((s) => over.has(s)));
  const factors = factorsOf(build, producer.value);
  const leaving = factors.filter((f) => !varies(f));
  const staying = productOf(build, factors.filter(varies));
  const value = productOf(build, leaving);
  const axes = op.over.join(", ");
  const inside = factors.filter((f) => varies(f) || staying === undefined).map((f) => namesOf(editor, regions, f));
  if (value === undefined || staying === undefined) {
    const why =
      staying === undefined
        ? `nothing of ${at.tensor} depends on ${axes}: it is all there is to add up`
        : `${inside.join(" and ")} ${inside.length === 1 ? "changes" : "change"} along ${axes}: the product stays in the sum`;
    kept(context, "hoist-factor", op.span, why);
    return undefined;
  }
  const outside = leaving.map((f) => namesOf(editor, regions, f)).join(" and ");
  applied(
    context,
    "hoist-factor",
    op.span,
    `${outside} is constant along ${axes}: it multiplies the sum once, and ${inside.join(" and ")} stays inside`,
  );
  return { kept: { ...producer, value: staying }, inputs: regions, value: editor.substitute(value, binding) };
}

/**
 * Rewrites one contraction of a list of steps. Where the list also clears the accumulator, the hoisted factors multiply
 * the finished sum; where it does not (the list is a loop's body), they multiply each step's part before it is added.
 */
export function hoistFrom(
  editor: ProgramEditor,
  steps: readonly Step[],
  op: Contract,
  context: PassContext,
): readonly Step[] {
  const { build } = editor;
  const found = [op.a, op.b].map((at) => hoist(editor, steps, op, at, context)).filter((h) => h !== undefined);
  if (found.length === 0) return steps;
  const acc = editor.tensor(op.to.tensor);
  const cleared = steps.some((s) => s.kind === "fill" && s.to.tensor === acc.id);
  const raw = editor.add({ ...acc, id: cleared ? `${acc.id}.raw` : `${acc.id}.part` });
  const to: Region = { ...op.to, tensor: raw.id };
  const domain = op.domain.filter((d) => !op.over.includes(d.axis));
  const inputs: Region[] = cleared ? [to] : [to, op.to];
  let value: ExprId = build.input(0, acc.type);
  for (const { inputs: regions, value: factor } of found) {
    const base = inputs.length;
    const renumber = new Map(regions.map((r, i) => [i, build.input(base + i, regionType(editor, r))]));
    inputs.push(...regions.map((r) => editor.region(r, new Map(), renumber)));
    value = build.mul(value, editor.substitute(factor, new Map(), renumber));
  }
  if (!cleared) value = build.add(build.input(1, acc.type), value);
  const scaled: Step = {
    kind: "map",
    ...compactInputs(editor, inputs, value),
    to: op.to,
    over: [],
    domain,
    span: op.span,
  };
  const clear: Step = { kind: "fill", to, value: build.constant(0, acc.type), domain, span: op.span };
  const kept = new Map(found.map((h) => [h.kept.to.tensor, h.kept]));
  return steps.flatMap((step): readonly Step[] => {
    if (step === op) return [...(cleared ? [] : [clear]), { ...op, to }, scaled];
    if (step.kind === "fill" && step.to.tensor === acc.id) return [{ ...step, to: { ...step.to, tensor: raw.id } }];
    if (step.kind === "map" && kept.has(step.to.tensor)) {
      const next = kept.get(step.to.tensor)!;
      return [{ ...next, ...compactInputs(editor, next.inputs, next.value) }];
    }
    return [step];
  });
}

/** Drops inputs that the value does not use and renumbers the rest. */
export function compactInputs(
  editor: ProgramEditor,
  inputs: readonly Region[],
  value: ExprId,
): { readonly inputs: readonly Region[]; readonly value: ExprId } {
  const behind = new Set<number>();
  for (const n of inputsOf(editor.build, value)) inputsBehind(editor.build, inputs, n, behind);
  const used = [...behind].sort((a, b) => a - b);
  const renumber = new Map(
    used.map((old, now) => [old, editor.build.input(now, regionType(editor, inputs[old]!))] as const),
  );
  const regions = used.map((i) => editor.region(inputs[i]!, new Map(), renumber));
  return { inputs: regions, value: editor.substitute(value, new Map(), renumber) };
}

function regionType(editor: ProgramEditor, region: Region): Scalar {
  return region.bit === undefined ? editor.tensor(region.tensor).type : "u1";
}

function run(program: Program, context: PassContext): Program {
  const editor = new ProgramEditor(program);
  const body = mapBodies(program.body, (steps) => {
    let current = steps;
    for (const step of steps) if (step.kind === "contract") current = hoistFrom(editor, current, step, context);
    return current;
  });
  return editor.done(body);
}

export const hoistScales: Pass<Program> = {
  name: "hoist-scales",
  about: "no factor inside a contraction is constant along the reduced axis",
  run,
};
