/** What the kernel verifier knows at a statement: locals in scope, their types and remainders, and how it complains. */
import { reachable } from "../eval/expr.ts";
import { type Position, placeOf } from "../eval/kernel-machine.ts";
import type { ExprId } from "../expr.ts";
import type { Access, Buffer, Kernel, Scope } from "../kernel.ts";
import type { MatrixRow } from "../rows.ts";
import { bitsOf, type Scalar } from "../scalar.ts";
import type { Target } from "../target.ts";
import { type Congruence, checkEntry, congruenceOf, isNeverAligned } from "./kernel-exprs.ts";

/** A local in scope. */
export interface Local {
  readonly type: Scalar;
  readonly mutable: boolean;
}

/** What verifying a statement needs. */
export interface Verifying {
  readonly kernel: Kernel;
  readonly target: Target | undefined;
  readonly rows: (id: string) => MatrixRow | undefined;
  readonly allowEmulated: boolean;
  readonly errors: string[];
  /** Locals in scope; a block works on its own copy. */
  scope: Map<string, Local>;
  readonly known: Map<string, Congruence>;
  readonly declared: Set<string>;
  /** Entries already checked, so that each is reported once. */
  readonly checked: Set<ExprId>;
  /** The largest scope in which control flow here is known to be uniform. */
  uniform: Scope | "none";
}

/** Adds an error at a statement. */
export function complain(v: Verifying, at: Position, message: string): void {
  v.errors.push(`${placeOf(at)}: ${message}`);
}

/** Brings a new local into scope. */
export function declare(v: Verifying, name: string, type: Scalar, mutable: boolean, at: Position): void {
  if (v.declared.has(name)) complain(v, at, `${name} is declared twice`);
  v.declared.add(name);
  v.scope.set(name, { type, mutable });
}

/** The result of a collective: a new local, or a `var` that it changes. */
export function declareOrChange(v: Verifying, name: string, type: Scalar, at: Position): void {
  const local = v.scope.get(name);
  if (local === undefined) declare(v, name, type, false, at);
  else if (!local.mutable) complain(v, at, `${name} never changes: declare it with var`);
  else if (local.type !== type) complain(v, at, `${name} is ${local.type}, not ${type}`);
}

/** The type of an expression whose locals are in scope; complains about what is wrong in it. */
export function verifyExpr(v: Verifying, id: ExprId, at: Position): Scalar {
  const { exprs } = v.kernel.exprs;
  if (exprs[id] === undefined) {
    complain(v, at, `there is no expression ${id}`);
    return "i32";
  }
  for (const need of reachable(v.kernel.exprs, [id])) {
    const expr = exprs[need]!;
    if (expr.kind === "symbol") {
      const local = v.scope.get(expr.name);
      if (local === undefined) complain(v, at, `${expr.name} is used outside its scope or before it is set`);
      else if (local.type !== expr.type) complain(v, at, `${expr.name} is ${local.type}, used as ${expr.type}`);
    }
    if (v.checked.has(need)) continue;
    v.checked.add(need);
    const wrong = checkEntry(v.kernel, need);
    if (wrong !== undefined) complain(v, at, wrong);
    else if (v.target !== undefined && expr.type !== "bool" && !v.target.types.includes(expr.type))
      complain(v, at, `${v.target.name} has no ${expr.type}`);
  }
  return exprs[id].type;
}

/** Complains where an expression has another type than `type`. */
export function wantType(v: Verifying, id: ExprId, type: Scalar, what: string, at: Position): void {
  const got = verifyExpr(v, id, at);
  if (got !== type) complain(v, at, `${what} must be ${type}, not ${got}`);
}

/** Complains where an expression is not i32 or u32. */
export function wantIndex(v: Verifying, id: ExprId, what: string, at: Position): void {
  const got = verifyExpr(v, id, at);
  if (got !== "i32" && got !== "u32") complain(v, at, `${what} must be i32 or u32, not ${got}`);
}

/** The buffer of an access, whose index and alignment are checked; `unit`: elements that the index is a multiple of. */
export function verifyAccess(
  v: Verifying,
  access: Access,
  at: Position,
  unit: number = access.width,
): Buffer | undefined {
  wantIndex(v, access.index, "an index", at);
  const buffer = v.kernel.buffers.find((b) => b.id === access.buffer);
  if (buffer === undefined) {
    complain(v, at, `there is no buffer ${access.buffer}`);
    return undefined;
  }
  if (![1, 2, 4].includes(access.width)) complain(v, at, `an access moves 1, 2 or 4 elements, not ${access.width}`);
  const words = (access.width * bitsOf(buffer.type)) / 32;
  if (v.target !== undefined && words > v.target.vectorWords)
    complain(v, at, `an access of ${words} words; ${v.target.name} moves ${v.target.vectorWords} at most`);
  const index = congruenceOf(v.kernel.exprs, access.index, v.known);
  if (isNeverAligned(index, unit)) complain(v, at, `the index into ${buffer.id} is never a multiple of ${unit}`);
  if (index.step === 0 && (index.rest < 0 || index.rest + access.width > buffer.length))
    complain(v, at, `${buffer.id}[${index.rest}] is outside its ${buffer.length} elements`);
  return buffer;
}
