/** What stored fields stand for: any format by evaluating its declaration, most of them through a table of codes. */
import { internal } from "../../ir/diagnostics.ts";
import { compileExpr } from "../../ir/eval/expr.ts";
import type { Format } from "../../ir/format.ts";
import { type IntType, isFloat, rangeOf } from "../../ir/scalar.ts";
import type { FieldValues } from "./format-encode.ts";
import { type FormatModel, modelOf, zeroStep } from "./format-model.ts";

/** One block at a time: `fields` holds its numbers, `offsets` where in them the block begins. Real arithmetic. */
export class BlockEvaluator {
  readonly fields = new Map<string, ArrayLike<number>>();
  readonly offsets = new Map<string, number>();
  readonly #run: () => number;
  #element = 0;

  constructor(format: Format) {
    const symbol = () => () => this.#element;
    const options = { arithmetic: "real", symbol } as const;
    const uses: (() => number)[] = [];
    for (const { field, index } of format.uses) {
      // An index may read what an earlier use gives: tables that are fields.
      const at = compileExpr(format.exprs, index, { ...options, input: (n) => uses[n] });
      // Behind a row's end a block has no more elements: they count as code 0.
      uses.push(() => this.fields.get(field)![(this.offsets.get(field) ?? 0) + at()] ?? 0);
    }
    this.#run = compileExpr(format.exprs, format.value, {
      ...options,
      input: (n) => uses[n] ?? internal(`no use ${n}`),
      table: (name) => format.tables.find((t) => t.name === name),
    });
  }

  /** The value of element i of the block. */
  value(i: number): number {
    this.#element = i;
    return this.#run();
  }
}

export type FormatDecoder = (fields: FieldValues, columns: number) => Float32Array;

/** A decoder of whole rows: fields as the encoder gives them, values rounded to f32 once. */
export function decoderOfFormat(format: Format): FormatDecoder {
  const model = modelOf(format);
  return model === undefined ? decodeByDeclaration(format) : decodeByModel(format, model);
}

/** The slow way, for every format. */
export function decodeByDeclaration(format: Format): FormatDecoder {
  const evaluator = new BlockEvaluator(format);
  return (fields, columns) => {
    const perRow = Math.ceil(columns / format.block);
    const rows = rowsOf(format, fields, columns);
    const out = new Float32Array(rows * columns);
    for (const [name, values] of fields) evaluator.fields.set(name, values);
    for (let row = 0; row < rows; row++)
      for (let g = 0; g < perRow; g++) {
        for (const { name, scope, count } of format.fields) {
          const isPerValue = scope === "block" && count === format.block;
          const instance = scope === "tensor" ? 0 : scope === "row" ? row : row * perRow + g;
          evaluator.offsets.set(name, isPerValue ? row * columns + g * format.block : instance * count);
        }
        const end = Math.min(format.block, columns - g * format.block);
        for (let i = 0; i < end; i++) out[row * columns + g * format.block + i] = evaluator.value(i);
      }
    return out;
  };
}

function rowsOf(format: Format, fields: FieldValues, columns: number): number {
  const perRow = Math.ceil(columns / format.block);
  for (const { name, scope, count } of format.fields) {
    const length = fields.get(name)?.length ?? internal(`${format.name} lacks ${name}`);
    if (scope === "block") return length / (count === format.block ? columns : perRow * count);
    if (scope === "row") return length / count;
  }
  return internal(`${format.name} stores nothing a row`);
}

/** The codes of values from the fields that make them up. */
function codesOf({ codes }: FormatModel, fields: FieldValues): Uint16Array {
  const [only] = codes;
  const first = fields.get(only!.field.name)!;
  const out = new Uint16Array(first.length);
  for (const { field, first: least, stride } of codes) {
    const digits = fields.get(field.name)!;
    for (let i = 0; i < out.length; i++) out[i]! += (digits[i]! - least) * stride;
  }
  return out;
}

/** Codes through the grid of the group's choice, times the group's scales. */
function decodeByModel(format: Format, model: FormatModel): FormatDecoder {
  const first = new Map(format.fields.map((f) => [f, isFloat(f.type) ? 0 : rangeOf(f.type as IntType)[0]]));
  const step = model.zero === undefined ? 0 : zeroStep(model);
  // Without parameters a block, a row is decoded in one go.
  const perBlock = format.fields.some((f) => !model.codes.some((c) => c.field === f) && f.scope === "block");
  const choiceOf = new Map(model.choices.map((choice, n) => [choice.join(), n]));
  return (fields, columns) => {
    const codes = codesOf(model, fields);
    const size = perBlock ? format.block : columns;
    const perRow = Math.ceil(columns / size);
    const out = new Float32Array(codes.length);
    const groups = (codes.length / columns) * perRow;
    for (let g = 0; g < groups; g++) {
      const row = Math.floor(g / perRow);
      const at = (field: { readonly name: string; readonly scope: string }): number =>
        fields.get(field.name)![field.scope === "tensor" ? 0 : field.scope === "row" ? row : g]!;
      let scale = 1;
      for (const { field, factors } of model.scales)
        scale *= factors === undefined ? at(field) : factors[at(field) - first.get(field)!]!;
      const choice = model.selectors.length === 0 ? 0 : choiceOf.get(model.selectors.map(at).join());
      const grid = model.grids[choice ?? internal("a selector outside its type")]!;
      const zero = model.zero === undefined ? 0 : at(model.zero) * step;
      // Adding −0 changes no number, not even the sign of zero.
      const offset = model.offset === undefined ? -0 : model.offset.sign * at(model.offset.field);
      const start = row * columns + (g % perRow) * size;
      const end = Math.min(start + size, (row + 1) * columns);
      for (let i = start; i < end; i++) out[i] = scale * (grid[codes[i]!]! - zero) + offset;
    }
    return out;
  };
}
