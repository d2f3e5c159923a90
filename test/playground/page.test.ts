/** The playground in Chromium: every interaction, light and dark; an error or a console message anywhere fails. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { startFragment } from "../../compiler/cli/play.ts";
import { compile } from "../../compiler/driver.ts";
import { instantiate } from "../../compiler/instantiate/instantiate.ts";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import { ALGEBRA } from "../../compiler/pipelines.ts";
import { hardwareNamed } from "../../hw-models/index.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { simulateProgram } from "../../simulator/simulate-program.ts";
import { FRESH, fromFragment, toFragment } from "../../web/playground/state.ts";
import { describeWith } from "../tools.ts";
import { column, compiled, openPlayLab, type PlayLab, source, stateOf, write } from "./page.ts";

const TEXT = `// Four bits and a scale for 32.
format w4 {
  block 32
  scale: f16
  q: u4[32]
  value(i) = scale * (q[i] - 8)
}

op linear<M, N, K>(x: f16[M, K], w: w4[N, K], v: nf4[N, K]) -> f16[M, N] {
  y[m, n] = sum k { x[m, k] * w[n, k] } + sum k { x[m, k] * v[n, k] }
}

op simple<M, N, K>(x: f16[M, K], w: w4[N, K]) -> f16[M, N] {
  y[m, n] = sum k { x[m, k] * w[n, k] }
}
`;
const SIZES = { M: 2, N: 64, K: 256 };
const START = { ...FRESH, text: TEXT, op: "simple", sizes: SIZES };

/** The file that the compiler makes of the text, here. */
function fileOf(target: string): string {
  const diagnostics = new Diagnostics();
  const module = check([{ name: "a.loom", text: TEXT }], diagnostics);
  const made = compile({ sources: [], op: "simple", sizes: SIZES, target }, diagnostics, module);
  return made!.files[0]!.text;
}

const shown = (page: Page, target: string): Promise<string> =>
  column(page, target).evaluate((content) => {
    const view = content as unknown as { cmView?: { view?: unknown }; cmTile?: { view?: unknown } };
    const editor = (view.cmTile?.view ?? view.cmView?.view) as { state: { doc: { toString(): string } } } | undefined;
    return editor?.state.doc.toString() ?? "";
  });

