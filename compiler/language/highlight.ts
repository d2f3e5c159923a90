/** Kinds of words in a `.loom` file, as an editor colours them: from the lexer's tokens and the parser's tree. */
import type { IToken } from "chevrotain";
import { Diagnostics, type Span } from "../../ir/diagnostics.ts";
import type { Directive, Expression, Item, Member, Name, Statement, TensorType, TypeRef } from "../syntax/ast.ts";
import { parse } from "../syntax/parser.ts";
import * as T from "../syntax/tokens.ts";

export type WordKind =
  | "comment"
  | "keyword"
  | "number"
  | "text"
  | "operator"
  | "punctuation"
  | "type"
  | "declaration"
  | "function"
  | "field"
  | "tensor"
  | "size"
  | "axis"
  | "name";

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

/** Names of one scope and what they stand for. */
type Scope = ReadonlyMap<string, WordKind>;

/** What the tree says of words, by offset; a word that it says nothing of keeps its lexical kind. */
class Marker {
  readonly kinds = new Map<number, WordKind>();

  mark(span: Span | undefined, kind: WordKind): void {
    if (span !== undefined) this.kinds.set(span.start, kind);
  }

  type(ref: TypeRef, scope: Scope): void {
    this.mark(ref.name.span, "type");
    for (const arg of ref.args) this.expression(arg, scope);
  }

  tensorType(type: TensorType, scope: Scope): void {
    this.type(type.format, scope);
    for (const extent of type.shape) this.expression(extent, scope);
    if (type.along !== undefined) this.mark(type.along.span, "size");
  }

  expression(e: Expression, scope: Scope): void {
    switch (e.kind) {
      case "number":
      case "hole":
      case "missing":
        return;
      case "name": {
        const kind = scope.get(e.name);
        if (kind !== undefined) this.mark(e.span, kind);
        return;
      }
      case "index":
        this.expression(e.base, scope);
        for (const index of e.indices) this.expression(index, scope);
        return;
      case "list":
        for (const entry of e.entries) this.expression(entry, scope);
        return;
      case "call":
        this.mark(e.callee.span, "function");
        for (const arg of e.args) this.expression(arg, scope);
        return;
      case "negate":
        this.expression(e.of, scope);
        return;
      case "binary":
        this.expression(e.left, scope);
        this.expression(e.right, scope);
        return;
      case "conditional":
        for (const part of [e.condition, e.yes, e.no]) this.expression(part, scope);
        return;
      case "sum": {
        const inner = withNames(scope, e.over, "axis");
        for (const name of e.over) this.mark(name.span, "axis");
        if (e.bound !== undefined) this.expression(e.bound, scope);
        this.expression(e.body, inner);
        return;
      }
      case "block": {
        const inner = withNames(
          scope,
          e.lets.map((l) => l.name),
          "name",
        );
        for (const { value } of e.lets) this.expression(value, inner);
        this.expression(e.value, inner);
      }
    }
  }

  member(member: Member, scope: Scope): void {
    switch (member.kind) {
      case "block":
        this.mark(member.span, "keyword");
        this.expression(member.size, scope);
        return;
      case "field":
        if (member.scope !== "block") this.mark(member.span, "keyword");
        this.mark(
          member.name.span,
          member.name.span.start === member.span.start && member.scope !== "block" ? "keyword" : "field",
        );
        this.type(member.type, scope);
        if (member.count !== undefined) this.expression(member.count, scope);
        if (member.offset !== undefined)
          this.expression(member.offset, new Map([...scope, ["i", "axis"], ["bit", "axis"]]));
        return;
      case "value": {
        this.mark(member.span, "keyword");
        const index = member.index === undefined ? [] : [member.index];
        for (const name of index) this.mark(name.span, "axis");
        this.expression(member.value, withNames(scope, index, "axis"));
        return;
      }
      case "encode":
        this.mark(member.span, "keyword");
        this.mark(member.rule.span, "function");
        for (const arg of member.args) this.mark(arg.span, scope.get(arg.text) ?? "field");
    }
  }

  statement(statement: Statement, scope: Scope): void {
    this.mark(statement.name.span, "tensor");
    for (const index of statement.indices ?? []) this.mark(index.span, "axis");
    this.expression(statement.value, withNames(scope, statement.indices ?? [], "axis"));
  }

  directive(directive: Directive): void {
    this.mark(directive.span, "keyword");
    switch (directive.kind) {
      case "contract":
        for (const axis of directive.axes) this.mark(axis.span, "axis");
        this.mark(directive.strategy.span, "function");
        return;
      case "tile":
        for (const { axis } of directive.tiles) this.mark(axis.span, "axis");
        return;
      case "stages":
      case "row":
        return;
    }
  }

  item(item: Item): void {
    this.mark(item.name.span, "declaration");
    switch (item.kind) {
      case "format": {
        const fields = item.members.flatMap((m) => (m.kind === "field" ? [m.name] : []));
        const scope = withNames(withNames(new Map(), item.parameters, "size"), fields, "field");
        for (const parameter of item.parameters) this.mark(parameter.span, "size");
        if (item.alias !== undefined) this.type(item.alias, scope);
        for (const member of item.members) this.member(member, scope);
        return;
      }
      case "codebook":
        for (const entry of item.entries) this.expression(entry, new Map());
        return;
      case "fn":
        for (const parameter of item.parameters) this.mark(parameter.span, "field");
        this.expression(item.value, withNames(new Map(), item.parameters, "field"));
        return;
      case "op": {
        const tensors = [...item.parameters.map((p) => p.name), ...item.body.map((s) => s.name)];
        const scope = withNames(withNames(new Map(), item.sizes, "size"), tensors, "tensor");
        for (const size of item.sizes) this.mark(size.span, "size");
        for (const parameter of item.parameters) {
          this.mark(parameter.name.span, "tensor");
          this.tensorType(parameter.type, scope);
        }
        this.tensorType(item.result, scope);
        for (const statement of item.body) this.statement(statement, scope);
        return;
      }
      case "schedule":
        this.mark(item.target.span, "type");
        for (const directive of item.directives) this.directive(directive);
    }
  }
}

const withNames = (scope: Scope, names: readonly Name[], kind: WordKind): Scope =>
  names.length === 0 ? scope : new Map([...scope, ...names.map((n) => [n.text, kind] as const)]);

/** Words that are keywords wherever the grammar asks for them, and names elsewhere: those the tree did not take as names. */
const CONTEXTUAL = new Set([T.Along, T.With, T.Emulated]);

/** Every word and comment of a file in order. Works on half-written text: what cannot be parsed keeps its lexical kind. */
export function highlight(text: string): readonly Word[] {
  const { items, tokens, comments } = parse(0, text, new Diagnostics());
  const marker = new Marker();
  for (const item of items) marker.item(item);
  const kindOf = (token: IToken): WordKind => {
    const lexical = lexicalKind(token);
    if (lexical !== "name") return lexical;
    return marker.kinds.get(token.startOffset) ?? (CONTEXTUAL.has(token.tokenType) ? "keyword" : "name");
  };
  return [...tokens, ...comments]
    .sort((a, b) => a.startOffset - b.startOffset)
    .map((token) => ({
      start: token.startOffset,
      end: token.startOffset + token.image.length,
      kind: kindOf(token),
    }));
}
