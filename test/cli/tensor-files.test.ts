/** quantize, dequantize and inspect on real files: what is packed, what comes back, and what is refused without a trace. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TensorExample } from "../../compiler/explain/essay.ts";
import { FILE_ESSAYS } from "../../compiler/explain/file-essays.ts";
import { memorySource } from "../../compiler/io/byte-source.ts";
import { openTensors } from "../../compiler/io/open.ts";
import { readValues } from "../../compiler/io/tensor-file.ts";
import { awqInputs } from "../../compiler/quantize/awq.ts";
import { bitmodRule } from "../../compiler/quantize/bitmod.ts";
import { groupEncoder } from "../../compiler/quantize/groups.ts";
import { hessianOf } from "../../compiler/quantize/linear-algebra.ts";
import { RULE_TEXTS, SECOND_ORDER_TEXTS } from "../../compiler/quantize/rule-texts.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { f16Round } from "../../ir/float.ts";
import { join as concat, f32, gguf, safetensors, VALUE } from "../io/build.ts";
import { filesIn } from "../meta/sources.ts";
import { COLUMNS, INPUT } from "../quantize/golden.ts";
import { type Bitloom, buildBitloom } from "./bitloom.ts";

const ROWS = INPUT.length / COLUMNS;
/** The golden tensor, a matrix with odd rows, and a vector that stays as it is. */
const ODD = INPUT.slice(0, 5 * 77).map((v, i) => v * (1 + (i % 3)));
const NORM = [0.5, -1, 2];
const MODEL = safetensors(
  {
    __metadata__: { format: "pt" },
    "a.weight": { dtype: "F32", shape: [ROWS, COLUMNS], data_offsets: [0, 4 * INPUT.length] },
    "b.weight": { dtype: "F32", shape: [5, 77], data_offsets: [4 * INPUT.length, 4 * (INPUT.length + ODD.length)] },
    "a.norm": { dtype: "F32", shape: [3], data_offsets: [4 * (INPUT.length + ODD.length), 4 * (INPUT.length + ODD.length + 3)] },
  },
  concat(f32(...INPUT), f32(...ODD), f32(...NORM)),
); // biome-ignore format: a table

const BITMOD = `codebook fp3 = [0, 1, 2, 4, _, -1, -2, -4]
codebook specials = [3, -3, 6, -6]
format bitmod3 {
  block 128
  scale: f16
  special: u2
  q: u3[128]
  value(i) = scale * (q[i] == 4 ? specials[special] : fp3[q[i]])
}
`;

