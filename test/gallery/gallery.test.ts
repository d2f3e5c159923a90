/** The gallery: every file checks, is formatted, packs, compiles for all targets and computes what its formula says. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planWebGpu, runWebGpu } from "../../backends/hosts/webgpu.ts";
import { findTarget, printKernels } from "../../backends/index.ts";
import type { Backend } from "../../backends/syntax.ts";
import type { Compiled } from "../../compiler/driver.ts";
import { format } from "../../compiler/syntax/fmt.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import type { Case } from "../../scripts/gallery/pack.ts";
import { galleryPage } from "../../scripts/gallery/page.ts";
import { compileCase, errorOverBound, galleryFiles, type Loaded, load, wordsOf } from "../../scripts/gallery/run.ts";
import { SYSTEMS } from "../../scripts/gallery/systems.ts";
import { findProgram } from "../../scripts/tools.mjs";
import { checkMetal } from "../exec/metal.ts";
import { describeWith } from "../tools.ts";
import { type OpenDevice, openDevice } from "../webgpu.ts";

const names = SYSTEMS.map((s) => [s.file, s] as const);

/** A case in small tiles: other compilers take long for unrolled text, and the meaning is the same. */
function compileSmall(loaded: Loaded, one: Case, target: Backend): Compiled {
  const chosen = compileCase(loaded, one, target);
  const chunk = chosen.report.schedule.strategy === "fma" ? 8 : 32;
  return compileCase(loaded, one, target, { tileM: 1, tileN: 1, chunk });
}

/** The kernels of all operators as one text. */
function wholeGallery(name: string): string {
  const target = findTarget(name)!;
  const kernels = SYSTEMS.flatMap((system) => {
    const loaded = load(system);
    const prefix = system.file.replace(/\W/g, "_");
    return loaded.cases.flatMap((one) =>
      compileSmall(loaded, one, target).kernels.map((k) => ({ ...k, name: `${prefix}_${k.name}` })),
    );
  });
  return printKernels(kernels, target).text;
}

describe("the gallery", () => {
  it("has a packer for every file", () => {
    expect(SYSTEMS.map((s) => s.file).toSorted()).toEqual(galleryFiles());
  });

  it.each(names)("%s is formatted, short, and names its source", (_, system) => {
    const { source, cases, module } = load(system);
    expect(format(0, source.text, new Diagnostics())).toBe(source.text);
    expect(source.text.split("\n").length).toBeLessThanOrEqual(34);
    expect(/^(\/\/.*\n)+/.exec(source.text)?.[0]).toMatch(/(19|20)\d\d/);
    expect(cases.map((c) => c.op).toSorted()).toEqual(module.ops.map((o) => o.name).toSorted());
  });
});

describeWith(["swiftshader", "vulkan"], "the gallery in WGSL", () => {
  let open: OpenDevice;
  beforeAll(async () => {
    open = await openDevice();
  });
  afterAll(() => open.close());

  it.each(names)("%s computes its formula", async (_, system) => {
    const loaded = load(system);
    for (const one of loaded.cases) {
      const made = compileSmall(loaded, one, findTarget("wgsl.p0")!);
      const plan = planWebGpu(made, made.target);
      const results = await runWebGpu(open.device, plan, wordsOf(made, one));
      expect(errorOverBound(made, one, Object.values(results)[0]!), one.op).toBeLessThanOrEqual(1);
    }
  });
});

describeWith(["clang-16"], "the gallery in Metal", () => {
  it("is accepted by clang under Metal's rules", () => {
    expect(checkMetal(wholeGallery("metal.3"))).toEqual([]);
  });
});

const nvcc = findProgram("nvcc");
if (nvcc === undefined && process.env.CI === "true") throw new Error("nvcc is not installed (NVIDIA's CUDA toolkit)");

describe.skipIf(nvcc === undefined)(`the gallery in CUDA${nvcc === undefined ? " (skipped: no nvcc)" : ""}`, () => {
  it("compiles without warnings", { timeout: 240_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "bitloom-gallery-"));
    const file = join(folder, "gallery.cu");
    writeFileSync(file, wholeGallery("cuda.sm80"));
    // Whether it compiles is asked, not how fast it runs: to PTX, without optimization.
    const flags = ["-std=c++17", "-arch=sm_80", "-Werror", "all-warnings", "-Xcicc", "-O0", "-ptx"];
    const { stdout, stderr } = await promisify(execFile)(nvcc!, [...flags, "-o", `${file}.ptx`, file]);
    rmSync(folder, { recursive: true });
    expect(stdout + stderr).toBe("");
  });
});

describe("docs/gallery.md", () => {
  it("is what scripts/gallery.mjs writes", () => {
    const page = readFileSync(fileURLToPath(new URL("../../docs/gallery.md", import.meta.url)), "utf8");
    const now = galleryPage();
    const error = /[\d.]+ % \|$/gm;
    expect(page.replace(error, "")).toBe(now.replace(error, ""));
    // Errors belong to the encoders' rules, which may get a little better or worse before the page is made anew.
    const figures = (text: string): readonly number[] => (text.match(error) ?? []).map(Number.parseFloat);
    const [old, made] = [figures(page), figures(now)];
    old.forEach((e, i) => {
      expect(Math.abs(e - made[i]!), `row ${i}`).toBeLessThanOrEqual(0.25 * made[i]! + 0.1);
    });
  });
});
