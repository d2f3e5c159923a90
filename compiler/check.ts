/** The checker: from source text to a `Module`. Order: parse, names, formats (on first use), operators, schedules. */
import type { Diagnostics, Source, Span } from "../ir/diagnostics.ts";
import type { Format } from "../ir/format.ts";
import type { CodebookItem, FormatItem, Item, ScheduleItem } from "./ast.ts";
import { checkCodebook, checkFormat } from "./check-formats.ts";
import { checkOp } from "./check-ops.ts";
import { checkSchedule } from "./check-schedules.ts";
import type { Codebook } from "./check-values.ts";
import type { CheckedOp, Module, Schedule } from "./module.ts";
import { parse } from "./parser.ts";
import { report } from "./report.ts";
import { stdFiles } from "./std.ts";

/**
 * Checks the user's files together. Never throws for what is in them: mistakes go to `diagnostics`, and the module holds
 * what is sound. `Span.file` indexes `module.sources`: the given files first, the standard library after them.
 */
export function check(sources: readonly Source[], diagnostics: Diagnostics): Module {
  const library = stdFiles();
  const items = sources.flatMap((source, file) => parse(file, source.text, diagnostics).items);
  const names = new Names(items, sources.length, diagnostics);
  for (const item of names.userFormats) names.format(item.name.text);
  for (const item of names.userCodebooks) names.codebook(item.name.text);
  const formats = { find: (name: string) => names.format(name), names: () => names.formatNames() };
  const ops = new Map<string, CheckedOp | "broken">();
  for (const item of unique(items, "op", diagnostics)) {
    ops.set(item.name.text, checkOp(item, formats, diagnostics) ?? "broken");
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

/** The items of one kind; a second item of a name is reported and left out. */
function unique<K extends Item["kind"]>(
  items: readonly Item[],
  kind: K,
  diagnostics: Diagnostics,
): readonly (Item & { kind: K })[] {
  const seen = new Map<string, Span>();
  return items.filter((item): item is Item & { kind: K } => {
    if (item.kind !== kind) return false;
    const first = seen.get(item.name.text);
    if (first === undefined) {
      seen.set(item.name.text, item.name.span);
      return true;
    }
    const notes = [{ message: "the first one", span: first }];
    report(diagnostics, "name/duplicate", item.name.span, `${kind} \`${item.name.text}\` is declared twice`, notes);
    return false;
  });
}

/** Formats and codebooks by name: the user's, then the library's, whose files are read when a name of theirs is used. */
class Names {
  readonly userFormats: readonly FormatItem[];
  readonly userCodebooks: readonly CodebookItem[];
  readonly #diagnostics: Diagnostics;
  readonly #firstStdFile: number;
  readonly #formatItems = new Map<string, FormatItem>();
  readonly #codebookItems = new Map<string, CodebookItem>();
  readonly #formats = new Map<string, Format | "broken">();
  readonly #codebooks = new Map<string, Codebook | "broken" | undefined>();
  readonly #loaded = new Set<number>();

  constructor(items: readonly Item[], firstStdFile: number, diagnostics: Diagnostics) {
    this.#diagnostics = diagnostics;
    this.#firstStdFile = firstStdFile;
    this.userFormats = unique(items, "format", diagnostics);
    this.userCodebooks = unique(items, "codebook", diagnostics);
    this.#add(this.userFormats, this.userCodebooks);
  }

  #add(formats: readonly FormatItem[], codebooks: readonly CodebookItem[]): void {
    // A name of the user's hides the library's, so a growing library never breaks a file.
    for (const item of formats) if (!this.#formatItems.has(item.name.text)) this.#formatItems.set(item.name.text, item);
    for (const item of codebooks)
      if (!this.#codebookItems.has(item.name.text)) this.#codebookItems.set(item.name.text, item);
  }

  #load(kind: "formats" | "codebooks", name: string): void {
    const n = stdFiles().findIndex((file) => file[kind].includes(name));
    const file = stdFiles()[n];
    if (file === undefined || this.#loaded.has(n)) return;
    this.#loaded.add(n);
    const { items } = parse(this.#firstStdFile + n, file.source.text, this.#diagnostics);
    this.#add(
      items.filter((i): i is FormatItem => i.kind === "format"),
      items.filter((i): i is CodebookItem => i.kind === "codebook"),
    );
  }

  format(name: string): Format | "broken" | undefined {
    const known = this.#formats.get(name);
    if (known !== undefined) return known;
    if (!this.#formatItems.has(name)) this.#load("formats", name);
    const item = this.#formatItems.get(name);
    if (item === undefined) return undefined;
    const scope = { codebook: (n: string) => this.codebook(n), codebookNames: () => [...this.#codebookItems.keys()] };
    const format = checkFormat(item, scope, this.#diagnostics) ?? "broken";
    this.#formats.set(name, format);
    return format;
  }

  codebook(name: string): Codebook | "broken" | undefined {
    if (this.#codebooks.has(name)) return this.#codebooks.get(name);
    if (!this.#codebookItems.has(name)) this.#load("codebooks", name);
    const item = this.#codebookItems.get(name);
    const codebook = item === undefined ? undefined : (checkCodebook(item, this.#diagnostics) ?? "broken");
    this.#codebooks.set(name, codebook);
    return codebook;
  }

  formatNames(): readonly string[] {
    return [...this.#formatItems.keys(), ...stdFiles().flatMap((file) => file.formats)];
  }

  checkedFormats(): readonly Format[] {
    return [...this.#formats.values()].filter((format): format is Format => format !== "broken");
  }
}
