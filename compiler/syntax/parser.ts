/** The parser: `.loom` text straight to a typed tree with spans; it recovers, so one run finds several mistakes. */
import {
  type EmbeddedActionsParser,
  EOF,
  type IRecognitionException,
  type IToken,
  type Lexer,
  tokenMatcher,
} from "chevrotain";
import type { Diagnostics, Fix, Note, Span } from "../../ir/diagnostics.ts";
import { nearest, report } from "../report.ts";
import type { Item, Name, TensorType } from "./ast.ts";
import { LoomGrammar } from "./grammar.ts";
import { END, MAX_OPERATORS, type Mistake } from "./grammar-expressions.ts";
import * as T from "./tokens.ts";

/** Limits that keep every file's cost bounded. */
export const MAX_FILE_CHARACTERS = 2 ** 21;
export const MAX_NESTING = 64;
const MAX_ERRORS = 100;

/** Lexer and parser, made once: building the grammar's tables costs more than most files. */
const cache: { lexer?: Lexer; parser?: LoomGrammar } = {};
const lexer = (): Lexer => {
  cache.lexer ??= T.makeLexer();
  return cache.lexer;
};
const parser = (): LoomGrammar => {
  cache.parser ??= new LoomGrammar(false);
  return cache.parser;
};

/** A fresh parser with chevrotain's own checks of the grammar, for tests and for the grammar diagram. */
export function makeValidatedParser(): EmbeddedActionsParser {
  return new LoomGrammar(true);
}

/** A parsed file: its items in order, and its tokens and comments for the formatter. */
export interface ParsedFile {
  readonly items: readonly Item[];
  readonly tokens: readonly IToken[];
  readonly comments: readonly IToken[];
  /** Offsets of the angle brackets around sizes, parameters and arguments. */
  readonly angles: ReadonlySet<number>;
}

const spanOf = (file: number, token: IToken): Span => ({
  file,
  start: token.startOffset,
  end: token.startOffset + token.image.length,
});

/**
 * Reads one file. Never throws and always ends; mistakes go to `diagnostics`, and every item whose keyword could be
 * found is in the result, `broken` where a mistake lies inside it.
 */
export function parse(file: number, text: string, diagnostics: Diagnostics): ParsedFile {
  if (text.length > MAX_FILE_CHARACTERS) {
    const message = `this file has ${text.length} characters; ${MAX_FILE_CHARACTERS} are allowed`;
    report(diagnostics, "limit/file-size", { file, start: 0, end: 1 }, message);
    return { items: [], tokens: [], comments: [], angles: new Set() };
  }
  const { tokens, errors, groups } = lexer().tokenize(text);
  for (const error of errors.slice(0, MAX_ERRORS))
    reportCharacters(file, text, error.offset, error.length, diagnostics);
  const bad = errors.map((e) => e.offset);
  const angles = new Set<number>();
  const items = errors.length > MAX_ERRORS ? [] : parseChunks({ file, text, bad, angles, diagnostics }, tokens);
  const checked = bad.length === 0 ? items : items.map((item) => withCharacterErrors(item, bad));
  return { items: checked, tokens, comments: groups.comments ?? [], angles };
}

/** What the stages of parsing one file share; `bad` are the offsets of characters without meaning. */
interface Reading {
  readonly file: number;
  readonly text: string;
  readonly bad: readonly number[];
  readonly angles: Set<number>;
  readonly diagnostics: Diagnostics;
}

function withCharacterErrors(item: Item, offsets: readonly number[]): Item {
  const inside = offsets.some((offset) => offset >= item.span.start && offset < item.span.end);
  return inside ? { ...item, broken: true } : item;
}

const LOOKALIKES: Readonly<Record<string, string>> = { "×": "*", "÷": "/", "−": "-", "≤": "<=", "≥": ">=", "≠": "!=" };

function reportCharacters(file: number, text: string, start: number, length: number, diagnostics: Diagnostics): void {
  const span = { file, start, end: start + length };
  const bad = text.slice(start, start + length);
  const shown = JSON.stringify(bad.length > 20 ? `${bad.slice(0, 20)}…` : bad);
  const likely = LOOKALIKES[bad];
  let fix: Fix | undefined;
  const notes: Note[] = [];
  if (bad === ";") fix = { message: "statements end by themselves: remove it", span, text: "" };
  else if (bad === "#") notes.push({ message: "a comment begins with `//`" });
  else if (likely !== undefined) fix = { message: `write \`${likely}\``, span, text: likely };
  report(diagnostics, "syntax/character", span, `${shown} has no meaning here`, notes, fix);
}

/** Items begin with reserved words, so the token list is cut there first: a mistake in one item never hides another. */
function parseChunks(reading: Reading, tokens: readonly IToken[]): Item[] {
  const { file, diagnostics } = reading;
  const starts = tokens.flatMap((token, i) => (T.ITEM_WORDS.includes(token.tokenType) ? [i] : []));
  const first = starts[0] ?? tokens.length;
  if (first > 0) reportStray(file, tokens[0]!, diagnostics);
  const items: Item[] = [];
  for (const [n, start] of starts.entries()) {
    const end = starts[n + 1] ?? tokens.length;
    const item = parseChunk(reading, tokens.slice(start, end), tokens[end]);
    if (item !== undefined) items.push(item);
    if (diagnostics.list.length > MAX_ERRORS) break;
  }
  return items;
}

