/** Commands on real files: what they print, write and answer for sources that are right and sources that are not. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { parseProgram } from "../../ir/text/parse.ts";
import { printProgram } from "../../ir/text/print.ts";
import { filesIn, ROOT } from "../meta/sources.ts";
import { describeWith } from "../tools.ts";
import { type Bitloom, buildBitloom } from "./bitloom.ts";

const QUICKSTART = join(ROOT, "examples/quickstart.loom");
const SMALL = ["--shape", "M=3,N=8,K=128"];
const OP = ["--op", "linear_w4a16", ...SMALL];

describe("commands", () => {
  let bitloom: Bitloom;
  const at = (name: string): string => join(bitloom.cwd, name);
  const files = (): readonly string[] => readdirSync(bitloom.cwd).sort();
  beforeAll(async () => {
    bitloom = await buildBitloom();
    writeFileSync(
      at("bad.loom"),
      "op f<M>(x: f16[M]) -> f16[M] { y[m] = z[m] }\nop g<M>(x: f17[M]) -> f16[M] { y[m] = x[m] }\n",
    );
  });
  afterAll(() => bitloom.dispose());

  describe("check", () => {
    it("names the operators of a sound file", () => {
      const { exit, stdout, stderr } = bitloom.run(["check", QUICKSTART]);
      expect([exit, stderr]).toEqual([0, ""]);
      expect(stdout).toMatch(/: linear_w4a16, linear_w2a8, linear_nf4\n$/);
    });

    it("reports every mistake on stderr with its place, exit 1", () => {
      const { exit, stdout, stderr } = bitloom.run(["check", "bad.loom"]);
      expect([exit, stdout]).toEqual([1, ""]);
      expect(stderr).toContain("bad.loom:1:39: error[");
      expect(stderr).toContain("bad.loom:2:12: error[name/unknown-format]: there is no format `f17`");
      expect(stderr).toMatch(/2 errors; `bitloom explain /);
    });

    it("gives the same as data with --json", () => {
      const { exit, stdout, stderr } = bitloom.run(["check", "bad.loom", "--json"]);
      const document = JSON.parse(stdout);
      expect([exit, stderr, document.schema, document.ok]).toEqual([1, "", "bitloom.check/1", false]);
      expect(document.diagnostics).toContainEqual(
        expect.objectContaining({
          code: "name/unknown-format",
          severity: "error",
          at: { file: "bad.loom", start: { line: 2, column: 12 }, end: { line: 2, column: 15 } },
        }),
      );
    });

    it("reads standard input", () => {
      const { exit, stderr } = bitloom.run(["check", "-"], { input: "op" });
      expect(exit).toBe(1);
      expect(stderr).toContain("<stdin>:1:");
    });
  });

  describe("explain", () => {
    it("prints an essay for every code that check can name", () => {
      const { codes } = JSON.parse(bitloom.run(["explain", "--json"]).stdout);
      expect(codes.length).toBeGreaterThan(20);
      expect(bitloom.run(["explain", "name/unknown-format"])).toMatchObject({ exit: 0, stderr: "" });
    });

    it("suggests a code", () => {
      const { exit, stderr } = bitloom.run(["explain", "name/unknown-fromat"]);
      expect(exit).toBe(2);
      expect(stderr).toContain("did you mean `name/unknown-format`?");
    });
  });

  describe("fmt", () => {
    it("says what would change with --check, changes it without, and then has nothing to do", () => {
      const messy = "op   f<M>(x:f16[M])->f16[M]{y[m]=x[m]}  // sum\n";
      writeFileSync(at("messy.loom"), messy);
      expect(bitloom.run(["fmt", "--check", "messy.loom"])).toMatchObject({
        exit: 1,
        stderr: "would reformat messy.loom\n",
      });
      expect(readFileSync(at("messy.loom"), "utf8")).toBe(messy);
      expect(bitloom.run(["fmt", "messy.loom"])).toMatchObject({ exit: 0, stderr: "reformatted messy.loom\n" });
      expect(readFileSync(at("messy.loom"), "utf8")).toContain("// sum");
      expect(bitloom.run(["fmt", "--check", "messy.loom"])).toMatchObject({ exit: 0, stdout: "", stderr: "" });
    });

    it("leaves a file with a syntax mistake alone", () => {
      writeFileSync(at("broken.loom"), "op f<M>(");
      expect(bitloom.run(["fmt", "broken.loom"])).toMatchObject({ exit: 1, stdout: "" });
      expect(readFileSync(at("broken.loom"), "utf8")).toBe("op f<M>(");
    });

    it("keeps the examples in canonical layout", () => {
      const examples = filesIn("examples", /\.loom$/).map((f) => join(ROOT, f.path));
      expect(examples.length).toBeGreaterThan(1);
      expect(bitloom.run(["fmt", "--check", ...examples])).toMatchObject({ exit: 0 });
    });
  });

  describe("compile", () => {
    it("writes source, launcher and report", () => {
      const { exit, stderr } = bitloom.run(["compile", QUICKSTART, ...OP, "--target", "cuda.sm90a", "-o", "one"]);
      expect(exit).toBe(0);
      const written = readdirSync(at("one")).sort();
      expect(written).toContain("linear_w4a16.cu");
      expect(written).toContain("linear_w4a16.report.json");
      for (const name of written) expect(stderr).toContain(`wrote ${join("one", name)}`);
      const report = JSON.parse(readFileSync(at("one/linear_w4a16.report.json"), "utf8"));
      expect(report).toMatchObject({ op: "linear_w4a16", target: "cuda.sm90a", sizes: { M: 3, N: 8, K: 128 } });
    });

    it("gives several targets a folder each, and one JSON document", () => {
      const args = ["compile", QUICKSTART, ...OP, "--target", "cuda.sm90, wgsl.p0,metal.3", "-o", "many", "--json"];
      const document = JSON.parse(bitloom.run(args).stdout);
      expect(readdirSync(at("many")).sort()).toEqual(["cuda.sm90a", "metal.3", "wgsl.p0"]);
      expect(document.schema).toBe("bitloom.compile/1");
      expect(document.reports.map((r: { target: string }) => r.target)).toEqual(["cuda.sm90a", "wgsl.p0", "metal.3"]);
      for (const path of document.files) expect(existsSync(at(path))).toBe(true);
    });

    it("writes nothing without -o, and prints any stage, which reads back as itself", () => {
      const before = files();
      for (const stage of ["instantiate", "outline", "tile", "program"]) {
        const { exit, stdout } = bitloom.run(["compile", QUICKSTART, ...OP, "--target", "wgsl.p0", "--emit", stage]);
        expect(exit).toBe(0);
        const program = parseProgram(stdout, new Diagnostics());
        expect(program && printProgram(program).trimEnd()).toBe(stdout.trimEnd());
      }
      expect(files()).toEqual(before);
    });

    it.each([
      [["--op", "linear_w4a61", ...SMALL, "--target", "wgsl.p0"], "did you mean `linear_w4a16`?"],
      [[...OP, "--target", "cuda.sm99"], "did you mean `cuda.sm"],
      [[...OP, "--target", "wgsl.p0", "--emit", "tyle"], "did you mean `tile`?"],
      [["--op", "linear_w4a16", "--shape", "M=3,N", "--target", "wgsl.p0"], '"N" is not NAME=SIZE'],
      [["--op", "linear_w4a16", "--target", "wgsl.p0"], "--shape M=16,N=4096,K=4096"],
      [[...SMALL, "--target", "wgsl.p0"], "it declares linear_w4a16, linear_w2a8, linear_nf4"],
      [OP, "say which --target"],
    ])("refuses a wrong command line in words: %j", (args, message) => {
      const before = files();
      const { exit, stdout, stderr } = bitloom.run(["compile", QUICKSTART, ...args, "-o", "nothing"]);
      expect([exit, stdout]).toEqual([2, ""]);
      expect(stderr).toContain(message);
      expect(files()).toEqual(before);
    });

    it.each([["M=3,N=8,K=100"], ["M=3,N=8"], ["M=3,N=8,K=128,L=2"]])(
      "reports sizes that do not fit, exit 1, and writes nothing: %s",
      (shape) => {
        const args = ["compile", QUICKSTART, "--op", "linear_w4a16", "--shape", shape, "--target", "wgsl.p0"];
        const { exit, stdout, stderr } = bitloom.run([...args, "-o", "nothing"]);
        expect([exit, stdout]).toEqual([1, ""]);
        expect(stderr).toMatch(/error\[(size|shape)\//);
        expect(existsSync(at("nothing"))).toBe(false);
      },
    );

    it("says when the folder cannot be written, exit 3", () => {
      writeFileSync(at("taken"), "");
      const { exit, stderr } = bitloom.run(["compile", QUICKSTART, ...OP, "--target", "wgsl.p0", "-o", "taken"]);
      expect(exit).toBe(3);
      expect(stderr).toMatch(/error: cannot write taken/);
    });
  });

  describe("lists", () => {
    it.each([
      ["targets", "cuda.sm90a"],
      ["formats", "int4_g128"],
      ["passes", "outline"],
      ["hw", "systolic-128"],
    ])("%s prints a table, and a document with --json", (command, name) => {
      const { exit, stdout, stderr } = bitloom.run([command]);
      expect([exit, stderr]).toEqual([0, ""]);
      expect(stdout).toMatch(new RegExp(`^${name}\\b`, "m"));
      const document = JSON.parse(bitloom.run([command, "--json"]).stdout);
      expect(document.schema).toBe(`bitloom.${command}/1`);
      expect(JSON.stringify(document)).toContain(`"${name}"`);
    });

    it("computes bits per value as published: 4 + 16/128 for int4_g128, 4.5 for a block of 32 with an f16 scale", () => {
      const { formats } = JSON.parse(bitloom.run(["formats", "--json"]).stdout);
      const bits = new Map(formats.map((f: { name: string; bitsPerValue: number }) => [f.name, f.bitsPerValue]));
      expect(bits.get("int4_g128")).toBe(4.125);
      expect(bits.get("i4_g32")).toBe(4.5);
    });

    it("hw shows every number of a model with its source, and suggests a model", () => {
      expect(bitloom.run(["hw", "systolic-128"]).stdout).not.toContain("no source");
      expect(bitloom.run(["hw", "systolc-128"])).toMatchObject({
        exit: 2,
        stderr: expect.stringContaining("did you mean `systolic-128`?"),
      });
    });
  });

  it("compile --emit repack writes both directions between records and streams", () => {
    const { exit, stdout } = bitloom.run(["compile", QUICKSTART, ...OP, "--target", "wgsl.p0", "--emit", "repack"]);
    expect(exit).toBe(0);
    expect(stdout).toMatch(/static inline void \w+_w_to_streams\(const uint8_t\* records/);
    expect(stdout).toMatch(/static inline void \w+_w_to_records\(uint8_t\* records/);
  });

  it("compile --emit writes where lines stem from, and what passes decided", () => {
    const only = [...OP, "--target", "wgsl.p0"];
    const map = JSON.parse(bitloom.run(["compile", QUICKSTART, ...only, "--emit", "map"]).stdout);
    expect(map).toMatchObject({ schema: "bitloom.map/1", file: "linear_w4a16.wgsl" });
    expect(map.sources[0]).toBe(QUICKSTART);
    // The operator's sum is on line 6 of the quickstart.
    expect(map.lines.flat().some(([source, line]: readonly number[]) => source === 0 && line === 6)).toBe(true);
    const why = bitloom.run(["compile", QUICKSTART, ...only, "--emit", "why"]).stdout;
    expect(why).toMatch(/^ {2}\+ decode: w\.value is the value of int4_g128 .*quickstart\.loom:5:40\)$/m);
  });

  it("play writes one page that begins with a file, and refuses wrong command lines", () => {
    writeFileSync(at("own.loom"), "format mine {\n  q: u4\n  value = q\n}\n");
    const { exit, stdout } = bitloom.run(["play", "own.loom", "-o", "play.html", "--json"]);
    const page = readFileSync(at("play.html"), "utf8");
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ schema: "bitloom.play/1", path: "play.html", bytes: Buffer.byteLength(page) });
    const held = /id="bitloom-start" data-name="own\.loom">([^<]*)</.exec(page)?.[1] ?? "";
    expect(Buffer.from(held, "base64").toString()).toBe(readFileSync(at("own.loom"), "utf8"));
    expect(bitloom.run(["play", "nothing.loom"]).exit).toBe(3);
    expect(bitloom.run(["play", "--port", "x"]).exit).toBe(2);
  });

  it("run compares the kernel evaluator with the oracle", () => {
    const args = ["run", QUICKSTART, ...OP, "--target", "metal.3", "--device", "reference", "--json"];
    const { exit, stdout } = bitloom.run(args);
    const document = JSON.parse(stdout);
    expect([exit, document.schema, document.ok]).toEqual([0, "bitloom.run/1", true]);
    expect(document.comparison).toMatchObject({ elements: 24, outside: 0 });
  });

  it.each([
    [["--device", "gpu"], "there is auto, webgpu, reference"],
    [["--seed", "-1"], "--seed takes a whole number"],
    [["--device", "reference", "--target", "cuda.sm80,metal.3"], "run takes one target"],
  ])("run refuses a wrong command line in words: %j", (args, message) => {
    const { exit, stdout, stderr } = bitloom.run(["run", QUICKSTART, ...OP, ...args]);
    expect([exit, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
  });

  describeWith(["vulkan", "swiftshader"], "run on WebGPU", () => {
    it("refuses a target that is not WGSL", () => {
      const { exit, stderr } = bitloom.run(["run", QUICKSTART, ...OP, "--target", "metal.3"]);
      expect([exit, stderr]).toEqual([2, expect.stringContaining("metal.3 does not run on WebGPU")]);
    });

    it.each(["linear_w4a16", "linear_w2a8", "linear_nf4"])("%s matches the oracle", (op) => {
      const { exit, stdout, stderr } = bitloom.run(["run", QUICKSTART, "--op", op, ...SMALL, "--device", "webgpu"]);
      expect([exit, stderr]).toEqual([0, expect.stringContaining("ran in")]);
      expect(stdout).toContain("matches the oracle");
    });
  });
});
