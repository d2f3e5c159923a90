/** Grammar, part two: items, their members, statements and directives. */
import { type IToken, tokenMatcher } from "chevrotain";
import type {
  Binding,
  CodebookItem,
  Directive,
  Expression,
  FnItem,
  FormatItem,
  Item,
  Member,
  Name,
  OpItem,
  Parameter,
  ScheduleItem,
  Statement,
  TensorType,
  TypeRef,
} from "./ast.ts";
import { ExpressionGrammar, nameExpression, type Rule } from "./grammar-expressions.ts";
import * as T from "./tokens.ts";

/** The whole grammar: `parseItem` reads one item. */
export class LoomGrammar extends ExpressionGrammar {
  constructor(validate: boolean) {
    super(validate);
    this.performSelfAnalysis();
  }

  /** One item from the start of its tokens. */
  parseItem(tokens: IToken[]): Item | undefined {
    this.input = tokens;
    return this.item();
  }

  readonly item: Rule<Item> = this.RULE(
    "item",
    (): Item =>
      this.OR<Item>([
        { ALT: () => this.SUBRULE(this.format) },
        { ALT: () => this.SUBRULE(this.codebook) },
        { ALT: () => this.SUBRULE(this.fn) },
        { ALT: () => this.SUBRULE(this.op) },
        { ALT: () => this.SUBRULE(this.schedule) },
      ]),
  );

