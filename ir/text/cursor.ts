/** Reads the tokens of IR text: one pass, one token ahead, positions kept; a mistake is reported and ends the reading. */
import type { Diagnostics, Span } from "../diagnostics.ts";
import { internal } from "../diagnostics.ts";
import { isScalar, type Scalar } from "../scalar.ts";

export type Token =
  | {
      readonly kind: "name";
      readonly text: string;
      readonly quoted: boolean;
      readonly start: number;
      readonly end: number;
    }
  | { readonly kind: "number"; readonly text: string; readonly start: number; readonly end: number }
  | { readonly kind: "mark"; readonly text: string; readonly start: number; readonly end: number }
  | { readonly kind: "end"; readonly text: ""; readonly start: number; readonly end: number };

const TOKEN =
  /(?<name>[A-Za-z_]\w*(?:\.[A-Za-z_0-9]\w*)*)|`(?<quoted>(?:[^`\\\n]|\\.)*)`|(?<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?(?:(?:[iu]|b?f)\d+)?)|(?<mark>\$\d+|\.\.|->|\+=|\^=|<<|>>|<=|>=|==|!=|\.bit\(|[-+*/%&|^~!<>=()[\]{},:;?])/y;
const SPACE = /(?:\s+|\/\/[^\n]*)*/y;

/** Thrown to leave the reader after a mistake was reported; never leaves this folder's parse functions. */
class Stop extends Error {}

/** Deepest nesting of expressions, layouts and blocks: text from outside must not exhaust the stack. */
const DEPTH = 400;

export class Cursor {
  readonly #text: string;
  readonly #file: number;
  readonly #diagnostics: Diagnostics;
  #ahead: Token;
  #last = 0;
  #depth = 0;

  constructor(text: string, diagnostics: Diagnostics, file: number) {
    this.#text = text;
    this.#file = file;
    this.#diagnostics = diagnostics;
    this.#ahead = { kind: "end", text: "", start: 0, end: 0 };
    this.#ahead = this.#scan(0);
  }

  get ahead(): Token {
    return this.#ahead;
  }

  /** From an earlier token's start to the end of the last token taken. */
  spanFrom(start: number): Span {
    return { file: this.#file, start, end: Math.max(start, this.#last) };
  }

  fail(message: string, token: Token = this.#ahead): never {
    const end = Math.max(token.end, token.start + 1);
    this.#diagnostics.error("text/syntax", { file: this.#file, start: token.start, end }, message);
    throw new Stop(message);
  }

  take(): Token {
    const token = this.#ahead;
    this.#last = token.end;
    this.#ahead = this.#scan(token.end);
    return token;
  }

  /** True where the next token is this mark or this unquoted word. */
  sees(text: string): boolean {
    const token = this.#ahead;
    return token.text === text && (token.kind === "mark" || (token.kind === "name" && !token.quoted));
  }

  accept(text: string): boolean {
    if (!this.sees(text)) return false;
    this.take();
    return true;
  }

  expect(text: string): Token {
    return this.sees(text) ? this.take() : this.fail(`expected ${text}${this.#found()}`);
  }

  name(what: string): string {
    return this.#ahead.kind === "name" ? this.take().text : this.fail(`expected ${what}${this.#found()}`);
  }

  /** One of the words, as a literal type. */
  word<T extends string>(words: readonly T[]): T {
    const found = words.find((word) => this.sees(word));
    if (found === undefined) return this.fail(`expected ${words.join(" or ")}${this.#found()}`);
    this.take();
    return found;
  }

  scalar(): Scalar {
    const token = this.#ahead;
    if (token.kind !== "name" || !isScalar(token.text)) return this.fail(`expected a type${this.#found()}`);
    this.take();
    return token.text as Scalar;
  }

  /** A number without a type; `-` and `inf` included. */
  number(): number {
    const sign = this.accept("-") ? -1 : 1;
    const token = this.#ahead;
    if (this.accept("inf")) return sign * Number.POSITIVE_INFINITY;
    if (this.accept("nan")) return Number.NaN;
    const value = token.kind === "number" ? Number(token.text) : Number.NaN;
    if (Number.isNaN(value)) return this.fail(`expected a number${this.#found()}`);
    this.take();
    return sign * value;
  }

  integer(min = Number.MIN_SAFE_INTEGER): number {
    const token = this.#ahead;
    const value = this.number();
    return Number.isSafeInteger(value) && value >= min ? value + 0 : this.fail("expected a whole number", token);
  }

  /** `item` separated by commas, at least one. */
  list<T>(item: () => T): T[] {
    const items = [item()];
    while (this.accept(",")) items.push(item());
    return items;
  }

  /** Runs `inner` one level deeper. */
  nested<T>(inner: () => T): T {
    if (this.#depth >= DEPTH) this.fail(`nested deeper than ${DEPTH} levels`);
    this.#depth++;
    const result = inner();
    this.#depth--;
    return result;
  }

  #found(): string {
    return this.#ahead.kind === "end" ? ", found the end" : `, found ${this.#ahead.text}`;
  }

  #scan(from: number): Token {
    SPACE.lastIndex = from;
    SPACE.exec(this.#text);
    const start = SPACE.lastIndex;
    if (start >= this.#text.length) return { kind: "end", text: "", start, end: start };
    TOKEN.lastIndex = start;
    const match = TOKEN.exec(this.#text);
    const end = TOKEN.lastIndex;
    if (match?.groups === undefined)
      return this.fail("unexpected character", { kind: "mark", text: "", start, end: start + 1 });
    const { name, quoted, number, mark } = match.groups;
    if (name !== undefined) return { kind: "name", text: name, quoted: false, start, end };
    if (quoted !== undefined) {
      const text = quoted.replace(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c));
      return { kind: "name", text, quoted: true, start, end };
    }
    if (number !== undefined) return { kind: "number", text: number, start, end };
    return { kind: "mark", text: mark ?? internal("a token of no kind"), start, end };
  }
}

/** Runs a parser over the whole text; undefined where a mistake was reported. */
export function readText<T>(
  text: string,
  diagnostics: Diagnostics,
  file: number,
  parse: (cursor: Cursor) => T,
): T | undefined {
  try {
    const cursor = new Cursor(text, diagnostics, file);
    const result = parse(cursor);
    if (cursor.ahead.kind !== "end") cursor.fail("expected the end");
    return result;
  } catch (error) {
    if (error instanceof Stop) return undefined;
    throw error;
  }
}
