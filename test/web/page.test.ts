/** The page in Chromium: every way in, every interaction; an error or a console message anywhere fails. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { encodeTrace } from "../../simulator/index.ts";
import { describeWith } from "../tools.ts";
import { type Lab, openLab } from "./page.ts";
import { EVIL_TRACE, simulated } from "./traces.ts";

const SIMULATION = simulated();
const TRACE = encodeTrace(SIMULATION.trace!);
const REPORT = SIMULATION.report.results[0]!;

interface Spec {
  readonly from: number;
  readonly to: number;
  readonly range?: { readonly from: number; readonly to: number };
  readonly selected?: { readonly lane: number; readonly at: number };
  readonly folded: readonly string[];
  readonly pinned: readonly number[];
}
const specOf = (page: Page): Promise<Spec> =>
  page.evaluate(() => (globalThis as unknown as { bitloom: { app(): { spec(): Spec } } }).bitloom.app().spec() as Spec);
const settled = (page: Page): Promise<void> => page.waitForTimeout(60);

/** Where a lane's middle is on the screen. */
async function laneY(page: Page, name: string): Promise<number> {
  const box = await page.locator(".lane-name", { hasText: name }).first().boundingBox();
  return box!.y + box!.height / 2;
}
const canvasBox = async (page: Page) => (await page.locator(".lanes-canvas").boundingBox())!;
/** Cells of the totals table as numbers: unit, state, cycles. */
const totalsOf = (page: Page): Promise<readonly (readonly [string, string, number])[]> =>
  page
    .locator(".totals:not(.amounts)")
    .first()
    .locator("tbody tr")
    .evaluateAll((rows) => {
      let unit = "";
      return rows.map((row) => {
        unit = row.querySelector("th")?.textContent ?? unit;
        const cells = [...row.querySelectorAll("td")].map((c) => c.textContent ?? "");
        return [unit, cells[0]!, Number(cells[1]!.replace(/\D/g, ""))] as const;
      });
    });

