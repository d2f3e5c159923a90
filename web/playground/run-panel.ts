/** The tab "Run": the operator on seeded operands, on the visitor's WebGPU or in the evaluator, against the oracle. */
import { axisBottom, max, scaleBand, scaleLinear, select } from "d3";
import { TARGETS } from "../../backends/index.ts";
import { button, el, fill } from "../dom.ts";
import { type Errand, startErrand } from "./client.ts";
import { currentOp, type Page, type Panel } from "./page.ts";
import type { RunOutcome } from "./protocol.ts";
import { defaultRunSize } from "./state.ts";

interface Bar {
  readonly label: string;
  readonly count: number;
  readonly bad?: boolean;
}

const WIDTH = 360;
const HEIGHT = 150;
const MARGIN = { top: 14, right: 8, bottom: 34, left: 8 };

/** A histogram with counts over its bars. */
function histogram(title: string, bars: readonly Bar[], every: number): HTMLElement {
  const svg = select(document.createElementNS("http://www.w3.org/2000/svg", "svg"))
    .attr("viewBox", `0 0 ${WIDTH} ${HEIGHT}`)
    .attr("class", "histogram")
    .attr("role", "img")
    .attr(
      "aria-label",
      `${title}: ${bars
        .filter((b) => b.count > 0)
        .map((b) => `${b.label}: ${b.count}`)
        .join(", ")}`,
    );
  const x = scaleBand(
    bars.map((b) => b.label),
    [MARGIN.left, WIDTH - MARGIN.right],
  ).padding(0.12);
  const y = scaleLinear([0, max(bars, (b) => b.count) || 1], [HEIGHT - MARGIN.bottom, MARGIN.top]);
  for (const bar of bars) {
    svg
      .append("rect")
      .attr("x", x(bar.label)!)
      .attr("width", x.bandwidth())
      .attr("y", y(bar.count))
      .attr("height", Math.max(bar.count > 0 ? 1 : 0, HEIGHT - MARGIN.bottom - y(bar.count)))
      .attr("class", bar.bad === true ? "bar-bad" : "bar-good")
      .append("title")
      .text(`${bar.label}: ${bar.count}`);
    if (bar.count > 0 && bars.length < 14)
      svg
        .append("text")
        .attr("class", "bar-count")
        .attr("x", x(bar.label)! + x.bandwidth() / 2)
        .attr("y", y(bar.count) - 3)
        .text(bar.count);
  }
  const shown = bars.filter((_, i) => i % every === 0 || i === bars.length - 1).map((b) => b.label);
  svg
    .append("g")
    .attr("class", "axis")
    .attr("transform", `translate(0,${HEIGHT - MARGIN.bottom})`)
    .call(axisBottom(x).tickValues(shown).tickSizeOuter(0) as never);
  return el("figure", { class: "chart" }, el("figcaption", {}, title), svg.node() as unknown as HTMLElement);
}

const STEPS = 20;

function chartsOf({ histogram: h }: RunOutcome): readonly HTMLElement[] {
  const bound = h.ofBound.map(
    (count, i): Bar =>
      i === STEPS ? { label: "over", count, bad: true } : { label: `${Math.round((100 * i) / STEPS)} %`, count },
  );
  const relative = h.relative.map(
    (count, i): Bar => ({
      label: i === 0 ? "exact" : i === h.relative.length - 1 ? "≥ 1" : `1e${i - h.relative.length + 1}`,
      count,
    }),
  );
  return [
    histogram("Error as part of the bound that the compiler states", bound, 5),
    histogram("Error relative to the result", relative, 1),
  ];
}

function factsOf(outcome: RunOutcome): HTMLElement {
  const { comparison: c, worst } = outcome;
  const rows: (readonly [string, string])[] = [
    ["ran on", outcome.why === undefined ? outcome.device : `${outcome.device}: ${outcome.why}`],
    ["elements", `${c.elements}, ${c.outside} outside the bound, ${outcome.notNumbers} not a number`],
    ["largest error", `${c.maxError.toExponential(2)}, ${(c.maxOfBound * 100).toFixed(1)} % of its bound`],
    [
      "worst element",
      `[${worst.place.join(", ")}]: ${worst.actual} instead of ${Number(worst.expected.toPrecision(8))}`,
    ],
    ["bound", outcome.because],
    [
      "time",
      `${outcome.milliseconds.toFixed(1)} ms with launch and copies; the oracle took ${outcome.oracleMilliseconds.toFixed(0)} ms`,
    ],
  ];
  return el("dl", { class: "run-facts" }, ...rows.flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, v)]));
}

