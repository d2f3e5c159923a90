/** Legalisation rules: the value before and after, on random and adversarial inputs, against exact arithmetic. */
import { describe, expect, it } from "vitest";
import { TARGETS } from "../../backends/index.ts";
import { compileExpr } from "../../ir/eval/expr.ts";
import { roundQuotient } from "../../ir/eval/scalar.ts";
import { ExprBuilder, type ExprId, type Exprs, type Table } from "../../ir/expr.ts";
import { type Rule, rewriteExprs } from "../../ir/rewrite.ts";
import type { Scalar } from "../../ir/scalar.ts";
import { words } from "./kernels.ts";
import { exactRoundQuotient, hardQuotients } from "./quotients.ts";

const rules = new Map(TARGETS.flatMap((t) => t.rules).map((r) => [r.name, r]));

function rule(name: string): Rule {
  const found = rules.get(name);
  if (found === undefined) throw new Error(`no rule ${name}`);
  return found;
}

/** One expression over symbols, rewritten by one rule, as a function of the symbols' values. */
function rewritten(
  name: string,
  symbols: Readonly<Record<string, Scalar>>,
  make: (b: ExprBuilder, s: Readonly<Record<string, ExprId>>) => ExprId,
  tables: readonly Table[] = [],
): (values: Readonly<Record<string, number>>) => number {
  const b = new ExprBuilder();
  const made = Object.entries(symbols).map(([key, type]) => [key, b.symbol(key, type)] as const);
  const root = make(b, Object.fromEntries(made));
  const fired = new Set<string>();
  const { build, map } = rewriteExprs(b.done(), [rule(name)], (r) => fired.add(r.name));
  expect(fired, "the rule applies").toContain(name);
  return evaluator(build.done(), map[root]!, tables);
}

function evaluator(exprs: Exprs, root: ExprId, tables: readonly Table[]) {
  const current: Record<string, number> = {};
  const run = compileExpr(exprs, root, {
    arithmetic: "typed",
    symbol: (key) => () => current[key]!,
    table: (key) => tables.find((t) => t.name === key),
  });
  return (values: Readonly<Record<string, number>>): number => {
    Object.assign(current, values);
    return run();
  };
}

const hardPairs = hardQuotients(30_000, 21);

describe("the hard quotients", () => {
  it("contain ties, neighbours of ties and large quotients, all of them floats", () => {
    const halves = hardPairs.filter(([a, b]) => Math.abs((Math.abs(a / b) % 1) - 0.5) < 2 ** -12);
    expect(halves.length).toBeGreaterThan(3000);
    expect(hardPairs.some(([a, b]) => Math.abs(a / b) > 2 ** 13)).toBe(true);
    for (const [a, b] of hardPairs) expect([Math.fround(a), Math.fround(b)]).toEqual([a, b]);
  });

  it("are rounded alike by the evaluator and by integers", () => {
    for (const [a, b] of hardPairs) expect(roundQuotient(a, b) + 0).toBe(exactRoundQuotient(a, b) + 0);
  });
});

describe("rules", () => {
  const random = words(4000, 22);

  it("expand-dot4 adds four signed byte products", () => {
    const of = rewritten("expand-dot4", { a: "u32", b: "u32", c: "i32" }, (b, s) => b.op("dot4", s.a!, s.b!, s.c!));
    for (let i = 0; i + 2 < random.length; i += 3) {
      const [a, b, c] = [random[i]!, random[i + 1]!, random[i + 2]! | 0];
      const [p, q] = [new Int8Array(Uint32Array.of(a).buffer), new Int8Array(Uint32Array.of(b).buffer)];
      expect(of({ a, b, c })).toBe((c + p.reduce((sum, v, j) => sum + v * q[j]!, 0)) | 0);
    }
  });

  it("multiply-add adds a product of unknown integers at once, and leaves places in memory alone", () => {
    const of = rewritten("multiply-add", { a: "i32", b: "i32", c: "i32" }, (b, s) => b.add(s.c!, b.mul(s.a!, s.b!)));
    for (let i = 0; i + 2 < random.length; i += 3) {
      const [a, b, c] = [random[i]! | 0, random[i + 1]! | 0, random[i + 2]! | 0];
      expect(of({ a, b, c })).toBe(Number(BigInt.asIntN(32, BigInt(a) * BigInt(b) + BigInt(c))));
    }
    const build = new ExprBuilder();
    const place = build.add(build.symbol("lane", "i32"), build.mul(build.symbol("row", "i32"), build.constant(96)));
    const { map } = rewriteExprs(build.done(), [rule("multiply-add")]);
    expect(map[place]).toBe(place);
  });

  it("mask-shift-count takes counts modulo 32", () => {
    for (const op of ["shl", "shr"] as const) {
      const of = rewritten("mask-shift-count", { a: "i32", n: "u32" }, (b, s) => b.op(op, s.a!, s.n!));
      for (let n = 0; n < 100; n++) {
        const a = random[n]! | 0;
        expect(of({ a, n })).toBe(op === "shl" ? a << n : a >> n);
      }
    }
  });

  it("mask-shift-count leaves counts alone that cannot reach the width", () => {
    const b = new ExprBuilder();
    const value = b.symbol("v", "u32");
    const bounded = b.symbol("n", "u32", [0, 31]);
    const masked = b.op("and", b.symbol("free", "u32"), b.constant(31, "u32"));
    for (const count of [b.constant(7, "u32"), bounded, masked]) b.op("shr", value, count);
    const fired: string[] = [];
    rewriteExprs(b.done(), [rule("mask-shift-count")], (r) => fired.push(r.name));
    expect(fired).toEqual([]);
  });

  it("index-by-remainder finds the same entry", () => {
    const table: Table = { name: "t", type: "i32", values: Array.from({ length: 16 }, (_, i) => 3 * i + 1) };
    const of = rewritten(
      "index-by-remainder",
      { w: "u32" },
      (b, s) => b.table(table, b.op("and", s.w!, b.constant(15, "u32"))),
      [table],
    );
    for (const w of random) expect(of({ w })).toBe(3 * (w & 15) + 1);
  });
});
