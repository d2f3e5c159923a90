/** Grammar, part one: names, numbers and expressions. */
import { EmbeddedActionsParser, EOF, type IToken, type ParserMethod, type TokenType } from "chevrotain";
import type { Span } from "../../ir/diagnostics.ts";
import type { BinaryOperator, Expression, Name } from "./ast.ts";
import * as T from "./tokens.ts";

/** Most operators on the way from an expression to its deepest part: trees stay shallow enough to walk. */
export const MAX_OPERATORS = 1000;

export type Rule<R> = ParserMethod<[], R>;
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
export const END = "\u0000";

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

/** A mistake that the grammar itself allows. */
export interface Mistake {
  readonly code: "syntax/comparison" | "limit/expression";
  readonly span: Span;
}

/**
 * Expressions. Rules return tree nodes; while chevrotain records the grammar and while it recovers, tokens and
 * sub-rules may be placeholders without positions, so actions never look inside what they are given.
 */
export abstract class ExpressionGrammar extends EmbeddedActionsParser {
  /** Of the file being parsed. */
  file = 0;
  readonly mistakes: Mistake[] = [];
  /** Where the angle brackets stand that are no comparisons: around sizes, parameters and arguments. */
  readonly angles: number[] = [];
  #operators = 0;

  protected constructor(validate: boolean) {
    super([...T.TOKENS], {
      recoveryEnabled: true,
      maxLookahead: 2,
      nodeLocationTracking: "none",
      skipValidations: !validate,
      errorMessageProvider: messages,
    });
  }

  // A token that recovery made up has no offsets: it gets the empty place after the token before it.
  protected spanOf(token: IToken): Span {
    const start = Number.isNaN(token.startOffset) ? this.previousEnd() : token.startOffset;
    return { file: this.file, start, end: start + token.image.length };
  }

  protected previousEnd(): number {
    const last = this.LA(0);
    return last === undefined || Number.isNaN(last.startOffset) ? 0 : last.startOffset + last.image.length;
  }

  protected spanFrom(start: Span, end: Span | undefined = undefined): Span {
    const last = end ?? this.spanOf(this.LA(0));
    return { file: this.file, start: start.start, end: Math.max(start.start, last.end) };
  }

  protected missing(): Expression {
    const at = this.previousEnd();
    return { kind: "missing", span: { file: this.file, start: at, end: at } };
  }

  #counted(span: Span): boolean {
    this.#operators++;
    if (this.#operators === MAX_OPERATORS + 1) this.mistakes.push({ code: "limit/expression", span });
    return this.#operators <= MAX_OPERATORS;
  }
  protected angle(token: IToken): void {
    this.ACTION(() => this.angles.push(token.startOffset));
  }
  /** Called where a new expression may begin. */
  protected resetOperators(): void {
    this.#operators = 0;
  }

