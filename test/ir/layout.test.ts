/** Layouts: applying, compiling, printing, composing, inverting and comparing agree with each other and with paper. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExprBuilder, type Table } from "../../ir/expr.ts";
import { apply, compile, compileAddress, enumerate, linearIndex } from "../../ir/layout/apply.ts";
import { fromOf, type Point, toOf, volume } from "../../ir/layout/basic.ts";
import { identity, inWords, splitAxis, strided, swizzle, tabulate, term } from "../../ir/layout/build.ts";
import { equal, invert, isBijective, isInjective } from "../../ir/layout/invert.ts";
import type { Layout } from "../../ir/layout/layout.ts";
import { applyMatrix, classify, rank } from "../../ir/layout/linear.ts";
import { compose, isIdentity, simplify } from "../../ir/layout/normal.ts";
import { print } from "../../ir/layout/print.ts";
import { product, rename, restrict, swap } from "../../ir/layout/transform.ts";
import { anyLayout, anyStrided, evaluate, injective, invertibleColumns, mixedRadix, points } from "./layout-support.ts";

/** The definition, term by term. */
function onPaper(layout: Extract<Layout, { kind: "strided" }>, point: Point): Point {
  return Object.fromEntries(
    Object.keys(layout.to).map((axis) => [
      axis,
      layout.terms
        .filter((t) => t.to === axis)
        .reduce((sum, t) => sum + t.stride * (Math.floor(point[t.from]! / t.div) % t.size), layout.base?.[axis] ?? 0),
    ]),
  );
}

