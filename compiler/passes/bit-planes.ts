/**
 * bit-planes: an integer contraction becomes one-bit contractions, where the schedule asks for popcounts.
 *
 * Σ_k a·b = Σ_ij u_i v_j Σ_k (bit i of a) · (bit j of b), u_i = 2^i, or −2^i for the top plane of a two's complement
 * operand. The inner sum is a popcount of an AND; the outer one is a map over few terms.
 * (Feng et al., APNN-TC, SC'21; identity checked in test/passes/bit-planes.test.ts.)
 */
import type { ExprId } from "../../ir/expr.ts";
import { bitPlanes as planesOfRows } from "../../ir/layout/build.ts";
import type { Dim, Program, Region, Step, TileOp } from "../../ir/program.ts";
import { findRow } from "../../ir/row-catalogue.ts";
import { bitsOf, isInt, isSigned, type Scalar } from "../../ir/scalar.ts";
import { firstSpan, mapBodies, ProgramEditor } from "../edit.ts";
import { applied, kept, type Pass, type PassContext } from "../pass.ts";

type Contract = Extract<TileOp, { kind: "contract" }>;

/** ±2^p: what plane p of a code of this type weighs. */
function weight(editor: ProgramEditor, type: Scalar, plane: ExprId): ExprId {
  const { build } = editor;
  const power = build.op("shl", build.constant(1), plane);
  if (!isSigned(type)) return power;
  const top = build.op("eq", plane, build.constant(bitsOf(type) - 1));
  return build.op("select", top, build.op("sub", build.constant(0), power), power);
}

/**
 * Codes that one launch leaves for the next may lie as suits both: all of a row's plane together, so that lanes which read
 * neighbouring words of one plane share cache lines. What users store keeps the layout of its format.
 */
function storeByPlane(editor: ProgramEditor, id: string): void {
  const tensor = editor.tensor(id);
  if (tensor.role !== "workspace") return;
  const layout = planesOfRows(tensor.axes, tensor.shape, bitsOf(tensor.type), { per: "row", pitchAlignBits: 128 });
  editor.tensors.set(id, { ...tensor, layout });
}

function toPlanes(editor: ProgramEditor, op: Contract): readonly Step[] {
  const x = editor.tensor(op.a.tensor).type;
  const w = editor.tensor(op.b.tensor).type;
  if (!isInt(x) || !isInt(w) || op.a.bit !== undefined || bitsOf(x) > 8 || bitsOf(w) > 8) return [op];
  for (const region of [op.a, op.b]) storeByPlane(editor, region.tensor);
  const { build } = editor;
  const i: Dim = { axis: `i_plane${bitsOf(x)}`, extent: bitsOf(x) };
  const j: Dim = { axis: `j_plane${bitsOf(w)}`, extent: bitsOf(w) };
  const out = op.domain.filter((d) => !op.over.includes(d.axis));
  const acc = editor.tensor(op.to.tensor);
  // Weights first: their planes and channels fill a matrix row's m side, tokens its n side (tile-ir: swap).
  const order = [...out].reverse();
  const planes = editor.add({
    ...acc,
    id: `${acc.id}.planes`,
    axes: [i.axis, j.axis, ...order.map((d) => d.axis)],
    shape: [i.extent, j.extent, ...order.map((d) => d.extent)],
  });
  const index = [editor.axis(i), editor.axis(j), ...order.map((d) => editor.axis(d))];
  const to: Region = { tensor: planes.id, index, tail: "exact" };
  const u = weight(editor, x, editor.axis(i));
  const v = weight(editor, w, editor.axis(j));
  return [
    { kind: "fill", to, value: build.constant(0), domain: [i, j, ...order], span: op.span },
    {
      ...op,
      a: { ...op.b, bit: editor.axis(j) },
      b: { ...op.a, bit: editor.axis(i) },
      to,
      domain: [i, j, ...order, ...op.domain.filter((d) => op.over.includes(d.axis))],
    },
    {
      kind: "map",
      inputs: [to],
      to: op.to,
      value: build.mul(build.input(0, "i32"), build.mul(u, v)),
      over: [i.axis, j.axis],
      reduce: "sum",
      domain: [...out, i, j],
      span: op.span,
    },
  ];
}

function run(program: Program, context: PassContext): Program {
  const { schedule } = context;
  const wanted =
    schedule.strategy === "popc" || (schedule.row !== undefined && findRow(schedule.row)?.op === "andPopc");
  if (!wanted) {
    const why = `the schedule multiplies by ${schedule.row ?? schedule.strategy}, not by popcounts`;
    kept(context, "planes", firstSpan(program), why);
    return program;
  }
  const editor = new ProgramEditor(program);
  const body = mapBodies(program.body, (steps) => {
    const changed = new Set<string>();
    const next = steps.flatMap((step) => {
      const made = step.kind === "contract" ? toPlanes(editor, step) : [step];
      if (made.length > 1 && step.kind === "contract") {
        changed.add(step.to.tensor);
        const [x, w] = [step.a, step.b].map((r) => bitsOf(editor.tensor(r.tensor).type));
        const why = `${x} × ${w} planes: each pair is an and and a population count, weighted by ±2^(i + j)`;
        applied(context, "planes", step.span, why);
      }
      return made;
    });
    return next.filter((s) => s.kind !== "fill" || !changed.has(s.to.tensor));
  });
  return editor.done(body);
}

export const bitPlanes: Pass<Program> = {
  name: "bit-planes",
  about: "integer contractions are sums of one-bit contractions, where popcounts were chosen",
  run,
};
