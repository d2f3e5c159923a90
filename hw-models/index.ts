/** The hardware models that come with Bitloom, by name. */
import { Diagnostics, internal } from "../ir/diagnostics.ts";
import a100Sxm from "./a100-sxm.json" with { type: "json" };
import adaptivfloat from "./adaptivfloat.json" with { type: "json" };
import ant from "./ant.json" with { type: "json" };
import antFp16 from "./ant-fp16.json" with { type: "json" };
import biscaled from "./biscaled.json" with { type: "json" };
import bitfusion from "./bitfusion.json" with { type: "json" };
import bitmod from "./bitmod.json" with { type: "json" };
import edge16 from "./edge-16.json" with { type: "json" };
import fp16Baseline from "./fp16-baseline.json" with { type: "json" };
import gobo from "./gobo.json" with { type: "json" };
import h100Sxm from "./h100-sxm.json" with { type: "json" };
import int8 from "./int8.json" with { type: "json" };
import olaccel from "./olaccel.json" with { type: "json" };
import olive from "./olive.json" with { type: "json" };
import oliveFp16 from "./olive-fp16.json" with { type: "json" };
import { type AcceleratorModel, type GpuModel, type HardwareModel, validateHardware } from "./schema.ts";
import systolic32Is from "./systolic-32-is.json" with { type: "json" };
import systolic32Os from "./systolic-32-os.json" with { type: "json" };
import systolic128 from "./systolic-128.json" with { type: "json" };
import systolic128Hbm2 from "./systolic-128-hbm2.json" with { type: "json" };
import tpuV3 from "./tpu-v3.json" with { type: "json" };

const FILES: readonly object[] = [
  systolic128,
  systolic32Os,
  systolic32Is,
  fp16Baseline,
  antFp16,
  oliveFp16,
  bitmod,
  olive,
  ant,
  gobo,
  bitfusion,
  olaccel,
  adaptivfloat,
  biscaled,
  int8,
  tpuV3,
  edge16,
  systolic128Hbm2,
  h100Sxm,
  a100Sxm,
];

function builtIn(file: object): HardwareModel {
  const sink = new Diagnostics();
  const model = validateHardware(JSON.stringify(file), -1, sink);
  return model ?? internal(`a built-in hardware model is wrong: ${sink.list[0]?.message}`);
}

/** All built-in models: accelerators first. */
export const HARDWARE: readonly HardwareModel[] = FILES.map(builtIn);

export const ACCELERATORS: readonly AcceleratorModel[] = HARDWARE.filter((m) => m.kind === "accelerator");
export const GPUS: readonly GpuModel[] = HARDWARE.filter((m) => m.kind === "gpu");

/** The built-in model of this name. */
export function hardwareNamed(name: string): HardwareModel | undefined {
  return HARDWARE.find((m) => m.name === name);
}

/** The GPU that compile reports assume for a target architecture such as `cuda.sm90a`. */
export function gpuFor(target: string): GpuModel | undefined {
  return GPUS.find((g) => g.targets.includes(target));
}
