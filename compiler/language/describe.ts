/** What stands at a place of the source: its type, what is known of it, and where it is declared. */
import { Diagnostics, type Source, type Span } from "../../ir/diagnostics.ts";
import { bitsPerValue, type Format } from "../../ir/format.ts";
import { bitsOf } from "../../ir/scalar.ts";
import type { CheckedOp, Extent, Module } from "../check/module.ts";
import { declaredIn, stdFiles } from "../std.ts";
import type { Item } from "../syntax/ast.ts";
import { parse } from "../syntax/parser.ts";
import { type Mention, mentionsOf } from "./mentions.ts";
import { BUILTINS, storageType, WORDS } from "./words.ts";

export interface Described {
  readonly span: Span;
  /** Its type in the language's own words: `w: int4_g128[N, K]`. */
  readonly title: string;
  /** Facts, a line each. */
  readonly facts: readonly string[];
  /** The comment above its declaration. */
  readonly comment?: string;
  readonly definition?: Span;
}

/** Side of the square tensor over which row and tensor fields are spread. */
const ROW = 4096;

/** The comment lines that stand directly above an offset. */
function commentAbove(text: string, offset: number): string | undefined {
  const lines = text.slice(0, offset).split("\n").slice(0, -1);
  const found: string[] = [];
  for (let n = lines.length - 1; n >= 0 && lines[n]!.trimStart().startsWith("//"); n--)
    found.unshift(lines[n]!.trim().replace(/^\/\/ ?/, ""));
  return found.length === 0 ? undefined : found.join(" ");
}

function textOf(sources: readonly Source[], { file, start, end }: Span): string {
  return (sources[file]?.text.slice(start, end) ?? "").replace(/\s+/g, " ");
}

const bits = (value: number): string => `${Number(value.toFixed(3))} bits a value`;

/** A format's own facts: what it costs, what it stores, what a value is. */
function formatFacts(format: Format, sources: readonly Source[]): readonly string[] {
  const fields = format.fields.map((f) => {
    const scope = f.scope === "block" ? "" : ` a ${f.scope}`;
    return `${f.name}: ${f.type}${f.count > 1 ? `[${f.count}]` : ""}${scope}`;
  });
  const values = format.block === 1 ? "every value alone" : `blocks of ${format.block}`;
  return [
    `${bits(bitsPerValue(format, ROW, ROW))}, ${values}, ${format.recordBits / 8} bytes a block`,
    fields.join(", "),
    ...(format.valueSpan === undefined ? [] : [textOf(sources, format.valueSpan)]),
  ];
}

const extentText = (extent: Extent): string => String(extent);

/** Everything that the describers look things up in. */
interface Reading {
  readonly module: Module;
  readonly items: readonly Item[];
  readonly file: number;
}

/** The item of a name as the file sees it: its own first, then the library's. */
function itemNamed(
  { module, items, file }: Reading,
  kind: "format" | "codebook" | "fn",
  name: string,
): Item | undefined {
  const own = items.find((item) => item.kind === kind && item.name.text === name);
  if (own !== undefined) return own;
  const first = module.sources.length - stdFiles().length;
  const n = stdFiles().findIndex((f) => declaredIn(f, kind).includes(name));
  if (n < 0 || (file >= first && file === first + n)) return undefined;
  const library = parse(first + n, stdFiles()[n]!.source.text, new Diagnostics());
  return library.items.find((item) => item.kind === kind && item.name.text === name);
}

function fromItem(reading: Reading, mention: Mention, item: Item, title: string, facts: readonly string[]): Described {
  const source = reading.module.sources[item.span.file];
  const comment = source === undefined ? undefined : commentAbove(source.text, item.span.start);
  const base = { span: mention.span, title, facts, definition: item.name.span };
  return comment === undefined ? base : { ...base, comment };
}

function describeFormat(reading: Reading, mention: Mention): Described | undefined {
  const storage = storageType(mention.text);
  if (storage !== undefined) return { span: mention.span, title: mention.text, facts: [storage] };
  const item = itemNamed(reading, "format", mention.text);
  if (item === undefined) return undefined;
  const { sources, formats } = reading.module;
  // A format with parameters is known by the arguments that stand behind its name here.
  const after = sources[mention.span.file]?.text.slice(mention.span.end) ?? "";
  const args = /^<([^<>]*)>/
    .exec(after)?.[1]
    ?.split(",")
    .map((a) => a.trim());
  const name = args === undefined ? mention.text : `${mention.text}<${args.join(", ")}>`;
  const format = formats.find((f) => f.name === name);
  const facts = format === undefined ? [textOf(sources, item.span)] : formatFacts(format, sources);
  return fromItem(reading, mention, item, `format ${name}`, facts);
}

