/** The built-in integers against a second reading of their names: what its codes mean, and how many bits a value takes. */
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { instantiate } from "../../compiler/instantiate/instantiate.ts";
import { stdFiles } from "../../compiler/std.ts";
import { sampleInputs } from "../../compiler/trial.ts";
import { Diagnostics, internal } from "../../ir/diagnostics.ts";
import { evalProgram } from "../../ir/eval/program.ts";
import { bitsPerValue } from "../../ir/format.ts";

const N = 4;
const K = 256;

/** What a name says. */
interface Reading {
  readonly bits: number;
  readonly signed: boolean;
  /** Values that share a scale; 0: no scale. */
  readonly group: number;
  readonly scaleBits: number;
}

/** `i4_g128`, `u2_row`, `i8_planes`, `u3`: type, then what shares a scale. The GPTQ names mean i4_g128 and u4_g128. */
function readName(name: string): Reading | undefined {
  const match = /^(i|u|int)(\d)(?:_(tensor|row|planes|g(\d+)))?$/.exec(name);
  if (match === null) return undefined;
  const [, sign, bits, sharing, size] = match;
  const group = sharing === undefined ? 0 : sharing === "tensor" ? N * K : size === undefined ? K : Number(size);
  return { bits: Number(bits), signed: sign !== "u", group, scaleBits: size === undefined ? 32 : 16 };
}

function programOf(format: string) {
  const text = `op decode<N, K>(w: ${format}[N, K]) -> f32[N, K] { y[n, k] = w[n, k] }`;
  const diagnostics = new Diagnostics();
  const module = check([{ name: "decode.loom", text }], diagnostics);
  const program = instantiate(module, "decode", { N, K }, diagnostics);
  return {
    program: program ?? internal(JSON.stringify(diagnostics.list)),
    format: module.formats.find((f) => f.name === format) ?? internal(`no format ${format}`),
  };
}

const NAMES = stdFiles().flatMap((file) => file.formats);

describe("built-in formats", () => {
  it.each(NAMES.filter((name) => readName(name) !== undefined))("%s means what its name says", (name) => {
    const { bits, signed, group, scaleBits } = readName(name)!;
    const { program, format } = programOf(name);
    const inputs = sampleInputs(program, 5);
    const field = (part: string): Float64Array | undefined => inputs[`w.${part}`];
    const codes = field("q") ?? inputs.w ?? internal(`${name} has no codes`);
    const [low, high] = signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
    expect([Math.min(...codes), Math.max(...codes)]).toEqual([low, high]);
    const groupOf = (i: number): number => Math.floor(i / (group || 1));
    const expected = codes.map((q, i) => {
      const zero = field("zero")?.[groupOf(i)] ?? 0;
      return (q - zero) * (field("scale")?.[groupOf(i)] ?? 1);
    });
    expect(field("scale") !== undefined).toBe(group > 0);
    expect(field("zero") !== undefined).toBe(!signed && group > 0);
    const { y } = evalProgram(program, inputs, { arithmetic: "real", roundOutputs: false });
    expect([...y!]).toEqual([...expected]);
    const shared = group === 0 ? 0 : (scaleBits + (signed ? 0 : bits)) / group;
    expect(bitsPerValue(format, K, N)).toBeCloseTo(bits + shared, 12);
  });

  it.each([
    ["f16", 16],
    ["bf16", 16],
    ["f32", 32],
  ])("%s is its own value", (name, bits) => {
    const { program, format } = programOf(name);
    const inputs = sampleInputs(program, 5);
    expect(evalProgram(program, inputs, { arithmetic: "real" }).y).toEqual(Object.values(inputs)[0]);
    expect(bitsPerValue(format, K, N)).toBe(bits);
  });

  it("nf4 is the table of QLoRA, appendix E, times the block's largest magnitude", () => {
    const { program, format } = programOf("nf4");
    const inputs = sampleInputs(program, 5);
    const table = [
      -1, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.09105004, 0, 0.0795803, 0.1609302,
      0.24611229, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1,
    ];
    const { y } = evalProgram(program, inputs, { arithmetic: "real", roundOutputs: false });
    inputs["w.q"]!.forEach((q, i) => {
      expect(y![i]! / inputs["w.absmax"]![Math.floor(i / 64)]!).toBeCloseTo(table[q]!, 7);
    });
    expect(bitsPerValue(format, K, N)).toBe(4.5);
  });

  it("has whole families", () => {
    const named = NAMES.flatMap((name) => readName(name) ?? []);
    for (const bits of [1, 2, 3, 4, 5, 6, 7, 8])
      for (const signed of bits === 1 ? [false] : [true, false])
        for (const group of [0, 32, 64, 128, K, N * K])
          expect(named, `${bits} ${signed} ${group}`).toContainEqual(expect.objectContaining({ bits, signed, group }));
  });
});
