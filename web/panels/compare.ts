/** Two runs step by step, and all runs over their models. */
import { drawMultiples } from "../charts/multiples.ts";
import { csvButton, fileName } from "../charts/save.ts";
import { styleOf } from "../charts/style.ts";
import { figure } from "../charts/svg.ts";
import { drawWaterfall, signed } from "../charts/waterfall.ts";
import { align, facetsOf, largest, meanFacet, STEPS_OF, type StepValue, stepsOf, totalOf } from "../compare.ts";
import { button, el, fill } from "../dom.ts";
import { bytes, exact, joules, percent, seconds, short } from "../format.ts";
import { distinctTitles, runTitle, shortNames } from "../run.ts";
import { type Comparison, METRICS, type Metric } from "../view-spec.ts";
import { onChange, type Panel, type PanelContext } from "./panel.ts";

const FORMATS: Readonly<Record<Metric, (value: number) => string>> = {
  cycles: short,
  time: seconds,
  energy: joules,
  bytes,
};
const MAX_STEPS = 9;

function choice<K extends string>(
  name: string,
  options: readonly (readonly [K, string])[],
  value: K,
  set: (value: K) => void,
): HTMLElement {
  const select = el("select", {}, ...options.map(([key, text]) => el("option", { value: key }, text)));
  select.value = value;
  select.addEventListener("change", () => {
    const found = options.find(([key]) => key === select.value);
    if (found !== undefined) set(found[0]);
  });
  return el("label", { class: "choice" }, el("span", {}, name), select);
}

/** The comparison as far as there are runs for it. */
function valid({ runs, current }: PanelContext, { a, b, metric, by }: Comparison): Comparison {
  const first = a < runs.length ? a : current;
  const second = b < runs.length && b !== first ? b : runs.findIndex((_, i) => i !== first);
  const steps = STEPS_OF[metric];
  return { a: first, b: second, metric, by: steps.includes(by) ? by : steps[0]! };
}