describe("tensor files", () => {
  let bitloom: Bitloom;
  const at = (name: string): string => join(bitloom.cwd, name);
  const write = (name: string, bytes: Uint8Array | string): void => writeFileSync(at(name), bytes);
  const tensors = async (name: string): Promise<ReadonlyMap<string, readonly number[]>> => {
    const source = memorySource(new Uint8Array(readFileSync(at(name))));
    const file = (await openTensors(source, new Diagnostics()))!;
    const all = new Map<string, readonly number[]>();
    for (const t of file.tensors)
      all.set(t.name, [
        ...(await readValues(
          source,
          t,
          0,
          t.shape.reduce((a, b) => a * b, 1),
        )),
      ]);
    return all;
  };
  beforeAll(async () => {
    bitloom = await buildBitloom();
    write("model.safetensors", MODEL);
    write("bitmod.loom", BITMOD);
  });
  afterAll(() => bitloom.dispose());

  it("packs matrices, copies the rest, and brings everything back", async () => {
    const done = bitloom.run(["quantize", "model.safetensors", "--format", "int4_g128", "-o", "q.safetensors"]);
    expect(done).toMatchObject({
      exit: 0,
      stdout: expect.stringContaining("2 tensors as int4_g128 (absmax); 1 copied"),
    });
    const packed = await tensors("q.safetensors");
    expect([...packed.keys()]).toEqual(["a.weight.scale", "a.weight.q", "b.weight.scale", "b.weight.q", "a.norm"]);
    expect(packed.get("a.norm")).toEqual(NORM);
    // By hand: group of 128, scale = max / 7, codes rounded, two's complement nibbles from the lowest up.
    const group = [...INPUT.subarray(0, 128)];
    const peak = Math.max(...group.map(Math.abs));
    expect(packed.get("a.weight.scale")![0]).toBe(f16Round(peak / 7));
    const codes = group.slice(0, 8).map((v) => Math.round((v * 7) / peak));
    const word = codes.reduce((sum, c, i) => sum + ((c & 15) >>> 0) * 16 ** i, 0);
    expect(packed.get("a.weight.q")![0]).toBe(Math.fround(word));

    expect(bitloom.run(["dequantize", "q.safetensors", "-o", "back.safetensors"]).exit).toBe(0);
    const back = await tensors("back.safetensors");
    expect([...back.keys()]).toEqual(["a.weight", "b.weight", "a.norm"]);
    const scale = f16Round(peak / 7);
    expect(back.get("a.weight")!.slice(0, 8)).toEqual(codes.map((c) => Math.fround(c * scale) + 0));
    expect(back.get("b.weight")!.length).toBe(5 * 77);
    for (const [i, v] of ODD.entries()) expect(Math.abs(back.get("b.weight")![i]! - v)).toBeLessThan(0.5);
  });

  it("reports errors that hold: quantize, inspect and inspect --against agree", () => {
    const args = ["quantize", "model.safetensors", "--format", "bitmod3", "--loom", "bitmod.loom", "--tensors", "a.w*"];
    const made = JSON.parse(bitloom.run([...args, "-o", "b.safetensors", "--json"]).stdout);
    expect(made).toMatchObject({
      schema: "bitloom.quantize/1",
      format: "bitmod3",
      rule: "bitmod",
      copied: ["b.weight", "a.norm"],
    });
    const { squaredError } = groupEncoder(bitmodRule(3))(INPUT, COLUMNS);
    const signal = INPUT.reduce((sum, v) => sum + v * v, 0);
    // The scales are stored as f16, which changes the figure a little.
    expect(made.tensors[0].sqnrDb).toBeCloseTo(10 * Math.log10(signal / squaredError), 1);
    const seen = JSON.parse(bitloom.run(["inspect", "b.safetensors", "--json"]).stdout);
    const against = JSON.parse(
      bitloom.run(["inspect", "b.safetensors", "--against", "model.safetensors", "--json"]).stdout,
    );
    for (const { tensors: list } of [seen, against]) {
      expect(list[0].sqnrDb).toBeCloseTo(made.tensors[0].sqnrDb, 10);
      expect(list[0].maxError).toBeCloseTo(made.tensors[0].maxError, 10);
    }
    expect(seen).toMatchObject({ schema: "bitloom.inspect/1", container: "safetensors", metadata: { format: "pt" } });
  });

  it("draws the layout of a block", () => {
    bitloom.run([
      "quantize",
      "model.safetensors",
      "--format",
      "i2_planes",
      "--tensors",
      "a.weight",
      "-o",
      "p.safetensors",
    ]);
    const { stdout } = bitloom.run(["inspect", "p.safetensors"]);
    expect(stdout).toContain("i2_planes: 32 bytes for 128 values, scale: f32 a row (least significant bit first)");
    expect(stdout).toContain(`byte  0  ${"q".repeat(32)}\n`);
    const plain = bitloom.run(["inspect", "model.safetensors", "--stats"]).stdout;
    expect(plain).toMatch(/a\.norm +F32 +3 +32 +12 B +0\.000 % +-1\.000 +2\.000 +1\.225/);
  });

  it("reads GGUF and npy", async () => {
    const block = concat(
      [0, 0x3c],
      new Int8Array(32).map((_, i) => i - 16),
    );
    write(
      "m.gguf",
      gguf(
        { "general.name": VALUE.string("tiny\u001b[31m") },
        [
          { name: "w", extents: [32, 2], type: 8, offset: 0 },
          { name: "n", extents: [2], type: 0, offset: 96 },
        ],
        concat(block, block, new Uint8Array(28), f32(1, 2)),
      ),
    );
    const shown = bitloom.run(["inspect", "m.gguf"]);
    expect(shown.stdout).toMatch(/w +Q8_0 +2 × 32 +8\.5 +68 B/);
    expect(shown.stdout).not.toContain("\u001b");
    expect(bitloom.run(["dequantize", "m.gguf", "--type", "f16", "-o", "g.safetensors"]).exit).toBe(0);
    expect((await tensors("g.safetensors")).get("w")!.slice(0, 3)).toEqual([-16, -15, -14]);
    expect(bitloom.run(["quantize", "m.gguf", "--format", "i8_row", "-o", "g8.safetensors"]).exit).toBe(0);
    expect((await tensors("g8.safetensors")).get("w.q")!.slice(0, 2)).toEqual([-127, -119]);
  });

  it("takes the layers' inputs into account: gptq and awq make the outputs better, and files say what was done", async () => {
    // Inputs in which every channel leans on its neighbour, and some are loud.
    const samples = Float32Array.from({ length: 96 * COLUMNS }, (_, i) => Math.sin(i * i * 0.37) * (i % COLUMNS % 50 === 3 ? 9 : 1));
    for (let i = 1; i < samples.length; i++) if (i % COLUMNS !== 0) samples[i]! += 0.8 * samples[i - 1]!;
    write("x.safetensors", safetensors({ "a.weight": { dtype: "F32", shape: [96, COLUMNS], data_offsets: [0, 4 * samples.length] } }, f32(...samples)));
    const hessian = hessianOf(samples, COLUMNS);
    write("h.safetensors", safetensors({ a: { dtype: "F32", shape: [COLUMNS, COLUMNS], data_offsets: [0, 4 * hessian.length] } }, f32(...hessian)));
    const outputError = async (...options: string[]): Promise<number> => {
      const base = ["quantize", "model.safetensors", "--format", "u3_g128", "--tensors", "a.weight", ...options, "-o", "r.safetensors"];
      expect(bitloom.run(base)).toMatchObject({ exit: 0 });
      expect(bitloom.run(["dequantize", "r.safetensors", "-o", "rd.safetensors"]).exit).toBe(0);
      const back = (await tensors("rd.safetensors")).get("a.weight")!;
      const { errorOf } = awqInputs(samples, COLUMNS);
      return errorOf(Float32Array.from(back, (v, i) => v - INPUT[i]!));
    };
    const plain = await outputError();
    const inputs = ["--activations", "x.safetensors"];
    const gptq = await outputError("--rule", "gptq", ...inputs);
    expect(gptq).toBeLessThan(0.5 * plain);
    expect(await outputError("--rule", "gptq", "--hessian", "h.safetensors")).toBeCloseTo(gptq, 5);
    expect(await outputError("--rule", "gptq+mse", "--act-order", ...inputs)).toBeLessThan(0.5 * plain);
    expect(await outputError("--rule", "awq", ...inputs)).toBeLessThan(plain);
    expect([...(await tensors("r.safetensors")).keys()]).toEqual(["a.weight.scale", "a.weight.zero", "a.weight.q", "a.weight.channels", "b.weight", "a.norm"]);
    const seen = JSON.parse(bitloom.run(["inspect", "r.safetensors", "--json"]).stdout);
    expect(seen.tensors[0]).toMatchObject({ name: "a.weight", rule: "awq+min-max" });
  }); // biome-ignore format: one test

  it("rotates rows and keeps outliers whole, and undoes both", async () => {
    const args = ["--format", "i4_row", "--tensors", "a.weight", "-o", "r.safetensors"];
    const sqnr = (...options: string[]): number =>
      JSON.parse(bitloom.run(["quantize", "model.safetensors", ...options, ...args, "--json"]).stdout).tensors[0].sqnrDb;
    const plain = sqnr();
    expect(sqnr("--rotate", "hadamard:7")).toBeGreaterThan(plain + 3);
    expect(sqnr("--rotate", "hadamard", "--outliers", "3sigma", "--threads", "2")).toBeGreaterThan(plain + 3);
    const [mean, square] = [INPUT.reduce((a, b) => a + b) / INPUT.length, INPUT.reduce((a, b) => a + b * b, 0) / INPUT.length];
    const far = [...INPUT.keys()].filter((i) => Math.abs(INPUT[i]! - mean) >= 3 * Math.sqrt(square - mean * mean));
    const packed = await tensors("r.safetensors");
    expect(packed.get("a.weight.outliers.index")).toEqual(far.flatMap((i) => [Math.floor(i / COLUMNS), i % COLUMNS]));
    expect(packed.get("a.weight.outliers.value")).toEqual(far.map((i) => INPUT[i]!));
    expect(bitloom.run(["dequantize", "r.safetensors", "-o", "rd.safetensors"]).exit).toBe(0);
    const back = (await tensors("rd.safetensors")).get("a.weight")!;
    for (const i of far) expect(back[i]).toBe(INPUT[i]);
    const seen = JSON.parse(bitloom.run(["inspect", "r.safetensors", "--against", "model.safetensors", "--json"]).stdout);
    expect(seen.tensors[0].beyond3Sigma).toBeCloseTo(far.length / INPUT.length, 12);
    expect(seen.tensors[0].sqnrDb).toBeCloseTo(10 * Math.log10(square / (back.reduce((s, v, i) => s + (v - INPUT[i]!) ** 2, 0) / INPUT.length)), 6);
  }); // biome-ignore format: one test

  it("writes GGUF for GGUF's formats: ggml's bytes, metadata as they were, figures for inspect", async () => {
    const made = bitloom.run([
      "quantize",
      "model.safetensors",
      "--format",
      "q4_k",
      "--tensors",
      "a.weight",
      "-o",
      "k.gguf",
    ]);
    expect(made).toMatchObject({ exit: 0, stdout: expect.stringContaining("1 tensors as q4_k (k-search); 2 copied") });
    const source = memorySource(new Uint8Array(readFileSync(at("k.gguf"))));
    const [weight] = (await openTensors(source, new Diagnostics()))!.tensors;
    const golden = JSON.parse(readFileSync(new URL("../data/formats/ggml-encode.json", import.meta.url), "utf8")).blocks
      .q4_k;
    const bytes = await source.read(weight!.start, weight!.bytes);
    expect([...bytes]).toEqual([...Buffer.from(golden, "base64").subarray(0, weight!.bytes)]);
    const shown = bitloom.run(["inspect", "k.gguf"]).stdout;
    expect(shown).toMatch(/a\.weight +Q4_K +4 × 256 +4\.5 +576 B +k-search +\d+\.\d+ dB/);
    expect(shown).toContain("q4_k: 144 bytes for 256 values");
    expect(bitloom.run(["quantize", "m.gguf", "--format", "q8_0", "-o", "k8.gguf"]).exit).toBe(0);
    expect(JSON.parse(bitloom.run(["inspect", "k8.gguf", "--json"]).stdout).metadata).toMatchObject({
      "general.name": "tiny\u001b[31m",
    });
    expect((await tensors("k8.gguf")).get("n")).toEqual([1, 2]);
  });

  const usage = (args: readonly string[], message: string): void => {
    const { exit, stdout, stderr } = bitloom.run(args);
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
    expect(stderr).toContain(message);
  };

  it("says what is missing or mistaken in a request", () => {
    usage(["quantize", "model.safetensors", "-o", "x"], "say which --format");
    usage(["quantize", "model.safetensors", "--format", "i8_row"], "say where to: -o OUT.safetensors");
    usage(
      ["quantize", "model.safetensors", "--format", "i8_row", "--tensors", "z*", "-o", "x"],
      "no tensor matches `z*`",
    );
    const wants = (...options: string[]) => [
      "quantize",
      "model.safetensors",
      "--format",
      "i8_row",
      ...options,
      "-o",
      "x",
    ];
    usage(wants("--rule", "gtpq"), "there is no rule `gtpq`");
    usage(wants("--rule", "gptq"), "gptq must know the layers' inputs");
    usage(wants("--rule", "awq", "--rotate", "hadamard", "--hessian", "h"), "rotated inputs have no channels");
    usage(wants("--outliers", "some"), "there are no outliers `some`");
    usage(["quantize", "model.safetensors", "--format", "i8_row", "-o", "x.gguf"], "`i8_row` is no type of GGUF");
    usage(
      ["quantize", "model.safetensors", "--format", "q4_k", "-o", "x.gguf"],
      "rows of 77 (`b.weight`) are no whole blocks of 256",
    );
    const help = bitloom.run(["quantize", "--help"]).stdout;
    for (const { name, source } of [...RULE_TEXTS, ...SECOND_ORDER_TEXTS]) {
      expect(help).toContain(`  ${name}: `);
      expect(help).toContain(source);
    }
    usage(["dequantize", "model.safetensors", "-o", "x"], "has nothing to dequantize");
    usage(["dequantize", "model.safetensors", "--type", "i3", "-o", "x"], "values are not written as `i3`");
    usage(["inspect", "model.safetensors", "--against", "model.safetensors"], "has no packed tensors");
    const unknown = bitloom.run(["quantize", "model.safetensors", "--format", "int4_g129", "-o", "x"]);
    expect(unknown).toMatchObject({ exit: 1, stderr: expect.stringContaining("did you mean `int4_g128`?") });
    expect(bitloom.run(["quantize", "nothing", "--format", "i8_row", "-o", "x"]).exit).toBe(3);
    expect(bitloom.run(["quantize", "model.safetensors", "--format", "i8_row", "-o", "model.safetensors/x"]).exit).toBe(
      3,
    );
    expect(readdirSync(bitloom.cwd)).not.toContain("x");
  });

  it.each(Object.entries(FILE_ESSAYS))("explains %s by examples that fail and work", (code, { failing, fixed }) => {
    const try_ = ({ header, bytes, fill = 0, command }: TensorExample) => {
      write("model.safetensors", safetensors(header, new Uint8Array(bytes).fill(fill)));
      return bitloom.run(command.split(" "));
    };
    expect(try_(failing)).toMatchObject({ exit: 1, stdout: "", stderr: expect.stringContaining(`error[${code}]`) });
    expect(try_(fixed)).toMatchObject({ exit: 0 });
    expect(bitloom.run(["explain", code]).stdout).toContain("This works:");
    write("model.safetensors", MODEL);
  });

  it("explains every code that readers of files report", () => {
    const text = [...filesIn("compiler/io", /\.ts$/), ...filesIn("compiler/cli", /\.ts$/)]
      .map((f) => f.text)
      .join("\n");
    const used = [...text.matchAll(/\b(file\/[a-z-]+)\b(?=["\]])/g)].map((m) => m[1]!);
    expect([...new Set(used)].sort()).toEqual(Object.keys(FILE_ESSAYS).sort());
  });

  it("leaves nothing behind where it fails", () => {
    bitloom.run(["quantize", "model.safetensors", "--format", "int4_g128", "-o", "sound.safetensors"]);
    const sound = new Uint8Array(readFileSync(at("sound.safetensors")));
    write("cut.safetensors", sound.subarray(0, sound.length - 100));
    const nan = MODEL.slice();
    nan.set(f32(Number.NaN), MODEL.length - 4 * (3 + ODD.length));
    write("nan.safetensors", nan);
    const length = Number(new DataView(sound.buffer).getBigUint64(0, true));
    const header = new TextDecoder().decode(sound.subarray(8, 8 + length));
    const scaleAt = 8 + length + Number(/"a.weight.scale".*?offsets":\[(\d+)/.exec(header)![1]);
    const badScale = sound.slice();
    badScale.set([0, 0x7e], scaleAt);
    write("scale.safetensors", badScale);
    const renamed = new TextEncoder().encode(header.replace('\\"format\\":\\"int4_g128', '\\"format\\":\\"int4_g1ee'));
    const foreign = sound.slice();
    foreign.set(renamed, 8);
    write("foreign.safetensors", foreign);
    const before = readdirSync(bitloom.cwd).sort();
    const fails = (args: readonly string[], message: RegExp): void => {
      const { exit, stdout, stderr } = bitloom.run(args);
      expect({ exit, stdout, stderr }).toEqual({ exit: 1, stdout: "", stderr: expect.stringMatching(message) });
    };
    fails(
      ["dequantize", "cut.safetensors", "-o", "y"],
      /error\[file\/truncated\].*\n {2}--> cut\.safetensors, bytes \d+ to \d+\n$/,
    );
    fails(
      ["quantize", "nan.safetensors", "--format", "i8_row", "-o", "y"],
      /error\[file\/not-finite\]: tensor `b\.weight` holds NaN/,
    );
    fails(
      ["dequantize", "scale.safetensors", "-o", "y"],
      /error\[file\/packed\]: `a\.weight` decodes to NaN or infinity/,
    );
    fails(["dequantize", "foreign.safetensors", "-o", "y"], /declarations do not give the format/);
    expect(readdirSync(bitloom.cwd).sort()).toEqual(before);
    const json = JSON.parse(bitloom.run(["inspect", "cut.safetensors", "--json"]).stdout);
    expect(json).toMatchObject({ schema: "bitloom.inspect/1", ok: false, diagnostics: [{ code: "file/truncated" }] });
  });
});
