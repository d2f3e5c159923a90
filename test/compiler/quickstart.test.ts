/** The quickstart operators become the programs that the rest of the compiler expects. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { instantiate } from "../../compiler/instantiate/instantiate.ts";
import { STD_FILES } from "../../compiler/std-text.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";

const text = readFileSync(new URL("../../examples/quickstart.loom", import.meta.url), "utf8");

function programOf(name: string) {
  const diagnostics = new Diagnostics();
  const module = check([{ name: "quickstart.loom", text }], diagnostics);
  const program = instantiate(module, name, { M: 17, N: 256, K: 384 }, diagnostics);
  expect(diagnostics.list).toEqual([]);
  if (program === undefined) throw new Error("no program and no diagnostic");
  return program;
}

describe("quickstart.loom", () => {
  it("linear_w4a16 decodes the weights, contracts and rounds to f16", () => {
    const program = programOf("linear_w4a16");
    expect(program.body.map((s) => s.kind)).toEqual(["decode", "fill", "contract", "map"]);
    expect(program.tensors.map((t) => [t.id, t.type, t.role, t.axes.join(), t.shape.join("×")])).toEqual([
      ["x", "f16", "input", "m,k", "17×384"],
      ["w.scale", "f16", "input", "n,g", "256×3"],
      ["w.q", "i4", "input", "n,k", "256×384"],
      ["w.value", "f32", "local", "n,k", "256×384"],
      ["acc", "f32", "local", "m,n", "17×256"],
      ["y", "f16", "output", "m,n", "17×256"],
    ]);
  });

  it("linear_w2a8 quantizes the activations into bit planes", () => {
    const program = programOf("linear_w2a8");
    expect(program.body.map((s) => s.kind)).toEqual(["quantize", "decode", "decode", "fill", "contract", "map"]);
    const q = program.tensors.find((t) => t.id === "xq.q");
    expect(q?.role).toBe("workspace");
    expect(q?.origin).toEqual({ operand: "xq", format: "i8_planes", field: "q" });
  });

  it("linear_nf4 carries the codebook with its format", () => {
    const program = programOf("linear_nf4");
    expect(program.formats.map((f) => f.name)).toEqual(["nf4"]);
    expect(program.formats[0]?.tables[0]?.values).toHaveLength(16);
  });
});

describe("the standard library", () => {
  it("is embedded as it stands in compiler/std", () => {
    const script = fileURLToPath(new URL("../../scripts/embed-std.mjs", import.meta.url));
    const wanted = execFileSync(process.execPath, [script, "--print"], { encoding: "utf8" });
    expect(readFileSync(new URL("../../compiler/std-text.ts", import.meta.url), "utf8")).toBe(wanted);
  });

  it("checks without any diagnostic", () => {
    const diagnostics = new Diagnostics();
    const module = check(STD_FILES, diagnostics);
    expect(diagnostics.list).toEqual([]);
    expect(module.formats.length).toBeGreaterThan(50);
  });
});