describe("apply", () => {
  it("follows the definition, also after simplification and when compiled", () => {
    fc.assert(
      fc.property(anyStrided, (layout) => {
        const { inputs, outputs, run } = compile(layout);
        const simple = simplify(layout);
        const out: number[] = [];
        for (const point of points(layout.from)) {
          const expected = onPaper(layout, point);
          expect(apply(layout, point)).toEqual(expected);
          expect(apply(simple, point)).toEqual(expected);
          run(
            inputs.map((axis) => point[axis]!),
            out,
          );
          expect(Object.fromEntries(outputs.map((axis, i) => [axis, out[i]]))).toEqual(expected);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("lets axes pass that the layout does not read", () => {
    const layout = strided({ k: 8 }, { word: 4 }, [term("k", 2, 4, "word", 1)]);
    expect(apply(layout, { k: 5, bit: 3 })).toEqual({ word: 2, bit: 3 });
  });

  it("wraps sliding windows", () => {
    const window = strided(
      { t: 8, bit: 4 },
      { address: 16 },
      [term("t", 1, 8, "address", 2), term("bit", 1, 4, "address", 1)],
      undefined,
      { address: 16 },
    );
    expect(apply(window, { t: 7, bit: 3 })).toEqual({ address: 1 });
    expect(compileAddress(window, ["t", "bit"])(7, 3)).toBe(1);
    expect(isInjective(window)).toBe(false);
    expect(invert(window)).toBeUndefined();
  });

  it("compiles addresses for up to five axes", () => {
    const extents = { a: 3, b: 4, c: 5, d: 2, e: 7 };
    for (let count = 1; count <= 5; count++) {
      const box = Object.fromEntries(Object.entries(extents).slice(0, count));
      const layout = strided(
        box,
        { address: 5000 },
        Object.entries(box).map(([axis, size], i) => term(axis, 1, size, "address", 7 ** i)),
        { address: 11 },
      );
      const address = compileAddress(layout, Object.keys(box));
      for (const point of points(box)) expect(address(...Object.values(point))).toBe(apply(layout, point).address);
    }
  });

  it("enumerates every form in linear order", () => {
    fc.assert(
      fc.property(anyLayout, (layout) => {
        const images = enumerate(layout);
        const to = toOf(layout);
        expect([...images]).toEqual(points(fromOf(layout)).map((point) => linearIndex(to, apply(layout, point))));
      }),
      { numRuns: 60 },
    );
  });

  it("refuses a hidden layout as our own bug", () => {
    const hidden: Layout = { kind: "opaque", name: "secret", from: { lane: 32 }, to: { m: 8, k: 8 } };
    expect(() => apply(hidden, { lane: 0 })).toThrow("internal: layout secret is opaque");
    expect(isInjective(hidden)).toBeUndefined();
    expect(invert(hidden)).toBeUndefined();
  });
});

describe("compose", () => {
  it("is one function after the other", () => {
    const inner = fc.oneof(anyStrided, mixedRadix).map((layout) => rename({ ...layout, to: { x: 4096, y: 4096 } }, {}));
    const outer = fc.oneof(anyStrided, mixedRadix).map((layout) => ({
      ...rename(layout, { p: "x", q: "y", r: "z", x: "u", y: "v" }),
    }));
    fc.assert(
      fc.property(inner, outer, (a, b) => {
        // The outer box must hold the inner images, or the composition has no meaning.
        const wide =
          b.kind === "strided"
            ? {
                ...b,
                from: { ...b.from, ...("x" in b.from ? { x: 4096 } : {}), ...("y" in b.from ? { y: 4096 } : {}) },
              }
            : b;
        const both = compose(a, wide);
        for (const point of points(fromOf(both)).slice(0, 400))
          expect(apply(both, point)).toEqual(apply(wide, apply(a, point)));
      }),
      { numRuns: 120 },
    );
  });

  it("collapses what is provable: tiles of tiles, words of codes", () => {
    const codes = strided({ n: 6, k: 64, bit: 4 }, { address: 1536 }, [
      term("n", 1, 6, "address", 256),
      term("k", 1, 64, "address", 4),
      term("bit", 1, 4, "address", 1),
    ]);
    expect(inWords(codes)).toEqual(
      strided({ n: 6, k: 64, bit: 4 }, { word: 48, shift: 32 }, [
        term("n", 1, 6, "word", 8),
        term("k", 8, 8, "word", 1),
        term("k", 1, 8, "shift", 4),
        term("bit", 1, 4, "shift", 1),
      ]),
    );
  });

  it("keeps a chain where a code straddles words", () => {
    const codes = strided({ k: 32, bit: 3 }, { address: 96 }, [
      term("k", 1, 32, "address", 3),
      term("bit", 1, 3, "address", 1),
    ]);
    const words = inWords(codes);
    expect(words.kind).toBe("chain");
    expect(apply(words, { k: 10, bit: 1 })).toEqual({ word: 0, shift: 31 });
    expect(apply(words, { k: 10, bit: 2 })).toEqual({ word: 1, shift: 0 });
  });

  it("reports an axis read twice as our own bug", () => {
    const a = strided({ k: 4 }, { w: 4 }, [term("k", 1, 4, "w", 1)]);
    const b = strided({ w: 4, k: 4 }, { z: 16 }, [term("w", 1, 4, "z", 4), term("k", 1, 4, "z", 1)]);
    expect(() => compose(a, b)).toThrow("reads axis k twice");
  });
});

describe("print", () => {
  it("agrees with apply at every point, with and without known ranges", () => {
    fc.assert(
      fc.property(anyLayout, fc.boolean(), (layout, ranged) => {
        const build = new ExprBuilder();
        const tables: Table[] = [];
        const from = fromOf(layout);
        const inputs = Object.fromEntries(
          Object.entries(from).map(([axis, extent]) => [
            axis,
            build.symbol(axis, "i32", ranged ? [0, extent - 1] : undefined),
          ]),
        );
        const out = print(layout, build, inputs, tables);
        const all = points(from);
        for (let i = 0; i < Math.min(all.length, 40); i++) {
          const point = all[(i * 7919) % all.length]!;
          const got = Object.fromEntries(
            Object.entries(out).map(([axis, id]) => [axis, evaluate(build, id, point, tables)]),
          );
          expect(got).toEqual(apply(layout, point));
        }
      }),
      { numRuns: 120 },
    );
  });

  it("folds constant inputs and drops what ranges make idle", () => {
    const build = new ExprBuilder();
    const lane = build.symbol("lane", "i32", [0, 31]);
    const layout = strided({ lane: 32, reg: 4 }, { m: 16 }, [term("lane", 4, 8, "m", 1), term("reg", 1, 2, "m", 8)]);
    const { m } = print(layout, build, { lane, reg: build.constant(3) });
    expect(m).toBe(build.add(build.op("div", lane, build.constant(4)), build.constant(8)));
    const swizzled: Layout = { kind: "xor", from: { address: 64 }, axis: "address", columns: [1, 2, 4, 9, 18, 36] };
    expect(build.get(print(swizzled, build, { address: build.constant(8) }).address!)).toMatchObject({
      kind: "const",
      value: 9,
    });
  });

  it("writes a swizzle as one xor of one shifted field", () => {
    const build = new ExprBuilder();
    const o = build.symbol("o", "i32", [0, 1023]);
    const columns = Array.from({ length: 10 }, (_, i) => (i >= 7 ? 2 ** i + 2 ** (i - 3) : 2 ** i));
    const { address } = print({ kind: "xor", from: { address: 1024 }, axis: "address", columns }, build, {
      address: o,
    });
    const field = build.mul(build.op("div", o, build.constant(128)), build.constant(16));
    expect(address).toBe(build.op("xor", o, field));
    expect(build.rangeOf(address!)).toEqual([0, 1023]);
  });
});

describe("invert", () => {
  it("undoes every injective form", () => {
    fc.assert(
      fc.property(injective, (layout) => {
        const inverse = invert(layout);
        expect(isInjective(layout)).toBe(true);
        expect(inverse).toBeDefined();
        for (const point of points(fromOf(layout))) expect(apply(inverse!, apply(layout, point))).toEqual(point);
        const both = compose(layout, inverse!);
        expect(equal(both, identity(fromOf(layout)))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it("swaps places and strides of a mixed radix permutation", () => {
    const layout = strided({ k: 32 }, { address: 32 }, [
      term("k", 1, 16, "address", 2),
      term("k", 16, 2, "address", 1),
    ]);
    expect(invert(layout)).toEqual(
      strided({ address: 32 }, { k: 32 }, [term("address", 2, 16, "k", 1), term("address", 1, 2, "k", 16)]),
    );
  });

  it("handles any invertible matrix over GF(2)", () => {
    fc.assert(
      fc.property(invertibleColumns(9), (columns) => {
        const layout: Layout = { kind: "xor", from: { address: 512 }, axis: "address", columns };
        expect(isBijective(layout)).toBe(true);
        for (let address = 0; address < 512; address += 3)
          expect(apply(invert(layout)!, apply(layout, { address }))).toEqual({ address });
      }),
      { numRuns: 40 },
    );
  });

  it("tells injective from not, like counting does", () => {
    fc.assert(
      fc.property(anyStrided, (layout) => {
        const images = new Set(points(layout.from).map((point) => JSON.stringify(apply(layout, point))));
        expect(isInjective(layout)).toBe(images.size === volume(layout.from));
      }),
      { numRuns: 150 },
    );
  });

  it("needs no enumeration for large memories", () => {
    const layout = strided({ n: 32000, k: 11008, bit: 3 }, { address: 32000 * 33024 }, [
      term("n", 1, 32000, "address", 33024),
      term("k", 1, 11008, "address", 3),
      term("bit", 1, 3, "address", 1),
    ]);
    expect(isBijective(layout)).toBe(true);
    const point = { n: 31999, k: 4321, bit: 2 };
    expect(apply(invert(layout)!, apply(layout, point))).toEqual(point);
  });
});

describe("equal", () => {
  it("sees one function through several writings", () => {
    fc.assert(
      fc.property(anyLayout, (layout) => {
        const table = tabulate(fromOf(layout), toOf(layout), (point) => apply(layout, point));
        expect(equal(layout, table)).toBe(true);
        expect(equal(simplify(layout), layout)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("compares large strided layouts exactly", () => {
    const split = {
      ...strided({ k: 2 ** 21 }, { address: 2 ** 23 }, []),
      terms: [term("k", 1, 64, "address", 4), term("k", 64, 2 ** 15, "address", 256)],
    };
    const whole = strided({ k: 2 ** 21 }, { address: 2 ** 23 }, [term("k", 1, 2 ** 21, "address", 4)]);
    expect(equal(split, whole)).toBe(true);
    expect(equal({ ...split, terms: [split.terms[0]!, term("k", 64, 2 ** 15, "address", 260)] }, whole)).toBe(false);
    expect(equal(whole, rename(whole, { k: "j" }))).toBe(false);
  });

  it("finds one changed entry", () => {
    const layout = strided({ p: 8, q: 8 }, { x: 64 }, [term("p", 1, 8, "x", 8), term("q", 1, 8, "x", 1)]);
    const changed = tabulate({ p: 8, q: 8 }, { x: 64 }, ({ p, q }) => ({ x: p === 7 && q === 7 ? 62 : 8 * p! + q! }));
    expect(equal(layout, changed)).toBe(false);
  });
});

describe("transforms", () => {
  it("restrict is the layout at shifted coordinates", () => {
    fc.assert(
      fc.property(anyStrided, fc.nat(5), fc.integer({ min: 1, max: 5 }), (layout, first, size) => {
        const origin = Object.fromEntries(
          Object.entries(layout.from).map(([axis, e]) => [axis, Math.min(first, e - 1)]),
        );
        const extents = Object.fromEntries(
          Object.entries(layout.from).map(([axis, e]) => [axis, Math.min(size, e - origin[axis]!)]),
        );
        const tile = restrict(layout, origin, extents);
        for (const point of points(extents)) {
          const there = Object.fromEntries(Object.entries(point).map(([axis, x]) => [axis, x + origin[axis]!]));
          expect(apply(tile, point)).toEqual(apply(layout, there));
        }
      }),
      { numRuns: 100 },
    );
  });

  it("restrict of an aligned tile stays one strided layout", () => {
    const layout = strided({ k: 256, bit: 4 }, { address: 1024 }, [
      term("k", 1, 16, "address", 8),
      term("k", 16, 2, "address", 4),
      term("k", 32, 8, "address", 128),
      term("bit", 1, 4, "address", 1),
    ]);
    const tile = restrict(layout, { k: 64 }, { k: 32 });
    expect(tile.kind).toBe("strided");
    expect(apply(tile, { k: 17, bit: 1 })).toEqual({ address: 256 + 8 + 4 + 1 });
  });

  it("product repeats an atom along registers or new axes", () => {
    const atom = strided({ lane: 4, reg: 2 }, { m: 4, k: 2 }, [term("lane", 1, 4, "m", 1), term("reg", 1, 2, "k", 1)]);
    const tile = product(atom, [
      { by: "reg", count: 3, to: "k" },
      { by: "warp", count: 2, to: "m" },
    ]);
    expect(fromOf(tile)).toEqual({ lane: 4, reg: 6, warp: 2 });
    expect(toOf(tile)).toEqual({ m: 8, k: 6 });
    expect(tile.kind).toBe("strided");
    for (const { lane, reg, warp } of points({ lane: 4, reg: 6, warp: 2 }))
      expect(apply(tile, { lane: lane!, reg: reg!, warp: warp! })).toEqual({ m: lane! + 4 * warp!, k: reg! });
    expect(isBijective(tile)).toBe(true);
  });

  it("swap twice is nothing, once exchanges rows and columns", () => {
    const layout = strided({ m: 3, k: 5 }, { address: 15 }, [
      term("m", 1, 3, "address", 5),
      term("k", 1, 5, "address", 1),
    ]);
    expect(apply(swap(layout, "m", "k"), { m: 4, k: 2 })).toEqual({ address: 14 });
    expect(equal(swap(swap(layout, "m", "k"), "k", "m"), layout)).toBe(true);
  });

  it("split and join are inverse", () => {
    const split = splitAxis("k", 96, 32, "g", "i");
    const join = strided({ g: 3, i: 32 }, { k: 96 }, [term("g", 1, 3, "k", 32), term("i", 1, 32, "k", 1)]);
    expect(isIdentity(compose(split, join))).toBe(true);
    expect(isIdentity(compose(join, split))).toBe(true);
  });
});

describe("classify", () => {
  it("gives a matrix that maps every point as the layout does", () => {
    const box = fc.constantFrom<Layout>(
      // Rows of 64 bits: some of the swizzles reach only the lower bits of the address.
      strided({ n: 4, k: 8, bit: 8 }, { address: 256 }, [
        term("n", 1, 4, "address", 64),
        term("k", 1, 8, "address", 8),
        term("bit", 1, 8, "address", 1),
      ]),
      strided({ n: 8, k: 16 }, { address: 256 }, [term("n", 1, 8, "address", 32), term("k", 1, 16, "address", 2)], {
        address: 1,
      }),
      tabulate({ n: 8, k: 4 }, { address: 256 }, ({ n, k }) => ({ address: (n! ^ k! ^ (k! << 1)) << 3 })),
    );
    fc.assert(
      fc.property(box, fc.integer({ min: 2, max: 8 }).chain(invertibleColumns), (inner, columns) => {
        const layout = compose(inner, { kind: "xor", from: { address: 256 }, axis: "address", columns });
        const matrix = classify(layout)!;
        for (const point of points(fromOf(layout))) expect(applyMatrix(matrix, point)).toEqual(apply(layout, point));
        expect(2 ** rank(layout)!).toBe(new Set(enumerate(layout)).size);
      }),
      { numRuns: 60 },
    );
  });

  it("compares large swizzled memories without enumerating them", () => {
    const plain = strided({ n: 2 ** 12, k: 2 ** 10 }, { address: 2 ** 26 }, [
      term("n", 1, 2 ** 12, "address", 2 ** 14),
      term("k", 1, 2 ** 10, "address", 16),
    ]);
    const twice = compose(compose(plain, swizzle(128, 2 ** 26)), swizzle(128, 2 ** 26));
    expect(equal(twice, plain)).toBe(true);
    expect(equal(compose(plain, swizzle(64, 2 ** 26)), plain)).toBe(false);
  });

  it("promotes exactly what never carries", () => {
    const codes = (bits: number, stride: number): Layout =>
      strided({ k: 8, bit: bits }, { address: 64 }, [
        term("k", 1, 8, "address", stride),
        term("bit", 1, bits, "address", 1),
      ]);
    expect(classify(codes(4, 4))?.columns).toEqual([1, 2, 4, 8, 16]);
    expect(classify(codes(2, 3))).toBeUndefined();
    expect(classify(codes(1, 3))).toBeUndefined();
    expect(classify(strided({ k: 2 }, { address: 4 }, [term("k", 1, 2, "address", 3)]))?.columns).toEqual([3]);
  });
});
