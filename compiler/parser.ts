/** The parser: `.loom` text straight to a typed tree with spans; it recovers, so one run finds several mistakes. */
import {
  EmbeddedActionsParser,
  EOF,
  type IRecognitionException,
  type IToken,
  type Lexer,
  type ParserMethod,
  type TokenType,
  tokenMatcher,
} from "chevrotain";
import type { Diagnostics, Fix, Note, Span } from "../ir/diagnostics.ts";
import type {
  BinaryOperator,
  CodebookItem,
  Directive,
  Expression,
  FormatItem,
  Item,
  Member,
  Name,
  OpItem,
  Parameter,
  ScheduleItem,
  Statement,
  TensorType,
} from "./ast.ts";
import { nearest, report } from "./report.ts";
import * as T from "./tokens.ts";

/** Limits that keep every file's cost bounded. */
export const MAX_FILE_CHARACTERS = 2 ** 21;
export const MAX_NESTING = 64;
export const MAX_OPERATORS = 1000;
const MAX_ERRORS = 100;

type Rule<R> = ParserMethod<[], R>;
type Spanned = { readonly span: Span };

const PRECEDENCE: Readonly<Record<BinaryOperator, number>> = {
  "==": 1, "!=": 1, "<": 1, "<=": 1, ">": 1, ">=": 1,
  "|": 2, "^": 3, "&": 4, "<<": 5, ">>": 5,
  "+": 6, "-": 6, "*": 7, "/": 7, "%": 7,
}; // biome-ignore format: a table

const BINARY_TOKENS: readonly TokenType[] = [
  T.Plus, T.Minus, T.Star, T.Slash, T.Percent, T.LeftShift, T.RightShift, T.Ampersand, T.Pipe, T.Caret,
  T.EqualEqual, T.NotEqual, T.Less, T.LessEqual, T.Greater, T.GreaterEqual,
]; // biome-ignore format: a table

/** How each stage of a mistake's message ends when the text is over; replaced once we know what follows the item. */
const END = "\u0000";

const describe = (type: TokenType): string => type.LABEL ?? type.name;
const found = (token: IToken): string => (token.tokenType === EOF ? END : `\`${token.image}\``);

function listOf(words: readonly string[]): string {
  const unique = [...new Set(words)];
  return unique.length < 2 ? (unique[0] ?? "") : `${unique.slice(0, -1).join(", ")} or ${unique[unique.length - 1]}`;
}

const messages = {
  buildMismatchTokenMessage: (o: { expected: TokenType; actual: IToken }): string =>
    `expected ${describe(o.expected)}, found ${found(o.actual)}`,
  buildNotAllInputParsedMessage: (o: { firstRedundant: IToken }): string =>
    `unexpected ${found(o.firstRedundant)} after the end of the item`,
  buildNoViableAltMessage: (o: {
    expectedPathsPerAlt: TokenType[][][];
    actual: IToken[];
    customUserDescription?: string;
  }): string => {
    const first = o.expectedPathsPerAlt.flatMap((alternative) => alternative.map((path) => path[0]));
    const words = first.flatMap((type) => (type === undefined ? [] : [describe(type)]));
    return `expected ${o.customUserDescription || listOf(words)}, found ${found(o.actual[0]!)}`;
  },
  buildEarlyExitMessage: (o: {
    expectedIterationPaths: TokenType[][];
    actual: IToken[];
    customUserDescription?: string;
  }): string => {
    const words = o.expectedIterationPaths.flatMap((path) => (path[0] === undefined ? [] : [describe(path[0])]));
    return `expected ${o.customUserDescription || listOf(words)}, found ${found(o.actual[0]!)}`;
  },
};

interface Operation {
  readonly operator: BinaryOperator;
  readonly span: Span;
  readonly right: Expression;
}

/**
 * The grammar. Its rules return tree nodes; while chevrotain records the grammar and while it recovers, tokens and
 * sub-rules may be placeholders without positions, so actions never look inside what they are given.
 */
class LoomParser extends EmbeddedActionsParser {
  /** Of the file being parsed. */
  file = 0;
  /** Set by a comparison of a comparison, or by an expression that is too long. */
  readonly mistakes: { readonly code: "syntax/comparison" | "limit/expression"; readonly span: Span }[] = [];
  #operators = 0;

