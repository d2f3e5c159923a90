/** Bank conflicts against counting, vector widths and conversions against cases worked out by hand. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { apply } from "../../ir/layout/apply.ts";
import { fromOf } from "../../ir/layout/basic.ts";
import { bitPlanes, rowMajor, strided, swizzle, tabulate, term } from "../../ir/layout/build.ts";
import { bankWays, conversionCost, vectorBits } from "../../ir/layout/cost.ts";
import { isInjective } from "../../ir/layout/invert.ts";
import type { Layout } from "../../ir/layout/layout.ts";
import { rank, rankOf } from "../../ir/layout/linear.ts";
import { compose } from "../../ir/layout/normal.ts";
import { product } from "../../ir/layout/transform.ts";
import { findRow, LDMATRIX_X4_A } from "../../ir/row-catalogue.ts";
import { sharedTile } from "../../ir/shared-tile.ts";

/** Words per bank, counted byte by byte for each phase of lanes that share 128 bytes of bandwidth. */
function count(address: (lane: number) => number, accessBytes: number): number {
  const phase = 128 / Math.max(accessBytes, 4);
  let worst = 0;
  for (let first = 0; first < 32; first += phase) {
    const banks = Array.from({ length: 32 }, () => new Set<number>());
    for (let lane = first; lane < first + phase; lane++)
      for (let byte = 0; byte < accessBytes; byte++) {
        const word = Math.floor((address(lane) / 8 + byte) / 4);
        banks[word % 32]!.add(word);
      }
    worst = Math.max(worst, ...banks.map((bank) => bank.size));
  }
  return worst;
}

/** A linear lane → address map with the given columns, as a table: nothing about it is known beforehand. */
function linear(columns: readonly number[]): Layout {
  return tabulate({ lane: 32 }, { address: 2 ** 18 }, ({ lane }) => ({
    address: columns.reduce((sum, c, i) => ((lane! >> i) & 1 ? sum ^ c : sum), 0),
  }));
}

describe("bankWays", () => {
  for (const bytes of [4, 8, 16] as const)
    it(`is what counting gives, for random linear maps and ${bytes} bytes a lane`, () => {
      const column = fc.nat(2 ** 9 - 1).map((x) => x * 8 * bytes);
      fc.assert(
        fc.property(fc.array(column, { minLength: 5, maxLength: 5 }), (columns) => {
          const layout = linear(columns);
          expect(rank(layout)).toBe(rankOf(columns));
          expect(bankWays(layout, { accessBytes: bytes })).toBe(
            count((lane) => apply(layout, { lane }).address!, bytes),
          );
        }),
        { numRuns: 400 },
      );
    });

  it("is what counting gives, for any strides and any access", () => {
    fc.assert(
      fc.property(fc.nat(40), fc.nat(40), fc.constantFrom(1, 2, 4, 8, 16), (p, q, bytes) => {
        const layout = strided({ lane: 32 }, { address: 2 ** 20 }, [
          term("lane", 1, 4, "address", 8 * bytes * p),
          term("lane", 4, 8, "address", 8 * bytes * q),
        ]);
        expect(bankWays(layout, { accessBytes: bytes as 1 | 2 | 4 | 8 | 16 })).toBe(
          count((lane) => apply(layout, { lane }).address!, bytes),
        );
      }),
      { numRuns: 300 },
    );
  });

  it("eight rows of 16 bytes at usual pitches", () => {
    const rows = (pitch: number): Layout =>
      strided({ lane: 32 }, { address: 2 ** 16 }, [term("lane", 1, 32, "address", 8 * pitch)]);
    expect([64, 128, 80, 144].map((pitch) => bankWays(rows(pitch), { accessBytes: 16 }))).toEqual([4, 8, 1, 1]);
    expect(bankWays(compose(rows(128), swizzle(128, 2 ** 16)), { accessBytes: 16 })).toBe(1);
  });

  it("ldmatrix on a swizzled tile has no conflicts, on a plain one eight ways", () => {
    const at = (swizzled: 0 | 128): Layout => {
      const tile =
        swizzled === 0
          ? rowMajor(["m", "k"], [16, 64], 16)
          : sharedTile({ axis: "m", rows: 16, k: 64, elementBits: 16, swizzle: 128 });
      const lane = compose(
        LDMATRIX_X4_A,
        strided({ row: 16, chunk: 2 }, { m: 16, k: 64 }, [term("row", 1, 16, "m", 1), term("chunk", 1, 2, "k", 8)]),
      );
      return compose(lane, tile);
    };
    expect(bankWays(at(0), { accessBytes: 16 })).toBe(8);
    expect(bankWays(at(128), { accessBytes: 16 })).toBe(1);
  });

  it("one word for all lanes is a broadcast", () => {
    expect(bankWays(strided({ lane: 32 }, { address: 32 }, []))).toBe(1);
  });
});

