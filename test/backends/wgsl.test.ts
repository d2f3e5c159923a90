/** WGSL in Dawn: every kernel computes what it must on every profile, through the library's launcher and the emitted one. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { transform } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planWebGpu, runWebGpu } from "../../backends/hosts/webgpu.ts";
import type { Backend, EmittedFile } from "../../backends/syntax.ts";
import { WGSL_TARGETS } from "../../backends/wgsl.ts";
import { f16Round } from "../../ir/float.ts";
import { KernelBuilder } from "../ir/kernels.ts";
import { describeWith } from "../tools.ts";
import { type OpenDevice, openDevice } from "../webgpu.ts";
import { type Case, cases, words } from "./kernels.ts";
import { expectOutputs, prepare, unitOf } from "./prepare.ts";
import { exactRoundQuotient, hardQuotients, slopped } from "./quotients.ts";
import { randomExpressions } from "./random.ts";

/** The WGSL language extension that a profile's text may require. */
const REQUIRES = /^requires (\w+);/gm;

/** What `run` of an emitted launcher is. */
interface Launcher {
  prepare(device: GPUDevice, load: (file: string) => string): Promise<unknown>;
  run(device: GPUDevice, prepared: unknown, inputs: Case["inputs"]): Promise<Record<string, Uint32Array>>;
}

