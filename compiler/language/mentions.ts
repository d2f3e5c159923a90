/** Every name in a file with what it stands for there: what colours, hovers and jumps are made from. */
import type { Span } from "../../ir/diagnostics.ts";
import type { Directive, Expression, Item, Member, Name, Statement, TensorType, TypeRef } from "../syntax/ast.ts";

export type MentionKind =
  | "keyword"
  | "type"
  | "declaration"
  | "function"
  | "field"
  | "tensor"
  | "size"
  | "axis"
  | "name";

/** A name at a place. */
export interface Mention {
  readonly span: Span;
  readonly text: string;
  readonly kind: MentionKind;
  /** The item that it stands in. */
  readonly item: Item;
  /** Where the name is declared in that item; types, functions and codebooks are items of their own. */
  readonly declared?: Span;
}

interface Meaning {
  readonly kind: MentionKind;
  readonly declared: Span;
}
type Scope = ReadonlyMap<string, Meaning>;

const withNames = (scope: Scope, names: readonly Name[], kind: MentionKind): Scope =>
  names.length === 0 ? scope : new Map([...scope, ...names.map((n) => [n.text, { kind, declared: n.span }] as const)]);

const NOTHING: Scope = new Map();

/** Walks one item; its methods append mentions. */
class Walker {
  readonly found: Mention[] = [];
  readonly #item: Item;

  constructor(item: Item) {
    this.#item = item;
  }

  #mention(span: Span, text: string, kind: MentionKind, declared?: Span): void {
    if (text === "" && kind !== "keyword") return;
    this.found.push({ span, text, kind, item: this.#item, ...(declared === undefined ? {} : { declared }) });
  }

  #declare(name: Name, kind: MentionKind): void {
    this.#mention(name.span, name.text, kind, name.span);
  }

