/** The words of the language: chevrotain token types and the lexer. */
import { createToken, Lexer, type TokenType } from "chevrotain";

/** A name. The words of `CONTEXTUAL` are names too, except where the grammar expects the word. */
export const Identifier = createToken({ name: "Identifier", pattern: /[A-Za-z_]\w*/, label: "a name" });

const reserved = (name: string, word: string): TokenType =>
  createToken({ name, pattern: new RegExp(`${word}\\b`), longer_alt: Identifier, label: `\`${word}\`` });

const contextual = (name: string, word: string): TokenType =>
  createToken({
    name,
    pattern: new RegExp(`${word}\\b`),
    longer_alt: Identifier,
    categories: [Identifier],
    label: `\`${word}\``,
  });

const symbol = (name: string, text: string): TokenType => createToken({ name, pattern: text, label: `\`${text}\`` });

export const Format = reserved("Format", "format");
export const Codebook = reserved("Codebook", "codebook");
export const Fn = reserved("Fn", "fn");
export const Op = reserved("Op", "op");
export const Schedule = reserved("Schedule", "schedule");
export const Let = reserved("Let", "let");
export const Sum = reserved("Sum", "sum");
export const For = reserved("For", "for");

export const Block = contextual("Block", "block");
export const Row = contextual("Row", "row");
export const Tensor = contextual("Tensor", "tensor");
export const Value = contextual("Value", "value");
export const Encode = contextual("Encode", "encode");
export const Along = contextual("Along", "along");
export const Contract = contextual("Contract", "contract");
export const With = contextual("With", "with");
export const Tile = contextual("Tile", "tile");
export const Stages = contextual("Stages", "stages");
export const Emulated = contextual("Emulated", "emulated");

export const Hole = createToken({ name: "Hole", pattern: /_\b/, longer_alt: Identifier, label: "`_`" });
export const Numeral = createToken({
  name: "Numeral",
  pattern: /0x[0-9A-Fa-f]+|0b[01]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/,
  label: "a number",
});
export const Text = createToken({ name: "Text", pattern: /"[^"\n]*"/, label: "a quoted name" });

export const Arrow = symbol("Arrow", "->");
export const LeftShift = symbol("LeftShift", "<<");
export const RightShift = symbol("RightShift", ">>");
export const LessEqual = symbol("LessEqual", "<=");
export const GreaterEqual = symbol("GreaterEqual", ">=");
export const EqualEqual = symbol("EqualEqual", "==");
export const NotEqual = symbol("NotEqual", "!=");
export const Less = symbol("Less", "<");
export const Greater = symbol("Greater", ">");
export const Equals = symbol("Equals", "=");
export const LeftBrace = symbol("LeftBrace", "{");
export const RightBrace = symbol("RightBrace", "}");
export const LeftParen = symbol("LeftParen", "(");
export const RightParen = symbol("RightParen", ")");
export const LeftBracket = symbol("LeftBracket", "[");
export const RightBracket = symbol("RightBracket", "]");
export const Comma = symbol("Comma", ",");
export const Colon = symbol("Colon", ":");
export const Dot = symbol("Dot", ".");
export const At = symbol("At", "@");
export const Question = symbol("Question", "?");
export const Plus = symbol("Plus", "+");
export const Minus = symbol("Minus", "-");
export const Star = symbol("Star", "*");
export const Slash = symbol("Slash", "/");
export const Percent = symbol("Percent", "%");
export const Ampersand = symbol("Ampersand", "&");
export const Pipe = symbol("Pipe", "|");
export const Caret = symbol("Caret", "^");

export const Space = createToken({
  name: "Space",
  pattern: /[ \t\r\n\uFEFF]+/,
  group: Lexer.SKIPPED,
  line_breaks: true,
});
export const Comment = createToken({ name: "Comment", pattern: /\/\/[^\n]*/, group: "comments" });

/** Words that begin an item. They are reserved, so an item always ends where the next such word stands. */
export const ITEM_WORDS: readonly TokenType[] = [Format, Codebook, Fn, Op, Schedule];

/** All token types, in the order in which the lexer tries them. */
export const TOKENS: readonly TokenType[] = [
  Space, Comment,
  Format, Codebook, Fn, Op, Schedule, Let, Sum, For,
  Block, Row, Tensor, Value, Encode, Along, Contract, With, Tile, Stages, Emulated,
  Hole, Identifier, Numeral, Text,
  Arrow, LeftShift, RightShift, LessEqual, GreaterEqual, EqualEqual, NotEqual, Less, Greater, Equals,
  LeftBrace, RightBrace, LeftParen, RightParen, LeftBracket, RightBracket,
  Comma, Colon, Dot, At, Question, Plus, Minus, Star, Slash, Percent, Ampersand, Pipe, Caret,
]; // biome-ignore format: a table

/** The lexer; `validate` makes chevrotain check the token definitions (tests do, a run does not). */
export function makeLexer(validate = false): Lexer {
  return new Lexer([...TOKENS], {
    positionTracking: "onlyOffset",
    ensureOptimizations: true,
    skipValidations: !validate,
  });
}
