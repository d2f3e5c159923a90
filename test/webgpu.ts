/** A WebGPU device for tests: Dawn on Vulkan, on SwiftShader unless the environment names another driver. */
import { type NodeDevice, openNodeDevice } from "../backends/hosts/node-webgpu.ts";
import { findTool } from "../scripts/tools.mjs";

export type OpenDevice = NodeDevice;

/** Opens a device with all features; `close` it before the test ends. `toggles`: Dawn's, such as "dump_shaders". */
export async function openDevice(toggles: readonly string[] = []): Promise<OpenDevice> {
  const driver = findTool("swiftshader");
  if (process.env.VK_ICD_FILENAMES === undefined && driver !== undefined) process.env.VK_DRIVER_FILES ??= driver;
  return openNodeDevice(toggles);
}
