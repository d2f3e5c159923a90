/** Index arithmetic that the builder simplifies, against the same arithmetic on numbers. */
import { expect, it } from "vitest";
import { compileExpr } from "../../ir/eval/expr.ts";
import { ExprBuilder, type ExprId } from "../../ir/expr.ts";
import { random } from "../passes/support.ts";

const OPS = ["div", "mod", "lt", "le", "gt", "ge", "eq"] as const;
type Side = (i: number, j: number) => number;

const MEANING: Readonly<Record<(typeof OPS)[number], (x: number, c: number) => number>> = {
  div: (x, c) => Math.floor(x / c),
  mod: (x, c) => x % c,
  lt: (x, c) => Number(x < c),
  le: (x, c) => Number(x <= c),
  gt: (x, c) => Number(x > c),
  ge: (x, c) => Number(x >= c),
  eq: (x, c) => Number(x === c),
};

/** Sums of products of two indices below 6 and 9, with constants, as an expression and as a function. */
function randomSum(build: ExprBuilder, next: () => number): readonly [ExprId, Side] {
  const int = (n: number): number => Math.floor(next() * n);
  const factors = [1, 2, 3, 4, 8, 12, 16, 32];
  const [p, q, r] = [factors[int(8)]!, factors[int(8)]!, int(40)];
  const [i, j] = [build.symbol("i", "i32", [0, 5]), build.symbol("j", "i32", [0, 8])];
  const scaled = build.add(build.mul(i, build.constant(p)), build.mul(j, build.constant(q)));
  return [build.add(scaled, build.constant(r)), (x, y) => x * p + y * q + r];
}

it("quotients, remainders and comparisons with constants keep their value", () => {
  const next = random(7);
  for (let n = 0; n < 150; n++) {
    const build = new ExprBuilder();
    const [sum, side] = randomSum(build, next);
    const c = 1 + Math.floor(next() * 200);
    for (const op of OPS) {
      const id = build.op(op, sum, build.constant(c));
      const at = { i: 0, j: 0 };
      const value = compileExpr(build.done(), id, {
        arithmetic: "typed",
        symbol: (name) => () => at[name as "i" | "j"],
        input: () => () => 0,
      });
      const wrong: string[] = [];
      for (at.i = 0; at.i < 6; at.i++)
        for (at.j = 0; at.j < 9; at.j++)
          if (value() !== MEANING[op](side(at.i, at.j), c)) wrong.push(`${op} ${c} at ${at.i} ${at.j}`);
      expect(wrong).toEqual([]);
    }
  }
});

it("neighbours of one vector share a test of where it ends", () => {
  const build = new ExprBuilder();
  const lane = build.symbol("lane", "i32", [0, 31]);
  const at = (n: number): ExprId => build.add(build.mul(lane, build.constant(32)), build.constant(n));
  const tests = Array.from({ length: 32 }, (_, n) => build.op("lt", at(n), build.constant(128)));
  expect(new Set(tests).size).toBe(1);
  expect(new Set([0, 1, 2].map((n) => build.op("lt", at(n), build.constant(65)))).size).toBe(2);
});
