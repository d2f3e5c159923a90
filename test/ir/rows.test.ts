/** Matrix rows against a second transcription, written from the manuals' own formulas. */
import { describe, expect, it } from "vitest";
import { apply, enumerate } from "../../ir/layout/apply.ts";
import { rowMajor, strided, term } from "../../ir/layout/build.ts";
import { isBijective } from "../../ir/layout/invert.ts";
import type { Layout } from "../../ir/layout/layout.ts";
import { compose } from "../../ir/layout/normal.ts";
import { findRow, LDMATRIX_X4_A, ROWS, SIMDGROUP_OBSERVED, wgmmaColumns } from "../../ir/row-catalogue.ts";
import { bitsOf } from "../../ir/scalar.ts";

type At = (lane: number, i: number) => readonly [row: number, column: number];

/**
 * PTX ISA 9.2, section 9.7.14.5, "Matrix Fragments for mma.…": element i of the fragment, counted over all registers from
 * the lowest bits. groupID = %laneid >> 2, threadID_in_group = %laneid % 4. For B the manual's row is k and its column n.
 */
const PTX: Readonly<Record<string, { readonly a: At; readonly b: At; readonly c: At }>> = {
  // 9.7.14.5.8, m16n8k16 with floating point type
  "mma.m16n8k16.f16": {
    a: (l, i) => [
      (0 <= i && i < 2) || (4 <= i && i < 6) ? l >> 2 : (l >> 2) + 8,
      i < 4 ? (l % 4) * 2 + (i & 1) : (l % 4) * 2 + (i & 1) + 8,
    ],
    b: (l, i) => [i < 2 ? (l % 4) * 2 + (i & 1) : (l % 4) * 2 + (i & 1) + 8, l >> 2],
    c: (l, i) => [i < 2 ? l >> 2 : (l >> 2) + 8, (l % 4) * 2 + (i & 1)],
  },
  // 9.7.14.5.10, m16n8k32 with .s8
  "mma.m16n8k32.s8": {
    a: (l, i) => [
      (0 <= i && i < 4) || (8 <= i && i < 12) ? l >> 2 : (l >> 2) + 8,
      i < 8 ? (l % 4) * 4 + (i & 3) : (l % 4) * 4 + (i & 3) + 16,
    ],
    b: (l, i) => [i < 4 ? (l % 4) * 4 + (i & 3) : (l % 4) * 4 + (i & 3) + 16, l >> 2],
    c: (l, i) => [i < 2 ? l >> 2 : (l >> 2) + 8, (l % 4) * 2 + (i & 1)],
  },
  // 9.7.14.5.12, m16n8k128
  "mma.m16n8k128.b1": {
    a: (l, i) => [i < 32 ? l >> 2 : (l >> 2) + 8, (l % 4) * 32 + (i & 0x1f)],
    b: (l, i) => [(l % 4) * 32 + i, l >> 2],
    c: (l, i) => [i < 2 ? l >> 2 : (l >> 2) + 8, (l % 4) * 2 + (i & 1)],
  },
  // 9.7.14.5.13, m16n8k256; the manual prints `+ i` for A with i < 64, where only `+ (i & 0x1F)` stays in its column range
  "mma.m16n8k256.b1": {
    a: (l, i) => [
      (0 <= i && i < 32) || (64 <= i && i < 96) ? l >> 2 : (l >> 2) + 8,
      i < 64 ? (l % 4) * 32 + (i & 0x1f) : (l % 4) * 32 + (i & 0x1f) + 128,
    ],
    b: (l, i) => [i < 32 ? (l % 4) * 32 + (i & 0x1f) : (l % 4) * 32 + (i & 0x1f) + 128, l >> 2],
    c: (l, i) => [i < 2 ? l >> 2 : (l >> 2) + 8, (l % 4) * 2 + (i & 1)],
  },
};

/** A nested (shape, stride) layout: coordinates of `x` in `shape`, first fastest, times strides. */
function nested(shape: readonly number[], stride: readonly number[], x: number): number {
  let rest = x;
  let sum = 0;
  for (const [i, size] of shape.entries()) {
    sum += (rest % size) * stride[i]!;
    rest = Math.floor(rest / size);
  }
  return sum;
}

/**
 * The warpgroup fragments as CUTLASS states them (include/cute/atom/mma_traits_sm90_gmma.hpp): (thread, value) → row +
 * 64 · column, threads (4, 8, 4), values (elements, 2, 2) for A and (2, 2, N / 8) for D. One-bit A has no table there:
 * the same pattern with 32 elements a register, as probed on an H100.
 */
function wgmmaA(e: number): At {
  return (t, v) => {
    const at = nested([4, 8, 4], [64 * e, 1, 16], t) + nested([e, 2, 2], [64, 8, 64 * 4 * e], v);
    return [at % 64, Math.floor(at / 64)];
  };
}
function wgmmaD(n: number): At {
  return (t, v) => {
    const at = nested([4, 8, 4], [128, 1, 16], t) + nested([2, 2, n / 8], [64, 8, 512], v);
    return [at % 64, Math.floor(at / 64)];
  };
}

function expectFragment(layout: Layout, rows: string, columns: string, at: At): void {
  expect(isBijective(layout)).toBe(true);
  if (layout.kind !== "strided") throw new Error("fragments are strided");
  const { lane, reg, elem } = layout.from as { lane: number; reg: number; elem: number };
  const seen = new Set<number>();
  let wrong = 0;
  for (let l = 0; l < lane; l++)
    for (let i = 0; i < reg * elem; i++) {
      const [row, column] = at(l, i);
      const got = apply(layout, { lane: l, reg: Math.floor(i / elem), elem: i % elem });
      if (got[rows] !== row || got[columns] !== column) wrong++;
      seen.add(row * layout.to[columns]! + column);
    }
  expect(wrong).toBe(0);
  expect(seen.size).toBe(layout.to[rows]! * layout.to[columns]!);
}

