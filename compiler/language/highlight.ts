/** Kinds of words in a `.loom` file, as an editor colours them: from the lexer's tokens and the parser's tree. */
import type { IToken } from "chevrotain";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { parse } from "../syntax/parser.ts";
import * as T from "../syntax/tokens.ts";
import { type MentionKind, mentionsOf } from "./mentions.ts";

export type WordKind = MentionKind | "comment" | "number" | "text" | "operator" | "punctuation";

/** A stretch of text of one kind; offsets as in spans. */
export interface Word {
  readonly start: number;
  readonly end: number;
  readonly kind: WordKind;
}

const RESERVED = new Set([T.Format, T.Codebook, T.Fn, T.Op, T.Schedule, T.Let, T.Sum, T.For]);
const PUNCTUATION = new Set([
  T.LeftBrace, T.RightBrace, T.LeftParen, T.RightParen, T.LeftBracket, T.RightBracket, T.Comma, T.Colon, T.Dot,
]); // biome-ignore format: a table

function lexicalKind(token: IToken): WordKind {
  const { tokenType: type } = token;
  if (type === T.Comment) return "comment";
  if (RESERVED.has(type)) return "keyword";
  if (type === T.Numeral) return "number";
  if (type === T.Text) return "text";
  if (PUNCTUATION.has(type)) return "punctuation";
  if (type === T.Identifier || type.CATEGORIES?.includes(T.Identifier) === true) return "name";
  return "operator";
}

/** Words that are keywords wherever the grammar asks for them, and names elsewhere: those the tree did not take as names. */
const CONTEXTUAL = new Set([T.Along, T.With, T.Emulated]);

/** Every word and comment of a file in order. Works on half-written text: what cannot be parsed keeps its lexical kind. */
export function highlight(text: string): readonly Word[] {
  const { items, tokens, comments } = parse(0, text, new Diagnostics());
  const kinds = new Map(mentionsOf(items).map(({ span, kind }) => [span.start, kind]));
  const kindOf = (token: IToken): WordKind => {
    const lexical = lexicalKind(token);
    if (lexical !== "name") return lexical;
    return kinds.get(token.startOffset) ?? (CONTEXTUAL.has(token.tokenType) ? "keyword" : "name");
  };
  return [...tokens, ...comments]
    .sort((a, b) => a.startOffset - b.startOffset)
    .map((token) => ({
      start: token.startOffset,
      end: token.startOffset + token.image.length,
      kind: kindOf(token),
    }));
}