describeWith(["vulkan", "swiftshader"], "in Dawn", () => {
  const state: { open?: OpenDevice } = {};
  const opened = (): OpenDevice => state.open!;
  const folder = mkdtempSync(join(tmpdir(), "bitloom-wgsl-"));
  beforeAll(async () => {
    state.open = await openDevice();
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await opened().close();
  });

  /** Why this text cannot run here, if it cannot. */
  function lacking(text: string): string | undefined {
    const wanted = [...text.matchAll(REQUIRES)].map((m) => m[1]!);
    const missing = wanted.filter((name) => !opened().languageFeatures.includes(name));
    if (missing.length > 0) return `no ${missing.join(", ")}`;
    return text.includes("enable subgroups;") && !opened().device.features.has("subgroups")
      ? "no subgroups"
      : undefined;
  }

  async function runEmitted(files: readonly EmittedFile[], given: Case): Promise<Record<string, Uint32Array>> {
    const launcher = files.at(-1)!;
    const { code } = await transform(launcher.text, { loader: "ts" });
    const path = join(folder, `${launcher.name}.${Math.random()}.mjs`);
    writeFileSync(path, code);
    const module: Launcher = await import(/* @vite-ignore */ pathToFileURL(path).href);
    const load = (name: string): string => files.find((f) => f.name === name)!.text;
    return module.run(opened().device, await module.prepare(opened().device, load), given.inputs);
  }

  // P1 prints what P0 prints.
  const distinct = WGSL_TARGETS.filter((t) => t.name !== "wgsl.p1");
  describe.each(distinct.map((t) => [t.name, t] as const))("%s", (_, target) => {
    for (const given of cases(target)) {
      it(`runs ${given.kernel.name}`, async (context) => {
        const unit = unitOf(prepare(given.kernel, target));
        const plan = planWebGpu(unit, target);
        const reason = plan.kernels.map((k) => lacking(k.code)).find((r) => r !== undefined);
        if (reason !== undefined) return context.skip(reason);
        expectOutputs(given.kernel, given, await runWebGpu(opened().device, plan, given.inputs));
        if (given.kernel.name === "gemv")
          expectOutputs(given.kernel, given, await runEmitted(target.emit(unit), given));
      });
    }
  });

  describe("numbers", () => {
    const target = WGSL_TARGETS[0]!;

    /** One output for each pair of inputs, computed on the device. */
    async function map(
      backend: Backend,
      x: Float32Array,
      y: Float32Array,
      of: (b: KernelBuilder, x: number, y: number) => number,
      edit: (code: string) => string = (code) => code,
    ): Promise<Float32Array> {
      const b = new KernelBuilder({ name: "map", lanes: 64, warps: 1, grid: [x.length / 64, 1, 1] });
      for (const id of ["x", "y"]) b.input(id, "f32", x.length);
      b.output("z", "f32", x.length);
      const at = b.at(b.thread(), [b.group(), 64]);
      b.write("z", at, of(b, b.read("x", at), b.read("y", at)));
      const kernel = b.done();
      const buffers = kernel.buffers.map((buffer) => ({ ...buffer, tensor: buffer.id }));
      const unit = unitOf(prepare({ ...kernel, buffers }, backend));
      const inputs = { x: new Uint32Array(x.buffer), y: new Uint32Array(y.buffer) };
      const plan = planWebGpu(unit, backend);
      const kernels = plan.kernels.map((k) => ({ ...k, code: edit(k.code) }));
      const { z } = await runWebGpu(opened().device, { ...plan, kernels }, inputs);
      return new Float32Array(z!.buffer);
    }

    it("rounds to f16 as IEEE 754 does: random bits, every tie, both ends of the subnormals", async () => {
      const x = new Float32Array(64 * 512);
      const bits = new Uint32Array(x.buffer);
      words(bits.length, 11).forEach((word, i) => {
        bits[i] = (word >>> 24) % 255 === 254 ? 0 : (word & 0x807fffff) | ((96 + ((word >>> 23) % 50)) << 23);
      });
      // Halfway between neighbours, and one f32 step beside.
      for (let i = 0; i < 6000; i++) {
        const low = f16Round(2 ** ((i % 44) - 27) * (1 + (i % 1024) / 1024));
        x[i] = low * (1 + 2 ** -11);
        if (low > 0 && low < Infinity) bits[i]! += (i % 3) - 1;
      }
      const got = await map(target, x, x, (b, value) => b.e.cast(b.e.cast(value, "f16"), "f32"));
      const wrong = [...x].flatMap((value, i) =>
        Object.is(got[i], Math.fround(f16Round(value))) ? [] : [`${value} → ${got[i]}, not ${f16Round(value)}`],
      );
      expect(wrong.slice(0, 5)).toEqual([]);
    });

    it.each([-3, 0, 3])("rounds quotients exactly with a division that is %i half ulps off", async (off) => {
      const pairs = hardQuotients(64 * 512, 12);
      const x = Float32Array.from(pairs, ([a]) => a);
      const y = Float32Array.from(pairs, ([, b]) => b);
      const got = await map(
        target,
        x,
        y,
        (b, a, divisor) => b.op("roundQuotient", a, divisor),
        (code) => code.replace("abs(a) / b", slopped("abs(a) / b", off)),
      );
      const wrong = pairs.flatMap(([a, b], i) =>
        got[i] === exactRoundQuotient(a, b) ? [] : [`${a} / ${b} → ${got[i]}, not ${exactRoundQuotient(a, b)}`],
      );
      expect(wrong.slice(0, 5)).toEqual([]);
    });
  });

  it("computes random expressions", async () => {
    const target = WGSL_TARGETS[0]!;
    for (let seed = 9; seed <= 11; seed++) {
      const given = randomExpressions(64, 40, seed);
      const plan = planWebGpu(unitOf(prepare(given.kernel, target)), target);
      expectOutputs(given.kernel, given, await runWebGpu(opened().device, plan, given.inputs));
    }
  });

  it("says what is wrong in words", async () => {
    const { device } = opened();
    const given = cases(WGSL_TARGETS[0]!)[0]!;
    const plan = planWebGpu(unitOf(prepare(given.kernel, WGSL_TARGETS[0]!)), WGSL_TARGETS[0]!);
    await expect(runWebGpu(device, plan, {})).rejects.toThrow("input x needs 4096 bytes, but is missing");
    const kernels = plan.kernels.map((k) => ({ ...k, code: k.code.replace("fn gemv", "fn gemv(x: nothing) {} fn g") }));
    await expect(runWebGpu(device, { ...plan, kernels }, given.inputs)).rejects.toThrow(
      /gemv\.wgsl:\d+:\d+: .*nothing/,
    );
    const tensors = plan.tensors.map((t) => ({ ...t, bytes: 2 ** 40 }));
    await expect(runWebGpu(device, { ...plan, tensors }, given.inputs)).rejects.toThrow(/maxStorageBufferBindingSize/);
  });
});