function describeFunction(reading: Reading, mention: Mention): Described | undefined {
  const builtin = Object.hasOwn(BUILTINS, mention.text) ? BUILTINS[mention.text] : undefined;
  if (builtin !== undefined) return { span: mention.span, title: builtin.of, facts: [builtin.about] };
  const item = itemNamed(reading, "fn", mention.text);
  if (item?.kind !== "fn") return undefined;
  const parameters = item.parameters.map((p) => p.text).join(", ");
  const value = textOf(reading.module.sources, item.value.span);
  return fromItem(reading, mention, item, `fn ${item.name.text}(${parameters})`, [`= ${value}`]);
}

function describeCodebook(reading: Reading, mention: Mention): Described | undefined {
  const item = itemNamed(reading, "codebook", mention.text);
  if (item?.kind !== "codebook") return undefined;
  const text = item.entries.map((e) => textOf(reading.module.sources, e.span)).join(", ");
  return fromItem(reading, mention, item, `codebook ${item.name.text}: ${item.entries.length} numbers`, [text]);
}

function describeField(reading: Reading, mention: Mention): Described | undefined {
  const { item, text, span } = mention;
  if (item.kind !== "format") return { span, title: `${text}: parameter of ${item.name.text}`, facts: [] };
  const member = item.members.find((m) => m.kind === "field" && m.name.text === text);
  if (member?.kind !== "field") return undefined;
  const format = reading.module.formats.find((f) => f.name === item.name.text);
  const field = format?.fields.find((f) => f.name === text);
  const title = textOf(reading.module.sources, member.span);
  const facts: string[] = [];
  if (field !== undefined && format !== undefined) {
    const total = field.count * bitsOf(field.type);
    const per = field.count === format.block && field.count > 1 ? ", one per value" : "";
    facts.push(`${field.count} × ${bitsOf(field.type)} = ${total} bits a ${field.scope}${per}`);
  }
  return { span, title, facts, definition: member.name.span };
}

function opOf(reading: Reading, mention: Mention): CheckedOp | undefined {
  return reading.module.ops.find((o) => o.name === mention.item.name.text);
}

function describeTensor(reading: Reading, mention: Mention): Described | undefined {
  const op = opOf(reading, mention);
  const { module } = reading;
  const base = { span: mention.span, ...(mention.declared === undefined ? {} : { definition: mention.declared }) };
  const operand =
    op?.operands.find((o) => o.name === mention.text) ?? (op?.result.name === mention.text ? op.result : undefined);
  if (operand !== undefined) {
    const format = module.formats.find((f) => f.name === operand.format);
    const along =
      operand.along === operand.shape.length - 1 ? "" : ` along ${extentText(operand.shape[operand.along]!)}`;
    return {
      ...base,
      title: `${operand.name}: ${operand.format}[${operand.shape.map(extentText).join(", ")}]${along}`,
      facts: format === undefined ? [] : formatFacts(format, module.sources),
    };
  }
  const statement = op?.statements.find((s) => s.name === mention.text);
  if (statement === undefined) return undefined;
  const shape = statement.shape.map(extentText).join(", ");
  const what = statement.kind === "quantize" ? statement.format : "f32";
  const how =
    statement.kind === "quantize" ? `${statement.from}, brought into ${statement.format} at run time` : "computed";
  return { ...base, title: `${statement.name}: ${what}[${shape}]`, facts: [how] };
}

function describeAxis(reading: Reading, mention: Mention): Described | undefined {
  const base = { span: mention.span, ...(mention.declared === undefined ? {} : { definition: mention.declared }) };
  const extent = opOf(reading, mention)?.axes[mention.text];
  if (extent !== undefined)
    return { ...base, title: `${mention.text}: index`, facts: [`0 … ${extentText(extent)} − 1`] };
  if (mention.item.kind !== "format") return { ...base, title: `${mention.text}: index`, facts: [] };
  const format = reading.module.formats.find((f) => f.name === mention.item.name.text);
  if (mention.text === "bit")
    return { ...base, title: "bit: integer", facts: ["the bit inside the element, 0 the lowest"] };
  const range = format === undefined ? [] : [`0 … ${format.block - 1}: the value's place in its block`];
  return { ...base, title: `${mention.text}: integer`, facts: range };
}

