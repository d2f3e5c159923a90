/** What `bitloom simulate` is asked for: options as written, read into lists of choices whose product is run. */
import type { AcceleratorModel, Dataflow } from "../../hw-models/schema.ts";
import { DATAFLOWS } from "../../hw-models/schema.ts";
import type { ChromeOptions } from "../../simulator/export-chrome.ts";
import type { SimulateRequest } from "../../simulator/simulate.ts";
import type { AllocationRule, Storage } from "../../simulator/workload/allocation.ts";
import { PHASES, type Phase } from "../../simulator/workload/layers.ts";
import { type FormatSources, splitList } from "./simulate-formats.ts";
import type { FoundWorkload } from "./simulate-workloads.ts";
import { type Exit, type Terminal, usageError } from "./terminal.ts";
import { parseWindow, WINDOW_USAGE } from "./view.ts";

export interface SimulateOptions {
  readonly depth?: string;
  readonly preset?: string;
  readonly hw?: string;
  readonly phase?: string;
  readonly batch?: string;
  readonly context?: string;
  readonly weights?: string;
  readonly weightBits?: string;
  readonly activations?: string;
  readonly kv?: string;
  readonly kvBits?: string;
  readonly loom?: string;
  readonly allocation?: string;
  readonly experts?: string;
  readonly dataflow?: string;
  readonly threads?: string;
  readonly maxCycles?: string;
  readonly elementwise?: boolean;
  readonly trace?: string;
  readonly chrome?: string;
  readonly kanata?: string;
  readonly perfetto?: string;
  readonly report?: string;
  readonly window?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly markdown?: boolean;
}

/** What is run, whatever the depth. */
export interface Sizes {
  readonly phases: readonly Phase[];
  readonly batches: readonly number[];
  readonly contexts: readonly number[];
}

export interface Plan extends Sizes {
  readonly dataflows: readonly (Dataflow | undefined)[];
  /** Undefined: as the machine is built for. */
  readonly weights: readonly (Storage | undefined)[];
  readonly activations: readonly (Storage | undefined)[];
  readonly keyValues: readonly (Storage | undefined)[];
  /** Weights are stored as the workload's own file says, unless an option does. */
  readonly asStored: boolean;
  readonly activeExperts: number | undefined;
  readonly maxCycles: number | undefined;
  /** Norms, softmax, activation functions and residual sums too. */
  readonly elementwise: boolean;
  readonly threads: number | undefined;
  readonly window: ChromeOptions;
}

/** Numbers from 1 up; the exit code where there is something else. */
function countsOf(terminal: Terminal, option: string, text: string): readonly number[] | Exit {
  const values = splitList(text).map(Number);
  if (values.every((v) => Number.isSafeInteger(v) && v >= 1)) return values;
  return usageError(terminal, `${option} takes a number from 1 up, or several, comma-separated`);
}

/** Phase, batch and context, or what is wrong with them. */
export function readSizes(terminal: Terminal, options: SimulateOptions): Sizes | Exit {
  const batches = countsOf(terminal, "--batch", options.batch ?? "1");
  if (typeof batches === "number") return batches;
  const contexts = countsOf(terminal, "--context", options.context ?? "2048");
  if (typeof contexts === "number") return contexts;
  const phases = splitList(options.phase ?? "prefill");
  const badPhase = phases.find((p) => !(PHASES as readonly string[]).includes(p));
  if (badPhase !== undefined)
    return usageError(terminal, `there is no phase \`${badPhase}\``, `there is ${PHASES.join(", ")}`);
  return { batches, contexts, phases: phases as readonly Phase[] };
}

function readStorages(
  formats: FormatSources,
  option: string,
  text: string | undefined,
): readonly Storage[] | undefined | { readonly exit: Exit } {
  if (text === undefined) return undefined;
  const storages: Storage[] = [];
  for (const part of splitList(text)) {
    const found = formats.lookUp(part, option);
    if ("exit" in found) return found;
    storages.push(found.storage);
  }
  return storages;
}

