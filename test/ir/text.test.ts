/** IR text: what it looks like, that it reads back to the same meaning, and that no text breaks the reader. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { evalProgram } from "../../ir/eval/program.ts";
import { ExprBuilder, type ExprId } from "../../ir/expr.ts";
import { parseProgram } from "../../ir/text/parse.ts";
import { parseKernel } from "../../ir/text/parse-kernel.ts";
import { printProgram } from "../../ir/text/print.ts";
import { verifyProgram } from "../../ir/verify/program.ts";
import { anyProgram, anySample } from "./arbitrary-program.ts";
import { program } from "./read.ts";

function reread(text: string): NonNullable<ReturnType<typeof parseProgram>> {
  const diagnostics = new Diagnostics();
  const read = parseProgram(text, diagnostics);
  if (read === undefined) throw new Error(`${diagnostics.list[0]?.message} in\n${text}`);
  return read;
}

/** The text of one expression, as the index of a tensor. */
function indexText(make: (b: ExprBuilder) => ExprId): string {
  const b = new ExprBuilder();
  const body = program("output y: f32[i 4] global\ny[i] = fill 0f32 for i 4");
  const index = make(b);
  const step = body.body[0]!;
  if (step.kind !== "fill") throw new Error("not a fill");
  const value = b.constant(0, "f32");
  const text = printProgram({
    ...body,
    exprs: b.done(),
    body: [{ ...step, value, to: { ...step.to, index: [index] } }],
  });
  return /\[(?!i 4)(.*)\] = fill/.exec(text)![1]!;
}

describe("expressions as text", () => {
  const i = (b: ExprBuilder): ExprId => b.symbol("i");
  it.each<[string, (b: ExprBuilder) => ExprId]>([
    ["i * 2 + 1", (b) => b.add(b.mul(i(b), b.constant(2)), b.constant(1))],
    ["(i + 1) / 2", (b) => b.op("div", b.add(i(b), b.constant(1)), b.constant(2))],
    ["i - (i - 3)", (b) => b.op("sub", i(b), b.op("sub", i(b), b.constant(3)))],
    ["i - -3", (b) => b.op("sub", i(b), b.constant(-3))],
    ["-(3)", (b) => b.op("neg", b.constant(3))],
    ["-i * 4", (b) => b.mul(b.op("neg", i(b)), b.constant(4))],
    ["-(i / 4)", (b) => b.op("neg", b.op("div", i(b), b.constant(4)))],
    ["i & 1 | i >> 3u32", (b) => b.op("or", b.op("and", i(b), b.constant(1)), b.op("shr", i(b), b.constant(3, "u32")))],
    [
      "i & (i == 1 ^ i < 2)".replace("i & (", "select(").replace(")", ", 0, 1)"),
      (b) =>
        b.op(
          "select",
          b.op("xor", b.op("eq", i(b), b.constant(1)), b.op("lt", i(b), b.constant(2))),
          b.constant(0),
          b.constant(1),
        ),
    ],
    [
      "i32(bits(f32, ~u32(i)) * 1.5f32)",
      (b) => b.cast(b.mul(b.bits(b.op("not", b.cast(i(b), "u32")), "f32"), b.constant(1.5, "f32")), "i32"),
    ],
    [
      "i32(max(-0f32, -inff32))",
      (b) => b.cast(b.op("max", b.constant(-0, "f32"), b.constant(Number.NEGATIVE_INFINITY, "f32")), "i32"),
    ],
    ["i32(!(3u4 <= 5u4))", (b) => b.cast(b.op("not", b.op("le", b.symbol("x", "u4"), b.constant(5, "u4"))), "i32")],
  ])("%s", (text, make) => {
    const printed = indexText(make).replace("x:u4", "3u4");
    expect(printed).toBe(text);
    const again = printProgram(
      reread(`bitloom program 1 program p { output y: f32[i 4] global y[${text}] = fill 0f32 for i 4 }`),
    );
    expect(again).toContain(`y[${text}] = fill`);
  });

  it("names what a large expression shares", () => {
    const grow = (b: ExprBuilder): ExprId => {
      let x = i(b);
      for (let n = 0; n < 40; n++) x = b.op("xor", b.mul(x, b.constant(3)), x);
      return x;
    };
    const b = new ExprBuilder();
    const base = program("output y: i32[i 4] global\ny[i] = fill 0 for i 4");
    const step = base.body[0]!;
    if (step.kind !== "fill") throw new Error("not a fill");
    const value = grow(b);
    const text = printProgram({
      ...base,
      exprs: b.done(),
      body: [{ ...step, value, to: { ...step.to, index: [i(b)] } }],
    });
    expect(text.length).toBeLessThan(2500);
    expect(text).toContain("$1 = $0 * 3 ^ $0\n");
    const read = reread(text);
    expect(printProgram(read)).toBe(text);
    let expected = 2;
    for (let n = 0; n < 40; n++) expected = Math.imul(expected, 3) ^ expected;
    expect(evalProgram(read, {}, { arithmetic: "typed" }).y![2]).toBe(expected);
  });

  it("quotes names that mean something else", () => {
    const text = "output `loop`: i32[`a b` 4] global\n`loop`[`a b`] = fill `a b` for `a b` 4";
    const p = program(text);
    expect(p.tensors[0]!.id).toBe("loop");
    expect(printProgram(p)).toContain("output loop: i32[`a b` 4] global");
    expect(printProgram(p)).toContain("`loop`[`a b`] = fill `a b` for `a b` 4");
    expect([...evalProgram(p, {}, { arithmetic: "typed" }).loop!]).toEqual([0, 1, 2, 3]);
  });
});

