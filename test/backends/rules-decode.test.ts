/** The decode rules give the field's value, for every field of a word. */
import { describe, expect, it } from "vitest";
import { MAGIC_DECODE, PAIR_DECODE, PAIR_MOVE } from "../../backends/rules-decode.ts";
import { extract } from "../../compiler/lower/fields.ts";
import { compileExpr } from "../../ir/eval/expr.ts";
import { ExprBuilder, type ExprId, type Op, operands } from "../../ir/expr.ts";
import { bitsToF16 } from "../../ir/float.ts";
import { rewriteExprs } from "../../ir/rewrite.ts";
import type { Scalar } from "../../ir/scalar.ts";

const WORDS = [0, 0xffffffff, 0x80000000, 0x7fffffff, 0x12345678, 0xdeadbeef, 0x0f1e2d3c, 0xa5a5a5a5];

/** The field by BigInt arithmetic: an independent transcription of what a code means. */
function fieldOf(word: number, low: number, width: number, signed: boolean): number {
  const bits = (BigInt(word) >> BigInt(low)) & ((1n << BigInt(width)) - 1n);
  return Number(signed ? BigInt.asIntN(width, bits) : bits);
}

describe("magic-decode", () => {
  const cases = [1, 2, 3, 4, 5, 6, 7, 8].flatMap((width) => [`i${width}`, `u${width}`] as Scalar[]);
  it.each(cases)("converts every %s of a word", (type) => {
    const width = Number(type.slice(1));
    for (let low = 0; low + width <= 32; low++) {
      const build = new ExprBuilder();
      const word = build.symbol("word", "u32");
      const value = build.cast(extract(build, word, build.constant(low), type), "f32");
      let fired = 0;
      const { build: made, map } = rewriteExprs(build.done(), [MAGIC_DECODE], () => fired++);
      expect(fired, `${type} at ${low}`).toBeGreaterThan(0);
      for (const w of WORDS) {
        const run = compileExpr(made.done(), map[value]!, { arithmetic: "typed", symbol: () => () => w });
        expect(run()).toBe(fieldOf(w, low, width, type.startsWith("i")));
      }
    }
  });

  it.each([-8, -1, 3, 100, 2 ** 21])("converts fields beside the constant %i", (add) => {
    const build = new ExprBuilder();
    const field = extract(build, build.symbol("word", "u32"), build.constant(9), "u5");
    const value = build.cast(build.op(add < 0 ? "sub" : "add", field, build.constant(Math.abs(add))), "f32");
    const { build: made, map } = rewriteExprs(build.done(), [MAGIC_DECODE]);
    expect(operators(made, map[value]!)).not.toContain("cast");
    for (const w of WORDS) {
      const run = compileExpr(made.done(), map[value]!, { arithmetic: "typed", symbol: () => () => w });
      expect(run()).toBe(fieldOf(w, 9, 5, false) + add);
    }
  });
});

/** The kinds of entry below an expression; for operators, their names. */
function operators(build: ExprBuilder, root: ExprId): readonly (Op | string)[] {
  const expr = build.get(root);
  return [expr.kind === "op" ? expr.op : expr.kind, ...operands(expr).flatMap((o) => operators(build, o))];
}

describe("pair-decode", () => {
  const rules = [MAGIC_DECODE, PAIR_DECODE, PAIR_MOVE];

  /** Two fields of a word as halves, rewritten; what their bits then are for each word. */
  function pairs(type: Scalar, low: number, high: number, add: number) {
    const build = new ExprBuilder();
    const word = build.symbol("word", "u32");
    const half = (at: number): ExprId => {
      const field = extract(build, word, build.constant(at), type);
      return build.cast(add === 0 ? field : build.add(field, build.constant(add)), "f32");
    };
    const value = build.op("packF16x2", half(low), half(high));
    const { build: made, map } = rewriteExprs(build.done(), rules);
    const run = (w: number) => compileExpr(made.done(), map[value]!, { arithmetic: "typed", symbol: () => () => w })();
    return { used: operators(made, map[value]!), run };
  }

  const types = [1, 2, 4, 8].flatMap((width) => [`i${width}`, `u${width}`] as Scalar[]);
  it.each(types)("converts two %s that lie 16 bits apart at once", (type) => {
    const [width, signed] = [Number(type.slice(1)), type.startsWith("i")];
    for (let low = 0; low + width <= 16; low += width)
      for (const add of [0, -(2 ** (width - 1)), -1, 7]) {
        const { used, run } = pairs(type, low, low + 16, add);
        expect(used, `${type} at ${low} ${add}`).toContain("subF16x2");
        expect(used).not.toContain("packF16x2");
        for (const w of WORDS) {
          expect(bitsToF16(run(w) & 0xffff)).toBe(fieldOf(w, low, width, signed) + add);
          expect(bitsToF16(run(w) >>> 16)).toBe(fieldOf(w, low + 16, width, signed) + add);
        }
      }
  });

  it("leaves fields that lie otherwise, or that halves cannot hold, one by one", () => {
    for (const [type, low, high, add] of [
      ["u4", 0, 4, 0],
      ["u4", 16, 0, 0],
      ["u12", 0, 16, 0],
      ["u4", 0, 16, 3000],
    ] as const) {
      const { used } = pairs(type, low, high, add);
      expect(used).toContain("packF16x2");
    }
  });

  it("moves stored halves as bits", () => {
    for (const [a, b] of [
      ["f16lo", "f16lo"],
      ["f16lo", "f16hi"],
      ["f16hi", "f16lo"],
      ["f16hi", "f16hi"],
    ] as const) {
      const build = new ExprBuilder();
      const [p, q] = [build.symbol("p", "u32"), build.symbol("q", "u32")];
      const value = build.op("packF16x2", build.op(a, p), build.op(b, q));
      const { build: made, map } = rewriteExprs(build.done(), [PAIR_MOVE]);
      expect(operators(made, map[value]!)).not.toContain("packF16x2");
      for (const w of WORDS) {
        const other = (w ^ 0x5a5a1234) >>> 0;
        const run = compileExpr(made.done(), map[value]!, {
          arithmetic: "typed",
          symbol: (name) => () => (name === "p" ? w : other),
        });
        const part = (word: number, which: string): number => (which === "f16lo" ? word & 0xffff : word >>> 16);
        expect(run() >>> 0).toBe(part(w, a) + part(other, b) * 65536);
      }
    }
  });
});