/** The plan of a simulation cycle by cycle, as far as options say it. */
export function readPlan(terminal: Terminal, options: SimulateOptions, formats: FormatSources): Plan | Exit {
  const sizes = readSizes(terminal, options);
  if (typeof sizes === "number") return sizes;
  if (options.preset !== undefined) return usageError(terminal, "--preset goes with --depth peer");
  for (const [a, b] of [
    ["weights", "weightBits"],
    ["kv", "kvBits"],
  ] as const)
    if (options[a] !== undefined && options[b] !== undefined)
      return usageError(
        terminal,
        `--${a} says what --${a === "kv" ? "kv-bits" : "weight-bits"} says: give one of them`,
      );
  const weightsName = options.weightBits === undefined ? "--weights" : "--weight-bits";
  const weights = readStorages(formats, weightsName, options.weights ?? options.weightBits);
  const activations = readStorages(formats, "--activations", options.activations);
  const keyValues = readStorages(
    formats,
    options.kvBits === undefined ? "--kv" : "--kv-bits",
    options.kv ?? options.kvBits,
  );
  for (const list of [weights, activations, keyValues]) if (list !== undefined && "exit" in list) return list.exit;
  const rest = readRest(terminal, options);
  if (typeof rest === "number") return rest;
  return {
    ...sizes,
    ...rest,
    weights: (weights as readonly Storage[] | undefined) ?? [undefined],
    activations: (activations as readonly Storage[] | undefined) ?? [undefined],
    keyValues: (keyValues as readonly Storage[] | undefined) ?? [undefined],
    asStored: weights === undefined,
  };
}

function readRest(
  terminal: Terminal,
  options: SimulateOptions,
): Pick<Plan, "dataflows" | "activeExperts" | "maxCycles" | "elementwise" | "threads" | "window"> | Exit {
  const dataflows = options.dataflow === undefined ? [undefined] : splitList(options.dataflow);
  const wrong = dataflows.find((d) => d !== undefined && !(DATAFLOWS as readonly string[]).includes(d));
  if (wrong !== undefined)
    return usageError(terminal, `there is no dataflow \`${wrong}\``, `there is ${DATAFLOWS.join(", ")}`);
  const numbers: (number | undefined)[] = [];
  for (const name of ["experts", "threads", "maxCycles"] as const) {
    const text = options[name];
    const value = text === undefined ? undefined : Number(text);
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1))
      return usageError(terminal, `--${name === "maxCycles" ? "max-cycles" : name} takes a number from 1 up`);
    numbers.push(value);
  }
  const [activeExperts, threads, maxCycles] = numbers;
  const window = parseWindow(options.window);
  if (window === undefined) return usageError(terminal, WINDOW_USAGE, "for example --window 0:1000000");
  const elementwise = options.elementwise === true;
  const counts = { activeExperts, maxCycles, threads };
  return { dataflows: dataflows as readonly (Dataflow | undefined)[], ...counts, elementwise, window };
}

/** A machine, and the weights that it gets instead of those of the plan. */
export interface PlannedMachine {
  readonly hardware: AcceleratorModel;
  readonly weights: Storage | undefined;
}

/** Every combination: workloads, sizes, then machines with their formats, so that runs to be compared stand together. */
export function requestsOf(
  plan: Plan,
  workloads: readonly FoundWorkload[],
  machines: readonly PlannedMachine[],
  allocation: readonly AllocationRule[],
  trace: boolean,
): readonly SimulateRequest[] {
  const some = <K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } =>
    value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: V });
  const requests: SimulateRequest[] = [];
  for (const { network, stored } of workloads) {
    const rules = [...allocation, ...(plan.asStored ? stored : [])];
    const phases = plan.phases.filter((p) => p === "prefill" || network.pass === "decoder" || plan.phases.length === 1);
    for (const batch of plan.batches)
      for (const context of plan.contexts)
        for (const machine of machines)
          for (const phase of phases)
            for (const weights of machine.weights === undefined ? plan.weights : [machine.weights])
              for (const activations of plan.activations)
                for (const keyValues of plan.keyValues)
                  for (const dataflow of plan.dataflows)
                    requests.push({
                      ...{ workload: network, hardware: machine.hardware, phase, batch, context, trace },
                      ...some("weights", weights),
                      ...some("activations", activations),
                      ...some("keyValues", keyValues),
                      ...some("dataflow", dataflow),
                      ...some("activeExperts", plan.activeExperts),
                      ...some("maxCycles", plan.maxCycles),
                      ...(plan.elementwise ? { elementwise: true } : {}),
                      ...(rules.length === 0 ? {} : { allocation: rules }),
                    });
  }
  return requests;
}
