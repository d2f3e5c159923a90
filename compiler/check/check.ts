/** The checker: from source text to a `Module`. Order: parse, names, formats (on first use), operators, schedules. */
import type { Diagnostics, Source, Span } from "../../ir/diagnostics.ts";
import { report } from "../report.ts";
import { stdFiles } from "../std.ts";
import type { ScheduleItem } from "../syntax/ast.ts";
import { parse } from "../syntax/parser.ts";
import type { CheckedOp, Module, Schedule } from "./module.ts";
import { Names, unique } from "./names.ts";
import { checkOp } from "./ops.ts";
import { checkSchedule } from "./schedules.ts";

/**
 * Checks the user's files together. Never throws for what is in them: mistakes go to `diagnostics`, and the module holds
 * what is sound. `Span.file` indexes `module.sources`: the given files first, the standard library after them.
 */
export function check(sources: readonly Source[], diagnostics: Diagnostics): Module {
  const library = stdFiles();
  const items = sources.flatMap((source, file) => parse(file, source.text, diagnostics).items);
  const names = new Names(items, sources, diagnostics);
  names.checkAll();
  const ops = new Map<string, CheckedOp | "broken">();
  for (const item of unique(items, "op", diagnostics)) {
    ops.set(item.name.text, checkOp(item, names, diagnostics) ?? "broken");
  }
  const schedules: Schedule[] = [];
  const seen = new Map<string, Span>();
  for (const item of items.filter((i): i is ScheduleItem => i.kind === "schedule")) {
    const table = { find: (name: string) => ops.get(name), names: () => [...ops.keys()] };
    const schedule = checkSchedule(item, table, diagnostics);
    if (schedule !== undefined && isFirst(schedule, seen, diagnostics)) schedules.push(schedule);
  }
  return {
    sources: [...sources, ...library.map((file) => file.source)],
    formats: names.checkedFormats(),
    ops: [...ops.values()].filter((op): op is CheckedOp => op !== "broken"),
    schedules,
  };
}

function isFirst(schedule: Schedule, seen: Map<string, Span>, diagnostics: Diagnostics): boolean {
  const key = `${schedule.op} ${schedule.target}`;
  const first = seen.get(key);
  seen.set(key, first ?? schedule.span);
  if (first === undefined) return true;
  const message = `\`${schedule.op}\` already has a schedule for \`${schedule.target}\``;
  report(diagnostics, "name/duplicate", schedule.span, message, [{ message: "the first one", span: first }]);
  return false;
}