export function makeRunPanel(page: Page): Panel {
  const state: { errand: Errand | undefined } = { errand: undefined };
  const target = el("select", { "aria-label": "Target to run" });
  target.addEventListener("change", () => page.update({ run: { ...page.state.run, target: target.value } }));
  const device = el(
    "select",
    { "aria-label": "Device" },
    el("option", { value: "webgpu" }, "your WebGPU"),
    el("option", { value: "reference" }, "evaluator"),
  );
  device.addEventListener("change", () =>
    page.update({ run: { ...page.state.run, device: device.value === "reference" ? "reference" : "webgpu" } }),
  );
  const seed = el("input", { type: "number", min: 0, "aria-label": "Seed of the operands" });
  seed.addEventListener("change", () => {
    const value = Number(seed.value);
    if (Number.isSafeInteger(value) && value >= 0) page.update({ run: { ...page.state.run, seed: value } });
  });
  const sizes = el("div", { class: "sizes" });
  const result = el("div", { class: "run-result", "aria-live": "polite" });
  const go = button({ class: "primary" }, "Run", () => start());
  const stop = button({ class: "tool" }, "Cancel", () => {
    state.errand?.cancel();
    finish();
    fill(result, el("p", { class: "quiet" }, "Cancelled."));
  });
  stop.hidden = true;

  const finish = (): void => {
    state.errand = undefined;
    stop.hidden = true;
    go.disabled = false;
  };

  const start = (): void => {
    const { text, op, run } = page.state;
    const job = { text, op, sizes: run.sizes, targets: [] };
    go.disabled = true;
    stop.hidden = false;
    fill(result, el("p", { class: "quiet" }, "Running, then asking the oracle…"));
    const errand = startErrand({ kind: "run", job, target: run.target, device: run.device, seed: run.seed });
    state.errand = errand;
    errand.outcome.then(
      (outcome) => {
        finish();
        if (outcome.kind === "ran") showOutcome(outcome);
      },
      (error: Error) => {
        finish();
        fill(result, el("p", { class: "bad", role: "alert" }, error.message));
      },
    );
  };

  const showOutcome = (outcome: RunOutcome): void => {
    const good = outcome.comparison.outside === 0;
    const at = Object.entries(outcome.sizes)
      .map(([name, value]) => `${name} = ${value}`)
      .join(", ");
    fill(
      result,
      el(
        "p",
        { class: `verdict ${good ? "good" : "bad"}` },
        el("b", {}, good ? "Matches the oracle" : "Differs from the oracle"),
        ` · ${outcome.target} at ${at}`,
      ),
      el("div", { class: "charts" }, ...chartsOf(outcome)),
      factsOf(outcome),
    );
  };

  const root = el(
    "div",
    { class: "run-panel", tabindex: 0, role: "region", "aria-label": "Run" },
    el(
      "div",
      { class: "run-head" },
      target,
      device,
      sizes,
      el("label", { class: "size" }, el("span", {}, "seed"), seed),
      go,
      stop,
    ),
    result,
  );
  fill(
    result,
    el(
      "p",
      { class: "quiet" },
      "Runs the compiled kernels on seeded operands and compares every element with the operator in real arithmetic.",
    ),
  );

  return {
    root,
    show() {
      const { run } = page.state;
      if (target.options.length === 0) fill(target, ...TARGETS.map((t) => el("option", { value: t.name }, t.name)));
      target.value = run.target;
      device.value = run.device;
      if (document.activeElement !== seed) seed.value = String(run.seed);
      const names = currentOp(page)?.sizes ?? [];
      if (sizes.dataset.key !== names.join()) {
        sizes.dataset.key = names.join();
        fill(
          sizes,
          ...names.map((name) => {
            const input = el("input", { type: "number", min: 1, max: 65536, "data-size": name });
            input.addEventListener("change", () => {
              const value = Number(input.value);
              const { run: now } = page.state;
              if (Number.isSafeInteger(value) && value > 0)
                page.update({ run: { ...now, sizes: { ...now.sizes, [name]: value } } });
            });
            return el("label", { class: "size" }, el("span", {}, name), input);
          }),
        );
      }
      for (const input of sizes.querySelectorAll("input")) {
        const name = input.dataset.size ?? "";
        if (document.activeElement !== input) input.value = String(run.sizes[name] ?? defaultRunSize(name));
      }
    },
  };
}