  constructor(validate: boolean) {
    super([...T.TOKENS], {
      recoveryEnabled: true,
      maxLookahead: 2,
      nodeLocationTracking: "none",
      skipValidations: !validate,
      errorMessageProvider: messages,
    });
    this.performSelfAnalysis();
  }

  /** One item from the start of its tokens. */
  parseItem(tokens: IToken[]): Item | undefined {
    this.input = tokens;
    return this.item();
  }

  // A token that recovery made up has no offsets: it gets the empty place after the token before it.
  #at(token: IToken): Span {
    const start = Number.isNaN(token.startOffset) ? this.#previousEnd() : token.startOffset;
    return { file: this.file, start, end: start + token.image.length };
  }

  #previousEnd(): number {
    const last = this.LA(0);
    return last === undefined || Number.isNaN(last.startOffset) ? 0 : last.startOffset + last.image.length;
  }

  #from(start: Span, end: Span | undefined = undefined): Span {
    const last = end ?? this.#at(this.LA(0));
    return { file: this.file, start: start.start, end: Math.max(start.start, last.end) };
  }

  #missing(): Expression {
    const at = this.#previousEnd();
    return { kind: "missing", span: { file: this.file, start: at, end: at } };
  }

  #counted(span: Span): boolean {
    this.#operators++;
    if (this.#operators === MAX_OPERATORS + 1) this.mistakes.push({ code: "limit/expression", span });
    return this.#operators <= MAX_OPERATORS;
  }

  readonly item: Rule<Item> = this.RULE(
    "item",
    (): Item =>
      this.OR<Item>([
        { ALT: () => this.SUBRULE(this.format) },
        { ALT: () => this.SUBRULE(this.codebook) },
        { ALT: () => this.SUBRULE(this.op) },
        { ALT: () => this.SUBRULE(this.schedule) },
      ]),
  );

  readonly format: Rule<FormatItem> = this.RULE("format", (): FormatItem => {
    const start = this.#at(this.CONSUME(T.Format));
    const name = this.SUBRULE(this.name);
    const members: Member[] = [];
    this.CONSUME(T.LeftBrace);
    this.MANY(() => {
      this.#operators = 0;
      members.push(this.SUBRULE(this.member));
    });
    this.CONSUME(T.RightBrace);
    return { kind: "format", name, members, span: this.#from(start), broken: false };
  });

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
    const start = this.#at(this.CONSUME(T.Block));
    const size = this.SUBRULE(this.numeral);
    return { kind: "block", size, span: this.#from(start) };
  });

  readonly valueMember: Rule<Member> = this.RULE("valueMember", (): Member => {
    const start = this.#at(this.CONSUME(T.Value));
    const index = this.OPTION(() => {
      this.CONSUME(T.LeftParen);
      const name = this.SUBRULE(this.name);
      this.CONSUME(T.RightParen);
      return name;
    });
    this.CONSUME(T.Equals);
    const value = this.SUBRULE(this.expression);
    return { kind: "value", ...(index === undefined ? {} : { index }), value, span: this.#from(start) };
  });

  readonly encodeMember: Rule<Member> = this.RULE("encodeMember", (): Member => {
    const start = this.#at(this.CONSUME(T.Encode));
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
    return { kind: "encode", rule, args, span: this.#from(start) };
  });

  readonly field: Rule<Member> = this.RULE("field", (): Member => {
    const start = this.#at(this.LA(1));
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
    const type = this.SUBRULE1(this.name);
    const count = this.OPTION1(() => {
      this.CONSUME(T.LeftBracket);
      const size = this.SUBRULE(this.numeral);
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
      span: this.#from(start),
    };
  });

  readonly codebook: Rule<CodebookItem> = this.RULE("codebook", (): CodebookItem => {
    const start = this.#at(this.CONSUME(T.Codebook));
    const name = this.SUBRULE(this.name);
    this.CONSUME(T.Equals);
    this.#operators = 0;
    const table = this.SUBRULE(this.list);
    const entries = table?.kind === "list" ? table.entries : [];
    return { kind: "codebook", name, entries, span: this.#from(start), broken: false };
  });

  readonly op: Rule<OpItem> = this.RULE("op", (): OpItem => {
    const start = this.#at(this.CONSUME(T.Op));
    const name = this.SUBRULE(this.name);
    const sizes: Name[] = [];
    const parameters: Parameter[] = [];
    const body: Statement[] = [];
    this.OPTION(() => {
      this.CONSUME(T.Less);
      this.MANY_SEP({ SEP: T.Comma, DEF: () => sizes.push(this.SUBRULE1(this.name)) });
      this.CONSUME(T.Greater);
    });
    this.CONSUME(T.LeftParen);
    this.MANY_SEP1({ SEP: T.Comma, DEF: () => parameters.push(this.SUBRULE(this.parameter)) });
    this.CONSUME(T.RightParen);
    this.CONSUME(T.Arrow);
    const result = this.SUBRULE(this.tensorType);
    this.CONSUME(T.LeftBrace);
    this.MANY(() => {
      this.#operators = 0;
      body.push(this.SUBRULE(this.statement));
    });
    this.CONSUME(T.RightBrace);
    return { kind: "op", name, sizes, parameters, result, body, span: this.#from(start), broken: false };
  });

  readonly parameter: Rule<Parameter> = this.RULE("parameter", (): Parameter => {
    const start = this.#at(this.LA(1));
    const name = this.SUBRULE(this.name);
    this.CONSUME(T.Colon);
    const type = this.SUBRULE(this.tensorType);
    return { name, type, span: this.#from(start) };
  });

  readonly tensorType: Rule<TensorType> = this.RULE("tensorType", (): TensorType => {
    const start = this.#at(this.LA(1));
    const format = this.SUBRULE(this.name);
    const shape: Expression[] = [];
    this.CONSUME(T.LeftBracket);
    this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => shape.push(this.SUBRULE(this.extent)) });
    this.CONSUME(T.RightBracket);
    return { format, shape, span: this.#from(start) };
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
    const start = this.#at(this.LA(1));
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
    return { kind, name, ...(indices === undefined ? {} : { indices }), value, span: this.#from(start) };
  });

  readonly schedule: Rule<ScheduleItem> = this.RULE("schedule", (): ScheduleItem => {
    const start = this.#at(this.CONSUME(T.Schedule));
    const name = this.SUBRULE(this.name);
    this.CONSUME(T.For);
    const target = this.SUBRULE(this.target);
    const directives: Directive[] = [];
    this.CONSUME(T.LeftBrace);
    this.MANY(() => {
      directives.push(this.SUBRULE(this.directive));
    });
    this.CONSUME(T.RightBrace);
    return { kind: "schedule", name, target, directives, span: this.#from(start), broken: false };
  });

  readonly target: Rule<Name> = this.RULE("target", (): Name => {
    const first = this.SUBRULE(this.name);
    let text = first?.text ?? "";
    this.MANY(() => {
      this.CONSUME(T.Dot);
      text += `.${this.OR([{ ALT: () => this.CONSUME(T.Identifier) }, { ALT: () => this.CONSUME(T.Numeral) }]).image}`;
    });
    return { text, span: this.#join(first) };
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
    const start = this.#at(this.CONSUME(T.Contract));
    const axes: Name[] = [];
    this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => axes.push(this.SUBRULE(this.name)) });
    this.CONSUME(T.With);
    const strategy = this.SUBRULE1(this.name);
    return { kind: "contract", axes, strategy, span: this.#from(start) };
  });

  readonly tile: Rule<Directive> = this.RULE("tile", (): Directive => {
    const start = this.#at(this.CONSUME(T.Tile));
    const tiles: { axis: Name; size: Expression }[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        const axis = this.SUBRULE(this.name);
        tiles.push({ axis, size: this.SUBRULE(this.numeral) });
      },
    });
    return { kind: "tile", tiles, span: this.#from(start) };
  });

  readonly stages: Rule<Directive> = this.RULE("stages", (): Directive => {
    const start = this.#at(this.CONSUME(T.Stages));
    const count = this.SUBRULE(this.numeral);
    return { kind: "stages", count, span: this.#from(start) };
  });

  readonly row: Rule<Directive> = this.RULE("row", (): Directive => {
    const start = this.#at(this.CONSUME(T.Row));
    const token = this.CONSUME(T.Text);
    const row = { text: token.image.slice(1, -1), span: this.#at(token) };
    return { kind: "row", row, span: this.#from(start) };
  });

  // A chain `a ? b : c ? d : e` is a loop, not a recursion: its depth is bounded by the operator count.
  readonly expression: Rule<Expression> = this.RULE(
    "expression",
    (): Expression => {
      const parts: Expression[] = [this.SUBRULE(this.binary)];
      this.MANY(() => {
        const kept = this.#counted(this.#at(this.CONSUME(T.Question)));
        const yes = this.SUBRULE(this.expression);
        this.CONSUME(T.Colon);
        const no = this.SUBRULE1(this.binary);
        if (kept) parts.push(yes, no);
      });
      return this.ACTION(() => foldConditional(parts));
    },
    { recoveryValueFunc: () => this.#missing() },
  );

  readonly binary: Rule<Expression> = this.RULE(
    "binary",
    (): Expression => {
      const first = this.SUBRULE(this.prefixed);
      const rest: Operation[] = [];
      this.MANY(() => {
        const token = this.SUBRULE(this.binaryOperator);
        const right = this.SUBRULE1(this.prefixed);
        this.ACTION(() => {
          const span = this.#at(token);
          if (this.#counted(span)) rest.push({ operator: token.image as BinaryOperator, span, right });
        });
      });
      return this.ACTION(() => this.#climb(first, rest));
    },
    { recoveryValueFunc: () => this.#missing() },
  );

  readonly binaryOperator: Rule<IToken> = this.RULE(
    "binaryOperator",
    (): IToken => this.OR<IToken>(this.#operatorAlternatives()),
  );

  readonly prefixed: Rule<Expression> = this.RULE(
    "prefixed",
    (): Expression => {
      const signs: Span[] = [];
      this.MANY(() => {
        const at = this.#at(this.CONSUME(T.Minus));
        if (this.#counted(at)) signs.push(at);
      });
      const of = this.SUBRULE(this.postfixed);
      return this.ACTION(() =>
        signs.reduceRight<Expression>((e, sign) => ({ kind: "negate", of: e, span: this.#from(sign, e.span) }), of),
      );
    },
    { recoveryValueFunc: () => this.#missing() },
  );

  readonly postfixed: Rule<Expression> = this.RULE(
    "postfixed",
    (): Expression => {
      let base = this.SUBRULE(this.primary);
      this.MANY(() => {
        const kept = this.#counted(this.#at(this.CONSUME(T.LeftBracket)));
        const indices = this.SUBRULE(this.operands);
        this.CONSUME(T.RightBracket);
        if (kept) base = { kind: "index", base, indices, span: this.#join(base) };
      });
      return base;
    },
    { recoveryValueFunc: () => this.#missing() },
  );

  // What stands beside each other does not add up: only the deepest branch counts against the operator limit.
  readonly operands: Rule<Expression[]> = this.RULE("operands", (): Expression[] => {
    const list: Expression[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        const before = this.#operators;
        list.push(this.SUBRULE(this.expression));
        this.#operators = before;
      },
    });
    return list;
  });

  readonly primary: Rule<Expression> = this.RULE(
    "primary",
    (): Expression =>
      this.OR<Expression>({
        DEF: [
          { ALT: () => this.SUBRULE(this.numeral) },
          { ALT: () => this.SUBRULE(this.sum) },
          { ALT: () => this.SUBRULE(this.call) },
          { ALT: () => nameExpression(this.SUBRULE(this.name)) },
          { ALT: () => this.SUBRULE(this.list) },
          { ALT: () => this.SUBRULE(this.parenthesised) },
        ],
        ERR_MSG: "an expression",
      }),
    { recoveryValueFunc: () => this.#missing() },
  );

  readonly parenthesised: Rule<Expression> = this.RULE(
    "parenthesised",
    (): Expression => {
      this.CONSUME(T.LeftParen);
      const inner = this.SUBRULE(this.expression);
      this.CONSUME(T.RightParen);
      return inner;
    },
    { recoveryValueFunc: () => this.#missing() },
  );

  readonly call: Rule<Expression> = this.RULE(
    "call",
    (): Expression => {
      const callee = this.SUBRULE(this.name);
      this.CONSUME(T.LeftParen);
      const args = this.SUBRULE(this.operands);
      this.CONSUME(T.RightParen);
      return { kind: "call", callee, args, span: this.#join(callee) };
    },
    { recoveryValueFunc: () => this.#missing() },
  );

  readonly sum: Rule<Expression> = this.RULE(
    "sum",
    (): Expression => {
      const start = this.#at(this.CONSUME(T.Sum));
      const over: Name[] = [];
      this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => over.push(this.SUBRULE(this.name)) });
      this.CONSUME(T.LeftBrace);
      const body = this.SUBRULE(this.expression);
      this.CONSUME(T.RightBrace);
      return { kind: "sum", over, body, span: this.#from(start) };
    },
    { recoveryValueFunc: () => this.#missing() },
  );

  readonly list: Rule<Expression> = this.RULE(
    "list",
    (): Expression => {
      const start = this.#at(this.CONSUME(T.LeftBracket));
      const entries: Expression[] = [];
      this.AT_LEAST_ONE_SEP({
        SEP: T.Comma,
        DEF: () => {
          const before = this.#operators;
          entries.push(this.SUBRULE(this.entry));
          this.#operators = before;
        },
      });
      this.CONSUME(T.RightBracket);
      return { kind: "list", entries, span: this.#from(start) };
    },
    { recoveryValueFunc: () => this.#missing() },
  );

  readonly entry: Rule<Expression> = this.RULE(
    "entry",
    (): Expression =>
      this.OR<Expression>({
        DEF: [
          { ALT: () => ({ kind: "hole", span: this.#at(this.CONSUME(T.Hole)) }) },
          { ALT: () => this.SUBRULE(this.expression) },
        ],
        ERR_MSG: "a number or `_`",
      }),
    { recoveryValueFunc: () => this.#missing() },
  );

  readonly numeral: Rule<Expression> = this.RULE(
    "numeral",
    (): Expression => {
      const token = this.CONSUME(T.Numeral);
      return { kind: "number", value: Number(token.image), text: token.image, span: this.#at(token) };
    },
    { recoveryValueFunc: () => this.#missing() },
  );

  readonly name: Rule<Name> = this.RULE(
    "name",
    (): Name => {
      const token = this.CONSUME(T.Identifier);
      return { text: token.image, span: this.#at(token) };
    },
    { recoveryValueFunc: () => ({ text: "", span: this.#missing().span }) },
  );

  #operatorAlternatives(): { ALT: () => IToken }[] {
    return BINARY_TOKENS.map((type, n) => ({ ALT: () => this.consume(n, type) }));
  }

  // The last token consumed ends the span; `start` may be a placeholder while the grammar is recorded.
  #join(start: Spanned): Span {
    return this.#from(start?.span ?? this.#at(this.LA(0)));
  }

  /** Builds the tree of `a op b op c …` by precedence; equal precedence associates to the left, comparisons not at all. */
  #climb(first: Expression, rest: readonly Operation[]): Expression {
    const values: Expression[] = [first];
    const pending: Operation[] = [];
    const reduce = (): void => {
      const right = values.pop()!;
      const left = values.pop()!;
      const { operator, span: operatorSpan } = pending.pop()!;
      values.push({ kind: "binary", operator, operatorSpan, left, right, span: this.#from(left.span, right.span) });
    };
    for (const operation of rest) {
      const level = PRECEDENCE[operation.operator];
      while (pending.length > 0 && PRECEDENCE[pending[pending.length - 1]!.operator] >= level) {
        if (level === 1 && PRECEDENCE[pending[pending.length - 1]!.operator] === 1)
          this.mistakes.push({ code: "syntax/comparison", span: operation.span });
        reduce();
      }
      pending.push(operation);
      values.push(operation.right);
    }
    while (pending.length > 0) reduce();
    return values[0]!;
  }
}

function nameExpression(name: Name): Expression {
  return { kind: "name", name: name?.text ?? "", span: name?.span };
}

/** [a, b, c, d, e] → a ? b : (c ? d : e). */
function foldConditional(parts: readonly Expression[]): Expression {
  let no = parts[parts.length - 1]!;
  for (let i = parts.length - 3; i >= 0; i -= 2) {
    const condition = parts[i]!;
    const span = { ...condition.span, end: no.span.end };
    no = { kind: "conditional", condition, yes: parts[i + 1]!, no, span };
  }
  return no;
}

/** Lexer and parser, made once: building the grammar's tables costs more than most files. */
const cache: { lexer?: Lexer; parser?: LoomParser } = {};
const lexer = (): Lexer => {
  cache.lexer ??= T.makeLexer();
  return cache.lexer;
};
const parser = (): LoomParser => {
  cache.parser ??= new LoomParser(false);
  return cache.parser;
};

/** A fresh parser with chevrotain's own checks of the grammar, for tests and for the grammar diagram. */
export function makeValidatedParser(): EmbeddedActionsParser {
  return new LoomParser(true);
}

/** A parsed file: its items in order, and its tokens and comments for the formatter. */
export interface ParsedFile {
  readonly items: readonly Item[];
  readonly tokens: readonly IToken[];
  readonly comments: readonly IToken[];
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
    return { items: [], tokens: [], comments: [] };
  }
  const { tokens, errors, groups } = lexer().tokenize(text);
  for (const error of errors.slice(0, MAX_ERRORS))
    reportCharacters(file, text, error.offset, error.length, diagnostics);
  const items = errors.length > MAX_ERRORS ? [] : parseChunks(file, tokens, diagnostics);
  const bad = errors.map((e) => e.offset);
  const checked = bad.length === 0 ? items : items.map((item) => withCharacterErrors(item, bad));
  return { items: checked, tokens, comments: groups.comments ?? [] };
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
function parseChunks(file: number, tokens: readonly IToken[], diagnostics: Diagnostics): Item[] {
  const starts = tokens.flatMap((token, i) => (T.ITEM_WORDS.includes(token.tokenType) ? [i] : []));
  const first = starts[0] ?? tokens.length;
  if (first > 0) reportStray(file, tokens[0]!, diagnostics);
  const items: Item[] = [];
  for (const [n, start] of starts.entries()) {
    const end = starts[n + 1] ?? tokens.length;
    const item = parseChunk(file, tokens.slice(start, end), tokens[end], diagnostics);
    if (item !== undefined) items.push(item);
    if (diagnostics.list.length > MAX_ERRORS) break;
  }
  return items;
}

function reportStray(file: number, token: IToken, diagnostics: Diagnostics): void {
  const span = spanOf(file, token);
  const word = nearest(token.image, ["format", "codebook", "op", "schedule"]);
  const fix = word === undefined ? undefined : { message: `did you mean \`${word}\`?`, span, text: word };
  const message = `expected \`format\`, \`codebook\`, \`op\` or \`schedule\`, found \`${token.image}\``;
  report(diagnostics, "syntax/item", span, message, [], fix);
}

function parseChunk(
  file: number,
  tokens: IToken[],
  next: IToken | undefined,
  diagnostics: Diagnostics,
): Item | undefined {
  const deep = tooDeep(tokens);
  if (deep !== undefined) {
    const message = `brackets and conditionals nest more than ${MAX_NESTING} deep`;
    report(diagnostics, "limit/nesting", spanOf(file, deep), message);
    return brokenItem(file, tokens);
  }
  const p = parser();
  p.file = file;
  p.mistakes.length = 0;
  const item = p.parseItem(tokens);
  const errors = p.errors.slice();
  for (const mistake of p.mistakes) reportMistake(mistake.code, mistake.span, diagnostics);
  const broken = errors.length > 0 || p.mistakes.length > 0;
  for (const error of errors.slice(0, 20)) reportSyntax(file, tokens, next, error, diagnostics);
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
  if (keyword.tokenType === T.Format) return { ...base, kind: "format", members: [] };
  if (keyword.tokenType === T.Codebook) return { ...base, kind: "codebook", entries: [] };
  if (keyword.tokenType === T.Schedule) return { ...base, kind: "schedule", target: name, directives: [] };
  const result: TensorType = { format: name, shape: [], span };
  return { ...base, kind: "op", sizes: [], parameters: [], result, body: [] };
}

function reportMistake(code: "syntax/comparison" | "limit/expression", span: Span, diagnostics: Diagnostics): void {
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

function reportSyntax(
  file: number,
  tokens: readonly IToken[],
  next: IToken | undefined,
  error: IRecognitionException,
  diagnostics: Diagnostics,
): void {
  const atEnd = error.token.tokenType === EOF || Number.isNaN(error.token.startOffset);
  const last = spanOf(file, tokens[tokens.length - 1]!);
  const span = atEnd ? { file, start: last.end - 1, end: last.end } : spanOf(file, error.token);
  const follows = next === undefined ? "the end of the file" : `\`${next.image}\``;
  const notes: Note[] = [];
  const open = atEnd ? unclosed(tokens) : undefined;
  if (open !== undefined)
    notes.push({ message: `\`${open.image}\` opened here is not closed`, span: spanOf(file, open) });
  const code = error.name === "NotAllInputParsedException" ? "syntax/unexpected" : "syntax/expected";
  const message = error.message.replace(END, follows);
  report(diagnostics, code, span, atEnd ? `${message} after this` : message, notes);
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