function describe(reading: Reading, mention: Mention): Described | undefined {
  const { text, span, item, declared } = mention;
  switch (mention.kind) {
    case "keyword":
      return { span, title: text, facts: [WORDS[text] ?? ""] };
    case "type":
      return describeFormat(reading, mention);
    case "function":
      return describeFunction(reading, mention);
    case "field":
      return describeField(reading, mention);
    case "tensor":
      return describeTensor(reading, mention);
    case "axis":
      return describeAxis(reading, mention);
    case "size": {
      const what = item.kind === "op" ? "a size: it is given when the operator is compiled" : "a whole number";
      return {
        span,
        title: `${text}: ${what}`,
        facts: [],
        ...(declared === undefined ? {} : { definition: declared }),
      };
    }
    case "declaration":
      return describeDeclaration(reading, mention);
    case "name":
      if (declared !== undefined) return { span, title: `let ${text}`, facts: [], definition: declared };
      // A quantize's second argument is a format; a name that is looked up is a codebook.
      return describeCodebook(reading, mention) ?? describeFormat(reading, mention);
  }
}

function describeDeclaration(reading: Reading, mention: Mention): Described | undefined {
  const { item } = mention;
  switch (item.kind) {
    case "format":
      return describeFormat(reading, mention);
    case "fn":
      return describeFunction(reading, mention);
    case "codebook":
      return describeCodebook(reading, mention);
    case "op": {
      const op = opOf(reading, mention);
      if (op === undefined) return undefined;
      const operand = (o: CheckedOp["result"]): string => `${o.format}[${o.shape.map(extentText).join(", ")}]`;
      const parameters = op.operands.map((o) => `${o.name}: ${operand(o)}`).join(", ");
      const sizes = op.sizes.map((s) => s.name).join(", ");
      return fromItem(reading, mention, item, `op ${op.name}<${sizes}>(${parameters}) -> ${operand(op.result)}`, []);
    }
    case "schedule": {
      const op = reading.items.find((i) => i.kind === "op" && i.name.text === item.name.text);
      const base = { span: mention.span, title: `schedule of ${item.name.text} for ${item.target.text}`, facts: [] };
      return op === undefined ? base : { ...base, definition: op.name.span };
    }
  }
}

/** What stands at an offset of file `file`; undefined where nothing can be said. Works on half-written text. */
export function describeAt(module: Module, file: number, offset: number): Described | undefined {
  const text = module.sources[file]?.text ?? "";
  const { items, tokens } = parse(file, text, new Diagnostics());
  const at = (span: Span): boolean => span.start <= offset && offset <= span.end;
  // Innermost and latest: `row: f16` has a word that is both keyword and name.
  const mention = mentionsOf(items).findLast((m) => at(m.span));
  if (mention !== undefined) return describe({ module, items, file }, mention);
  const token = tokens.find((t) => t.startOffset <= offset && offset < t.startOffset + t.image.length);
  const about = token === undefined || !Object.hasOwn(WORDS, token.image) ? undefined : WORDS[token.image];
  if (token === undefined || about === undefined) return undefined;
  const span = { file, start: token.startOffset, end: token.startOffset + token.image.length };
  return { span, title: token.image, facts: [about] };
}

/** A name that may be written at a place, with its kind. */
export interface Completion {
  readonly label: string;
  readonly kind: "format" | "codebook" | "function" | "keyword" | "name";
  readonly detail: string;
}

/** Everything that may be written somewhere in a text: its own names, the library's, builtins and keywords. */
export function completions(text: string): readonly Completion[] {
  const { items } = parse(0, text, new Diagnostics());
  const found = new Map<string, Completion>();
  const add = (label: string, kind: Completion["kind"], detail: string): void => {
    if (label !== "" && !found.has(label)) found.set(label, { label, kind, detail });
  };
  const kinds = { format: "format", codebook: "codebook", fn: "function", op: "name", schedule: "name" } as const;
  for (const item of items) add(item.name.text, kinds[item.kind], item.kind);
  for (const { text: name, kind } of mentionsOf(items))
    if (kind === "field" || kind === "tensor" || kind === "size" || kind === "axis") add(name, "name", kind);
  for (const file of stdFiles()) {
    for (const name of file.formats) add(name, "format", file.source.name);
    for (const name of file.generics) add(name, "format", `${file.source.name}, takes arguments`);
    for (const name of file.codebooks) add(name, "codebook", file.source.name);
    for (const name of file.fns) add(name, "function", file.source.name);
  }
  for (const name of ["f16", "bf16", "f32", "i4", "i8", "u4", "u8"]) add(name, "format", storageType(name) ?? "");
  for (const [name, { about }] of Object.entries(BUILTINS)) add(name, "function", about);
  for (const [name, about] of Object.entries(WORDS)) add(name, "keyword", about);
  return [...found.values()];
}
