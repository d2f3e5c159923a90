/**
 * `node bench/web/run.mjs [slices] [lanes]`: how long the viewer takes to load a trace and to draw a frame, in headless
 * Chromium without a GPU, beside drawing every slice as a rectangle. A frame is forced: JavaScript, and reading a pixel.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { webPage } from "../../scripts/build-web.mjs";
import { ROOT } from "../../scripts/setup.mjs";
import { findTool } from "../../scripts/tools.mjs";

const [slices = 10_000_000, lanes = 64] = process.argv.slice(2).map(Number);
const CANVAS = { width: 1600, height: 1152 };
/** What stands around the canvas: names of lanes and details beside it; title, tabs, heads and foot above and below. */
const AROUND = { width: 148 + 322, height: 40 + 29 + 72 + 25 };
const FRAMES = 30;
const NAIVE_FRAMES = 3;

const folder = mkdtempSync(join(ROOT, "out", "bench-web-"));
mkdirSync(folder, { recursive: true });

async function syntheticTrace() {
  const file = join(folder, "synthetic.mjs");
  await build({
    entryPoints: [join(ROOT, "bench/web/synthetic.ts")],
    bundle: true,
    format: "esm",
    platform: "node",
    outfile: file,
    logLevel: "warning",
  });
  const made = await import(pathToFileURL(file).href);
  return /** @type {Uint8Array} */ (made.syntheticTrace(slices, lanes));
}

/** @param {readonly number[]} times */
const summary = (times) => {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (/** @type {number} */ share) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { median: at(0.5), p95: at(0.95), min: sorted[0] ?? 0 };
};

/** @param {import("playwright-core").Page} page @param {string} path */
async function measureLoad(page, path) {
  await page.evaluate(() => {
    const times = { chosen: 0, shown: 0 };
    Object.assign(globalThis, { times });
    document.querySelector("input[type=file]")?.addEventListener("change", () => {
      times.chosen = performance.now();
    });
    new MutationObserver(() => {
      if (times.shown === 0 && document.querySelector(".lanes-canvas"))
        requestAnimationFrame(() =>
          setTimeout(() => {
            times.shown = performance.now();
          }),
        );
    }).observe(document.body, { childList: true, subtree: true });
  });
  await page.setInputFiles("input[type=file]", path);
  await page.waitForFunction(() => /** @type {any} */ (globalThis).times.shown > 0, undefined, { timeout: 120_000 });
  return page.evaluate(() => {
    const { times } = /** @type {any} */ (globalThis);
    return /** @type {number} */ (times.shown - times.chosen);
  });
}

/** @param {import("playwright-core").Page} page @param {number} zoom */
function measureFrames(page, zoom) {
  return page.evaluate(
    ([zoom = 1, frames = 1, laneHeight = 18]) => {
      const app = /** @type {any} */ (globalThis).bitloom.app();
      const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector(".lanes-canvas"));
      const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
      const { cycles } = app.model;
      const length = cycles / zoom;
      const times = [];
      for (let i = -3; i < frames; i++) {
        const from = ((cycles - length) * ((i + 3) % 17)) / 17;
        const start = performance.now();
        app.drawNow({ from, to: from + length, laneHeight });
        context.getImageData(0, 0, 1, 1);
        if (i >= 0) times.push(performance.now() - start);
      }
      return { times, width: canvas.width, height: canvas.height };
    },
    [zoom, FRAMES, CANVAS.height / lanes],
  );
}

/** Every slice in view as a rectangle. @param {import("playwright-core").Page} page @param {number} zoom */
function measureNaive(page, zoom) {
  return page.evaluate(
    ([zoom = 1, frames = 1, width = 1, height = 1]) => {
      const { model } = /** @type {any} */ (globalThis).bitloom.app();
      const canvas = document.createElement("canvas");
      Object.assign(canvas, { width, height });
      const context = /** @type {CanvasRenderingContext2D} */ (
        canvas.getContext("2d", { alpha: false, willReadFrequently: true })
      );
      const [segment] = model.segments;
      const length = model.cycles / zoom;
      const row = height / model.lanes.length;
      const times = [];
      for (let i = -1; i < frames; i++) {
        const from = ((model.cycles - length) * ((i + 1) % 17)) / 17;
        const start = performance.now();
        for (const [lane, track] of segment.tracks.entries()) {
          const { starts, state } = track;
          let k = 0;
          while (k + 1 < starts.length && starts[k + 1] <= from) k++;
          for (; k < starts.length && starts[k] < from + length; k++) {
            const x = ((starts[k] - from) / length) * width;
            const end = k + 1 < starts.length ? starts[k + 1] : segment.cycles;
            context.fillStyle = `hsl(${state[k] * 40} 60% 50%)`;
            context.fillRect(x, lane * row, Math.max(1, ((end - starts[k]) / length) * width), row - 1);
          }
        }
        context.getImageData(0, 0, 1, 1);
        if (i >= 0) times.push(performance.now() - start);
      }
      return times;
    },
    [zoom, NAIVE_FRAMES, CANVAS.width, CANVAS.height],
  );
}

/** @param {number} ms */
const show = (ms) => ms.toFixed(1).padStart(8);

try {
  const trace = await syntheticTrace();
  const tracePath = join(folder, "synthetic.trace");
  const pagePath = join(folder, "index.html");
  writeFileSync(tracePath, trace);
  writeFileSync(pagePath, await webPage());
  const browser = await chromium.launch({
    executablePath: findTool("chromium") ?? "chromium",
    args: ["--no-sandbox", "--disable-gpu"],
  });
  const page = await browser.newPage({
    viewport: { width: CANVAS.width + AROUND.width, height: CANVAS.height + AROUND.height },
  });
  page.setDefaultTimeout(300_000);
  console.log(`${new Date().toISOString().slice(0, 10)}  node bench/web/run.mjs ${slices} ${lanes}`);
  console.log(
    `${await browser.version()}, ${cpus().length} × ${cpus()[0]?.model}, load average ${loadavg()[0]?.toFixed(1)}`,
  );
  console.log(`${slices} slices, ${lanes} lanes, file ${(trace.length / 1e6).toFixed(1)} MB`);
  const loads = [];
  for (let i = 0; i < 3; i++) {
    await page.goto(`${pathToFileURL(pagePath).href}?${i}`);
    loads.push(await measureLoad(page, tracePath));
  }
  // The summary makes room for the lanes.
  await page.keyboard.press("i");
  console.log(
    `load, from the choice of the file to its first frame: ${loads.map((ms) => `${ms.toFixed(0)} ms`).join(", ")}`,
  );
  for (const zoom of [1, 4, 16, 64, 256, 1024, 4096]) {
    const { times, width, height } = await measureFrames(page, zoom);
    if (zoom === 1) {
      console.log(`\nmilliseconds a frame, ${FRAMES} frames on a canvas of ${width} × ${height}`);
      console.log("   zoom   in view     median      p95      min   rectangles (median)");
    }
    const { median, p95, min } = summary(times);
    const naive = summary(await measureNaive(page, zoom)).median;
    const inView = String(Math.round(slices / zoom)).padStart(9);
    console.log(
      `${String(zoom).padStart(7)} ${inView} ${show(median)}  ${show(p95)} ${show(min)} ${show(naive).padStart(12)}`,
    );
  }
  await browser.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