describe("sharedTile", () => {
  it("is the descriptor's picture: atoms of eight rows, chunks xored by the row", () => {
    for (const [width, chunk] of [
      [32, (r: number) => Math.floor(r / 4) % 2],
      [64, (r: number) => Math.floor(r / 2) % 4],
      [128, (r: number) => r % 8],
    ] as const) {
      const tile = sharedTile({ axis: "n", rows: 16, k: 256, elementBits: 8, swizzle: width });
      for (let n = 0; n < 16; n++)
        for (let k = 0; k < 256; k += 5) {
          const inside = k % width;
          const byte =
            Math.floor(k / width) * 16 * width + n * width + 16 * (Math.floor(inside / 16) ^ chunk(n)) + (inside % 16);
          expect(apply(tile, { n, k, bit: 1 })).toEqual({ address: 8 * byte + 1 });
        }
      expect(isInjective(tile)).toBe(true);
    }
    const plain = sharedTile({ axis: "n", rows: 8, k: 64, elementBits: 8, swizzle: 0 });
    expect(apply(plain, { n: 3, k: 20, bit: 0 })).toEqual({ address: 8 * (128 + 48 + 4) });
  });
});

describe("vectorBits", () => {
  it("follows the common run", () => {
    const row = findRow("mma.m16n8k16.f16")!;
    expect(vectorBits(compose(row.a.layout, rowMajor(["m", "k"], [16, 64], 16)))).toBe(32);
    // Fragment-ordered storage: a lane's registers side by side.
    const stored = strided({ lane: 32, reg: 4, elem: 2, bit: 16 }, { address: 4096 }, [
      term("lane", 1, 32, "address", 128),
      term("reg", 1, 4, "address", 32),
      term("elem", 1, 2, "address", 16),
      term("bit", 1, 16, "address", 1),
    ]);
    expect(vectorBits(stored)).toBe(128);
    expect(vectorBits(stored, { maxBits: 64 })).toBe(64);
    expect(vectorBits(strided(stored.from, stored.to, stored.terms, { address: 32 }))).toBe(32);
  });

  it("needs the alignment of every other axis", () => {
    const pitch = (bits: number): Layout =>
      strided({ n: 4, k: 8 }, { address: 1024 }, [term("n", 1, 4, "address", bits), term("k", 1, 8, "address", 16)]);
    expect([128, 160, 192, 144].map((bits) => vectorBits(pitch(bits), { order: ["k"], stepBits: 16 }))).toEqual([
      128, 32, 64, 16,
    ]);
  });

  it("sees swizzles in chunks, planes and three-bit codes", () => {
    const tile = sharedTile({ axis: "m", rows: 8, k: 64, elementBits: 16, swizzle: 128 });
    const lanes = strided({ lane: 64, elem: 8 }, { m: 8, k: 64 }, [
      term("lane", 8, 8, "m", 1),
      term("lane", 1, 8, "k", 8),
      term("elem", 1, 8, "k", 1),
    ]);
    expect(vectorBits(compose(lanes, tile))).toBe(128);
    const planes = bitPlanes(["n", "k"], [4, 64], 2);
    expect(vectorBits(planes, { order: ["k"], stepBits: 1 })).toBe(64);
    expect(vectorBits(planes, { order: ["bit"] })).toBe(1);
    const three = rowMajor(["k"], [32], 3);
    expect(vectorBits(three, { order: ["bit", "k"] })).toBe(32);
  });

  it("counts where nothing is known", () => {
    const order = tabulate({ lane: 3, elem: 4 }, { address: 96 }, ({ lane, elem }) => ({
      address: 32 * (2 - lane!) + 8 * elem!,
    }));
    expect(vectorBits(order, { order: ["elem"], stepBits: 8 })).toBe(32);
    const torn = tabulate({ lane: 3, elem: 4 }, { address: 96 }, ({ lane, elem }) => ({
      address: 32 * (2 - lane!) + 8 * (lane === 2 ? 3 - elem! : elem!),
    }));
    expect(vectorBits(torn, { order: ["elem"], stepBits: 8 })).toBe(8);
  });
});

