/** A WebGPU device in Node: Dawn on Vulkan, which is SwiftShader where there is no GPU. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findTool } from "../scripts/tools.mjs";

/** An open device; `close` must be called before the process ends. */
export interface OpenDevice {
  readonly device: GPUDevice;
  readonly adapter: GPUAdapter;
  /** Names of WGSL's language extensions that this implementation has. */
  readonly languageFeatures: readonly string[];
  /** Subgroup sizes of the adapter; 4 on SwiftShader. */
  readonly subgroupSizes: readonly [min: number, max: number];
  close(): Promise<void>;
}

function chooseSoftwareDriver(): void {
  const driver = findTool("swiftshader");
  if (process.env.VK_DRIVER_FILES === undefined && process.env.VK_ICD_FILENAMES === undefined && driver !== undefined)
    process.env.VK_DRIVER_FILES = driver;
  process.env.XDG_RUNTIME_DIR ??= mkdtempSync(join(tmpdir(), "bitloom-"));
}

/**
 * Opens a device with all of the adapter's features and compute limits; rejects where there is no adapter.
 * `toggles`: Dawn's, such as "dump_shaders". Uncaptured errors (a shader that does not validate) reject `close`.
 */
export async function openDevice(toggles: readonly string[] = []): Promise<OpenDevice> {
  chooseSoftwareDriver();
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  const options = toggles.length === 0 ? [] : [`enable-dawn-features=${toggles.join(",")}`];
  const gpu = create(["backend=vulkan", ...options]);
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error("no WebGPU adapter");
  const { limits } = adapter;
  const device = await adapter.requestDevice({
    requiredFeatures: [...adapter.features] as GPUFeatureName[],
    requiredLimits: {
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxBufferSize: limits.maxBufferSize,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
    },
  });
  const errors: string[] = [];
  device.addEventListener("uncapturederror", (event) => {
    errors.push((event as GPUUncapturedErrorEvent).error.message);
  });
  return {
    device,
    adapter,
    languageFeatures: [...gpu.wgslLanguageFeatures],
    subgroupSizes: [adapter.info.subgroupMinSize, adapter.info.subgroupMaxSize],
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
