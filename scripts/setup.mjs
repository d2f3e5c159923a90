/** Brings a fresh clone to where tests and demo can run: npm packages, Debian's tools, the software Vulkan device. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { findProgram, findTool, missingReason, TOOL_NAMES, TOOLS } from "./tools.mjs";

/** The repository's root folder. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`);
}

/**
 * Runs a program and returns its exit code; its output goes to stderr, so that stdout stays ours.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {boolean} quiet
 */
function execute(program, args, quiet = false) {
  const done = spawnSync(program, args, {
    cwd: ROOT,
    stdio: ["ignore", quiet ? "ignore" : 2, quiet ? "ignore" : 2],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    shell: process.platform === "win32",
  });
  return done.status ?? 1;
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  say(`Bitloom needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(2);
}

/**
 * @param {string} path
 * @returns {Record<string, { version?: string, optional?: boolean, integrity?: string }>}
 */
function lockedPackages(path) {
  return JSON.parse(readFileSync(path, "utf8")).packages ?? {};
}

/** True when node_modules lacks a package of package-lock.json or holds another version of it. */
export function packagesOutOfDate() {
  const installed = join(ROOT, "node_modules", ".package-lock.json");
  if (!existsSync(installed)) return true;
  const have = lockedPackages(installed);
  return Object.entries(lockedPackages(join(ROOT, "package-lock.json"))).some(
    ([path, wanted]) => path !== "" && wanted.optional !== true && have[path]?.version !== wanted.version,
  );
}

function installPackages() {
  if (!packagesOutOfDate()) return;
  say("Installing npm packages (npm ci) …");
  const code = execute("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  if (code === 0) return;
  say("npm ci failed: see the lines above.");
  process.exit(code);
}

/**
 * The start of a command that may install Debian packages, or undefined where this user may not.
 * @returns {readonly string[] | undefined}
 */
function installer() {
  if (process.platform !== "linux" || findProgram("apt-get") === undefined) return undefined;
  if (process.getuid?.() === 0) return ["apt-get"];
  const sudo = findProgram("sudo");
  return sudo !== undefined && execute(sudo, ["-n", "true"], true) === 0 ? [sudo, "-n", "apt-get"] : undefined;
}

function installTools() {
  const missing = TOOL_NAMES.filter((tool) => findTool(tool) === undefined);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.flatMap((tool) => TOOLS[tool].packages))];
  const command = installer();
  if (command !== undefined) {
    say(`Installing Debian packages: ${packages.join(" ")} …`);
    const [program = "apt-get", ...first] = command;
    const install = [...first, "install", "-y", "-q", "--no-install-recommends", ...packages];
    if (execute(program, install, true) !== 0) {
      execute(program, [...first, "update", "-q"], true);
      execute(program, install);
    }
  }
  for (const tool of TOOL_NAMES) {
    const reason = missingReason(tool);
    if (reason !== undefined) say(`${reason}: tests that need it are skipped. It ${TOOLS[tool].use}.`);
  }
}

/** The environment in which Dawn finds SwiftShader, unless the user chose a Vulkan driver. */
export function vulkanEnvironment() {
  const env = { ...process.env };
  const driver = findTool("swiftshader");
  if (env.VK_DRIVER_FILES === undefined && env.VK_ICD_FILENAMES === undefined && driver !== undefined)
    env.VK_DRIVER_FILES = driver;
  if (env.XDG_RUNTIME_DIR === undefined || !existsSync(env.XDG_RUNTIME_DIR))
    env.XDG_RUNTIME_DIR = mkdtempSync(join(tmpdir(), "bitloom-"));
  return env;
}

/**
 * Sets the clone up. `tools`: also Debian's packages, for the tests.
 * @param {{ readonly tools: boolean }} what
 */
export function setUp(what) {
  checkNode();
  installPackages();
  if (what.tools) installTools();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) setUp({ tools: true });
