/** Random layouts, a reading of layouts as written on paper, and an evaluator of printed expressions, for the layout tests. */
import fc from "fast-check";
import type { Exprs, Table } from "../../ir/expr.ts";
import type { Axis, Extents, Layout, Term } from "../../ir/layout/layout.ts";

export type Env = Readonly<Record<string, number>>;

/** Every point of a box, last axis fastest. */
export function points(extents: Extents): Env[] {
  return Object.entries(extents).reduce<Env[]>(
    (all, [axis, extent]) =>
      all.flatMap((point) => Array.from({ length: extent }, (_, x) => ({ ...point, [axis]: x }))),
    [{}],
  );
}

/** The values of integer expressions, by the definitions in ir/expr.ts (bigint, so that nothing rounds). */
export function evaluate(exprs: Exprs, root: number, env: Env, tables: readonly Table[] = []): number {
  const values: bigint[] = [];
  for (const [id, expr] of exprs.exprs.entries()) {
    if (id > root) break;
    const arg = (i: number): bigint => (expr.kind === "op" ? values[expr.args[i]!]! : 0n);
    values.push(
      (() => {
        switch (expr.kind) {
          case "const":
            return BigInt(expr.value);
          case "symbol":
            return BigInt(env[expr.name] ?? Number.NaN);
          case "table": {
            const table = tables.find((t) => t.name === expr.table);
            return BigInt(table?.values[Number(values[expr.index])] ?? Number.NaN);
          }
          case "op":
            switch (expr.op) {
              case "add":
                return arg(0) + arg(1);
              case "mul":
                return arg(0) * arg(1);
              case "div":
                return arg(0) / arg(1);
              case "mod":
                return arg(0) % arg(1);
              case "xor":
                return arg(0) ^ arg(1);
              default:
                throw new Error(`operator ${expr.op} in an index`);
            }
          default:
            throw new Error(`${expr.kind} in an index`);
        }
      })(),
    );
  }
  return Number(values[root]);
}

const AXES = ["p", "q", "r"] as const;

/** Any strided layout: sizes and strides without structure, several outputs, sometimes a base. */
export const anyStrided: fc.Arbitrary<Extract<Layout, { kind: "strided" }>> = fc
  .record({
    extents: fc.array(fc.integer({ min: 1, max: 13 }), { minLength: 1, maxLength: 3 }),
    terms: fc.array(
      fc.record({
        from: fc.nat(2),
        div: fc.integer({ min: 1, max: 6 }),
        size: fc.integer({ min: 1, max: 8 }),
        to: fc.constantFrom("x", "y"),
        stride: fc.integer({ min: 0, max: 40 }),
      }),
      { maxLength: 6 },
    ),
    base: fc.nat(9),
  })
  .map(({ extents, terms, base }) => {
    const from = Object.fromEntries(extents.map((extent, i) => [AXES[i]!, extent]));
    const used = terms.map((t): Term => ({ ...t, from: AXES[t.from % extents.length]! }));
    return { kind: "strided", from, to: { x: 4096, y: 4096 }, terms: used, base: { x: base } };
  });

/** A mixed radix permutation: the digits of a box in another order, as one or two outputs. */
export const mixedRadix: fc.Arbitrary<Extract<Layout, { kind: "strided" }>> = fc
  .record({
    digits: fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 2, max: 5 })), { minLength: 1, maxLength: 6 }),
    order: fc.infiniteStream(fc.nat(1000)),
    pads: fc.infiniteStream(fc.constantFrom(0, 0, 0, 1, 3)),
    outputs: fc.integer({ min: 1, max: 2 }),
    base: fc.constantFrom(0, 0, 5),
  })
  .map(({ digits, order, pads, outputs, base }) => {
    const extents: Record<Axis, number> = {};
    const parts = digits.map(([axis, size]) => {
      const from = AXES[axis]!;
      const div = extents[from] ?? 1;
      extents[from] = div * size;
      return { from, div, size, key: order.next().value as number };
    });
    const strides: Record<string, number> = {};
    const terms = parts
      .toSorted((a, b) => a.key - b.key)
      .map(({ key, ...part }): Term => {
        const to = key % outputs === 0 ? "x" : "y";
        const stride = strides[to] ?? 1;
        strides[to] = stride * part.size + (pads.next().value as number);
        return { ...part, to, stride };
      });
    const to = Object.fromEntries(Object.entries(strides).map(([axis, extent]) => [axis, extent + base]));
    return {
      kind: "strided",
      from: extents,
      to,
      terms,
      base: Object.fromEntries(Object.keys(to).map((axis) => [axis, base])),
    };
  });

/** An invertible matrix over GF(2) of n bits, as a product of random elementary operations on the identity. */
export function invertibleColumns(n: number): fc.Arbitrary<number[]> {
  return fc.array(fc.tuple(fc.nat(n - 1), fc.nat(n - 1)), { minLength: 0, maxLength: 3 * n }).map((steps) => {
    const columns = Array.from({ length: n }, (_, i) => 2 ** i);
    for (const [i, j] of steps) if (i !== j) columns[i]! ^= columns[j]!;
    return columns;
  });
}

/** A tile of memory behind a random swizzle. */
export const swizzled: fc.Arbitrary<Layout> = fc
  .record({ rows: fc.integer({ min: 1, max: 9 }), columns: invertibleColumns(6) })
  .map(({ rows, columns }) => ({
    kind: "chain",
    parts: [
      {
        kind: "strided",
        from: { n: rows, k: 8, bit: 8 },
        to: { address: rows * 64 },
        terms: [
          { from: "n", div: 1, size: rows, to: "address", stride: 64 },
          { from: "k", div: 1, size: 8, to: "address", stride: 8 },
          { from: "bit", div: 1, size: 8, to: "address", stride: 1 },
        ],
      },
      { kind: "xor", from: { address: rows * 64 }, axis: "address", columns },
    ],
  }));

/** A random permutation of a small box, as a table. */
export const permutationTable: fc.Arbitrary<Layout> = fc
  .shuffledSubarray(
    Array.from({ length: 24 }, (_, i) => i),
    { minLength: 24, maxLength: 24 },
  )
  .map((map) => ({ kind: "table", from: { p: 4, q: 6 }, to: { x: 3, y: 8 }, map }));

/** One of each form. */
export const anyLayout: fc.Arbitrary<Layout> = fc.oneof(anyStrided, mixedRadix, swizzled, permutationTable);

/** Injective layouts of every form. */
export const injective: fc.Arbitrary<Layout> = fc.oneof(mixedRadix, swizzled, permutationTable);
