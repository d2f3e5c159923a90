/** The program verifier: one mistake at a time, and silence where nothing is certainly wrong. */
import { describe, expect, it } from "vitest";
import type { Program } from "../../ir/program.ts";
import { verifyProgram } from "../../ir/verify/program.ts";
import { program } from "./read.ts";

const verify = (text: string): readonly string[] => verifyProgram(program(text));

describe("ops", () => {
  const tensors = `
    input x: f16[m 4, k 8] global
    input q: i4[m 4, k 8] global
    local f: f32[m 4, k 8] global
    output y: f32[m 4] global
    format half block 8 record 48 {
      field s: f16 row opaque(s: bit 16 -> address 16)
      field q: i4[8] block opaque(q: i 8, bit 4 -> address 32)
      value = f32(s) * f32(q[i])
    }\n`;
  it.each(
    [
      ["x[m, k] = copy x[m, k] for m 4, k 8", "copy x: it writes input x"],
      ["f[m, k] = copy x[m, k] for m 4, k 8", "copy f: it copies f16 into f32"],
      ["f[m, k] = map x[m, k] for m 4, k 8", "map f: it writes f16 into f32"],
      ["f[m, k] = fill 1 for m 4, k 8", "fill f: it writes i32 into f32"],
      ["f[m, k] = fill 0f32 for m 4, k 9", "index 0..8 of f leaves axis k 0..7"],
      ["f[m, k + 1] = fill 0f32 for m 4, k 8", "index 1..8 of f leaves axis k 0..7"],
      ["f[m, k * 2 + j] = fill 0f32 for m 4, k 4, j 3", "index 0..8 of f"],
      ["f[m, k % 4 + 8] = fill 0f32 for m 4, k 8", "index 8..11 of f"],
      ["f[m, 8 / k] = fill 0f32 for m 4, k 8, k 2", "axis k occurs twice"],
      ["f[u32(m), k] = fill 0f32 for m 4, k 8", "an index of f is u32"],
      ["loop k 0..8 { f[m, k] = fill 0f32 for m 4, k 8 }", "axis k has the name of an enclosing loop"],
      ["loop k 0..8 { loop k 0..8 { } }", "loop k / loop k: the name is taken"],
      ["y[m] = map f[m, k] over k for m 4, k 8", "over k it says no reduction"],
      ["y[m] = map f[m, 0] reduce sum for m 4", "it reduces by sum over nothing"],
      ["y[m] = map f[m, 0] over k reduce sum for m 4", "it reduces over k, which is no axis"],
      ["f[m, k] = map f[m, k] over k reduce max for m 4, k 8", "f is indexed by k, over which it reduces"],
      ["y[m] += contract f[m, k].bit(0) * f[m, k] over k for m 4, k 8", "f is f32 and has no bits"],
      ["q[m, k].bit(0) = fill 1u1 for m 4, k 8", "it writes a bit of q"],
      ["f[m, k] = decode none(q[m, k]) at k for m 4, k 8", "there is no format none"],
      ["f[m, k] = decode half(q[m, k]) at k for m 4, k 8", "half has 2 fields, not 1"],
      ["f[m, k] = decode half(x[m, 0], x[m, k]) at k for m 4, k 8", "field q of half is i4, x holds f16"],
      ["y[m] = quantize half(f[m, k]) over k for m 4, k 8", "format half has no encoder"],
      ["when 1 { }", "when: its condition is i32"],
    ].filter(([, message]) => message !== ""),
  )("%s", (text, message) => {
    expect(verify(tensors + text).join("\n")).toContain(message);
  });

  it("says where", () => {
    const text = `${tensors} launch a { loop i 0..4 : grid.x { when i < 2 { f[i, k] = copy x[i, k] for k 8 } } }`;
    expect(verify(text)).toEqual(["launch a / loop i / when / copy f: it copies f16 into f32"]);
  });

  it("leaves alone what a condition, a mask or a step may keep within bounds", () => {
    expect(
      verify(`${tensors}
        loop i 0..8 { when i < 4 { f[i, k] = fill 0f32 for k 8 } }
        f[m, k]? = fill 0f32 for m 5, k 9
        loop k0 0..8 step 4 { f[m, k0 + k] = fill 0f32 for m 4, k 4 }
        f[m, k * k / 9] = fill 0f32 for m 4, k 8
        f[m, k - (k / 2)] = fill 0f32 for m 4, k 8
        y[m] = map f[m, k] over k reduce sum for m 4, k 8`),
    ).toEqual([]);
    expect(verify(`${tensors} loop i 0..8 { when i < 4 { f[i + 4, k] = fill 0f32 for k 8 } }`)).toHaveLength(1);
  });
});