describeWith(["chromium"], "viewer page", () => {
  let lab: Lab;
  const pages: Page[] = [];
  const keep = async (page: Promise<Page>): Promise<Page> => {
    const open = await page;
    pages.push(open);
    return open;
  };
  /** The small run, ready to be used. */
  const openRun = async (options: Parameters<Lab["embedded"]>[2] = {}): Promise<Page> => {
    const page = await keep(lab.embedded("tiny.trace", TRACE, options));
    await page.waitForSelector(".lanes-canvas");
    await settled(page);
    return page;
  };
  beforeAll(async () => {
    lab = await openLab();
  });
  afterEach(async () => {
    for (const page of pages.splice(0)) await page.close();
    expect(lab.complaints()).toEqual([]);
  });
  afterAll(() => lab?.close());

  it("opens a trace from the server of `bitloom view`", async () => {
    const page = await keep(lab.served("tiny.trace", TRACE));
    await page.waitForSelector(".lanes-canvas");
    expect(await page.title()).toBe("tiny · prefill · Bitloom");
    expect(await page.locator(".bar-name").allTextContents()).toEqual(Object.keys(REPORT.totals.units));
  });

  it("opens a trace that was put into it, from a file", async () => {
    const page = await openRun();
    expect(await page.locator(".machine").textContent()).toBe("systolic-32-os");
  });

  it("opens a trace from the file picker, and another after it", async () => {
    const page = await keep(lab.empty());
    await page.setInputFiles("input[type=file]", { name: "a.trace", mimeType: "", buffer: Buffer.from(TRACE) });
    await page.waitForSelector(".lanes-canvas");
    const kanata = "Kanata\t0004\nC\t1\nI\t0\t0\t0\nS\t0\t0\tX\nC\t5\nR\t0\t0\t0\n";
    await page.setInputFiles("input[type=file]", { name: "b.log", mimeType: "", buffer: Buffer.from(kanata) });
    await page.waitForFunction(() => document.title.startsWith("Kanata log"));
    expect(await page.locator(".lane-name").allTextContents()).toEqual(["X"]);
  });

  it("opens a trace that is dropped", async () => {
    const page = await keep(lab.empty());
    await page.evaluate(
      (bytes) => {
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(bytes)], "dropped.trace"));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
      },
      [...TRACE],
    );
    await page.waitForSelector(".lanes-canvas");
    expect(await page.title()).toContain("tiny");
  });

  it("shows the whole run's totals as the report has them", async () => {
    const page = await openRun();
    await page.waitForSelector(".totals");
    const expected = Object.entries(REPORT.totals.units).flatMap(([unit, { busy, stall, idle }]) =>
      Object.entries({ ...busy, ...stall, idle })
        .filter(([, cycles]) => cycles > 0)
        .map(([state, cycles]) => `${unit} ${state} ${cycles}`),
    );
    const shown = (await totalsOf(page)).map((row) => row.join(" "));
    expect(shown.toSorted()).toEqual(expected.toSorted());
  });

  it("brushes a range and shows totals that sum to it", async () => {
    const page = await openRun();
    const box = await canvasBox(page);
    const y = await laneY(page, "pe");
    await page.mouse.move(box.x + 200, y);
    await page.mouse.down();
    await page.mouse.move(box.x + 320, y, { steps: 5 });
    await page.mouse.up();
    await settled(page);
    const { range } = await specOf(page);
    expect(range!.to).toBeGreaterThan(range!.from);
    const sums = new Map<string, number>();
    for (const [unit, , cycles] of await totalsOf(page)) sums.set(unit, (sums.get(unit) ?? 0) + cycles);
    expect([...new Set(sums.values())]).toEqual([range!.to - range!.from]);
    await page.keyboard.press("f");
    await page.keyboard.press("Escape");
    const after = await specOf(page);
    expect(after.range).toBeUndefined();
    expect(after.from).toBeGreaterThan(0);
  });

  it("zooms with Ctrl and the wheel around the pointer, pans with Shift and drag", async () => {
    const page = await openRun();
    const box = await canvasBox(page);
    const before = await specOf(page);
    const x = box.x + box.width * 0.75;
    await page.mouse.move(x, box.y + 40);
    await page.keyboard.down("Control");
    for (let i = 0; i < 6; i++) await page.mouse.wheel(0, -120);
    await page.keyboard.up("Control");
    await settled(page);
    const zoomed = await specOf(page);
    expect(zoomed.to - zoomed.from).toBeLessThan((before.to - before.from) / 2);
    const under = zoomed.from + 0.75 * (zoomed.to - zoomed.from);
    expect(Math.abs(under - 0.75 * before.to)).toBeLessThan(0.01 * before.to);
    await page.keyboard.down("Shift");
    await page.mouse.down();
    await page.mouse.move(x - 100, box.y + 40, { steps: 4 });
    await page.mouse.up();
    await page.keyboard.up("Shift");
    const panned = await specOf(page);
    expect(panned.from).toBeGreaterThan(zoomed.from);
    expect(panned.to - panned.from).toBeCloseTo(zoomed.to - zoomed.from, 3);
    expect(panned.range).toBeUndefined();
  });

  it("zooms to one cycle and no further", async () => {
    const page = await openRun({ hash: "t=1000,1003" });
    for (let i = 0; i < 12; i++) await page.keyboard.press("w");
    await settled(page);
    const { from, to } = await specOf(page);
    expect(to - from).toBeCloseTo(1, 9);
  });

  it("moves with W, A, S and D while they are held", async () => {
    const page = await openRun();
    const whole = await specOf(page);
    await page.keyboard.down("w");
    await page.waitForTimeout(400);
    await page.keyboard.up("w");
    const close = await specOf(page);
    expect(close.to - close.from).toBeLessThan(0.7 * whole.to);
    await page.keyboard.down("d");
    await page.waitForTimeout(200);
    await page.keyboard.up("d");
    const later = await specOf(page);
    expect(later.from).toBeGreaterThan(close.from);
    await page.waitForTimeout(100);
    expect((await specOf(page)).from).toBe(later.from);
    await page.keyboard.press("0");
    expect(await specOf(page)).toMatchObject({ from: 0, to: whole.to });
  });

  it("says cause and culprit of a stall, and walks to the culprit and back", async () => {
    const page = await openRun();
    await page.locator("button.finding", { hasText: " stalls pe " }).first().click();
    await settled(page);
    const stall = await specOf(page);
    const panel = page.locator(".slice-panel");
    expect(await panel.locator("h2").textContent()).toMatch(/^stalled: /);
    const culprit = await panel
      .locator("dt", { hasText: "culprit" })
      .locator("xpath=following-sibling::dd[1]")
      .textContent();
    await page.keyboard.press("[");
    await settled(page);
    expect(await panel.locator("dd").first().textContent()).toBe(culprit);
    await page.keyboard.press("]");
    await settled(page);
    const back = await specOf(page);
    expect([back.selected!.lane, back.selected!.at]).toEqual([stall.selected!.lane, stall.selected!.at]);
  });

  it("selects with a click, steps with arrows, comma and full stop", async () => {
    const page = await openRun({ hash: "t=0,4000" });
    const box = await canvasBox(page);
    await page.mouse.click(box.x + box.width / 2, await laneY(page, "pe"));
    const clicked = (await specOf(page)).selected!;
    await page.keyboard.press(".");
    const next = (await specOf(page)).selected!;
    expect(next.lane).toBe(clicked.lane);
    expect(next.at).toBeGreaterThan(clicked.at);
    await page.keyboard.press(",");
    expect((await specOf(page)).selected!.at).toBe(clicked.at);
    await page.keyboard.press("Shift+ArrowRight");
    expect((await specOf(page)).selected!.at).toBe(clicked.at + 10);
    await page.keyboard.press("ArrowUp");
    expect((await specOf(page)).selected).toEqual({ lane: clicked.lane - 1, at: clicked.at + 10 });
  });

  it("searches the whole trace and goes from hit to hit", async () => {
    const page = await openRun();
    await page.keyboard.press("/");
    await page.keyboard.type("kind:contract");
    await page.waitForFunction(() =>
      /^[1-9].* found$/.test(document.querySelector(".search-count")?.textContent ?? ""),
    );
    await page.keyboard.press("Enter");
    const first = (await specOf(page)).selected!;
    await page.keyboard.press("Enter");
    const second = (await specOf(page)).selected!;
    expect(second.at).toBeGreaterThan(first.at);
    await page.keyboard.press("Shift+Enter");
    expect((await specOf(page)).selected).toEqual(first);
    expect(await page.locator(".overview-marks i").count()).toBeGreaterThan(0);
  });

  it("folds, pins and hides the summary", async () => {
    const page = await openRun();
    await page.locator(".group-name", { hasText: "Memory" }).click();
    await settled(page);
    expect((await specOf(page)).folded).toEqual(["Memory"]);
    expect(await page.locator(".lane-name", { hasText: "dma-w" }).count()).toBe(0);
    await page.getByRole("button", { name: "Pin pe" }).focus();
    await page.keyboard.press("Enter");
    await settled(page);
    expect((await specOf(page)).pinned).toHaveLength(1);
    expect(await page.locator(".lane-name").first().textContent()).toBe("pe");
    await page.locator(".lanes").focus();
    await page.keyboard.press("i");
    await settled(page);
    expect(await page.locator(".summary").isVisible()).toBe(false);
  });

  it("keeps the view in the address, and Back takes a jump back", async () => {
    const page = await openRun();
    await page.locator("button.finding").first().click();
    await page.waitForFunction(() => location.hash.includes("s="));
    const jumped = await specOf(page);
    const again = await keep(lab.embedded("tiny.trace", TRACE, { hash: new URL(page.url()).hash.slice(1) }));
    await again.waitForSelector(".lanes-canvas");
    const copy = await specOf(again);
    expect(copy.selected).toEqual(jumped.selected);
    expect(copy.from).toBeCloseTo(jumped.from, 2);
    await page.goBack();
    await settled(page);
    expect(await specOf(page)).toMatchObject({ from: 0 });
    expect((await specOf(page)).selected).toBeUndefined();
  });

  it("shows its keys with ?, and goes to a cycle with g", async () => {
    const page = await openRun();
    await page.keyboard.press("?");
    expect(await page.locator("dialog.help").isVisible()).toBe(true);
    await page.keyboard.press("Escape");
    await page.keyboard.press("g");
    await page.keyboard.type("12 345");
    await page.keyboard.press("Enter");
    await settled(page);
    expect((await specOf(page)).selected!.at).toBe(12_345);
  });

  it("runs nothing that a file says", async () => {
    const page = await keep(lab.embedded('"><script>globalThis.pwned=1</script>', EVIL_TRACE));
    await page.waitForSelector(".lanes-canvas");
    const box = await canvasBox(page);
    await page.mouse.click(box.x + 200, box.y + 30);
    await page.mouse.move(box.x + 220, box.y + 34);
    await settled(page);
    expect(
      await page.evaluate(() => [(globalThis as { pwned?: number }).pwned, document.querySelectorAll("img").length]),
    ).toEqual([undefined, 0]);
    expect(await page.locator(".run").textContent()).toContain("<img");
  });

  it("says what is wrong with a file, and stays usable", async () => {
    const page = await keep(lab.empty());
    for (const [text, why] of [
      ["what?", /neither a Bitloom trace/],
      ['[{"ph":"X","ts":"NaN","dur":1}]', /event 0 has no time/],
    ] as const) {
      await page.setInputFiles("input[type=file]", { name: "bad", mimeType: "", buffer: Buffer.from(text) });
      await page.locator(".error", { hasText: why }).waitFor();
    }
    await page.setInputFiles("input[type=file]", { name: "a.trace", mimeType: "", buffer: Buffer.from(TRACE) });
    await page.waitForSelector(".lanes-canvas");
  });

  it.each(["light", "dark"] as const)("passes axe's checks in the %s theme", async (theme) => {
    const page = await openRun({ theme });
    await page.locator("button.finding").first().click();
    await page.keyboard.press("?");
    await settled(page);
    const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    await page.evaluate(source);
    const violations = await page.evaluate(async () => {
      const { axe } = globalThis as unknown as {
        axe: { run(): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }> };
      };
      const withHelp = await axe.run();
      document.querySelector("dialog")?.close();
      const without = await axe.run();
      return [...withHelp.violations, ...without.violations].map(
        (v) => `${v.id}: ${v.nodes.map((n) => `${n.html} ${n.failureSummary}`).join(" | ")}`,
      );
    });
    expect(violations).toEqual([]);
  });

  it.each([
    [1280, 720],
    [390, 844],
  ])("fits %i × %i without scrolling sideways", async (width, height) => {
    const page = await openRun({ width, height });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(over).toBe(0);
    const box = await canvasBox(page);
    expect(box.width).toBeGreaterThan(width / 2);
    expect(box.height).toBeGreaterThan(200);
  });
});