function reportStray(file: number, token: IToken, diagnostics: Diagnostics): void {
  const span = spanOf(file, token);
  const word = nearest(token.image, ["format", "codebook", "fn", "op", "schedule"]);
  const fix = word === undefined ? undefined : { message: `did you mean \`${word}\`?`, span, text: word };
  const message = `expected \`format\`, \`codebook\`, \`fn\`, \`op\` or \`schedule\`, found \`${token.image}\``;
  report(diagnostics, "syntax/item", span, message, [], fix);
}

function parseChunk(reading: Reading, tokens: IToken[], next: IToken | undefined): Item | undefined {
  const { file, diagnostics } = reading;
  const deep = tooDeep(tokens);
  if (deep !== undefined) {
    const message = `brackets and conditionals nest more than ${MAX_NESTING} deep`;
    report(diagnostics, "limit/nesting", spanOf(file, deep), message);
    return brokenItem(file, tokens);
  }
  const p = parser();
  p.file = file;
  p.mistakes.length = 0;
  p.angles.length = 0;
  const item = p.parseItem(tokens);
  for (const at of p.angles) reading.angles.add(at);
  const errors = p.errors.slice();
  for (const mistake of p.mistakes) reportMistake(mistake, diagnostics);
  const broken = errors.length > 0 || p.mistakes.length > 0;
  let previous = -1;
  for (const error of errors.slice(0, 20)) {
    // Recovery may stumble over one token more than once; the first message is the one that helps.
    if (error.token.startOffset === previous) continue;
    previous = error.token.startOffset;
    reportSyntax(reading, tokens, next, error);
  }
  if (!broken && item !== undefined) return item;
  return brokenItem(file, tokens);
}

/** What is sure of an item with a mistake inside: its kind and its name, so that uses of the name are not mistakes too. */
function brokenItem(file: number, tokens: readonly IToken[]): Item | undefined {
  const [keyword, second] = tokens;
  if (keyword === undefined || second === undefined || !tokenMatcher(second, T.Identifier)) return undefined;
  const name: Name = { text: second.image, span: spanOf(file, second) };
  const span = { ...spanOf(file, keyword), end: spanOf(file, tokens[tokens.length - 1]!).end };
  const base = { name, span, broken: true };
  if (keyword.tokenType === T.Format) return { ...base, kind: "format", parameters: [], members: [] };
  if (keyword.tokenType === T.Codebook) return { ...base, kind: "codebook", entries: [] };
  if (keyword.tokenType === T.Fn) return { ...base, kind: "fn", parameters: [], value: { kind: "missing", span } };
  if (keyword.tokenType === T.Schedule) return { ...base, kind: "schedule", target: name, directives: [] };
  const result: TensorType = { format: { name, args: [], span }, shape: [], span };
  return { ...base, kind: "op", sizes: [], parameters: [], result, body: [] };
}

function reportMistake({ code, span }: Mistake, diagnostics: Diagnostics): void {
  if (code === "syntax/comparison") {
    const notes = [{ message: "combine two comparisons with `&`: `(a < b) & (b < c)`" }];
    report(diagnostics, code, span, "comparisons do not chain", notes);
  } else report(diagnostics, code, span, `more than ${MAX_OPERATORS} operators in one expression`);
}

function tooDeep(tokens: readonly IToken[]): IToken | undefined {
  let depth = 0;
  let questions = 0;
  for (const token of tokens) {
    const type = token.tokenType;
    if (type === T.LeftParen || type === T.LeftBracket || type === T.LeftBrace) depth++;
    else if (type === T.RightParen || type === T.RightBracket || type === T.RightBrace) depth--;
    else if (type === T.Question) questions++;
    else if (type === T.Colon && questions > 0) questions--;
    if (depth + questions > MAX_NESTING) return token;
  }
  return undefined;
}

const CLOSERS: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

function reportSyntax(
  { file, text, bad, diagnostics }: Reading,
  tokens: readonly IToken[],
  next: IToken | undefined,
  error: IRecognitionException,
): void {
  const atEnd = error.token.tokenType === EOF || Number.isNaN(error.token.startOffset);
  const last = spanOf(file, tokens[tokens.length - 1]!);
  const span = atEnd ? { file, start: last.end - 1, end: last.end } : spanOf(file, error.token);
  // A character without meaning has been reported; what it did to the rest of its line is no second mistake.
  if (bad.some((offset) => offset < span.end && !text.slice(offset, span.start).includes("\n"))) return;
  const follows = next === undefined ? "the end of the file" : `\`${next.image}\``;
  const notes: Note[] = [];
  const open = unclosed(atEnd ? tokens : tokens.filter((token) => token.startOffset < span.start));
  const closer = open === undefined ? undefined : CLOSERS[open.image];
  if (open !== undefined && (atEnd || (closer !== "}" && error.message.startsWith(`expected \`${closer}\``))))
    notes.push({ message: `\`${open.image}\` opened here is not closed`, span: spanOf(file, open) });
  const code = error.name === "NotAllInputParsedException" ? "syntax/unexpected" : "syntax/expected";
  const message = error.message.replace(END, follows).replace(", found", atEnd ? " after this, found" : ", found");
  report(diagnostics, code, span, message, notes);
}

function unclosed(tokens: readonly IToken[]): IToken | undefined {
  const open: IToken[] = [];
  for (const token of tokens) {
    const type = token.tokenType;
    if (type === T.LeftParen || type === T.LeftBracket || type === T.LeftBrace) open.push(token);
    else if (type === T.RightParen || type === T.RightBracket || type === T.RightBrace) open.pop();
  }
  return open[open.length - 1];
}