describe("declarations", () => {
  const base = program("output y: f32[i 4] global\ny[i] = fill 0f32 for i 4");
  const y = base.tensors[0]!;
  const text = (change: Partial<Program>): string => verifyProgram({ ...base, ...change }).join("\n");

  it("must be unique, complete and sound", () => {
    expect(text({})).toBe("");
    expect(text({ tensors: [y, y] })).toContain("called y");
    expect(text({ tensors: [{ ...y, axes: ["i", "j"] }] })).toContain("2 axes, 1 extents");
    expect(text({ tensors: [{ ...y, shape: [0] }] })).toContain("shape is [0]");
    expect(text({ tensors: [{ ...y, place: "shared" }] })).toContain("output tensors are global");
    expect(text({ tensors: [{ ...y, ring: "r" }] })).toContain("no ring r");
    const bit = { i: 5, bit: 32 };
    expect(
      text({ tensors: [{ ...y, layout: { kind: "opaque", name: "o", from: bit, to: { address: 160 } } }] }),
    ).toContain("its layout is over [i 5], not [i 4]");
    expect(text({ tensors: [] })).toContain("there is no tensor y");
    expect(text({ exprs: { exprs: [], spans: [] } })).toContain("missing");
  });

  it("must have typed expressions that point backwards", () => {
    const exprs = (...list: Program["exprs"]["exprs"]): string =>
      text({ exprs: { exprs: [...base.exprs.exprs, ...list], spans: [] } });
    expect(exprs({ kind: "op", op: "add", type: "i32", args: [7, 8] })).toContain("does not stand before it");
    expect(exprs({ kind: "op", op: "add", type: "i32", args: [0] })).toContain("add takes 2 arguments, not 1");
    expect(exprs({ kind: "op", op: "lt", type: "i32", args: [0, 0] })).toContain("lt yields bool, not i32");
    expect(exprs({ kind: "const", type: "u8", value: 256 })).toContain("256 is not a value of u8");
    expect(exprs({ kind: "bits", type: "u16", of: 0 })).toContain("the bits of i32 are not those of u16");
    expect(exprs({ kind: "table", type: "f32", table: "t", index: 0 })).toContain("no table t");
  });
});

describe("launches, roles and rings", () => {
  it("keeps launches flat and their memory apart", () => {
    expect(verify("launch a { launch b { } }")).toEqual(["launch b stands inside launch a"]);
    const text = "local r: i32[] register launch a { r[] = fill 1 } launch b { r[] = fill 2 }";
    expect(verify(text)).toEqual(["r is register and is used in launches a and b"]);
  });

  const piped = (load: string, math: string, more = ""): readonly string[] =>
    verify(`
      ring in depth 2 from load to math
      input x: i32[k 8] global
      local t: i32[] shared ${more}
      output y: i32[k 8] global
      loop b 0..3 : grid.x {
        roles {
          role load { loop i 0..8 { ${load} } }
          role math { loop i 0..8 { ${math} } }
        }
      }`);
  const load = "signal in acquire t[] = copy x[i] signal in commit";
  const math = "signal in wait y[i] = copy t[] signal in release";

  it("balances signals and lets only rings cross roles", () => {
    expect(piped(load, math, "ring in")).toEqual([]);
    expect(piped(load, math)).toEqual(["t is written by role load and read by role math, but is in no ring"]);
    const wrong = (l: string, m: string): string => piped(l, m, "ring in").join("\n");
    expect(wrong(load.replace("signal in commit", ""), math)).toContain("role load acquires 8 and commits 0");
    expect(wrong(load, math.replace("signal in release", ""))).toContain("role math waits for 8 and releases 0");
    expect(wrong(load, math.replace("signal in wait", "signal in wait signal in wait"))).toContain(
      "waits for 16 instances, 8 are committed",
    );
    expect(wrong(load, "")).toContain("8 instances are acquired, math releases 0 of depth 2");
    expect(wrong(math, load)).toContain("is filled by load, but role math acquires or commits");
    // Conditions decide here: nothing is certain.
    expect(piped(`when i < 4 { ${load} }`, `when i > 3 { ${math} }`, "ring in")).toEqual([]);
  });
});
