/** What stored fields stand for: any format by evaluating its declaration, most of them through a table of codes. */
import { internal } from "../../ir/diagnostics.ts";
import { compileExpr } from "../../ir/eval/expr.ts";
import type { Format } from "../../ir/format.ts";
import type { FieldValues } from "./encoder.ts";
import { type FormatModel, modelOf } from "./format-model.ts";
import { codesOf, heldBy } from "./model-fields.ts";
import { runsOf } from "./model-runs.ts";

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

/** Codes through the grid of the choice, times the scales, run by run. */
function decodeByModel(format: Format, model: FormatModel): FormatDecoder {
  const { storage } = model;
  return (fields, columns) => {
    const codes = codesOf(storage, format.block, columns, fields);
    const runs = runsOf(format, model, new Map(storage.parameters.map((p) => [p, heldBy(p, fields)])), columns);
    const out = new Float32Array(codes.length);
    for (let row = 0; row * columns < codes.length; row++)
      for (let column = 0; column < columns; column += runs.length) {
        const { scale, shift, offset, choice } = runs.at(row, column);
        const grid = model.grids[choice]!;
        const start = row * columns + column;
        const end = Math.min(start + runs.length, (row + 1) * columns);
        for (let i = start; i < end; i++) out[i] = scale * (grid[codes[i]!]! - shift) + offset;
      }
    return out;
  };
}