describe("programs as text", () => {
  it("is what it looks like", async () => {
    const p = program(`
      format int4_g32 block 32 record 144 {
        field scale: f16 block strided(bit 16 -> address 16: address += bit)
        field q: i4[32] block chain(strided(i 32, bit 4 -> a 128: a += 4 * (i % 16), a += 64 * (i / 16), a += bit), xor(a 128: a ^= 1, 2, 4, 8, 16, 32, 65))
        table sign: f32 = [1, -1]
        value = f32(scale) * f32(i32(q[i])) * sign[i % 2]
        encoder absmax scale scale code q
      }
      table weights: i32 = [1, 2, 4, -8]
      ring in depth 4 from load to mma
      input x: f16[m 64, k 4096] global
        layout strided(m 64, k 4096, bit 16 -> address 4194304: address += 65536 * m, address += 16 * k, address += bit; base address 0; wrap address 4194304)
      input w.q: i4[n 128, k 4096] global origin w int4_g32 q
      input w.scale: f16[n 128, g 128] global origin w int4_g32 scale
      local xs: f16[m 64, k 32] shared ring in
      local acc: f32[m 64, n 128] register layout table(lane 32, reg 256 -> m 64, n 128: 0, 1)
      local d: f32[n 128, k 32] unit pe.buffer layout opaque(swizzled: n 128, k 32 -> address 131072)
      output y: f16[m 64, n 128] global
      launch main {
        loop n0 0..128 step 128 : grid.x {
          roles {
            role load warps 8..12 unit dma0 {
              loop k0 0..4096 step 32 {
                signal in acquire
                xs[m, k] = copy x[m, k0 + k] engine bulk cache stream for m 64, k 32
                signal in commit
              }
            }
            role mma warps 0..8 {
              acc[m, n] = fill 0f32 for m 64, n 128
              loop k0 0..4096 step 32 : unroll {
                signal in wait
                d[n, k] = decode int4_g32(w.scale[n0 + n, (k0 + k) / 32], w.q[n0 + n, k0 + k]) at k0 + k method table for n 128, k 32
                acc[m, n] += contract xs[m, k] * d[n, k] over k by mma row wgmma.m64n128k16.f16 for m 64, n 128, k 32
                when k0 % 1024 == 992 & n0 < 64 {
                  acc[m, n] = map max(acc[m, n], f32(x[m, k0]? ) * 2f32) for m 64, n 128
                }
                signal in release
              }
              y[m, n0 + n]? = map f16(acc[m, n]) for m 64, n 128
            }
          }
        }
      }`);
    expect(verifyProgram(p)).toEqual([]);
    await expect(printProgram(p)).toMatchFileSnapshot("expected/text-program.txt");
    expect(printProgram(reread(printProgram(p)))).toBe(printProgram(p));
  });

  it("reads back random programs to the same text and the same values", () => {
    fc.assert(
      fc.property(anySample, ({ program: p, inputs }) => {
        expect(verifyProgram(p)).toEqual([]);
        const text = printProgram(p);
        const read = reread(text);
        expect(printProgram(read)).toBe(text);
        expect(verifyProgram(read)).toEqual([]);
        for (const arithmetic of ["typed", "real"] as const)
          expect(evalProgram(read, inputs, { arithmetic })).toEqual(evalProgram(p, inputs, { arithmetic }));
      }),
      { numRuns: 100 },
    );
  });

  it("does not depend on how expressions are numbered, or inputs ordered and repeated", () => {
    const read = reread(`bitloom program 1 program p {
      input a: f32[i 4] global
      input b: f32[i 4] global
      output y: f32[i 4] global
      y[i] = map b[i] * a[i] + b[i] for i 4 }`);
    const step = read.body[0]!;
    if (step.kind !== "map") throw new Error("not a map");
    const b = new ExprBuilder();
    const [p, q, r] = [b.input(2, "f32"), b.input(0, "f32"), b.input(3, "f32")];
    const i = b.symbol("i");
    const region = (tensor: string) => ({ tensor, index: [i], tail: "exact" as const });
    const other = {
      ...read,
      exprs: b.done(),
      body: [
        {
          ...step,
          inputs: ["a", "a", "b", "b"].map(region),
          to: region("y"),
          value: b.add(b.mul(p, q), r),
        },
      ],
    };
    expect(printProgram(other)).toBe(printProgram(read));
  });
});

