/** `bitloom run FILE`: one operator on seeded operands, on WebGPU or in the evaluator, against the oracle. */
import type { NodeDevice } from "../../backends/hosts/node-webgpu.ts";
import { planWebGpu, runWebGpu } from "../../backends/hosts/webgpu.ts";
import type { Backend } from "../../backends/syntax.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import type { TensorValues } from "../../ir/eval/program.ts";
import { type Compiled, compile } from "../driver.ts";
import {
  type Comparison,
  compareOutput,
  consultOracle,
  readOutputs,
  runReference,
  sampleInputs,
  storeInputs,
} from "../trial.ts";
import { COMMAND_LINE, readRequest, readTargets, refuse } from "./request.ts";
import { formatCount, formatSeconds } from "./table.ts";
import { EXIT, type Exit, printJson, type Terminal, usageError } from "./terminal.ts";

export interface RunOptions {
  readonly op?: string;
  readonly shape?: string;
  readonly target?: string;
  readonly device?: string;
  readonly seed?: string;
  readonly json?: boolean;
}

const DEVICES = ["auto", "webgpu", "reference"] as const;

/** The device that was asked for; with "auto", undefined and the reason where there is none. */
async function openDevice(wanted: string): Promise<NodeDevice | { readonly reason: string }> {
  if (wanted === "reference") return { reason: "asked for" };
  try {
    const { openNodeDevice } = await import("../../backends/hosts/node-webgpu.ts");
    return await openNodeDevice();
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND";
    return { reason: missing ? "the npm package `webgpu` is not installed" : (error as Error).message };
  }
}

/** The most capable profile that the device can run. */
function profileFor(device: NodeDevice | { readonly reason: string }): string {
  return "device" in device && device.features.has("subgroups") ? "wgsl.p2" : "wgsl.p0";
}

async function execute(
  compiled: Compiled,
  device: NodeDevice | { readonly reason: string },
  inputs: TensorValues,
): Promise<TensorValues> {
  if (!("device" in device)) return runReference(compiled, inputs);
  const plan = planWebGpu(compiled, compiled.target);
  const words = await runWebGpu(device.device, plan, storeInputs(compiled.program, inputs));
  const types = new Map(plan.tensors.map((t) => [t.id, t.type]));
  return readOutputs(compiled.program, words, (tensor) => types.get(tensor)!);
}

function describe(terminal: Terminal, compiled: Compiled, on: string, seconds: number, c: Comparison): void {
  const verdict = c.outside === 0 ? terminal.style("green", "matches") : terminal.style("red", "differs from");
  terminal.out(
    `${terminal.style("bold", compiled.report.op)} as ${compiled.target.name} on ${on}: ${verdict} the oracle`,
  );
  terminal.out(
    `  ${formatCount(c.elements)} elements, ${c.outside} outside the bound; largest error ${c.maxError.toExponential(2)}, ` +
      `${(c.maxOfBound * 100).toFixed(1)} % of its bound`,
  );
  terminal.out(`  ${compiled.report.accumulator.type} accumulator: ${compiled.report.accumulator.because}`);
  terminal.say(`ran in ${formatSeconds(seconds)}, launch and copies included`);
}

function readTarget(terminal: Terminal, name: string, onDevice: boolean): Backend | Exit {
  const targets = readTargets(terminal, name);
  if (!("value" in targets)) return targets.exit;
  const [target, more] = targets.value;
  if (target === undefined || more !== undefined) return usageError(terminal, "run takes one target");
  if (onDevice && target.syntax.extension !== ".wgsl")
    return usageError(terminal, `${target.name} does not run on WebGPU`, "--device reference evaluates its kernels");
  return target;
}

async function runOn(
  terminal: Terminal,
  paths: readonly string[],
  options: RunOptions,
  device: NodeDevice | { readonly reason: string },
): Promise<Exit> {
  const seed = Number(options.seed ?? "1");
  if (!Number.isInteger(seed) || seed < 0) return usageError(terminal, "--seed takes a whole number");
  const target = readTarget(terminal, options.target ?? profileFor(device), "device" in device);
  if (typeof target === "number") return target;
  const diagnostics = new Diagnostics();
  const read = readRequest(terminal, "run", paths, options, diagnostics);
  if (!("value" in read)) return read.exit;
  const { module } = read.value;
  const compiled = compile({ ...read.value, target, at: COMMAND_LINE }, diagnostics, module);
  if (compiled === undefined) return refuse(terminal, "run", diagnostics, module.sources, options.json);
  const inputs = sampleInputs(compiled.source, seed);
  const on = "device" in device ? device.description : "the kernel evaluator";
  terminal.progress(`running on ${on}`);
  const start = performance.now();
  const outputs = await execute(compiled, device, inputs).catch((error: Error) => error);
  if (outputs instanceof Error) {
    if (!("device" in device)) throw outputs;
    terminal.say(`${terminal.accent("red", "error:")} ${on} refuses ${compiled.name}: ${outputs.message}`);
    return EXIT.failed;
  }
  const seconds = (performance.now() - start) / 1000;
  terminal.progress("asking the oracle");
  const oracle = consultOracle(compiled.source, inputs);
  const [id = ""] = Object.keys(outputs);
  const comparison = compareOutput(
    outputs[id]!,
    oracle.values[id]!,
    oracle.magnitudes[id]!,
    compiled.report.accumulator,
  );
  if (options.json) {
    const { op, sizes, accumulator } = compiled.report;
    const body = {
      ok: comparison.outside === 0,
      op,
      sizes,
      target: target.name,
      device: on,
      seed,
      seconds,
      accumulator,
    };
    printJson(terminal, "bitloom.run/1", { ...body, comparison });
  } else describe(terminal, compiled, on, seconds, comparison);
  return comparison.outside === 0 ? EXIT.ok : EXIT.failed;
}

export async function run(terminal: Terminal, paths: readonly string[], options: RunOptions): Promise<Exit> {
  const wanted = options.device ?? "auto";
  if (!(DEVICES as readonly string[]).includes(wanted))
    return usageError(terminal, `there is no device \`${wanted}\``, `there is ${DEVICES.join(", ")}`);
  const device = await openDevice(wanted);
  if (!("device" in device) && wanted === "webgpu") return usageError(terminal, `no WebGPU: ${device.reason}`);
  if (!("device" in device) && wanted === "auto") terminal.say(`no WebGPU (${device.reason}): using the reference`);
  try {
    return await runOn(terminal, paths, options, device);
  } finally {
    if ("device" in device) await device.close();
  }
}
