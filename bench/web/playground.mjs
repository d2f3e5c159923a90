/**
 * `node bench/web/playground.mjs`: how long the playground takes to compile what somebody types, in headless Chromium.
 * Every key press makes another text, which is checked and compiled anew; the library's files are known from before.
 * Beside it the processor time of the same work in Node, which other work on the machine hardly changes.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { deflateRawSync, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { playgroundPage } from "../../scripts/build-web.mjs";
import { ROOT } from "../../scripts/setup.mjs";
import { findTool } from "../../scripts/tools.mjs";

const EDITS = 30;
/** Edits before the engine has compiled the compiler. */
const WARM = 15;

const OPERATORS = /** @type {const} */ ([
  ["quickstart.loom", "linear_w4a16"],
  ["quickstart.loom", "linear_w2a8"],
  ["quickstart.loom", "linear_nf4"],
  ["w4.loom", "linear"],
  ["gallery/bitmod.loom", "bitmod"],
  ["gallery/olive.loom", "olive"],
]);

/** @param {readonly number[]} times */
const summary = (times) => {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (/** @type {number} */ share) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return [at(0), at(0.5), at(0.95)].map((t) => t.toFixed(0).padStart(6)).join("");
};

const TARGETS = ["cuda.sm90a", "wgsl.p2", "metal.3"];

/** @param {string} folder */
async function processorTimes(folder) {
  const outfile = join(folder, "edits.mjs");
  const entryPoints = [join(ROOT, "bench/web/edits.ts")];
  await build({ entryPoints, bundle: true, format: "esm", platform: "node", outfile, logLevel: "warning" });
  const { processorTime } = /** @type {typeof import("./edits.ts")} */ (await import(pathToFileURL(outfile).href));
  return OPERATORS.map(([file, op]) => processorTime(join(ROOT, "examples", file), op, TARGETS, EDITS, WARM));
}

const page = await playgroundPage();
mkdirSync(join(ROOT, "out"), { recursive: true });
const folder = mkdtempSync(join(ROOT, "out", "bench-play-"));
const path = join(folder, "playground.html");
writeFileSync(path, page);
const processor = await processorTimes(folder);
const browser = await chromium.launch({
  executablePath: findTool("chromium") ?? "chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-gpu"],
});
const load = () => loadavg()[0]?.toFixed(1);
console.log(`${new Date().toISOString().slice(0, 10)}  node bench/web/playground.mjs`);
console.log(
  `${browser.version()}, ${cpus().length} × ${cpus()[0]?.model.split(" ").slice(0, 2).join(" ")}, load average ${load()}`,
);
console.log(`page: ${(gzipSync(page, { level: 9 }).length / 1000).toFixed(1)} kB compressed\n`);
console.log(
  `milliseconds an edit for ${TARGETS.join(", ")} together, ${EDITS} edits after ${WARM}; M = 16, N = K = 4096`,
);
console.log(`${"operator".padEnd(34)}   min median  p95   processor   load`);
const tab = await browser.newPage();
const settled = () =>
  tab.waitForFunction(() => {
    const { bitloom } = /** @type {{ bitloom?: { busy(): boolean } }} */ (/** @type {unknown} */ (globalThis));
    return bitloom !== undefined && !bitloom.busy();
  });
await tab.goto(pathToFileURL(path).href);
await settled();
for (const [n, [file, op]] of OPERATORS.entries()) {
  const text = readFileSync(join(ROOT, "examples", file), "utf8");
  const packed = deflateRawSync(JSON.stringify({ text: `${text}// `, op })).toString("base64url");
  await tab.goto(`${pathToFileURL(path).href}#1.${packed}`);
  await tab.reload();
  await settled();
  await tab.locator(".source .cm-content").first().click();
  await tab.keyboard.press("Control+End");
  const times = [];
  for (let edit = 0; edit < WARM + EDITS; edit++) {
    await tab.keyboard.type(String(edit % 10));
    await settled();
    const said = (await tab.locator(".state").textContent()) ?? "";
    const milliseconds = Number(/compiled in (\d+) ms/.exec(said)?.[1]);
    if (edit >= WARM) times.push(milliseconds);
  }
  console.log(
    `${`${file} ${op}`.padEnd(34)}${summary(times)}${(processor[n] ?? 0).toFixed(0).padStart(12)}   ${load()}`,
  );
}
await browser.close();
rmSync(folder, { recursive: true });