describe("conversionCost", () => {
  const tile = (terms: Parameters<typeof strided>[2]): Layout => strided({ lane: 32, reg: 4 }, { m: 8, n: 16 }, terms);
  const start = tile([term("lane", 4, 8, "m", 1), term("lane", 1, 4, "n", 1), term("reg", 1, 4, "n", 4)]);

  it("none, rename, select", () => {
    expect(conversionCost(start, start, 32)).toEqual({ kind: "none" });
    const swapped = tile([
      term("lane", 4, 8, "m", 1),
      term("lane", 1, 4, "n", 1),
      term("reg", 2, 2, "n", 4),
      term("reg", 1, 2, "n", 8),
    ]);
    expect(conversionCost(start, swapped, 32)).toEqual({ kind: "rename" });
    // Odd lanes hold their registers in the other order.
    const odd = tabulate({ lane: 32, reg: 4 }, { m: 8, n: 16 }, ({ lane, reg }) => ({
      m: lane! >> 2,
      n: (lane! & 3) + 4 * (reg! ^ (lane! & 1)),
    }));
    expect(conversionCost(start, odd, 32)).toEqual({ kind: "select" });
  });

  it("lanes exchanged by xor take shuffles, one a register", () => {
    const mirrored = tabulate(
      { lane: 32, reg: 4 },
      { m: 8, n: 16 },
      ({ lane, reg }) => apply(start, { lane: lane! ^ 5, reg: reg! }) as { m: number; n: number },
    );
    expect(conversionCost(start, mirrored, 32)).toEqual({ kind: "shuffle", shuffles: 4 });
    const half = tabulate(
      { lane: 32, reg: 4 },
      { m: 8, n: 16 },
      ({ lane, reg }) => apply(start, { lane: reg! < 2 ? lane! : lane! ^ 1, reg: reg! }) as { m: number; n: number },
    );
    expect(conversionCost(start, half, 32)).toEqual({ kind: "shuffle", shuffles: 2 });
  });

  it("everything else goes through shared memory", () => {
    const turned = tabulate(
      { lane: 32, reg: 4 },
      { m: 8, n: 16 },
      ({ lane, reg }) => apply(start, { lane: (lane! + 1) % 32, reg: reg! }) as { m: number; n: number },
    );
    expect(conversionCost(start, turned, 16)).toEqual({ kind: "shared", bytes: 256 });
    const warps = product(start, [{ by: "warp", count: 2, to: "m" }]);
    const crossed = tabulate(
      fromOf(warps),
      { m: 16, n: 16 },
      ({ lane, reg, warp }) => apply(warps, { lane: lane!, reg: reg!, warp: 1 - warp! }) as { m: number; n: number },
    );
    expect(conversionCost(warps, crossed, 32)).toEqual({ kind: "shared", bytes: 1024 });
  });

  it("replicated values come from the own lane", () => {
    const everywhere = strided({ lane: 32, reg: 4 }, { n: 4 }, [term("reg", 1, 4, "n", 1)]);
    const spread = strided({ lane: 32, reg: 1 }, { n: 4 }, [term("lane", 1, 4, "n", 1)]);
    expect(conversionCost(everywhere, spread, 32)).toEqual({ kind: "select" });
  });
});
