/** The panels in Chromium, on one page: the array, charts, tables, comparison, and what links them to the timeline. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Download, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { encodeTrace } from "../../simulator/index.ts";
import type { ViewSpec } from "../../web/view-spec.ts";
import { describeWith } from "../tools.ts";
import { type Lab, openLab } from "./page.ts";
import { simulated } from "./traces.ts";

const RUNS = ["systolic-32-os", "bitmod"].map((machine) => ({ machine, simulation: simulated(machine) }));
const FILES = RUNS.map(({ machine, simulation }) => ({
  name: `${machine}.trace`,
  bytes: encodeTrace(simulation.trace!),
}));
const [PLAIN, SERIAL] = RUNS.map((r) => r.simulation.report.results[0]!);
const REPORT = JSON.stringify({
  schema: "bitloom.simulate/1",
  results: RUNS.flatMap((r) => r.simulation.report.results),
});

const specOf = (page: Page): Promise<ViewSpec> =>
  page.evaluate(() => (globalThis as unknown as { bitloom: { app(): { spec(): ViewSpec } } }).bitloom.app().spec());
const settled = (page: Page): Promise<void> => page.waitForTimeout(60);
const cyclesIn = (text: string | null): number => Number((text ?? "").replace(/[^\d−-]/g, "").replace("−", "-"));

async function textOf(download: Download): Promise<string> {
  return readFileSync(await download.path(), "utf8");
}

describeWith(["chromium"], "panels", () => {
  let lab: Lab;
  let page: Page;
  beforeAll(async () => {
    lab = await openLab();
    page = await lab.embeddedAll(FILES);
    await page.waitForSelector(".lanes-canvas");
  }, 60_000);
  afterEach(() => {
    expect(lab?.complaints()).toEqual([]);
  });
  afterAll(() => lab?.close(), 60_000);

  const tab = async (name: string): Promise<void> => {
    await page.locator(`[data-tab="${name}"]`).click();
    await settled(page);
  };
  /** The page as it was opened, with a panel. */
  const fresh = async (name: string): Promise<void> => {
    await page.keyboard.press("Escape");
    await page.evaluate(() => {
      location.hash = "";
    });
    await settled(page);
    await tab(name);
  };
  const saved = async (name: "SVG" | "PNG" | "CSV", within = ".deck-body"): Promise<Download> => {
    const download = page.waitForEvent("download");
    await page.locator(within).getByRole("button", { name, exact: true }).first().click();
    return download;
  };

  it("opens by tab, arrow keys and V, and is in the address", async () => {
    await tab("layers");
    expect(await page.locator("table.layers").isVisible()).toBe(true);
    await page.locator('[data-tab="layers"]').press("ArrowRight");
    await settled(page);
    expect((await specOf(page)).panel).toBe("compare");
    await page.locator(".lanes").focus();
    await page.keyboard.press("Shift+V");
    await page.waitForFunction(() => location.hash.includes("v=layers"));
    await page.keyboard.press("i");
    await settled(page);
    expect(await page.locator("table.layers").isVisible()).toBe(false);
    await page.keyboard.press("i");
    const height = async (): Promise<number> => (await page.locator(".deck-body").boundingBox())!.height;
    await settled(page);
    const before = await height();
    await page.locator(".splitter").press("ArrowDown");
    await settled(page);
    expect(await height()).toBeGreaterThan(before);
  });

  it("the array: steps, scrubs, plays and stops at the playhead, which the ruler moves too", async () => {
    await fresh("array");
    await page.keyboard.press("0");
    const pixels = (): Promise<string> =>
      page.evaluate(() => document.querySelector<HTMLCanvasElement>(".array-canvas")!.toDataURL());
    const facts = page.locator(".array-facts");
    await page.locator(".array-scrub").fill("4000");
    await settled(page);
    expect((await specOf(page)).playhead).toBe(4000);
    const first = await pixels();
    await page.getByRole("button", { name: "Ten cycles on" }).click();
    await page.locator(".lanes").focus();
    await page.keyboard.press("ArrowLeft");
    await settled(page);
    expect((await specOf(page)).playhead).toBe(4009);
    expect(await pixels()).not.toBe(first);
    expect(await facts.locator("dd").first().textContent()).toMatch(/^4.009$/);
    await page.keyboard.press("p");
    await page.waitForFunction(
      () =>
        (globalThis as unknown as { bitloom: { app(): { spec(): ViewSpec } } }).bitloom.app().spec().playhead! > 4012,
    );
    await page.keyboard.press("Escape");
    await settled(page);
    const stopped = (await specOf(page)).playhead;
    await page.waitForTimeout(100);
    expect((await specOf(page)).playhead).toBe(stopped);
    const ruler = (await page.locator(".ruler").boundingBox())!;
    await page.mouse.click(ruler.x + ruler.width / 2, ruler.y + 8);
    expect((await specOf(page)).playhead).toBeCloseTo(PLAIN!.totals.cycles / 2, -2);
    expect(await page.locator(".playhead").isVisible()).toBe(true);
    await page.getByRole("button", { name: "utilisation" }).click();
    await settled(page);
    const mean = await facts.locator("dt", { hasText: "mean" }).locator("xpath=following-sibling::dd[1]").textContent();
    expect(Number(mean!.replace(/[^\d.]/g, ""))).toBeCloseTo(100 * PLAIN!.totals.utilisation, 1);
    await page.getByRole("button", { name: "utilisation" }).click();
    expect(await textOf(await saved("SVG"))).toMatch(/^<\?xml[\s\S]*<rect[\s\S]*<\/svg>\s*$/);
  });

  it("energy: bars sum to the report, set an operation apart, and are saved as SVG and PNG", async () => {
    await fresh("energy");
    const chart = page.locator(".deck-energy .chart").first();
    expect(await chart.locator("svg").getAttribute("aria-label")).toMatch(/systolic-32-os .*J; bitmod .*J; mlp/);
    const row = chart.locator("[data-row]").first();
    const key = (await row.getAttribute("data-row"))!;
    await row.click();
    await settled(page);
    expect((await specOf(page)).focus).toBe(key);
    expect(await page.locator(".overview-focus i").count()).toBeGreaterThan(0);
    await page.getByRole("button", { name: "shares" }).click();
    await settled(page);
    expect(await chart.locator("svg").textContent()).toContain("100 %");
    const svg = await textOf(await saved("SVG", ".deck-energy .chart"));
    expect(svg).toContain('xmlns="http://www.w3.org/2000/svg"');
    expect(svg).toContain("dram");
    const png = readFileSync(await (await saved("PNG", ".deck-energy .chart")).path());
    expect(png.subarray(1, 4).toString()).toBe("PNG");
    expect(png.length).toBeGreaterThan(5000);
  });

  it("roofline: dots set operations apart by click and key; a brushed range moves the cross and says what bounds it", async () => {
    await fresh("roofline");
    const dot = page.locator("[data-dot]").first();
    await dot.focus();
    await page.keyboard.press("Enter");
    await settled(page);
    const { focus } = await specOf(page);
    expect(focus).not.toBe("");
    expect(await page.locator(".roofline-words").textContent()).toMatch(/Bound by/);
    await page.getByRole("button", { name: /^show the first of/ }).click();
    await settled(page);
    expect((await specOf(page)).range).toBeDefined();
    await page.locator(".roofline-words").getByRole("button", { name: "clear" }).click();
    const cross = (): Promise<string | null> => page.locator(".range-dot").getAttribute("d");
    await settled(page);
    const before = await cross();
    await page.keyboard.press("0");
    const box = (await page.locator(".lanes-canvas").boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.55, box.y + 30);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.9, box.y + 40, { steps: 3 });
    await page.mouse.up();
    await settled(page);
    expect(await cross()).not.toBe(before);
    // The range's edge can be taken and moved.
    const { range } = await specOf(page);
    const edge = box.x + (box.width * range!.to) / PLAIN!.totals.cycles;
    await page.mouse.move(edge, box.y + 30);
    await page.mouse.down();
    await page.mouse.move(edge - 60, box.y + 30, { steps: 3 });
    await page.mouse.up();
    const moved = (await specOf(page)).range!;
    expect(moved.from).toBe(range!.from);
    expect(moved.to).toBeLessThan(range!.to);
  });

  it("layers: sorted by a column, saved as CSV that sums to the report, and shown in the timeline", async () => {
    await fresh("layers");
    await page.locator("table.layers thead button", { hasText: "cycles" }).click();
    await settled(page);
    const cells = await page.locator("table.layers tbody tr td:nth-child(4)").allTextContents();
    const cycles = cells.map(cyclesIn);
    expect(cycles).toEqual([...cycles].sort((a, b) => b - a));
    expect(await page.locator('th[aria-sort="descending"]').textContent()).toMatch(/cycles/);
    const csv = (await textOf(await saved("CSV"))).trim().split("\n");
    expect(csv[0]).toMatch(/^operation,kind,times,cycles,/);
    const sum = csv.slice(1).reduce((total, line) => total + Number(line.split(",")[3]), 0);
    expect(sum).toBe(PLAIN!.totals.cycles);
    await page.locator("table.layers tbody th button").first().click();
    await settled(page);
    const { range, focus } = await specOf(page);
    expect(range!.to - range!.from).toBeGreaterThan(0);
    expect(focus).not.toBe("");
    expect(await page.locator("table.layers tr.focused").count()).toBeGreaterThan(0);
  });

  it("compare: says the exact difference by each measure, over all models, and switches runs", async () => {
    await fresh("compare");
    const difference = SERIAL!.totals.cycles - PLAIN!.totals.cycles;
    const verdict = async (): Promise<string> => (await page.locator(".verdict").textContent())!;
    const said = /\(([^)]*)\)/.exec(await verdict())![1]!;
    expect(cyclesIn(said)).toBe(difference);
    const csv = (await textOf(await saved("CSV", ".compare-steps"))).trim().split("\n").slice(1);
    expect(csv.reduce((sum, line) => sum + Number(line.split(",").at(-1)), 0)).toBe(difference);
    for (const [metric, by] of [
      ["energy", "component"],
      ["time", "cause"],
      ["bytes", "kind"],
    ] as const) {
      await page.locator(".choices select").nth(2).selectOption(metric);
      await settled(page);
      await page.locator(".choices select").nth(3).selectOption(by);
      await settled(page);
      expect(await verdict()).toContain(metric);
      expect((await specOf(page)).comparison).toMatchObject({ metric, by });
    }
    expect(await page.locator(".deck-compare > .chart svg").getAttribute("aria-label")).toMatch(/1\.00 ×/);
    await page.locator(".run-choice").selectOption("1");
    await page.waitForFunction(() => location.hash.includes("n=1"));
    await settled(page);
    expect((await specOf(page)).comparison).toMatchObject({ metric: "bytes" });
    await tab("array");
    const words = await page.locator(".array-facts").textContent();
    expect(words).toMatch(/term|fold/);
    await page.locator(".run-choice").selectOption("0");
    await settled(page);
  });

  it("measures with the right button, keeps marks, finds by name, and pans with the space bar", async () => {
    await fresh("overview");
    const box = (await page.locator(".lanes-canvas").boundingBox())!;
    await page.mouse.move(box.x + 100, box.y + 30);
    await page.mouse.down({ button: "right" });
    await page.mouse.move(box.x + 300, box.y + 30, { steps: 3 });
    const words = await page.locator(".measure").textContent();
    expect(words).toMatch(/cycles.*MACs.*J/s);
    await page.mouse.up({ button: "right" });
    expect(await page.locator(".measure").isVisible()).toBe(false);
    expect((await specOf(page)).range).toBeUndefined();
    await page.locator(".lanes").focus();
    await page.mouse.move(box.x + box.width * 0.75, box.y + 30);
    await page.keyboard.press("Shift+Digit3");
    await settled(page);
    const mark = (await specOf(page)).marks["3"]!;
    expect(mark).toBeGreaterThan(0.7 * PLAIN!.totals.cycles);
    expect(await page.locator(".overview-flags b").textContent()).toBe("3");
    for (let i = 0; i < 4; i++) await page.keyboard.press("w");
    await page.keyboard.press("Home");
    for (let i = 0; i < 6; i++) await page.keyboard.press("w");
    await page.mouse.move(box.x + 20, box.y + 30);
    await page.keyboard.press("3");
    await settled(page);
    const at = await specOf(page);
    expect((at.from + at.to) / 2).toBeCloseTo(mark, -3);
    await page.keyboard.down("Space");
    await page.mouse.down();
    await page.mouse.move(box.x + 120, box.y + 30, { steps: 3 });
    await page.mouse.up();
    await page.keyboard.up("Space");
    expect((await specOf(page)).from).toBeLessThan(at.from);
    await page.keyboard.press("Control+Shift+P");
    await page.keyboard.type("lane vec");
    await page.keyboard.press("Enter");
    await settled(page);
    const lane = await page.evaluate(
      () => (document.querySelector(".label.selected .lane-name") as HTMLElement | null)?.textContent,
    );
    expect(lane).toBe("vec");
    const counter = (await page.locator(".counter-label").first().boundingBox())!;
    await page.locator(".lanes").evaluate((e) => e.scrollTo(0, e.scrollHeight));
    await settled(page);
    const place = (await page.locator(".counter-label", { hasText: "power" }).boundingBox())!;
    await page.mouse.move(box.x + 200, place.y + place.height / 2);
    expect(await page.locator(".tip b").textContent()).toMatch(/^power .*W$/);
    expect(counter.height).toBeGreaterThan(10);
  });

  it("a report without traces shows charts alone, and can be put beside a trace", async () => {
    const other = await lab.empty();
    await other.setInputFiles("input[type=file]", { name: "a.json", mimeType: "", buffer: Buffer.from(REPORT) });
    await other.waitForSelector(".deck");
    expect(await other.locator(".lanes-canvas").count()).toBe(0);
    await other.locator('[data-tab="compare"]').click();
    await settled(other);
    expect(await other.locator(".verdict").textContent()).toContain("cycles");
    const chooser = other.waitForEvent("filechooser");
    await other.getByRole("button", { name: "add a run…" }).click();
    await (await chooser).setFiles({ name: "b.trace", mimeType: "", buffer: Buffer.from(FILES[0]!.bytes) });
    await other.waitForFunction(() => document.querySelectorAll(".run-choice option").length === 3);
    await other.locator(".run-choice").selectOption("2");
    await other.waitForSelector(".lanes-canvas");
    await other.close();
  });

  it.each(["light", "dark"] as const)("passes axe's checks in the %s theme, each panel", async (theme) => {
    await fresh("overview");
    if ((await page.evaluate(() => document.documentElement.dataset.theme)) !== theme) {
      await page.locator(".lanes").focus();
      await page.keyboard.press("t");
    }
    const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    await page.evaluate(source);
    for (const name of ["array", "energy", "roofline", "layers", "compare"]) {
      await tab(name);
      const violations = await page.evaluate(async () => {
        const { axe } = globalThis as unknown as {
          axe: {
            run(
              at: string,
            ): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }>;
          };
        };
        const found = await axe.run(".deck");
        return found.violations.map(
          (v) => `${v.id}: ${v.nodes.map((n) => `${n.html} ${n.failureSummary}`).join(" | ")}`,
        );
      });
      expect([name, violations]).toEqual([name, []]);
    }
  });

  it("fits a phone without scrolling sideways, each panel", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    for (const name of ["array", "energy", "roofline", "layers", "compare"]) {
      await tab(name);
      const over = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect([name, over]).toEqual([name, 0]);
    }
    await page.setViewportSize({ width: 1280, height: 720 });
  });
});