describeWith(["chromium"], "playground", () => {
  let lab: PlayLab;
  let page: Page;
  let offline: Page | undefined;
  /** Back to the start, without loading the page again. */
  const reset = async (change: Partial<typeof START> = {}): Promise<void> => {
    const fragment = await toFragment({ ...START, ...change });
    await page.evaluate((hash) => {
      location.hash = hash;
    }, fragment);
    await page.waitForFunction(
      (text) => (globalThis as unknown as { bitloom: { state(): { text: string } } }).bitloom.state().text === text,
      change.text ?? TEXT,
    );
    await compiled(page);
  };
  beforeAll(async () => {
    lab = await openPlayLab();
    page = await lab.served(`#${await toFragment(START)}`);
  });
  afterEach(() => expect(lab.complaints()).toEqual([]));
  afterAll(() => lab?.close());

  it("compiles three targets side by side, to the files that the command writes", async () => {
    expect(await page.locator(".column").count()).toBe(3);
    for (const target of FRESH.targets) expect(await shown(page, target)).toBe(fileOf(target));
  });

  it("shows every WGSL profile, adds columns and closes them", async () => {
    const choose = page.locator('.column[aria-label="wgsl.p2"] .target-select');
    await choose.selectOption("wgsl.p0");
    await compiled(page);
    expect(await shown(page, "wgsl.p0")).toBe(fileOf("wgsl.p0"));
    for (const profile of ["wgsl.p1", "wgsl.p3"]) {
      await page.getByRole("button", { name: "Add a target" }).click();
      const added = page.locator(".column").last();
      await added.locator(".target-select").selectOption(profile);
      await compiled(page);
      expect(await shown(page, profile)).toBe(fileOf(profile));
    }
    await page.getByRole("button", { name: "Close wgsl.p1" }).click();
    expect((await stateOf(page)).targets).toEqual(["cuda.sm90a", "wgsl.p0", "metal.3", "wgsl.p3"]);
    await reset();
  });

  it("maps lines both ways: source to code, code to source and to other targets", async () => {
    await source(page).locator(".cm-line", { hasText: "value(i)" }).click();
    await page.waitForFunction(() =>
      [...document.querySelectorAll(".column .editor-box")].every(
        (box) => (box.shadowRoot?.querySelectorAll(".linked").length ?? 0) > 0,
      ),
    );
    for (const line of await column(page, "metal.3").locator(".linked").allTextContents())
      expect(line).toMatch(/w_value|w_q|const int|const uint|float/);
    const decode = column(page, "metal.3").locator(".cm-line", { hasText: "w_value0 =" });
    await decode.click();
    const marked = source(page).locator(".linked-text");
    await marked.first().waitFor();
    expect((await marked.allTextContents()).join(" ")).toContain("value(i) = scale * (q[i] - 8)");
    const others = await column(page, "cuda.sm90a").locator(".linked").allTextContents();
    expect(others.length).toBeGreaterThan(0);
    for (const line of others) expect(line).toMatch(/w_|const (int|unsigned)/);
  });

  it("reports mistakes as they are typed, says what they mean, and mends one with a click", async () => {
    await write(page, TEXT.replace("w: w4[N, K]) ->", "w: nf5[N, K]) ->"));
    const problem = page.locator(".problem").first();
    expect(await problem.locator(".problem-text").textContent()).toContain("there is no format `nf5`");
    expect(await page.locator(".state").textContent()).toBe("1 error");
    await problem.locator(".problem-code").click();
    expect(await problem.locator(".essay").textContent()).toContain("name/unknown-format");
    await page.locator(".source .cm-lintRange-error").hover();
    expect(await page.locator(".source .cm-diagnostic").first().textContent()).toContain("nf5");
    await page.mouse.move(5, 5);
    await problem.locator(".fix").click();
    await compiled(page);
    expect(await page.locator(".problem").count()).toBe(0);
    expect((await stateOf(page)).text).toContain("w: nf4[N, K]) ->");
    await reset();
  });

  it("keeps the newest of many edits", async () => {
    await write(page, `${TEXT}// `);
    await source(page).click();
    await page.keyboard.press("Control+End");
    await page.keyboard.type("many words, one after the other", { delay: 4 });
    await compiled(page);
    const { text } = await stateOf(page);
    expect(text.endsWith("// many words, one after the other")).toBe(true);
    expect(await page.locator(".state").textContent()).toMatch(/^compiled in \d+ ms$/);
    await reset();
  });

  it("shows types under the pointer", async () => {
    await source(page).locator(".w-tensor", { hasText: /^w$/ }).first().hover();
    const card = page.locator(".hover-card");
    await card.waitFor();
    expect(await card.locator(".hover-title").textContent()).toBe("w: w4[N, K]");
    // 4 bits, and 16 for each 32.
    expect(await card.textContent()).toContain("4.5 bits a value, blocks of 32");
    await page.mouse.move(5, 5);
  });

  it("goes to declarations, in the text and in the library", async () => {
    await source(page).locator(".w-type", { hasText: "w4" }).first().click();
    await page.keyboard.press("F12");
    await page.waitForFunction(() => {
      const box = document.querySelector(".source .editor-box");
      return box?.shadowRoot?.querySelector(".cm-activeLine")?.textContent === "format w4 {";
    });
    await source(page)
      .locator(".w-type", { hasText: "nf4" })
      .first()
      .click({ modifiers: ["Control"] });
    const library = page.locator(".file-tab.library");
    await library.waitFor();
    expect(await library.textContent()).toMatch(/^std\/\w+\.loom$/);
    expect(await page.locator(".source .editor-box:visible .cm-content").textContent()).toContain("format nf4 {");
    await page.getByRole("button", { name: "Close the library file" }).click();
    expect(await source(page).isVisible()).toBe(true);
  });

  it("completes names and formats on save", async () => {
    await write(page, `${TEXT}\nformat   other{\nq:u`);
    await page.keyboard.type("8");
    await page.keyboard.press("Escape");
    await page.keyboard.type("\nvalue = as_f");
    const list = page.locator(".cm-tooltip-autocomplete");
    await list.waitFor();
    expect(await list.textContent()).toContain("as_f16");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Backspace");
    for (let i = 0; i < 3; i++) await page.keyboard.press("Backspace");
    await page.keyboard.type("q");
    await page.keyboard.press("Escape");
    await page.keyboard.type("\n}");
    await page.keyboard.press("Control+s");
    await compiled(page);
    expect((await stateOf(page)).text).toContain("\nformat other {\n  q: u8\n  value = q\n}\n");
    await reset();
  });

  it("opens examples from the gallery", async () => {
    await page.getByRole("button", { name: "Examples" }).click();
    await page.getByRole("searchbox", { name: "Search examples" }).fill("outlier victim pair");
    await page.locator(".gallery-card", { hasText: "OliVe" }).first().click();
    await compiled(page);
    const { text } = await stateOf(page);
    expect(text).toBe(readFileSync(new URL("../../examples/gallery/olive.loom", import.meta.url), "utf8"));
    expect(await page.locator(".problem").count()).toBe(0);
    expect(await page.locator(".column-foot.bad").count()).toBe(0);
    await reset();
  });

  it("compiles another operator at other sizes", async () => {
    await page.locator(".op-select").selectOption("linear");
    await compiled(page);
    expect(await shown(page, "wgsl.p2")).toContain("fn linear(");
    await page.locator('.play-top [data-size="N"]').fill("128");
    await page.keyboard.press("Enter");
    await compiled(page);
    expect((await stateOf(page)).sizes.N).toBe(128);
    expect(await shown(page, "wgsl.p2")).toContain("v_q");
    await reset();
  });

  it("scrubs through passes: what changed, which rule, why, and where", async () => {
    await page.getByRole("tab", { name: "Passes" }).click();
    await page.locator(".tick", { hasText: "expand-format" }).click();
    const decision = page.locator(".decision.applied").first();
    expect(await decision.textContent()).toContain("w.value is the value of w4 over its fields scale, q");
    const panel = page.locator(".passes-panel");
    expect(await panel.locator(".cm-deletedChunk").first().textContent()).toContain("decode w4(");
    expect(await panel.locator(".cm-changedLine").first().textContent()).toMatch(/w\.value.* = map /);
    await page.getByRole("slider", { name: "Pass" }).press("ArrowRight");
    const order = ALGEBRA.map((pass) => pass.name);
    expect(await page.locator(".pass-about b").textContent()).toBe(order[order.indexOf("expand-format") + 1]);
    await page.locator(".tick", { hasText: "hoist-scales" }).click();
    expect(await page.locator(".decision.kept .why").textContent()).toContain("change along k");
    await page.locator(".decision .where").first().click();
    expect(await source(page).evaluate((c) => (c.getRootNode() as ShadowRoot).activeElement === c)).toBe(true);
    await page.getByRole("button", { name: "Next pass" }).click();
    expect(await page.locator(".pass-about b").textContent()).toBe("integer-contract");
    // The first stage is the operator itself.
    expect((await stateOf(page)).passes.stage).toBe(1 + order.indexOf("integer-contract"));
  });

  it("maps bits: word, shift and decode of the value that is clicked", async () => {
    await page.getByRole("tab", { name: "Bits" }).click();
    await page.locator('.bit-value[data-value="5"]').click();
    // A scale of 16 bits, then four bits each: value 5 lies at bit 36.
    const steps = await page.locator(".bit-step").allTextContents();
    const scale = Number(/= (\S+)$/.exec(steps.find((s) => s.startsWith("scale"))!)![1]);
    const code = steps.find((s) => s.startsWith("q[5]"))!;
    expect(code).toContain("(w[1] >> 4) & 0xf → 0b");
    const bits = Number.parseInt(/0b([01]{4})/.exec(code)![1]!, 2);
    const value = Number(/= (\S+)$/.exec((await page.locator(".bits-result").textContent())!)![1]);
    expect(value).toBeCloseTo(scale * (bits - 8), 4);
    expect(await page.locator(".bit-run.picked").allTextContents()).toEqual(["scale", "5"]);
    await page.locator('.bit-run[data-element="1:17"]').click();
    expect((await stateOf(page)).bits.value).toBe(17);
    await page.getByRole("combobox", { name: "Format" }).selectOption("nf4");
    expect(await page.locator(".bits-caption").textContent()).toContain("4.5 bits a value · 36 bytes for 64 values");
  });

  it("runs on WebGPU against the oracle, with a histogram that counts every element", async () => {
    await reset({ tab: "run", run: { ...FRESH.run, sizes: { M: 2, N: 16, K: 64 } } });
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.locator(".verdict").waitFor();
    expect(await page.locator(".verdict").textContent()).toBe("Matches the oracle · wgsl.p0 at M = 2, N = 16, K = 64");
    expect(await page.locator(".run-facts dd").first().textContent()).toMatch(/^WebGPU: /);
    const counts = await page
      .locator(".histogram")
      .evaluateAll((charts) =>
        charts.map((chart) =>
          [...chart.querySelectorAll("rect title")].reduce(
            (n, t) => n + Number(/: (\d+)$/.exec(t.textContent ?? "")![1]),
            0,
          ),
        ),
      );
    expect(counts).toEqual([2 * 16, 2 * 16]);
  });

  it("runs other targets in the evaluator, and says so", async () => {
    await page.getByRole("combobox", { name: "Target to run" }).selectOption("metal.3");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.locator(".run-facts").waitFor();
    expect(await page.locator(".run-facts dd").first().textContent()).toBe(
      "the kernel evaluator: metal.3 does not run in a browser",
    );
    expect(await page.locator(".verdict").textContent()).toContain("Matches the oracle · metal.3");
  });

  it("simulates the operator and opens the trace beside it; typing stays in the editor", async () => {
    await reset({ tab: "simulate", simulate: { machine: "systolic-32-os", workload: "op" } });
    await page.getByRole("button", { name: "Simulate", exact: true }).click();
    await page.locator(".lanes-canvas").waitFor();
    const diagnostics = new Diagnostics();
    const module = check([{ name: "a.loom", text: TEXT }], diagnostics);
    const program = instantiate(module, "simple", SIZES, diagnostics)!;
    const machine = hardwareNamed("systolic-32-os")!;
    if (machine.kind !== "accelerator") throw new Error("no accelerator");
    const { figures } = simulateProgram(program, machine, tileMachine, diagnostics)!;
    const said = (await page.locator(".sim-summary").textContent())!.replace(/\s/g, "");
    expect(said).toContain(`cycles${figures.cycles}`);
    const before = await page.locator(".simulate-panel .status").textContent();
    await source(page).click();
    await page.keyboard.type("wwww");
    await page.waitForTimeout(100);
    expect(await page.locator(".simulate-panel .status").textContent()).toBe(before);
    await page.locator(".lanes").focus();
    await page.keyboard.press("w");
    await page.waitForFunction((old) => document.querySelector(".simulate-panel .status")?.textContent !== old, before);
  });

  it("takes a machine of one's own, and says what is wrong with one", async () => {
    await reset({ tab: "simulate" });
    const give = async (text: string): Promise<void> => {
      const chooser = page.waitForEvent("filechooser");
      await page.getByRole("combobox", { name: "Machine" }).selectOption("own");
      await (await chooser).setFiles({ name: "own.json", mimeType: "application/json", buffer: Buffer.from(text) });
      await page.waitForFunction(
        (wanted) =>
          (globalThis as unknown as { bitloom: { state(): { simulate: { machine: string } } } }).bitloom.state()
            .simulate.machine === wanted,
        text,
      );
      await page.getByRole("button", { name: "Simulate", exact: true }).click();
    };
    await give('{"name": "mine"}');
    await page.locator(".sim-said .bad").waitFor();
    const model = readFileSync(new URL("../../hw-models/systolic-32-os.json", import.meta.url), "utf8");
    await give(model.replace('"systolic-32-os"', '"mine-32"'));
    await page.locator(".sim-summary .machine", { hasText: "mine-32" }).waitFor();
  });

  it("holds the whole state in its link", async () => {
    await reset({ tab: "bits", bits: { format: "nf4", value: 9 }, targets: ["metal.3"] });
    await page.getByRole("button", { name: "Link" }).click();
    await page.locator(".state", { hasText: "link copied" }).waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    const kept = await fromFragment(new URL(link).hash);
    expect(kept).toEqual(await stateOf(page));
    expect(kept).toEqual({ ...START, tab: "bits", bits: { format: "nf4", value: 9 }, targets: ["metal.3"] });
  });

  it("opens with the file that `bitloom play FILE` names", async () => {
    await page.evaluate((hash) => {
      location.hash = hash;
    }, startFragment("op own<M>(x: f16[M]) -> f16[M] {\n  y[m] = x[m]\n}\n"));
    await page.waitForFunction(() => document.querySelector<HTMLSelectElement>(".op-select")?.value === "own");
    await compiled(page);
    await reset();
  });

  it("works from a file, asking nobody", async () => {
    offline = await lab.file(`#${await toFragment({ ...START, tab: "run" })}`);
    await offline.getByRole("button", { name: "Run", exact: true }).click();
    await offline.locator(".verdict", { hasText: "Matches" }).waitFor();
  });

  // The viewer has checks of its own. Preloading would make axe write style sheets, which the page's policy forbids, and
  // its selectors trip over nodes that have left since.
  it.each(["light", "dark"] as const)("passes axe's checks in the %s theme, tab by tab", async (theme) => {
    const tab = theme === "dark" && offline !== undefined ? offline : page;
    if ((await tab.evaluate(() => document.documentElement.dataset.theme)) !== theme)
      await tab.getByRole("button", { name: "Light or dark" }).click();
    await write(tab, TEXT.replace("w: w4[N, K]) ->", "w: nf5[N, K]) ->"));
    await tab.evaluate(readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
    const violations: string[] = [];
    for (const name of ["Code", "Passes", "Bits", "Run", "Simulate"]) {
      await tab.getByRole("tab", { name }).click();
      if (name === "Passes") await write(tab, TEXT);
      const found = await tab.evaluate(async () => {
        const { axe } = globalThis as unknown as {
          axe: {
            run(
              context: object,
              options: object,
            ): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }>;
          };
        };
        const { violations: list } = await axe.run(
          { exclude: [".simulate-panel .viewer"] },
          { preload: false, selectors: false },
        );
        return list.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.html} ${n.failureSummary}`).join(" | ")}`);
      });
      violations.push(...found.map((text) => `${name}: ${text}`));
    }
    expect(violations).toEqual([]);
  });

  it.each([
    [1280, 720],
    [390, 844],
  ])("fits %i × %i without scrolling sideways", async (width, height) => {
    await page.setViewportSize({ width, height });
    for (const tab of ["Code", "Passes", "Bits", "Run", "Simulate"]) {
      await page.getByRole("tab", { name: tab }).click();
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect([tab, over]).toEqual([tab, 0]);
    }
    const box = (await source(page).boundingBox())!;
    expect(box.width).toBeGreaterThan(width / 4);
  });
});
