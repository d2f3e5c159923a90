/** Names of formats, codebooks and functions: the user's, then the library's, whose files are read when one is used. */
import { Diagnostics, type Source, type Span } from "../../ir/diagnostics.ts";
import type { Format } from "../../ir/format.ts";
import { didYouMean, report } from "../report.ts";
import { declaredIn, stdFiles } from "../std.ts";
import type { CodebookItem, FnItem, FormatItem, Item, Name, TypeRef } from "../syntax/ast.ts";
import { parse } from "../syntax/parser.ts";
import { substituteParameters, wholeConstant } from "./constants.ts";
import { checkCodebook, checkFormat, type FormatScope } from "./formats.ts";
import type { Codebook } from "./value-scope.ts";

/** What a name stands for: undefined = unknown, "broken" = declared, but a mistake in it is already reported. */
export type Found<T> = T | "broken" | undefined;

/** The items of one kind; a second item of a name is reported and left out. */
export function unique<K extends Item["kind"]>(
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

/** `int<4, 128>`. */
export function refText(name: string, args: readonly number[]): string {
  return args.length === 0 ? name : `${name}<${args.join(", ")}>`;
}

/** Items of one origin by kind and name. */
class Layer {
  readonly format = new Map<string, FormatItem>();
  readonly codebook = new Map<string, CodebookItem>();
  readonly fn = new Map<string, FnItem>();

  add(items: readonly Item[], diagnostics: Diagnostics): void {
    for (const item of unique(items, "format", diagnostics)) this.format.set(item.name.text, item);
    for (const item of unique(items, "codebook", diagnostics)) this.codebook.set(item.name.text, item);
    for (const item of unique(items, "fn", diagnostics)) this.fn.set(item.name.text, item);
  }
}

type Kind = "format" | "codebook" | "fn";

/**
 * Formats, codebooks and functions by name. A name of the user's hides the library's, so a growing library never breaks a
 * file; the library itself sees only its own names, so no file changes what the library means.
 */
export class Names {
  readonly #diagnostics: Diagnostics;
  readonly #firstStdFile: number;
  readonly #user = new Layer();
  readonly #library = new Layer();
  readonly #loaded = new Set<number>();
  readonly #formats = new Map<string, Format | "broken">();
  readonly #codebooks = new Map<CodebookItem, Codebook | "broken">();
  /** Formats being checked, to find those that are declared through themselves. */
  readonly #open: string[] = [];

  constructor(items: readonly Item[], sources: readonly Source[], diagnostics: Diagnostics) {
    this.#diagnostics = diagnostics;
    this.#firstStdFile = sources.length;
    this.#user.add(items, diagnostics);
  }

  /** Checks everything of the user's that can be checked without being used. */
  checkAll(): void {
    for (const item of this.#user.format.values()) {
      if (item.parameters.length > 0) continue;
      this.format({ name: item.name, args: [], span: item.name.span });
    }
    for (const item of this.#user.codebook.values()) this.#codebook(item);
  }

  #isLibrary(from: Span): boolean {
    return from.file >= this.#firstStdFile;
  }

  #item<K extends Kind>(kind: K, name: string, from: Span): (Item & { kind: K }) | undefined {
    const find = (layer: Layer): (Item & { kind: K }) | undefined =>
      layer[kind].get(name) as (Item & { kind: K }) | undefined;
    const own = this.#isLibrary(from) ? undefined : find(this.#user);
    if (own !== undefined) return own;
    const n = stdFiles().findIndex((file) => declaredIn(file, kind).includes(name));
    const file = stdFiles()[n];
    if (file !== undefined && !this.#loaded.has(n)) {
      this.#loaded.add(n);
      this.#library.add(parse(this.#firstStdFile + n, file.source.text, this.#diagnostics).items, this.#diagnostics);
    }
    return find(this.#library);
  }

  #names(kind: Kind, from: Span): readonly string[] {
    const own = this.#isLibrary(from) ? [] : [...this.#user[kind].keys()];
    return [...own, ...stdFiles().flatMap((file) => declaredIn(file, kind))];
  }

  /** The format of a reference, reported where there is none that fits it. */
  format(ref: TypeRef, diagnostics: Diagnostics = this.#diagnostics): Format | "broken" {
    const item = this.#item("format", ref.name.text, ref.span);
    if (item === undefined) {
      if (ref.name.text === "") return "broken";
      const fix = didYouMean(ref.name.text, ref.name.span, this.formatNames(ref.span));
      const notes = [{ message: "`bitloom formats` lists those of the standard library" }];
      const message = `there is no format \`${ref.name.text}\``;
      report(diagnostics, "name/unknown-format", ref.name.span, message, notes, fix);
      return "broken";
    }
    const args = item.broken ? undefined : argumentsOf(ref, item, diagnostics);
    if (args === undefined) return "broken";
    const key = `${this.#isLibrary(item.span) ? "library" : "user"} ${refText(item.name.text, args)}`;
    const known = this.#formats.get(key);
    if (known !== undefined) return known;
    if (this.#open.includes(key)) {
      const message = `format \`${item.name.text}\` is declared through itself`;
      report(diagnostics, "name/cycle", ref.span, message, [{ message: "declared here", span: item.name.span }]);
      return "broken";
    }
    this.#open.push(key);
    const format = this.#instance(item, args, ref, diagnostics);
    this.#open.pop();
    this.#formats.set(key, format);
    return format;
  }

  #instance(item: FormatItem, args: readonly number[], ref: TypeRef, diagnostics: Diagnostics): Format | "broken" {
    if (!this.#parametersFit(item, diagnostics)) return "broken";
    const constants = new Map(item.parameters.map((p, n) => [p.text, args[n]!]));
    const concrete = args.length === 0 ? item : substituteParameters(item, constants);
    const name = refText(item.name.text, args);
    if (concrete.alias !== undefined) {
      const target = this.format(concrete.alias, diagnostics);
      return target === "broken" ? target : { ...target, name, span: item.name.span };
    }
    if (args.length === 0) return checkFormat(concrete, name, this.#scope(item), diagnostics) ?? "broken";
    // A mistake that shows only for these arguments needs the place where they were given.
    const inner = new Diagnostics();
    const format = checkFormat(concrete, name, this.#scope(item), inner) ?? "broken";
    const note = { message: `in \`${name}\`, which is used here`, span: ref.span };
    for (const d of inner.list) diagnostics.add({ ...d, notes: [...d.notes, note] });
    return format;
  }

  /** Parameters are replaced by numbers throughout, so nothing else in the format may have their names. */
  #parametersFit(item: FormatItem, diagnostics: Diagnostics): boolean {
    const seen = new Map(item.parameters.map((p) => [p.text, p.span]));
    const named = (name: Name | undefined): readonly Name[] => (name === undefined ? [] : [name]);
    const others = item.members.flatMap((m): readonly Name[] => {
      if (m.kind === "field") return [m.name];
      if (m.kind !== "value") return [];
      return [...named(m.index), ...(m.value.kind === "block" ? m.value.lets.map((l) => l.name) : [])];
    });
    const twice = item.parameters.filter((p) => seen.get(p.text) !== p.span);
    for (const name of [...twice, ...others.filter((n) => seen.has(n.text))]) {
      const notes = [{ message: "the parameter", span: seen.get(name.text)! }];
      report(diagnostics, "name/duplicate", name.span, `\`${name.text}\` is already a parameter`, notes);
    }
    return twice.length === 0 && !others.some((n) => seen.has(n.text));
  }

  #scope(item: FormatItem): FormatScope {
    const from = item.span;
    return {
      codebook: (name) => this.codebook(name, from),
      codebookNames: () => this.#names("codebook", from),
      fn: (name, at) => this.#item("fn", name, at),
      fnNames: () => this.#names("fn", from),
      format: (ref, diagnostics) => this.format(ref, diagnostics),
      formatNames: () => this.formatNames(from),
    };
  }

  /** A codebook as the file at `from` sees it. */
  codebook(name: string, from: Span): Found<Codebook> {
    const item = this.#item("codebook", name, from);
    return item && this.#codebook(item);
  }

  #codebook(item: CodebookItem): Codebook | "broken" {
    const known = this.#codebooks.get(item);
    if (known !== undefined) return known;
    const codebook = checkCodebook(item, this.#diagnostics) ?? "broken";
    this.#codebooks.set(item, codebook);
    return codebook;
  }

  /** A function as the file at `from` sees it. */
  fn(name: string, from: Span): FnItem | undefined {
    return this.#item("fn", name, from);
  }

  fnNames(from: Span): readonly string[] {
    return this.#names("fn", from);
  }

  formatNames(from: Span): readonly string[] {
    return this.#names("format", from);
  }

  /** Every format that was checked without a mistake; of a user's and a library's format of one name the user's. */
  checkedFormats(): readonly Format[] {
    const byName = new Map<string, Format>();
    for (const [key, format] of this.#formats) {
      if (format === "broken" || (byName.has(format.name) && key.startsWith("library "))) continue;
      byName.set(format.name, format);
    }
    return [...byName.values()];
  }
}

/** Largest size of an argument. */
const MAX_ARGUMENT = 2 ** 24;

function argumentsOf(ref: TypeRef, item: FormatItem, diagnostics: Diagnostics): readonly number[] | undefined {
  if (ref.args.length !== item.parameters.length) {
    const wanted = item.parameters.length;
    const takes = wanted === 0 ? "takes no arguments" : `takes ${wanted} ${wanted === 1 ? "argument" : "arguments"}`;
    const notes = [{ message: "declared here", span: item.name.span }];
    const message = `\`${item.name.text}\` ${takes}, not ${ref.args.length}`;
    report(diagnostics, "type/arguments", ref.span, message, notes);
    return undefined;
  }
  const values = ref.args.map((arg) => {
    const value = wholeConstant(arg);
    if (value !== undefined && Math.abs(value) <= MAX_ARGUMENT) return value;
    if (arg.kind !== "missing")
      report(diagnostics, "limit/range", arg.span, `an argument is a whole number of at most ${MAX_ARGUMENT}`);
    return undefined;
  });
  return values.every((v): v is number => v !== undefined) ? values : undefined;
}
