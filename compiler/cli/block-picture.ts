/** The record of one block as a picture in text: which bits belong to which element of which field. */
import type { Format } from "../../ir/format.ts";
import { compileAddress } from "../../ir/layout/apply.ts";
import { FIELD_INDEX } from "../../ir/layout/build.ts";
import { BIT } from "../../ir/layout/layout.ts";
import { bitsOf } from "../../ir/scalar.ts";

const LINE_BITS = 32;
/** Longer pictures show this many lines from the beginning and the last one. */
const MAX_LINES = 6;

interface Cell {
  readonly field: string;
  /** Absent for a scalar. */
  readonly index?: number;
}

/** Owner of every bit of the record; undefined where nothing is stored. */
function ownersOf(format: Format): readonly (Cell | undefined)[] {
  const owners: (Cell | undefined)[] = Array.from({ length: format.recordBits });
  for (const { name, type, count, scope, layout } of format.fields) {
    if (scope !== "block") continue;
    const at = compileAddress(layout, [FIELD_INDEX, BIT]);
    for (let i = 0; i < count; i++) {
      const cell = count === 1 ? { field: name } : { field: name, index: i };
      for (let bit = 0; bit < bitsOf(type); bit++) owners[at(i, bit)] = cell;
    }
  }
  return owners;
}

/** What stands in a run of bits: as much of the name as fits, then a bar at its end. */
function drawRun(cell: Cell | undefined, width: number): string {
  if (cell === undefined) return "·".repeat(width);
  const { field, index } = cell;
  const labels = index === undefined ? [field, field[0]!] : [`${field}${index}`, `${index}`, `${index % 10}`];
  if (width === 1) return index === undefined ? field[0]! : field.at(-1)!;
  const label = labels.find((l) => l.length < width) ?? field[0]!;
  return `${label.padEnd(width - 1)}|`;
}

/** Lines of 32 bits, least significant first, each with the byte it begins at. */
export function blockPicture(format: Format): readonly string[] {
  const owners = ownersOf(format);
  const count = Math.ceil(owners.length / LINE_BITS);
  const digits = `${(count - 1) * 4}`.length;
  const line = (n: number): string => {
    const cells = owners.slice(n * LINE_BITS, (n + 1) * LINE_BITS);
    let text = "";
    for (let start = 0; start < cells.length; ) {
      let end = start + 1;
      while (end < cells.length && cells[end] === cells[start]) end++;
      text += drawRun(cells[start], end - start);
      start = end;
    }
    return `byte ${`${n * 4}`.padStart(digits)}  ${text}`;
  };
  if (count <= MAX_LINES) return Array.from({ length: count }, (_, n) => line(n));
  const shown = Array.from({ length: MAX_LINES - 2 }, (_, n) => line(n));
  return [...shown, `     ${" ".repeat(digits)}  … ${count - MAX_LINES + 1} more lines of 4 bytes`, line(count - 1)];
}

/** What a format stores, over its picture: "16.5 bytes for 128 values". */
export function blockCaption(format: Format): string {
  const outside = format.fields
    .filter((f) => f.scope !== "block")
    .map((f) => `${f.name}: ${f.type}${f.count > 1 ? `[${f.count}]` : ""} a ${f.scope}`);
  const bytes = format.recordBits / 8;
  const values = format.block === 1 ? "a value" : `for ${format.block} values`;
  return `${format.name}: ${bytes} bytes ${values}${outside.length === 0 ? "" : `, ${outside.join(", ")}`}`;
}