  /** A name that means what its scope says, else `otherwise`. */
  #use(name: Name, scope: Scope, otherwise: MentionKind): void {
    const meaning = scope.get(name.text);
    this.#mention(name.span, name.text, meaning?.kind ?? otherwise, meaning?.declared);
  }

  #type(ref: TypeRef, scope: Scope): void {
    this.#mention(ref.name.span, ref.name.text, "type");
    for (const arg of ref.args) this.#expression(arg, scope);
  }

  #tensorType(type: TensorType, scope: Scope): void {
    this.#type(type.format, scope);
    for (const extent of type.shape) this.#expression(extent, scope);
    if (type.along !== undefined) this.#use(type.along, scope, "size");
  }

  #expression(e: Expression, scope: Scope): void {
    switch (e.kind) {
      case "number":
      case "hole":
      case "missing":
        return;
      case "name":
        this.#use({ text: e.name, span: e.span }, scope, "name");
        return;
      case "index":
        this.#expression(e.base, scope);
        for (const index of e.indices) this.#expression(index, scope);
        return;
      case "list":
        for (const entry of e.entries) this.#expression(entry, scope);
        return;
      case "call":
        this.#mention(e.callee.span, e.callee.text, "function");
        for (const arg of e.args) this.#expression(arg, scope);
        return;
      case "negate":
        this.#expression(e.of, scope);
        return;
      case "binary":
        this.#expression(e.left, scope);
        this.#expression(e.right, scope);
        return;
      case "conditional":
        for (const part of [e.condition, e.yes, e.no]) this.#expression(part, scope);
        return;
      case "sum":
        for (const name of e.over) this.#declare(name, "axis");
        if (e.bound !== undefined) this.#expression(e.bound, scope);
        this.#expression(e.body, withNames(scope, e.over, "axis"));
        return;
      case "block": {
        const names = e.lets.map((l) => l.name);
        const inner = withNames(scope, names, "name");
        for (const { name, value } of e.lets) {
          this.#declare(name, "name");
          this.#expression(value, inner);
        }
        this.#expression(e.value, inner);
      }
    }
  }

  #member(member: Member, scope: Scope): void {
    switch (member.kind) {
      case "block":
        this.#mention({ ...member.span, end: member.span.start + 5 }, "block", "keyword");
        this.#expression(member.size, scope);
        return;
      case "field": {
        const named = member.name.span.start !== member.span.start;
        if (member.scope !== "block")
          this.#mention({ ...member.span, end: member.span.start + member.scope.length }, member.scope, "keyword");
        // `row: f16` is short for `row row: f16`: the one word is both.
        if (named || member.scope === "block") this.#declare(member.name, "field");
        this.#type(member.type, scope);
        if (member.count !== undefined) this.#expression(member.count, scope);
        const place: Scope = new Map([
          ...scope,
          ...["i", "bit"].map((n) => [n, { kind: "axis", declared: member.span }] as const),
        ]);
        if (member.offset !== undefined) this.#expression(member.offset, place);
        return;
      }
      case "value": {
        const index = member.index === undefined ? [] : [member.index];
        this.#mention({ ...member.span, end: member.span.start + 5 }, "value", "keyword");
        for (const name of index) this.#declare(name, "axis");
        this.#expression(member.value, withNames(scope, index, "axis"));
        return;
      }
      case "encode":
        this.#mention({ ...member.span, end: member.span.start + 6 }, "encode", "keyword");
        this.#mention(member.rule.span, member.rule.text, "function");
        for (const arg of member.args) this.#use(arg, scope, "field");
    }
  }

  #statement(statement: Statement, scope: Scope): void {
    this.#declare(statement.name, "tensor");
    for (const index of statement.indices ?? []) this.#declare(index, "axis");
    this.#expression(statement.value, withNames(scope, statement.indices ?? [], "axis"));
  }

  #directive(directive: Directive): void {
    const word = directive.kind === "row" ? "row" : directive.kind;
    this.#mention({ ...directive.span, end: directive.span.start + word.length }, word, "keyword");
    switch (directive.kind) {
      case "contract":
        for (const axis of directive.axes) this.#mention(axis.span, axis.text, "axis");
        this.#mention(directive.strategy.span, directive.strategy.text, "function");
        return;
      case "tile":
        for (const { axis } of directive.tiles) this.#mention(axis.span, axis.text, "axis");
        return;
      case "stages":
      case "row":
        return;
    }
  }

  walk(): readonly Mention[] {
    const item = this.#item;
    this.#declare(item.name, "declaration");
    switch (item.kind) {
      case "format": {
        const fields = item.members.flatMap((m) => (m.kind === "field" ? [m.name] : []));
        const scope = withNames(withNames(NOTHING, item.parameters, "size"), fields, "field");
        for (const parameter of item.parameters) this.#declare(parameter, "size");
        if (item.alias !== undefined) this.#type(item.alias, scope);
        for (const member of item.members) this.#member(member, scope);
        break;
      }
      case "codebook":
        for (const entry of item.entries) this.#expression(entry, NOTHING);
        break;
      case "fn":
        for (const parameter of item.parameters) this.#declare(parameter, "field");
        this.#expression(item.value, withNames(NOTHING, item.parameters, "field"));
        break;
      case "op": {
        const tensors = [...item.parameters.map((p) => p.name), ...item.body.map((s) => s.name)];
        const scope = withNames(withNames(NOTHING, item.sizes, "size"), tensors, "tensor");
        for (const size of item.sizes) this.#declare(size, "size");
        for (const parameter of item.parameters) {
          this.#declare(parameter.name, "tensor");
          this.#tensorType(parameter.type, scope);
        }
        this.#tensorType(item.result, scope);
        for (const statement of item.body) this.#statement(statement, scope);
        break;
      }
      case "schedule":
        this.#mention(item.target.span, item.target.text, "type");
        for (const directive of item.directives) this.#directive(directive);
    }
    return this.found;
  }
}

/** All names of some items, in the order of the walk. */
export const mentionsOf = (items: readonly Item[]): readonly Mention[] =>
  items.flatMap((item) => new Walker(item).walk());
