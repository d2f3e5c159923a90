/** What the parts of the program verifier share: what surrounds a step, and how mistakes in it are said. */
import type { Format } from "../format.ts";
import type { Program, Tensor } from "../program.ts";
import type { Bounds } from "./expr.ts";

/** What surrounds a step. */
export interface Verifying {
  readonly program: Program;
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly formats: ReadonlyMap<string, Format>;
  /** Bounds of the loop variables and axes in scope. */
  readonly names: ReadonlyMap<string, Bounds>;
  /** Inside a `when`, whose condition may keep an index within bounds. */
  readonly guarded: boolean;
  /** Where the step stands: "launch a / loop n0". */
  readonly path: readonly string[];
  readonly errors: string[];
  readonly report: (message: string) => void;
}

/** The verifier at a step inside: its messages begin with the place. */
export function at(v: Verifying, place: string): Verifying {
  const path = [...v.path, place];
  return { ...v, path, report: (message) => v.errors.push(`${path.join(" / ")}: ${message}`) };
}

/** Every symbol of an expression must be in scope, and no input or builtin may stand in it. */
export function verifySymbols(v: Verifying, root: number, inputs = 0): void {
  const { exprs } = v.program.exprs;
  const seen = new Set<number>();
  const stack = [root];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    const expr = exprs[id];
    if (seen.has(id)) continue;
    seen.add(id);
    if (expr === undefined) {
      v.report(`there is no expression ${id}`);
      continue;
    }
    if (expr.kind === "symbol" && !v.names.has(expr.name)) v.report(`${expr.name} is not in scope`);
    if (expr.kind === "symbol" && expr.type !== "i32") v.report(`${expr.name} is i32, not ${expr.type}`);
    if (expr.kind === "builtin") v.report(`${expr.name} has no meaning in a program`);
    if (expr.kind === "input" && expr.index >= inputs) v.report(`it reads input ${expr.index} of ${inputs}`);
    if (expr.kind === "op") stack.push(...expr.args);
    if (expr.kind === "cast" || expr.kind === "bits") stack.push(expr.of);
    if (expr.kind === "table") stack.push(expr.index);
  }
}