describe("mistakes in text", () => {
  it.each([
    ["bitloom program 2\nprogram p { }", "version 2"],
    ["bitloom program 1\nprogram p {", "found the end"],
    ["bitloom program 1\nprogram p { y[i] = fill 0 }", "no tensor y"],
    ["bitloom program 1\nprogram p { output y: f99[] global }", "expected a type"],
    ["bitloom program 1\nprogram p { output y: i32[] global y[] = fill z }", "z is not in scope"],
    ["bitloom program 1\nprogram p { output y: i32[] global y[] = fill 1 + 1u32 }", "add does not take i32, u32"],
    ["bitloom program 1\nprogram p { output y: i32[] global y[] = fill 1.5 }", "not a whole number"],
    ["bitloom program 1\nprogram p { output y: i32[] global y[] = fill y[] }", "only the value of a map"],
    ["bitloom program 1\nprogram p { output y: i32[i 2] global y[] = fill 0 }", "has 1 axes, not 0"],
    ["bitloom program 1\nprogram p { output y: i32[] global y[] = fill $3 }", "$3 is not defined"],
    ["bitloom program 1\nprogram p { } ~", "expected the end"],
    ["bitloom program 1\nprogram p { # }", "unexpected character"],
  ])("%j: %s", (text, message) => {
    const diagnostics = new Diagnostics();
    expect(parseProgram(text, diagnostics, 3)).toBeUndefined();
    const [mistake] = diagnostics.list;
    expect(mistake).toMatchObject({ code: "text/syntax", severity: "error", span: { file: 3 } });
    expect(mistake!.message).toContain(message);
    expect(mistake!.span.start).toBeLessThanOrEqual(text.length);
  });

  it("include text that nests without end", () => {
    const diagnostics = new Diagnostics();
    const text = `bitloom program 1 program p { output y: i32[] global y[] = fill ${"(".repeat(100000)}`;
    expect(parseProgram(text, diagnostics)).toBeUndefined();
    expect(diagnostics.list[0]!.message).toContain("nested deeper");
  });

  it("are reported, never thrown, whatever the text", () => {
    const quiet = (text: string): void => {
      for (const parse of [parseProgram, parseKernel]) {
        const diagnostics = new Diagnostics();
        const read = parse(text, diagnostics);
        expect(read === undefined).toBe(diagnostics.failed);
      }
    };
    const words = fc.constantFrom(
      ..."bitloom program kernel 1 { } [ ] ( ) , : ; = += -> .. $0 x y.z `q w` 1.5f32 inff32 for over map fill copy loop if let read warp.load layout strided value - ! ~ ?.bit( ? __proto__ constructor".split(
        " ",
      ),
    );
    const soup = fc.array(words, { maxLength: 40 }).map((list) => list.join(" "));
    fc.assert(fc.property(fc.oneof(soup, fc.string({ unit: "binary" })), quiet), { numRuns: 200 });
    // Real text with a hole, a repetition or a foreign word.
    const bent = fc
      .record({ p: anyProgram, at: fc.nat(), length: fc.nat(20), put: fc.oneof(words, fc.string()) })
      .map(({ p, at, length, put }) => {
        const text = printProgram(p);
        const from = at % text.length;
        return text.slice(0, from) + put + text.slice(from + length);
      });
    fc.assert(fc.property(bent, quiet), { numRuns: 200 });
  });
});
