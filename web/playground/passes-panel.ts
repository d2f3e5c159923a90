/** The tab "Passes": a slider over the stages of a compilation, what changed at each, and the rules that did it. */
import { button, el, fill } from "../dom.ts";
import type { Client } from "./client.ts";
import { targetOptions } from "./code-panel.ts";
import { makeDiffView } from "./diff-view.ts";
import type { Page, Panel } from "./page.ts";
import type { StageText } from "./protocol.ts";

/** Lines that a stage has and its predecessor has not, and the other way round: for the marks at the slider. */
function changeOf(before: StageText | undefined, stage: StageText): number {
  if (before === undefined) return 0;
  const [a, b] = [new Set(before.text.split("\n")), new Set(stage.text.split("\n"))];
  return [...b].filter((line) => !a.has(line)).length + [...a].filter((line) => !b.has(line)).length;
}

export function makePassesPanel(page: Page, client: Client): Panel {
  const state: { stages: readonly StageText[]; key: string } = { stages: [], key: "" };
  const target = el("select", { "aria-label": "Target of the passes" });
  target.addEventListener("change", () => page.update({ passes: { ...page.state.passes, target: target.value } }));
  const slider = el("input", { type: "range", min: 0, max: 0, step: 1, class: "scrubber", "aria-label": "Pass" });
  slider.addEventListener("input", () =>
    page.update({ passes: { ...page.state.passes, stage: Number(slider.value) } }),
  );
  const ticks = el("ol", { class: "pass-ticks" });
  const about = el("p", { class: "pass-about" });
  const decisions = el("ul", { class: "decisions", "aria-label": "Rules of this pass" });
  const diff = makeDiffView("The program after this pass");
  const step = (by: number): void => {
    const stage = Math.min(state.stages.length - 1, Math.max(0, page.state.passes.stage + by));
    page.update({ passes: { ...page.state.passes, stage } });
  };
  const root = el(
    "div",
    { class: "passes-panel" },
    el(
      "div",
      { class: "pass-head" },
      target,
      button({ class: "tool", "aria-label": "Previous pass" }, "‹", () => step(-1)),
      el("div", { class: "pass-rail" }, slider),
      button({ class: "tool", "aria-label": "Next pass" }, "›", () => step(1)),
    ),
    el(
      "div",
      { class: "pass-side", tabindex: 0, role: "region", "aria-label": "Passes and their rules" },
      ticks,
      about,
      decisions,
    ),
    diff.box,
  );

  const showStage = (): void => {
    const { stages } = state;
    const n = Math.min(page.state.passes.stage, stages.length - 1);
    const stage = stages[n];
    slider.max = String(Math.max(0, stages.length - 1));
    slider.value = String(n);
    slider.setAttribute("aria-valuetext", stage?.pass ?? "");
    if (stage === undefined) {
      fill(about, "There is nothing to show while the source has mistakes.");
      fill(decisions);
      diff.show(undefined, "");
      return;
    }
    [...ticks.children].forEach((tick, i) => {
      tick.classList.toggle("now", i === n);
      tick.querySelector("button")?.setAttribute("aria-current", i === n ? "step" : "false");
    });
    const before = stages[n - 1];
    const changed = changeOf(before, stage);
    fill(
      about,
      el("b", {}, stage.pass),
      ` ${stage.about}.`,
      el("span", { class: "quiet" }, before === undefined ? "" : changed === 0 ? " Nothing changed." : ""),
    );
    fill(
      decisions,
      ...stage.decisions.map((d) => {
        const item = el(
          "li",
          { class: `decision ${d.outcome}` },
          el(
            "span",
            { class: "rule" },
            el("i", { "aria-hidden": "true" }, d.outcome === "applied" ? "✓" : "–"),
            d.rule,
            el("span", { class: "quiet" }, d.count > 1 ? ` × ${d.count}` : ""),
            el("span", { class: "spoken" }, d.outcome === "applied" ? " applied" : " did not apply"),
          ),
          el("span", { class: "why" }, d.why),
        );
        if (d.span.file >= 0) {
          const go = button({ class: "where" }, "show source", () => page.goTo(d.span));
          item.append(go);
        }
        return item;
      }),
      ...(stage.decisions.length === 0 && before !== undefined
        ? [el("li", { class: "quiet" }, "No rule found a place to apply.")]
        : []),
    );
    diff.show(before?.text, stage.text);
  };

  return {
    root,
    show() {
      const { text, op, sizes, passes } = page.state;
      targetOptions(target, passes.target);
      const key = JSON.stringify([text, op, sizes, passes.target]);
      if (key === state.key) {
        showStage();
        return;
      }
      state.key = key;
      const job = { text, op, sizes, targets: [] };
      void client.ask({ kind: "stages", job, target: passes.target }).then((answer) => {
        if (answer.kind !== "stages" || state.key !== key) return;
        // While the text is half-written, the passes of the last whole one stay.
        if (answer.stages.length === 0 && state.stages.length > 0) return;
        state.stages = answer.stages;
        fill(
          ticks,
          ...answer.stages.map((stage, i) =>
            el(
              "li",
              { class: changeOf(answer.stages[i - 1], stage) > 0 || i === 0 ? "changed" : "", title: stage.pass },
              button({ class: "tick" }, stage.pass, () => page.update({ passes: { ...page.state.passes, stage: i } })),
            ),
          ),
        );
        showStage();
      });
    },
  };
}