  // A chain `a ? b : c ? d : e` is a loop, not a recursion: its depth is bounded by the operator count.
  readonly expression: Rule<Expression> = this.RULE(
    "expression",
    (): Expression => {
      const parts: Expression[] = [this.SUBRULE(this.binary)];
      this.MANY(() => {
        const kept = this.#counted(this.spanOf(this.CONSUME(T.Question)));
        const yes = this.SUBRULE(this.expression);
        this.CONSUME(T.Colon);
        const no = this.SUBRULE1(this.binary);
        if (kept) parts.push(yes, no);
      });
      return this.ACTION(() => foldConditional(parts));
    },
    { recoveryValueFunc: () => this.missing() },
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
          const span = this.spanOf(token);
          if (this.#counted(span)) rest.push({ operator: token.image as BinaryOperator, span, right });
        });
      });
      return this.ACTION(() => this.#climb(first, rest));
    },
    { recoveryValueFunc: () => this.missing() },
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
        const at = this.spanOf(this.CONSUME(T.Minus));
        if (this.#counted(at)) signs.push(at);
      });
      const of = this.SUBRULE(this.postfixed);
      return this.ACTION(() =>
        signs.reduceRight<Expression>((e, sign) => ({ kind: "negate", of: e, span: this.spanFrom(sign, e.span) }), of),
      );
    },
    { recoveryValueFunc: () => this.missing() },
  );

  readonly postfixed: Rule<Expression> = this.RULE(
    "postfixed",
    (): Expression => {
      let base = this.SUBRULE(this.primary);
      this.MANY(() => {
        const kept = this.#counted(this.spanOf(this.CONSUME(T.LeftBracket)));
        const indices = this.SUBRULE(this.operands);
        this.CONSUME(T.RightBracket);
        if (kept) base = { kind: "index", base, indices, span: this.spanToHere(base) };
      });
      return base;
    },
    { recoveryValueFunc: () => this.missing() },
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
    { recoveryValueFunc: () => this.missing() },
  );

  readonly parenthesised: Rule<Expression> = this.RULE(
    "parenthesised",
    (): Expression => {
      this.CONSUME(T.LeftParen);
      const inner = this.SUBRULE(this.expression);
      this.CONSUME(T.RightParen);
      return inner;
    },
    { recoveryValueFunc: () => this.missing() },
  );

  readonly call: Rule<Expression> = this.RULE(
    "call",
    (): Expression => {
      const callee = this.SUBRULE(this.name);
      this.CONSUME(T.LeftParen);
      const args = this.SUBRULE(this.operands);
      this.CONSUME(T.RightParen);
      return { kind: "call", callee, args, span: this.spanToHere(callee) };
    },
    { recoveryValueFunc: () => this.missing() },
  );

  readonly sum: Rule<Expression> = this.RULE(
    "sum",
    (): Expression => {
      const start = this.spanOf(this.CONSUME(T.Sum));
      const over: Name[] = [];
      this.AT_LEAST_ONE_SEP({ SEP: T.Comma, DEF: () => over.push(this.SUBRULE(this.name)) });
      const bound = this.OPTION(() => {
        this.CONSUME(T.Less);
        return this.SUBRULE(this.argument);
      });
      this.CONSUME(T.LeftBrace);
      const body = this.SUBRULE(this.expression);
      this.CONSUME(T.RightBrace);
      return { kind: "sum", over, ...(bound && { bound }), body, span: this.spanFrom(start) };
    },
    { recoveryValueFunc: () => this.missing() },
  );

  // Comparisons are not meant where a constant stands, so whatever is more than a number or a name has parentheses.
  readonly argument: Rule<Expression> = this.RULE(
    "argument",
    (): Expression =>
      this.OR<Expression>({
        DEF: [
          { ALT: () => this.SUBRULE(this.numeral) },
          { ALT: () => nameExpression(this.SUBRULE(this.name)) },
          { ALT: () => this.SUBRULE(this.parenthesised) },
        ],
        ERR_MSG: "a number",
      }),
  );

  readonly list: Rule<Expression> = this.RULE(
    "list",
    (): Expression => {
      const start = this.spanOf(this.CONSUME(T.LeftBracket));
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
      return { kind: "list", entries, span: this.spanFrom(start) };
    },
    { recoveryValueFunc: () => this.missing() },
  );

  readonly entry: Rule<Expression> = this.RULE(
    "entry",
    (): Expression =>
      this.OR<Expression>({
        DEF: [
          { ALT: () => ({ kind: "hole", span: this.spanOf(this.CONSUME(T.Hole)) }) },
          { ALT: () => this.SUBRULE(this.expression) },
        ],
        ERR_MSG: "a number or `_`",
      }),
    { recoveryValueFunc: () => this.missing() },
  );

  readonly numeral: Rule<Expression> = this.RULE(
    "numeral",
    (): Expression => {
      const token = this.CONSUME(T.Numeral);
      return { kind: "number", value: Number(token.image), text: token.image, span: this.spanOf(token) };
    },
    { recoveryValueFunc: () => this.missing() },
  );

  readonly name: Rule<Name> = this.RULE(
    "name",
    (): Name => {
      const token = this.CONSUME(T.Identifier);
      return { text: token.image, span: this.spanOf(token) };
    },
    { recoveryValueFunc: () => ({ text: "", span: this.missing().span }) },
  );

  #operatorAlternatives(): { ALT: () => IToken }[] {
    return BINARY_TOKENS.map((type, n) => ({ ALT: () => this.consume(n, type) }));
  }

  // The last token consumed ends the span; `start` may be a placeholder while the grammar is recorded.
  protected spanToHere(start: Spanned): Span {
    return this.spanFrom(start?.span ?? this.spanOf(this.LA(0)));
  }

  /** Builds the tree of `a op b op c …` by precedence; equal precedence associates to the left, comparisons not at all. */
  #climb(first: Expression, rest: readonly Operation[]): Expression {
    const values: Expression[] = [first];
    const pending: Operation[] = [];
    const reduce = (): void => {
      const right = values.pop()!;
      const left = values.pop()!;
      const { operator, span: operatorSpan } = pending.pop()!;
      values.push({ kind: "binary", operator, operatorSpan, left, right, span: this.spanFrom(left.span, right.span) });
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

export function nameExpression(name: Name): Expression {
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
