/** Opens a WebGPU device in Node, through Dawn (the npm package `webgpu`); SwiftShader stands in where there is no GPU. */
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** An open device; `close` must be called before the process ends. */
export interface NodeDevice {
  readonly device: GPUDevice;
  /** Words for people: "SwiftShader driver 5.0.0". */
  readonly description: string;
  readonly features: ReadonlySet<string>;
  /** Names of WGSL's language extensions that this implementation has. */
  readonly languageFeatures: readonly string[];
  /** Subgroup sizes of the adapter; 4 on SwiftShader. */
  readonly subgroupSizes: readonly [min: number, max: number];
  /** Rejects with the errors that nobody handled, a shader that does not validate among them. */
  close(): Promise<void>;
}

/** Where Debian's and Google's Chromium keep SwiftShader's Vulkan driver. */
const SOFTWARE_DRIVERS: readonly string[] = [
  "/usr/lib/chromium/vk_swiftshader_icd.json",
  "/usr/lib64/chromium-browser/vk_swiftshader_icd.json",
  "/opt/google/chrome/vk_swiftshader_icd.json",
];

function prepareEnvironment(): void {
  const driver = SOFTWARE_DRIVERS.find((path) => existsSync(path));
  const chosen = process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES;
  // A machine with a real driver lists it in /etc or /usr/share; SwiftShader is for those with an NVIDIA-free /dev.
  const hasGpu = existsSync("/dev/dri") || existsSync("/dev/nvidia0");
  if (process.platform === "linux" && chosen === undefined && !hasGpu && driver !== undefined)
    process.env.VK_DRIVER_FILES = driver;
  // Vulkan loaders warn without it.
  process.env.XDG_RUNTIME_DIR ??= mkdtempSync(join(tmpdir(), "bitloom-"));
}

const LIMITS = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxStorageBuffersPerShaderStage",
] as const;

/**
 * Opens a device with all of the adapter's features and its compute limits. Rejects where the package is not installed
 * or there is no adapter. `toggles` are Dawn's: "dump_shaders".
 */
export async function openNodeDevice(toggles: readonly string[] = []): Promise<NodeDevice> {
  prepareEnvironment();
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  const backend = process.platform === "linux" ? ["backend=vulkan"] : [];
  const features = toggles.length === 0 ? [] : [`enable-dawn-features=${toggles.join(",")}`];
  const gpu = create([...backend, ...features]);
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error("no WebGPU adapter");
  const device = await adapter.requestDevice({
    requiredFeatures: [...adapter.features] as GPUFeatureName[],
    requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
  });
  const errors: string[] = [];
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    errors.push((event as GPUUncapturedErrorEvent).error.message);
  });
  const { info } = adapter;
  return {
    device,
    description: info.description || info.device || info.vendor,
    features: device.features,
    languageFeatures: [...gpu.wgslLanguageFeatures],
    subgroupSizes: [info.subgroupMinSize, info.subgroupMaxSize],
    async close() {
      await device.queue.onSubmittedWorkDone();
      device.destroy();
      await device.lost;
      // `gpu` must outlive the device: Dawn's instance dies with it.
      if (gpu.wgslLanguageFeatures === undefined) throw new Error("the WebGPU instance ended before its device");
      if (errors.length > 0) throw new Error(errors.join("\n"));
    },
  };
}
