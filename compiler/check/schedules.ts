/** Schedules: the operator, its axes and the strategy must exist; what the target can do is the target table's matter. */
import type { Diagnostics, Span } from "../../ir/diagnostics.ts";
import { didYouMean, report } from "../report.ts";
import type { Directive, Name, ScheduleItem } from "../syntax/ast.ts";
import { wholeNumber } from "./formats.ts";
import type { CheckedOp, Schedule, ScheduleStrategy, Term } from "./module.ts";

const STRATEGIES: readonly ScheduleStrategy[] = ["fma", "mma", "dot4", "bitplanes", "lut"];
const MAX_TILE = 2 ** 20;
const MAX_STAGES = 16;

/** Finds operators: undefined = unknown name, "broken" = declared, but a mistake in it is already reported. */
export interface OpTable {
  readonly find: (name: string) => CheckedOp | "broken" | undefined;
  readonly names: () => readonly string[];
}

/** Checks one schedule; undefined where a mistake was reported. */
export function checkSchedule(item: ScheduleItem, ops: OpTable, diagnostics: Diagnostics): Schedule | undefined {
  if (item.broken) return undefined;
  const op = ops.find(item.name.text);
  if (op === undefined) {
    const fix = didYouMean(item.name.text, item.name.span, ops.names());
    report(diagnostics, "name/unknown-op", item.name.span, `there is no operator \`${item.name.text}\``, [], fix);
  }
  if (op === undefined || op === "broken" || !checkTwice(item.directives, diagnostics)) return undefined;
  const find = <K extends Directive["kind"]>(kind: K): (Directive & { kind: K }) | undefined =>
    item.directives.find((d): d is Directive & { kind: K } => d.kind === kind);
  const [contract, tile, stages, row] = [find("contract"), find("tile"), find("stages"), find("row")];
  const by = contract && checkContract(contract, op, diagnostics);
  const tiles = tile === undefined ? [] : checkTiles(tile, op, diagnostics);
  const count = stages && wholeNumber(stages.count, 1, MAX_STAGES, "the number of stages", diagnostics);
  if (tiles === undefined || (contract && by === undefined) || (stages && count === undefined)) return undefined;
  return {
    op: op.name,
    target: item.target.text,
    targetSpan: item.target.span,
    ...(contract && by ? { contract: { axes: contract.axes.map((a) => a.text), by, span: contract.span } } : {}),
    tiles,
    ...(stages && count ? { stages: { count, span: stages.span } } : {}),
    ...(row === undefined ? {} : { row: { id: row.row.text, emulated: row.emulated, span: row.row.span } }),
    span: item.name.span,
  };
}

function checkTwice(directives: readonly Directive[], diagnostics: Diagnostics): boolean {
  const seen = new Map<string, Span>();
  let good = true;
  for (const { kind, span } of directives) {
    const first = seen.get(kind);
    if (first === undefined) seen.set(kind, span);
    else {
      report(diagnostics, "schedule/twice", span, `\`${kind}\` is given twice`, [
        { message: "the first one", span: first },
      ]);
      good = false;
    }
  }
  return good;
}

function checkAxis(name: Name, axes: readonly string[], what: string, diagnostics: Diagnostics): boolean {
  if (axes.includes(name.text)) return true;
  const fix = didYouMean(name.text, name.span, axes);
  report(
    diagnostics,
    "schedule/axis",
    name.span,
    `\`${name.text}\` is not ${what}`,
    [{ message: `there is ${axes.map((a) => `\`${a}\``).join(", ") || "none"}` }],
    fix,
  );
  return false;
}

function checkContract(
  directive: Directive & { kind: "contract" },
  op: CheckedOp,
  diagnostics: Diagnostics,
): ScheduleStrategy | undefined {
  const summed = [...new Set(op.statements.flatMap((s) => (s.kind === "assign" ? summedAxes(s.value) : [])))];
  const known = directive.axes.map((axis) => checkAxis(axis, summed, `summed over in \`${op.name}\``, diagnostics));
  const strategy = STRATEGIES.find((s) => s === directive.strategy.text);
  if (strategy === undefined) {
    const { text, span } = directive.strategy;
    const notes = [{ message: `strategies are ${STRATEGIES.map((s) => `\`${s}\``).join(", ")}` }];
    report(
      diagnostics,
      "schedule/strategy",
      span,
      `there is no strategy \`${text}\``,
      notes,
      didYouMean(text, span, STRATEGIES),
    );
  }
  return known.every((ok) => ok) ? strategy : undefined;
}

function summedAxes(term: Term): readonly string[] {
  if (term.kind === "sum") return [...term.over, ...summedAxes(term.body)];
  return term.kind === "apply" ? term.args.flatMap(summedAxes) : [];
}

function checkTiles(
  directive: Directive & { kind: "tile" },
  op: CheckedOp,
  diagnostics: Diagnostics,
): Schedule["tiles"] | undefined {
  const seen = new Map<string, Span>();
  let good = true;
  const tiles = directive.tiles.map(({ axis, size }) => {
    good = checkAxis(axis, Object.keys(op.axes), `an index of \`${op.name}\``, diagnostics) && good;
    const first = seen.get(axis.text);
    if (first !== undefined) {
      const notes = [{ message: "the first one", span: first }];
      report(diagnostics, "schedule/twice", axis.span, `\`${axis.text}\` is tiled twice`, notes);
      good = false;
    }
    seen.set(axis.text, axis.span);
    const count = wholeNumber(size, 1, MAX_TILE, "a tile", diagnostics);
    good &&= count !== undefined;
    return { axis: axis.text, size: count ?? 1, span: { ...axis.span, end: size.span.end } };
  });
  return good ? tiles : undefined;
}