describe("matrix rows", () => {
  for (const [id, { a, b, c }] of Object.entries(PTX))
    it(`${id} is PTX's`, () => {
      const row = findRow(id)!;
      expectFragment(row.a.layout, "m", "k", a);
      expectFragment(row.b.layout, "k", "n", b);
      expectFragment(row.d.layout, "m", "n", c);
    });

  for (const [type, e] of [
    ["f16", 2],
    ["s8", 4],
    ["b1", 32],
  ] as const)
    it(`wgmma with ${type} is CUTLASS'`, () => {
      const rows = [...ROWS.values()].filter((row) => row.id.startsWith("wgmma.") && row.id.endsWith(`.${type}`));
      expect(rows.length).toBe(type === "f16" ? 32 : 18);
      for (const row of rows) {
        expect(row.k).toBe(8 * e);
        expectFragment(row.a.layout, "m", "k", wgmmaA(e));
        expectFragment(row.d.layout, "m", "n", wgmmaD(row.n));
      }
    });

  it("lists the column counts of wgmma", () => {
    expect(wgmmaColumns("u1")).toEqual([
      8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256,
    ]);
    expect(findRow("wgmma.m64n128k256.b1")?.d.regs).toBe(64);
    expect(findRow("wgmma.m64n40k256.b1")).toBeUndefined();
    expect(findRow("wgmma.m64n40k16.f16")?.m).toBe(64);
  });

  it("agrees with itself: boxes, register counts, one multiply", () => {
    for (const row of ROWS.values()) {
      for (const [operand, box] of [
        [row.a, { m: row.m, k: row.k }],
        [row.b, { n: row.n, k: row.k }],
        [row.d, { m: row.m, n: row.n }],
      ] as const) {
        const { layout } = operand;
        if (layout.kind === "chain" || layout.kind === "xor") throw new Error("unexpected form");
        expect(layout.to).toEqual(box);
        if (layout.kind === "opaque") continue;
        expect(isBijective(layout)).toBe(true);
        expect(operand.regs).toBe(layout.from.reg);
        expect(layout.from.elem! * (operand === row.d ? 32 : bitsOf(operand.type))).toBe(32);
      }
    }
  });

  it("the tiny row covers its tile once", () => {
    const row = findRow("test.m4n4k8.s8")!;
    expect([...enumerate(row.a.layout)].sort((x, y) => x - y)).toEqual(Array.from({ length: 32 }, (_, i) => i));
    expect([...enumerate(row.b.layout)].sort((x, y) => x - y)).toEqual(Array.from({ length: 32 }, (_, i) => i));
    expect([...enumerate(row.d.layout)].sort((x, y) => x - y)).toEqual(Array.from({ length: 16 }, (_, i) => i));
  });

  // ldmatrix (PTX ISA 9.2, warp-level matrix load): lane 8j + i points at row i of matrix j, which is 8 rows of 16 bytes; lane l
  // receives in register j bytes 4 (l mod 4) … + 3 of row ⌊l / 4⌋.
  for (const id of ["mma.m16n8k16.f16", "mma.m16n8k32.s8", "mma.m16n8k256.b1", "wgmma.m64n8k256.b1"])
    it(`ldmatrix.x4 brings A of ${id}`, () => {
      const { layout, type } = findRow(id)!.a;
      const e = 32 / bitsOf(type);
      for (let lane = 0; lane < 32; lane++)
        for (let reg = 0; reg < 4; reg++)
          for (let elem = 0; elem < e; elem++) {
            const { row, chunk } = apply(LDMATRIX_X4_A, { lane: 8 * reg + (lane >> 2) }) as {
              row: number;
              chunk: number;
            };
            const bit = 8 * (16 * chunk + 4 * (lane % 4)) + elem * bitsOf(type);
            expect(apply(layout, { lane, reg, elem })).toEqual({ m: row, k: bit / bitsOf(type) });
          }
    });

  it("the observed simdgroup layout is MLX's and a bijection", () => {
    expect(isBijective(SIMDGROUP_OBSERVED)).toBe(true);
    for (let lane = 0; lane < 32; lane++) {
      // mlx/backend/metal/kernels/steel/gemm/mma.h, BaseMMAFrag::get_coord: qid = lane / 4.
      const qid = Math.floor(lane / 4);
      const row = (qid & 4) + (Math.floor(lane / 2) % 4);
      const column = (qid & 2) * 2 + (lane % 2) * 2;
      for (const elem of [0, 1])
        expect(apply(SIMDGROUP_OBSERVED, { lane, reg: 0, elem })).toEqual({ row, column: column + elem });
    }
  });

  it("a load is the memory's address after the fragment, in closed form", () => {
    const row = findRow("mma.m16n8k16.f16")!;
    const load = compose(row.a.layout, rowMajor(["m", "k"], [16, 64], 16));
    expect(load).toEqual(
      strided({ lane: 32, reg: 4, elem: 2, bit: 16 }, { address: 16 * 64 * 16 }, [
        term("lane", 1, 4, "address", 32),
        term("lane", 4, 8, "address", 1024),
        term("reg", 1, 2, "address", 8192),
        term("reg", 2, 2, "address", 128),
        term("elem", 1, 2, "address", 16),
        term("bit", 1, 16, "address", 1),
      ]),
    );
  });
});
