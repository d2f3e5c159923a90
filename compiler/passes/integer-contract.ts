/**
 * integer-contract: a contraction of integer codes accumulates in i32.
 *
 * Applies where both operands are codes (or codes converted to float and nothing else) and the sum provably fits:
 * K · max|a| · max|b| < 2^31. Exact: the float contraction had roundings, this has none.
 */
import { isTileOp, type Program, type Region, type Step, type TileOp } from "../../ir/program.ts";
import { bitsOf, isInt, rangeOf, type Scalar } from "../../ir/scalar.ts";
import { mapBodies, ProgramEditor } from "../edit.ts";
import { applied, kept, type Pass, type PassContext } from "../pass.ts";
import { bindAxes, producerOf } from "./hoist-scales.ts";

type Contract = Extract<TileOp, { kind: "contract" }>;

/** The integer region whose values the operand has, if it has one. */
function codes(editor: ProgramEditor, steps: readonly Step[], at: Region): Region | undefined {
  const type = editor.tensor(at.tensor).type;
  if (isInt(type)) return at;
  const producer = producerOf(steps, at.tensor);
  if (producer === undefined) return undefined;
  let of = editor.build.get(producer.value);
  while (of.kind === "cast") of = editor.build.get(of.of); // widening: every code fits i32 and f32 exactly
  if (of.kind !== "input" || !isInt(of.type) || bitsOf(of.type) > 16) return undefined;
  const binding = bindAxes(editor, producer, at);
  return binding && editor.region(producer.inputs[of.index]!, binding);
}

function magnitude(type: Scalar): number {
  if (!isInt(type)) return Number.POSITIVE_INFINITY;
  const [low, high] = rangeOf(type);
  return Math.max(-low, high);
}

function convert(editor: ProgramEditor, steps: readonly Step[], op: Contract, context: PassContext): readonly Step[] {
  const a = codes(editor, steps, op.a);
  const b = codes(editor, steps, op.b);
  if (a === undefined || b === undefined) {
    const floats = [a === undefined ? op.a.tensor : undefined, b === undefined ? op.b.tensor : undefined];
    const named = floats.filter((f) => f !== undefined);
    const why = `${named.join(" and ")} ${named.length === 1 ? "is" : "are"} no plain integer ${named.length === 1 ? "code" : "codes"}`;
    kept(context, "integer-sum", op.span, why);
    return steps;
  }
  const terms = op.domain.filter((d) => op.over.includes(d.axis)).reduce((n, d) => n * d.extent, 1);
  const bound = terms * magnitude(editor.tensor(a.tensor).type) * magnitude(editor.tensor(b.tensor).type);
  if (bound >= 2 ** 31) {
    kept(context, "integer-sum", op.span, `the sum may reach ${bound}, which i32 does not hold`);
    return steps;
  }
  const { build } = editor;
  const acc = editor.tensor(op.to.tensor);
  if (acc.type === "i32") return steps;
  const why = `${a.tensor} and ${b.tensor} are codes, and |sum| ≤ ${bound} < 2^31: it is exact in i32`;
  applied(context, "integer-sum", op.span, why);
  const sum = editor.add({ ...acc, id: `${acc.id}.i32`, type: "i32" });
  const to = { ...op.to, tensor: sum.id };
  const domain = op.domain.filter((d) => !op.over.includes(d.axis));
  return steps.flatMap((step): readonly Step[] => {
    if (step === op) {
      const value = build.cast(build.input(0, "i32"), acc.type);
      return [
        { ...op, a, b, to },
        { kind: "map", inputs: [to], to: op.to, value, over: [], domain, span: op.span },
      ];
    }
    if (step.kind === "fill" && step.to.tensor === acc.id) {
      return [{ ...step, to: { ...step.to, tensor: sum.id }, value: build.constant(0, "i32") }];
    }
    return [step];
  });
}

/** Maps whose result nothing reads any more. */
export function dropDead(editor: ProgramEditor, steps: readonly Step[]): readonly Step[] {
  const read = new Set<string>();
  const visit = (list: readonly Step[]): void => {
    for (const s of list) {
      if (!isTileOp(s)) {
        if (s.kind === "loop" || s.kind === "launch" || s.kind === "when") visit(s.body);
        continue;
      }
      const regions =
        s.kind === "contract"
          ? [s.a, s.b]
          : s.kind === "map"
            ? s.inputs
            : s.kind === "decode"
              ? s.fields
              : s.kind === "fill"
                ? []
                : [s.from];
      for (const r of regions) read.add(r.tensor);
    }
  };
  visit(steps);
  return steps.filter(
    (s) => !isTileOp(s) || s.kind !== "map" || editor.tensor(s.to.tensor).role !== "local" || read.has(s.to.tensor),
  );
}

function run(program: Program, context: PassContext): Program {
  const editor = new ProgramEditor(program);
  const body = mapBodies(program.body, (steps) => {
    let current = steps;
    for (const step of steps) if (step.kind === "contract") current = convert(editor, current, step, context);
    return current === steps ? steps : dropDead(editor, current);
  });
  return editor.done(body);
}

export const integerContract: Pass<Program> = {
  name: "integer-contract",
  about: "contractions of codes accumulate in i32, exactly",
  run,
};