  readonly format: Rule<FormatItem> = this.RULE("format", (): FormatItem => {
    const start = this.spanOf(this.CONSUME(T.Format));
    const name = this.SUBRULE(this.name);
    const parameters: Name[] = [];
    const members: Member[] = [];
    this.OPTION(() => {
      this.angle(this.CONSUME(T.Less));
      this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => parameters.push(this.SUBRULE1(this.name)) });
      this.angle(this.CONSUME(T.Greater));
    });
    const alias = this.OR<TypeRef | undefined>([
      {
        ALT: () => {
          this.CONSUME(T.LeftBrace);
          this.MANY(() => {
            this.resetOperators();
            members.push(this.SUBRULE(this.member));
          });
          this.CONSUME(T.RightBrace);
          return undefined;
        },
      },
      {
        ALT: () => {
          this.CONSUME(T.Equals);
          return this.SUBRULE(this.typeRef);
        },
      },
    ]);
    const span = this.spanFrom(start);
    return { kind: "format", name, parameters, members, ...(alias && { alias }), span, broken: false };
  });

  readonly typeRef: Rule<TypeRef> = this.RULE("typeRef", (): TypeRef => {
    const name = this.SUBRULE(this.name);
    const args: Expression[] = [];
    this.OPTION(() => {
      this.angle(this.CONSUME(T.Less));
      this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => args.push(this.SUBRULE(this.argument)) });
      this.angle(this.CONSUME(T.Greater));
    });
    return { name, args, span: this.spanToHere(name) };
  });

  readonly fn: Rule<FnItem> = this.RULE("fn", (): FnItem => {
    const start = this.spanOf(this.CONSUME(T.Fn));
    const name = this.SUBRULE(this.name);
    const parameters: Name[] = [];
    this.CONSUME(T.LeftParen);
    this.MANY_SEP({ SEP: T.Comma, DEF: () => parameters.push(this.SUBRULE1(this.name)) });
    this.CONSUME(T.RightParen);
    this.CONSUME(T.Equals);
    this.resetOperators();
    const value = this.SUBRULE(this.body);
    return { kind: "fn", name, parameters, value, span: this.spanFrom(start), broken: false };
  });

  readonly body: Rule<Expression> = this.RULE(
    "body",
    (): Expression =>
      this.OR<Expression>({
        DEF: [{ ALT: () => this.SUBRULE(this.block) }, { ALT: () => this.SUBRULE(this.expression) }],
        ERR_MSG: "an expression",
      }),
    { recoveryValueFunc: () => this.missing() },
  );

  readonly block: Rule<Expression> = this.RULE(
    "block",
    (): Expression => {
      const start = this.spanOf(this.CONSUME(T.LeftBrace));
      const lets: Binding[] = [];
      this.MANY(() => {
        const from = this.spanOf(this.CONSUME(T.Let));
        const name = this.SUBRULE(this.name);
        this.CONSUME(T.Equals);
        this.resetOperators();
        const value = this.SUBRULE(this.expression);
        lets.push({ name, value, span: this.spanFrom(from) });
      });
      const from = this.spanOf(this.LA(1));
      this.resetOperators();
      const value = this.SUBRULE1(this.expression);
      const valueSpan = this.spanFrom(from);
      this.CONSUME(T.RightBrace);
      return { kind: "block", lets, value, valueSpan, span: this.spanFrom(start) };
    },
    { recoveryValueFunc: () => this.missing() },
  );

  readonly member: Rule<Member> = this.RULE(
    "member",
    (): Member =>
      this.OR<Member>({
        DEF: [
          { ALT: () => this.SUBRULE(this.blockMember) },
          { ALT: () => this.SUBRULE(this.valueMember) },
          { ALT: () => this.SUBRULE(this.encodeMember) },
          { ALT: () => this.SUBRULE(this.field) },
        ],
        ERR_MSG: "a field (`name: type`), `block`, `value` or `encode`",
      }),
  );

  readonly blockMember: Rule<Member> = this.RULE("blockMember", (): Member => {
    const start = this.spanOf(this.CONSUME(T.Block));
    const size = this.SUBRULE(this.expression);
    return { kind: "block", size, span: this.spanFrom(start) };
  });

  readonly valueMember: Rule<Member> = this.RULE("valueMember", (): Member => {
    const start = this.spanOf(this.CONSUME(T.Value));
    const index = this.OPTION(() => {
      this.CONSUME(T.LeftParen);
      const name = this.SUBRULE(this.name);
      this.CONSUME(T.RightParen);
      return name;
    });
    this.CONSUME(T.Equals);
    const value = this.SUBRULE(this.body);
    return { kind: "value", ...(index === undefined ? {} : { index }), value, span: this.spanFrom(start) };
  });

  readonly encodeMember: Rule<Member> = this.RULE("encodeMember", (): Member => {
    const start = this.spanOf(this.CONSUME(T.Encode));
    const rule = this.SUBRULE(this.name);
    const args: Name[] = [];
    this.CONSUME(T.LeftParen);
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        args.push(this.SUBRULE1(this.name));
      },
    });
    this.CONSUME(T.RightParen);
    return { kind: "encode", rule, args, span: this.spanFrom(start) };
  });

  readonly field: Rule<Member> = this.RULE("field", (): Member => {
    const start = this.spanOf(this.LA(1));
    const scope = this.OPTION<"row" | "tensor">({
      // `row: f16` is a field named `row`: the word is a scope of its own field when a name follows.
      GATE: () => tokenMatcher(this.LA(2), T.Identifier),
      DEF: (): "row" | "tensor" =>
        this.OR<"row" | "tensor">([
          {
            ALT: () => {
              this.CONSUME(T.Row);
              return "row";
            },
          },
          {
            ALT: () => {
              this.CONSUME(T.Tensor);
              return "tensor";
            },
          },
        ]),
    });
    const name = this.SUBRULE(this.name);
    this.CONSUME(T.Colon);
    const type = this.SUBRULE(this.typeRef);
    const count = this.OPTION1(() => {
      this.CONSUME(T.LeftBracket);
      const size = this.SUBRULE1(this.expression);
      this.CONSUME(T.RightBracket);
      return size;
    });
    const offset = this.OPTION2(() => {
      this.CONSUME(T.At);
      return this.SUBRULE(this.expression);
    });
    const implied = name?.text === "row" || name?.text === "tensor" ? name.text : "block";
    return {
      kind: "field",
      scope: scope ?? implied,
      name,
      type,
      ...(count === undefined ? {} : { count }),
      ...(offset === undefined ? {} : { offset }),
      span: this.spanFrom(start),
    };
  });

  readonly codebook: Rule<CodebookItem> = this.RULE("codebook", (): CodebookItem => {
    const start = this.spanOf(this.CONSUME(T.Codebook));
    const name = this.SUBRULE(this.name);
    this.CONSUME(T.Equals);
    this.resetOperators();
    const table = this.SUBRULE(this.list);
    const entries = table?.kind === "list" ? table.entries : [];
    return { kind: "codebook", name, entries, span: this.spanFrom(start), broken: false };
  });

  readonly op: Rule<OpItem> = this.RULE("op", (): OpItem => {
    const start = this.spanOf(this.CONSUME(T.Op));
    const name = this.SUBRULE(this.name);
    const sizes: Name[] = [];
    const parameters: Parameter[] = [];
    const body: Statement[] = [];
    this.OPTION(() => {
      this.angle(this.CONSUME(T.Less));
      this.MANY_SEP({ SEP: T.Comma, DEF: () => sizes.push(this.SUBRULE1(this.name)) });
      this.angle(this.CONSUME(T.Greater));
    });
    this.CONSUME(T.LeftParen);
    this.MANY_SEP1({ SEP: T.Comma, DEF: () => parameters.push(this.SUBRULE(this.parameter)) });
    this.CONSUME(T.RightParen);
    this.CONSUME(T.Arrow);
    const result = this.SUBRULE(this.tensorType);
    this.CONSUME(T.LeftBrace);
    this.MANY(() => {
      this.resetOperators();
      body.push(this.SUBRULE(this.statement));
    });
    this.CONSUME(T.RightBrace);
    return { kind: "op", name, sizes, parameters, result, body, span: this.spanFrom(start), broken: false };
  });

  readonly parameter: Rule<Parameter> = this.RULE("parameter", (): Parameter => {
    const start = this.spanOf(this.LA(1));
    const name = this.SUBRULE(this.name);
    this.CONSUME(T.Colon);
    const type = this.SUBRULE(this.tensorType);
    return { name, type, span: this.spanFrom(start) };
  });

  readonly tensorType: Rule<TensorType> = this.RULE("tensorType", (): TensorType => {
    const start = this.spanOf(this.LA(1));
    const format = this.SUBRULE(this.typeRef);
    const shape: Expression[] = [];
    this.CONSUME(T.LeftBracket);
    this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => shape.push(this.SUBRULE(this.extent)) });
    this.CONSUME(T.RightBracket);
    const along = this.OPTION(() => {
      this.CONSUME(T.Along);
      return this.SUBRULE(this.name);
    });
    return { format, shape, ...(along && { along }), span: this.spanFrom(start) };
  });

  readonly extent: Rule<Expression> = this.RULE(
    "extent",
    (): Expression =>
      this.OR<Expression>({
        DEF: [{ ALT: () => this.SUBRULE(this.numeral) }, { ALT: () => nameExpression(this.SUBRULE(this.name)) }],
        ERR_MSG: "a size",
      }),
  );

  readonly statement: Rule<Statement> = this.RULE("statement", (): Statement => {
    const start = this.spanOf(this.LA(1));
    const isLet = this.OPTION(() => {
      this.CONSUME(T.Let);
      return true;
    });
    const name = this.SUBRULE(this.name);
    const indices = this.OPTION1(() => {
      const names: Name[] = [];
      this.CONSUME(T.LeftBracket);
      this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => names.push(this.SUBRULE1(this.name)) });
      this.CONSUME(T.RightBracket);
      return names;
    });
    this.CONSUME(T.Equals);
    const value = this.SUBRULE(this.expression);
    const kind = isLet === true ? "let" : "result";
    return { kind, name, ...(indices === undefined ? {} : { indices }), value, span: this.spanFrom(start) };
  });

  readonly schedule: Rule<ScheduleItem> = this.RULE("schedule", (): ScheduleItem => {
    const start = this.spanOf(this.CONSUME(T.Schedule));
    const name = this.SUBRULE(this.name);
    this.CONSUME(T.For);
    const target = this.SUBRULE(this.target);
    const directives: Directive[] = [];
    this.CONSUME(T.LeftBrace);
    this.MANY(() => {
      directives.push(this.SUBRULE(this.directive));
    });
    this.CONSUME(T.RightBrace);
    return { kind: "schedule", name, target, directives, span: this.spanFrom(start), broken: false };
  });

  readonly target: Rule<Name> = this.RULE("target", (): Name => {
    const first = this.SUBRULE(this.name);
    let text = first?.text ?? "";
    this.MANY(() => {
      this.CONSUME(T.Dot);
      text += `.${this.OR([{ ALT: () => this.CONSUME(T.Identifier) }, { ALT: () => this.CONSUME(T.Numeral) }]).image}`;
    });
    return { text, span: this.spanToHere(first) };
  });

  readonly directive: Rule<Directive> = this.RULE(
    "directive",
    (): Directive =>
      this.OR<Directive>({
        DEF: [
          { ALT: () => this.SUBRULE(this.contract) },
          { ALT: () => this.SUBRULE(this.tile) },
          { ALT: () => this.SUBRULE(this.stages) },
          { ALT: () => this.SUBRULE(this.row) },
        ],
        ERR_MSG: "`contract`, `tile`, `stages` or `row`",
      }),
  );

  readonly contract: Rule<Directive> = this.RULE("contract", (): Directive => {
    const start = this.spanOf(this.CONSUME(T.Contract));
    const axes: Name[] = [];
    this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => axes.push(this.SUBRULE(this.name)) });
    this.CONSUME(T.With);
    const strategy = this.SUBRULE1(this.name);
    return { kind: "contract", axes, strategy, span: this.spanFrom(start) };
  });

  readonly tile: Rule<Directive> = this.RULE("tile", (): Directive => {
    const start = this.spanOf(this.CONSUME(T.Tile));
    const tiles: { axis: Name; size: Expression }[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        const axis = this.SUBRULE(this.name);
        tiles.push({ axis, size: this.SUBRULE(this.numeral) });
      },
    });
    return { kind: "tile", tiles, span: this.spanFrom(start) };
  });

  readonly stages: Rule<Directive> = this.RULE("stages", (): Directive => {
    const start = this.spanOf(this.CONSUME(T.Stages));
    const count = this.SUBRULE(this.numeral);
    return { kind: "stages", count, span: this.spanFrom(start) };
  });

  readonly row: Rule<Directive> = this.RULE("row", (): Directive => {
    const start = this.spanOf(this.CONSUME(T.Row));
    const token = this.CONSUME(T.Text);
    const row = { text: token.image.slice(1, -1), span: this.spanOf(token) };
    const emulated = this.OPTION(() => this.CONSUME(T.Emulated)) !== undefined;
    return { kind: "row", row, emulated, span: this.spanFrom(start) };
  });
}
