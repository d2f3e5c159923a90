/** Kernel text: what it looks like, and that every construct and real kernels read back to the same text and results. */
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../ir/diagnostics.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { printKernel } from "../../ir/text/kernel.ts";
import { parseKernel } from "../../ir/text/parse-kernel.ts";
import { gemv, sharedSum } from "./kernels.ts";
import { kernel } from "./read.ts";

/** Statements and expressions as plain data with expression ids replaced by what they mean, so that numbering cancels out. */
function meaning(k: Kernel): unknown {
  const trees: unknown[] = [];
  for (const expr of k.exprs.exprs) {
    const of = (id: number): unknown => trees[id];
    trees.push(
      expr.kind === "op"
        ? { ...expr, args: expr.args.map(of) }
        : expr.kind === "cast" || expr.kind === "bits"
          ? { ...expr, of: of(expr.of) }
          : expr.kind === "table"
            ? { ...expr, index: of(expr.index) }
            : expr,
    );
  }
  const ids = new Set(["value", "index", "when", "cond", "from", "to", "stride", "count"]);
  const lists = new Set(["values", "args", "a", "b"]);
  const visit = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(visit);
    if (typeof node !== "object" || node === null) return node;
    return Object.fromEntries(
      Object.entries(node)
        .filter(([key]) => key !== "span")
        .map(([key, value]) => {
          if (typeof value === "number" && ids.has(key)) return [key, trees[value]];
          if (Array.isArray(value) && lists.has(key)) return [key, value.map((id) => trees[id])];
          return [key, visit(value)];
        }),
    );
  };
  return visit({ ...k, exprs: undefined });
}

function roundTrip(k: Kernel): void {
  const text = printKernel(k);
  const diagnostics = new Diagnostics();
  const read = parseKernel(text, diagnostics);
  if (read === undefined) throw new Error(`${diagnostics.list[0]?.message} in\n${text}`);
  expect(printKernel(read)).toBe(text);
  expect(meaning(read)).toEqual(meaning(k));
}

const EVERYTHING = `
  global x: u32[512] read tensor x.q
  global y: f16[8] write tensor y
  shared tile: u32[1024] readWrite
  shared bar: u64[2] readWrite
  shared \`lane\`: i32[32] readWrite
  table nf4: f32 = [-1, -0.5, 0, 0.5, inf]

  let l: i32 = group.y * 64 + thread / 4
  var acc: f32 = 0f32
  var d0: f32 = 0f32
  var d1: f32 = 0f32
  block.init at bar[0] count 1
  block.barrier
  block.bulk tile[l * 4; 4] = x[l * 4; 4] bytes 16 done bar[1] when l < 8
  warp.cpAsync tile[0; 4] = x[0; 4] bytes 16 done group
  warp.commit
  warp.drain count 0
  block.fence proxy async
  block.expect at bar[0] count 4096
  block.wait at bar[0] count l & 1
  for k = 0..512 step 32 unroll {
    read a0, a1 = x[k + lane * 2; 2] when k < 480 cache stream
    read b0 = tile[k]
    acc = fma(f16lo(a0), nf4[i32(a1 >> 4u32 & 15u32) % 5], acc)
    \`lane\`[lane] = i32(b0)
    m = warp.shuffleXor(acc, 16)
    votes = warp.ballot(m > 0f32)
    first = warp.elect()
    if first & votes != 0u32 uniform warp {
      y[0] = f16(m) when lane == 0
    } else {
      atomic tile[k; 2] += a0, a1
      for k = l..l + 4 {
        acc = acc * f32(k)
      }
    }
    warp.load mma.m8n8k4 a d0, d1 at tile[k; 2] stride 64
    warp.matrix mma.m8n8k4 d0, d1 += (a0, a1) * (b0)
    warpgroup.matrix wgmma.m64n8k256.b1 d0 += (a0) * tile[0]
    warp.store mma.m8n8k4 d d0, d1 at tile[0] stride 8
  }
  if -acc < 1f32 {
  }
`;

describe("kernels as text", () => {
  it("is what it looks like", async () => {
    const k = kernel(EVERYTHING, "lanes 32 warps 4 grid 64, 2, 1");
    await expect(printKernel(k)).toMatchFileSnapshot("expected/text-kernel.txt");
    roundTrip(k);
  });

  it("keeps what was written", () => {
    const k = kernel(EVERYTHING, "lanes 32 warps 4 grid 64, 2, 1");
    const body = (text: string): string[] =>
      text
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== "");
    expect(body(printKernel(k)).slice(2, -1)).toEqual(body(EVERYTHING));
  });

  it("reads back hand-built kernels", () => {
    roundTrip(gemv(8, 256, 2));
    roundTrip(sharedSum(32, 2, true));
  });

  it("says what a name is where its type is not the declared one", () => {
    const k = gemv(8, 256, 2);
    const odd: Kernel = {
      ...k,
      exprs: { exprs: [{ kind: "symbol", type: "u32", name: "nobody" }], spans: [] },
      body: [{ kind: "let", name: "a", value: 0 }],
    };
    expect(printKernel(odd)).toContain("let a: u32 = nobody:u32");
    roundTrip(odd);
  });

  it.each([
    ["let a: f32 = 1", "a is i32, not f32"],
    ["a = b", "b is not in scope"],
    ["read a = x[0]", "no buffer x"],
    ["shared x: u32[4] readWrite\nx[0; 3] = 1u32", "moves 1, 2 or 4"],
    ["a = warp.sumAll(1)", "no exchange sumAll"],
    ["warp.jump", "no collective jump"],
    ["if 1 < 2 uniform lane { }", "expected warp or"],
    ["if true { let a: i32 = 1 }\nb = a", "a is not in scope"],
  ])("reports %j", (body, message) => {
    const diagnostics = new Diagnostics();
    const text = `bitloom kernel 1\nkernel k lanes 32 warps 1 grid 1, 1, 1 {\n${body}\n}`;
    expect(parseKernel(text, diagnostics)).toBeUndefined();
    expect(diagnostics.list[0]!.message).toContain(message);
  });
});
