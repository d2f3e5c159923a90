/** Helpers that passes share: editing a program's expressions, tensors and steps. */
import { internal, NO_SPAN, type Span } from "../ir/diagnostics.ts";
import { type Expr, ExprBuilder, type ExprId, type Exprs, operands } from "../ir/expr.ts";
import {
  type Dim,
  isTileOp,
  type Program,
  type Region,
  reads,
  type Step,
  type Tensor,
  type TileOp,
  writes,
} from "../ir/program.ts";

/** A program being rewritten: expressions grow, tensors and the body are replaced. */
export class ProgramEditor {
  readonly build: ExprBuilder;
  readonly tensors: Map<string, Tensor>;
  readonly #program: Program;

  constructor(program: Program) {
    this.#program = program;
    this.build = new ExprBuilder(program.exprs);
    this.tensors = new Map(program.tensors.map((t) => [t.id, t]));
  }

  tensor(id: string): Tensor {
    return this.tensors.get(id) ?? internal(`no tensor ${id}`);
  }

  /** Adds a tensor; a taken name gets a number. */
  add(tensor: Tensor): Tensor {
    let id = tensor.id;
    for (let n = 2; this.tensors.has(id); n++) id = `${tensor.id}${n}`;
    const added = { ...tensor, id };
    this.tensors.set(id, added);
    return added;
  }

  /** The symbol of a domain axis. */
  axis(dim: Dim): ExprId {
    return this.build.symbol(dim.axis, "i32", [0, dim.extent - 1]);
  }

  /** Replaces symbols by name, and inputs by number, in one expression of the program. */
  substitute(
    root: ExprId,
    symbols: ReadonlyMap<string, ExprId>,
    inputs: ReadonlyMap<number, ExprId> = new Map(),
  ): ExprId {
    return this.build.copy(this.build, root, (expr) => {
      if (expr.kind === "symbol") return symbols.get(expr.name);
      return expr.kind === "input" ? inputs.get(expr.index) : undefined;
    });
  }

  region(
    region: Region,
    symbols: ReadonlyMap<string, ExprId>,
    inputs: ReadonlyMap<number, ExprId> = new Map(),
  ): Region {
    return {
      ...region,
      index: region.index.map((e) => this.substitute(e, symbols, inputs)),
      ...(region.bit === undefined ? {} : { bit: this.substitute(region.bit, symbols) }),
    };
  }

  /** The finished program; tensors that no step uses are dropped unless they are inputs or outputs. */
  done(body: readonly Step[]): Program {
    const used = new Set<string>();
    forEachOp(body, (op) => {
      for (const region of [...reads(op), ...writes(op)]) used.add(region.tensor);
    });
    const keep = (t: Tensor): boolean => used.has(t.id) || t.role === "input" || t.role === "output";
    return { ...this.#program, tensors: [...this.tensors.values()].filter(keep), exprs: this.build.done(), body };
  }
}

/** Where a program's first step stems from. */
export function firstSpan(program: Program): Span {
  const [first] = program.body;
  return first?.span ?? NO_SPAN;
}

/** Visits every op, outermost first, in program order. */
export function forEachOp(body: readonly Step[], visit: (op: TileOp) => void): void {
  for (const step of body) {
    if (isTileOp(step)) visit(step);
    else if (step.kind === "roles") for (const role of step.roles) forEachOp(role.body, visit);
    else if (step.kind !== "signal") forEachOp(step.body, visit);
  }
}

/** Rebuilds a body; `edit` sees each innermost run of steps first. */
export function mapBodies(body: readonly Step[], edit: (steps: readonly Step[]) => readonly Step[]): readonly Step[] {
  const inner = body.map((step): Step => {
    switch (step.kind) {
      case "loop":
      case "launch":
      case "when":
        return { ...step, body: mapBodies(step.body, edit) };
      case "roles":
        return { ...step, roles: step.roles.map((r) => ({ ...r, body: mapBodies(r.body, edit) })) };
      default:
        return step;
    }
  });
  return edit(inner);
}

/** Names of the symbols an expression depends on. */
export function symbolsOf(exprs: Exprs, root: ExprId, found: Set<string> = new Set()): Set<string> {
  const expr = exprs.exprs[root];
  if (expr === undefined) internal(`no expression ${root}`);
  if (expr.kind === "symbol") found.add(expr.name);
  for (const arg of operands(expr)) symbolsOf(exprs, arg, found);
  return found;
}

/** Numbers of the inputs an expression depends on. */
export function inputsOf(exprs: Exprs, root: ExprId, found: Set<number> = new Set()): Set<number> {
  const expr = exprs.exprs[root];
  if (expr === undefined) internal(`no expression ${root}`);
  if (expr.kind === "input") found.add(expr.index);
  for (const arg of operands(expr)) inputsOf(exprs, arg, found);
  return found;
}

/** Names of the symbols that select a region's element. */
export function regionSymbols(exprs: Exprs, region: Region): Set<string> {
  const found = new Set<string>();
  for (const e of region.index) symbolsOf(exprs, e, found);
  if (region.bit !== undefined) symbolsOf(exprs, region.bit, found);
  return found;
}

/** Numbers of the inputs that an input's place depends on, itself included: places may be looked up in other inputs. */
export function inputsBehind(
  exprs: Exprs,
  inputs: readonly Region[],
  n: number,
  found: Set<number> = new Set(),
): Set<number> {
  if (found.has(n)) return found;
  found.add(n);
  for (const e of inputs[n]?.index ?? []) for (const m of inputsOf(exprs, e)) inputsBehind(exprs, inputs, m, found);
  return found;
}

/** True where the place of a region depends on what another region holds. */
export function gathers(exprs: Exprs, region: Region): boolean {
  return region.index.some((e) => inputsOf(exprs, e).size > 0);
}

/** The factors of a product, through nested multiplications. */
export function factorsOf(exprs: Exprs, root: ExprId): readonly ExprId[] {
  const expr: Expr | undefined = exprs.exprs[root];
  if (expr?.kind === "op" && expr.op === "mul") return expr.args.flatMap((a) => factorsOf(exprs, a));
  return [root];
}

/** The product of expressions; undefined when there are none. */
export function productOf(build: ExprBuilder, factors: readonly ExprId[]): ExprId | undefined {
  return factors.length === 0 ? undefined : factors.slice(1).reduce<ExprId>((p, f) => build.mul(p, f), factors[0]!);
}

/** The symbol's name when an expression is a plain axis or loop variable. */
export function plainSymbol(exprs: Exprs, root: ExprId): string | undefined {
  const expr = exprs.exprs[root];
  return expr?.kind === "symbol" ? expr.name : undefined;
}
