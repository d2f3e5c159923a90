/** The programs outside npm that the tests use: where each is looked for, and the Debian package that brings it. */
import { accessSync, constants, existsSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

/** @typedef {"chromium" | "clang-16" | "sanitizers" | "vulkan" | "swiftshader"} Tool */

/**
 * Every tool: Debian packages that bring it, and what it is for.
 * @type {Readonly<Record<Tool, { readonly packages: readonly string[], readonly use: string }>>}
 */
export const TOOLS = {
  chromium: { packages: ["chromium"], use: "runs WGSL in a browser" },
  "clang-16": { packages: ["clang-16"], use: "runs Metal and CUDA text on the CPU" },
  sanitizers: { packages: ["libclang-rt-16-dev"], use: "finds races and wild reads in kernels" },
  vulkan: { packages: ["libvulkan1"], use: "lets Dawn find a device" },
  swiftshader: { packages: ["chromium"], use: "is the Vulkan device on machines without a GPU" },
};

/** All names, in the order of the table. */
export const TOOL_NAMES = /** @type {readonly Tool[]} */ (Object.keys(TOOLS));

/**
 * The first of these programs on PATH.
 * @param {readonly string[]} names
 * @returns {string | undefined}
 */
export function findProgram(...names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? "").split(delimiter)) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not here: look in the next folder.
      }
    }
  }
  return undefined;
}

/**
 * @param {readonly string[]} paths
 * @returns {string | undefined}
 */
function firstFile(...paths) {
  return paths.find((path) => existsSync(path));
}

/**
 * Where a tool is on this machine, or undefined. `swiftshader` is its Vulkan driver manifest.
 * @param {Tool} tool
 * @returns {string | undefined}
 */
export function findTool(tool) {
  switch (tool) {
    case "chromium":
      return process.env.BITLOOM_CHROMIUM ?? findProgram("chromium", "chromium-browser", "google-chrome");
    case "clang-16":
      return findProgram("clang-16");
    case "sanitizers": {
      const root = "/usr/lib/llvm-16/lib/clang/16/lib/linux";
      return firstFile(join(root, "libclang_rt.tsan-x86_64.a"), join(root, "libclang_rt.tsan-aarch64.a"));
    }
    case "vulkan":
      return firstFile(
        "/usr/lib/x86_64-linux-gnu/libvulkan.so.1",
        "/usr/lib/aarch64-linux-gnu/libvulkan.so.1",
        "/usr/lib64/libvulkan.so.1",
        "/usr/lib/libvulkan.so.1",
      );
    case "swiftshader": {
      const browser = findTool("chromium");
      const beside = browser === undefined ? [] : [join(dirname(realpathSync(browser)), "vk_swiftshader_icd.json")];
      return firstFile("/usr/lib/chromium/vk_swiftshader_icd.json", ...beside);
    }
  }
}

/**
 * What is missing and how to get it, in one line; undefined when the tool is there.
 * @param {Tool} tool
 * @returns {string | undefined}
 */
export function missingReason(tool) {
  if (findTool(tool) !== undefined) return undefined;
  return `${tool} is missing (Debian: apt-get install ${TOOLS[tool].packages.join(" ")})`;
}