/** The panel. */
export function comparePanel(context: PanelContext): Panel {
  if (context.runs.length < 2) return alone(context);
  const { runs } = context;
  const titles = distinctTitles(runs);
  const ground = (): string => styleOf(context.theme()).ground;
  const now = (): Comparison => valid(context, context.spec().comparison);
  const change = (part: Partial<Comparison>): void => context.update({ comparison: { ...now(), ...part } });
  const steps = (): readonly StepValue[] => {
    const { a, b, metric, by } = now();
    return stepsOf(runs[a]!, runs[b]!, metric, by);
  };
  const falls = figure("From run to run", () => fileName(`compare ${titles[now().a]} ${titles[now().b]}`), ground);
  const multiples = figure("Over models", () => fileName(`models ${runTitle(runs[0]!)}`), ground);
  const csv = csvButton(
    () => fileName(`compare ${titles[now().a]} ${titles[now().b]}`),
    () => [
      ["step", titles[now().a]!, titles[now().b]!, "difference"],
      ...steps().map((s) => [s.name, s.a, s.b, s.b - s.a]),
    ],
  );
  const choices = el("div", { class: "choices" });
  const verdict = el("p", { class: "verdict", "aria-live": "polite" });
  const loose = el("p", { class: "quiet" });
  const left = el("div", { class: "compare-steps" }, choices, verdict, falls.root, loose);
  const root = el("div", { class: "deck-compare" }, left, multiples.root);
  falls.tools.append(csv);
  const { addRuns } = context;
  if (addRuns !== undefined) multiples.tools.append(button({ class: "quiet-button" }, "add a run…", addRuns));

  const draw = (): void => {
    const { a, b, metric, by } = now();
    const names = titles.map((title, i) => [String(i), title] as const);
    fill(
      choices,
      choice("from", names, String(a), (v) => change(Number(v) === b ? { a: b, b: a } : { a: Number(v) })),
      choice("to", names, String(b), (v) => change(Number(v) === a ? { a: b, b: a } : { b: Number(v) })),
      choice(
        "in",
        METRICS.map((m) => [m, m] as const),
        metric,
        (v) => change({ metric: v }),
      ),
      choice(
        "by",
        STEPS_OF[metric].map((s) => [s, s] as const),
        by,
        (v) => change({ by: v }),
      ),
    );
    const totals = [totalOf(runs[a]!, metric), totalOf(runs[b]!, metric)] as const;
    verdict.textContent = verdictOf(totals, metric, titles[b]!);
    const all = steps();
    const short_ = by === "operation" ? shortNames(all.map((s) => s.name)) : (name: string) => name;
    const pick = (name: string): void => {
      const focus = all.find((s) => short_(s.name) === name)?.name ?? "";
      context.update({ focus: context.spec().focus === focus ? "" : focus });
    };
    const style = styleOf(context.theme());
    if (!totals.every((t) => t > 0)) fill(falls.body, el("p", { class: "quiet" }, `A file says nothing of ${metric}.`));
    else
      drawWaterfall(
        falls.body,
        {
          from: titles[a]!,
          to: titles[b]!,
          totals,
          steps: largest(all, MAX_STEPS).map((s) => ({ ...s, name: short_(s.name) })),
          format: FORMATS[metric],
          focus: short_(context.spec().focus),
          pick: by === "operation" ? pick : undefined,
        },
        style,
        falls.body.clientWidth,
        falls.body.clientHeight,
      );
    loose.textContent = unmatched(context, a, b);
    const facets = facetsOf(runs, a);
    const mean = meanFacet(facets);
    drawMultiples(
      multiples.body,
      mean === undefined ? facets : [...facets, mean],
      titles[a]!,
      style,
      multiples.body.clientWidth,
      multiples.body.clientHeight,
    );
  };
  const redraw = onChange(draw);
  return {
    root,
    draw: () => {
      const { a, b, metric, by } = now();
      redraw(
        context.theme(),
        a,
        b,
        metric,
        by,
        context.spec().focus,
        falls.body.clientWidth,
        falls.body.clientHeight,
        multiples.body.clientWidth,
      );
    },
  };
}

function verdictOf([a, b]: readonly [number, number], metric: Metric, name: string): string {
  if (!(a > 0 && b > 0)) return "";
  const whole = metric === "cycles" || metric === "bytes" ? ` (${signed(b - a, exact)})` : "";
  const ratio = a >= b ? `${(a / b).toPrecision(3)} × less` : `${(b / a).toPrecision(3)} × more`;
  return `${name}: ${ratio} ${metric}, ${signed(b - a, FORMATS[metric])}${whole}, ${percent(Math.abs(b - a), a)} of ${FORMATS[metric](a)}.`;
}

/** Operations that only one run has, in words. */
function unmatched({ runs }: PanelContext, a: number, b: number): string {
  const pairs = align(runs[a]!, runs[b]!);
  const say = (side: "a" | "b"): string => {
    const own = pairs.filter((p) => p[side === "a" ? "b" : "a"] === undefined).map((p) => p.name);
    if (own.length === 0) return "";
    const few = own.slice(0, 4).join(", ");
    return `Only ${side === "a" ? "the first" : "the second"} has ${few}${own.length > 4 ? ` and ${own.length - 4} more` : ""}. `;
  };
  const matched = pairs.filter((p) => p.a !== undefined && p.b !== undefined).length;
  return `${say("a")}${say("b")}${exact(matched)} operations are in both.`.trim();
}

/** With one run there is nothing to compare yet. */
function alone(context: PanelContext): Panel {
  const root = el(
    "div",
    { class: "deck-empty" },
    el("h2", {}, "Compare this run with others"),
    el(
      "p",
      { class: "quiet" },
      "Add traces or reports of other machines, formats or batches: operations are aligned by name, whenever they ran.",
    ),
    ...(context.addRuns === undefined ? [] : [button({ class: "primary" }, "Add a run…", context.addRuns)]),
  );
  return { root, draw: () => {} };
}
