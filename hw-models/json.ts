/** A JSON reader that remembers where each value stands, so that a mistake in a file is shown at its line. */
import type { Diagnostics, Span } from "../ir/diagnostics.ts";

export interface JsonMember {
  readonly key: string;
  readonly keySpan: Span;
  readonly value: JsonNode;
}

export type JsonNode = { readonly span: Span } & (
  | { readonly kind: "object"; readonly members: readonly JsonMember[] }
  | { readonly kind: "array"; readonly items: readonly JsonNode[] }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "null" }
);

/** Nesting beyond this is refused, so that no file can exhaust the stack. */
const MAX_DEPTH = 200;

const NUMBER = /-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const SPACE = /[ \t\r\n]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** Parses strict JSON (RFC 8259). Reports `json/syntax` or `json/duplicate` and returns undefined on the first mistake. */
export function parseJson(text: string, file: number, sink: Diagnostics): JsonNode | undefined {
  let at = text.startsWith("\ufeff") ? 1 : 0;

  const fail = (what: string, from = at, to = at + 1): undefined => {
    sink.error("json/syntax", { file, start: from, end: Math.min(to, text.length) }, what);
    return undefined;
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const skip = (): void => void match(SPACE);
  // By hand: the stack of a regular expression does not reach the end of a string of megabytes.
  const string = (): string | undefined => {
    if (text[at] !== '"') return undefined;
    let end = at + 1;
    while (end < text.length && text[end] !== '"') {
      ESCAPE.lastIndex = end;
      if (text[end] === "\\" && ESCAPE.test(text)) end = ESCAPE.lastIndex;
      else if (text[end] === "\\" || text.charCodeAt(end) < 32) return undefined;
      else end++;
    }
    if (end >= text.length) return undefined;
    const raw = text.slice(at, end + 1);
    at = end + 1;
    return raw;
  };
  const eat = (character: string): boolean => {
    skip();
    if (text[at] !== character) return false;
    at++;
    return true;
  };
  const here = (): string => (at < text.length ? `\`${text[at]}\`` : "the end of the file");

  const object = (start: number, depth: number): JsonNode | undefined => {
    const members: JsonMember[] = [];
    const keys = new Set<string>();
    if (eat("}")) return { kind: "object", members, span: { file, start, end: at } };
    do {
      skip();
      const keyStart = at;
      const raw = string();
      if (raw === undefined) return fail(`expected a name in double quotes, found ${here()}`);
      const keySpan = { file, start: keyStart, end: at };
      const key = JSON.parse(raw) as string;
      if (keys.has(key)) {
        sink.error("json/duplicate", keySpan, `\`${key}\` stands twice in this object`);
        return undefined;
      }
      keys.add(key);
      if (!eat(":")) return fail(`expected \`:\` after "${key}", found ${here()}`);
      const value = parse(depth + 1);
      if (value === undefined) return undefined;
      members.push({ key, keySpan, value });
    } while (eat(","));
    if (!eat("}")) return fail(`expected \`,\` or \`}\`, found ${here()}`);
    return { kind: "object", members, span: { file, start, end: at } };
  };

  const array = (start: number, depth: number): JsonNode | undefined => {
    const items: JsonNode[] = [];
    if (eat("]")) return { kind: "array", items, span: { file, start, end: at } };
    do {
      const item = parse(depth + 1);
      if (item === undefined) return undefined;
      items.push(item);
    } while (eat(","));
    if (!eat("]")) return fail(`expected \`,\` or \`]\`, found ${here()}`);
    return { kind: "array", items, span: { file, start, end: at } };
  };

  const parse = (depth: number): JsonNode | undefined => {
    skip();
    const start = at;
    const span = (): Span => ({ file, start, end: at });
    if (depth > MAX_DEPTH) return fail(`nested more than ${MAX_DEPTH} deep`);
    if (eat("{")) return object(start, depth);
    if (eat("[")) return array(start, depth);
    for (const [word, value] of [
      ["true", true],
      ["false", false],
      ["null", null],
    ] as const) {
      if (!text.startsWith(word, at)) continue;
      at += word.length;
      return value === null ? { kind: "null", span: span() } : { kind: "boolean", value, span: span() };
    }
    const quoted = string();
    if (quoted !== undefined) return { kind: "string", value: JSON.parse(quoted) as string, span: span() };
    const digits = match(NUMBER);
    if (digits !== undefined) return { kind: "number", value: Number(digits), span: span() };
    return fail(`expected a JSON value, found ${here()}`);
  };

  const root = parse(0);
  if (root === undefined) return undefined;
  skip();
  return at < text.length ? fail(`expected the end of the file, found ${here()}`) : root;
}

/** What a value is, in words for messages. */
export function describeJson(node: JsonNode): string {
  switch (node.kind) {
    case "object":
      return "an object";
    case "array":
      return "a list";
    case "string":
      return `the text "${node.value}"`;
    case "number":
      return `${node.value}`;
    case "boolean":
      return `${node.value}`;
    case "null":
      return "null";
  }
}
