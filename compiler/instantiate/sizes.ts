/** Instantiation, the sizes: what has to hold of the numbers given before there can be a program. */
import { type Diagnostics, internal, type Note, type Span } from "../../ir/diagnostics.ts";
import type { Format } from "../../ir/format.ts";
import type { CheckedOp, CheckedStatement, Extent } from "../check/module.ts";
import { didYouMean, report } from "../report.ts";

/** A tensor may have fewer elements than this. */
const MAX_ELEMENTS = 2 ** 31;

/** Every size is given, positive and small enough, and there is no other. */
export function checkSizes(
  op: CheckedOp,
  sizes: Readonly<Record<string, number>>,
  at: Span,
  diagnostics: Diagnostics,
): boolean {
  let good = true;
  const declared = op.sizes.map((s) => s.name);
  for (const name of Object.keys(sizes)) {
    if (declared.includes(name)) continue;
    const notes = [{ message: `its sizes are ${declared.join(", ") || "all numbers"}`, span: op.span }];
    report(
      diagnostics,
      "size/unknown",
      at,
      `operator \`${op.name}\` has no size \`${name}\``,
      notes,
      didYouMean(name, at, declared),
    );
    good = false;
  }
  for (const { name, span } of op.sizes) {
    const value = Object.hasOwn(sizes, name) ? sizes[name] : undefined;
    if (value === undefined) {
      report(diagnostics, "size/missing", span, `size \`${name}\` of \`${op.name}\` is not given`);
      good = false;
    } else if (!Number.isInteger(value) || value < 1 || value >= MAX_ELEMENTS) {
      const message = `size \`${name}\` is ${value}: a size is a whole number from 1 to ${MAX_ELEMENTS - 1}`;
      report(diagnostics, "size/invalid", span, message);
      good = false;
    }
  }
  return good;
}

/** A size's or a number's value. */
export type ExtentOf = (e: Extent) => number;

/** Blocks divide the axes they lie along, and no tensor is too large. */
export function checkShapes(
  op: CheckedOp,
  formats: ReadonlyMap<string, Format>,
  extent: ExtentOf,
  diagnostics: Diagnostics,
): boolean {
  let good = true;
  const quantized = op.statements.filter((s): s is CheckedStatement & { kind: "quantize" } => s.kind === "quantize");
  const stored = [
    ...[...op.operands, op.result].map((o) => ({ ...o, at: o.formatSpan })),
    ...quantized.map((q) => ({ ...q, along: q.shape.length - 1, at: q.span })),
  ];
  for (const { name, format: formatName, shape, along, at } of stored) {
    const format = formats.get(formatName) ?? internal(`no format ${formatName}`);
    const last = shape[along]!;
    const length = extent(last);
    if (length % format.block !== 0) {
      const below = length - (length % format.block);
      const near = below === 0 ? `${format.block}` : `${below} or ${below + format.block}`;
      const what = typeof last === "string" ? `${last} = ${length}` : `${length}`;
      const notes: Note[] = [
        { message: `the nearest valid ${typeof last === "string" ? last : "extent"} is ${near}` },
        {
          message: `\`${format.name}\` stores blocks of ${format.block} values along ${along === shape.length - 1 ? "the last axis" : `axis ${along + 1}`}`,
          span: format.span,
        },
      ];
      const message = `${what} is not a multiple of ${format.block}, the block of \`${format.name}\` (tensor \`${name}\`)`;
      report(diagnostics, "shape/block", at, message, notes);
      good = false;
    }
  }
  const assigned = op.statements.map((s) => ({ name: s.name, shape: s.shape, at: s.span }));
  for (const { name, shape, at } of [...stored, ...assigned]) {
    const elements = shape.reduce<number>((n, e) => n * extent(e), 1);
    if (elements < MAX_ELEMENTS) continue;
    const message = `tensor \`${name}\` has ${shape.map(extent).join(" × ")} = ${elements} elements; at most ${MAX_ELEMENTS - 1} are allowed`;
    report(diagnostics, "size/too-large", at, message);
    good = false;
    break;
  }
  return good;
}
