/** The decode rules give the field's value, for every field of a word. */
import { describe, expect, it } from "vitest";
import { MAGIC_DECODE } from "../../backends/rules-decode.ts";
import { extract } from "../../compiler/lower/fields.ts";
import { compileExpr } from "../../ir/eval/expr.ts";
import { ExprBuilder } from "../../ir/expr.ts";
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
});
