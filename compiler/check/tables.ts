/** Literal tables: entries are constant numbers. */
import type { Diagnostics } from "../../ir/diagnostics.ts";
import { report } from "../report.ts";
import type { Expression } from "../syntax/ast.ts";

/** The numbers of a table, rounded to f32; an unused code (`_`) holds 0. */
export function constantEntries(entries: readonly Expression[], diagnostics: Diagnostics): number[] | undefined {
  const values: number[] = [];
  for (const entry of entries) {
    if (entry.kind === "missing") return undefined;
    const value = entry.kind === "hole" ? 0 : constant(entry);
    if (value === undefined || !Number.isFinite(Math.fround(value))) {
      const message = value === undefined ? "a table's entry is a constant number" : "this entry is not finite in f32";
      report(diagnostics, "format/table-entry", entry.span, message, [
        { message: "an entry is made of numbers, `+`, `-`, `*` and `/`, or is `_` for a code that is not used" },
      ]);
      return undefined;
    }
    values.push(Math.fround(value));
  }
  return values;
}

// Division here is real division: a table says which numbers there are.
function constant(e: Expression): number | undefined {
  if (e.kind === "number") return e.value;
  if (e.kind === "negate") {
    const of = constant(e.of);
    return of === undefined ? undefined : -of;
  }
  if (e.kind !== "binary") return undefined;
  const [a, b] = [constant(e.left), constant(e.right)];
  if (a === undefined || b === undefined) return undefined;
  switch (e.operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    default:
      return undefined;
  }
}
