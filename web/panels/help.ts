/** The help overlay and the dialog that asks for a cycle; both made from tables and the browser's own dialog. */
import { COMMANDS, MOUSE } from "../commands.ts";
import { button, el } from "../dom.ts";

/** A dialog with every key and gesture. */
export function helpDialog(): HTMLDialogElement {
  const sections = [...new Set(COMMANDS.map((c) => c.section))].map((section) =>
    el(
      "section",
      {},
      el("h3", {}, section),
      keys(COMMANDS.filter((c) => c.section === section).map((c) => [c.shown, c.about])),
    ),
  );
  const dialog = el(
    "dialog",
    { class: "help", "aria-labelledby": "help-title" },
    el("h2", { id: "help-title" }, "Keys and gestures"),
    el(
      "div",
      { class: "help-columns" },
      ...sections,
      el("section", {}, el("h3", {}, "Mouse and touch"), keys(MOUSE, " gestures")),
    ),
    el(
      "p",
      { class: "quiet" },
      "Search: words match ops, states and units; re: takes a regular expression; kind: stall: layer: unit: dur>100 narrow it. Where slices are too many to be seen one by one, a column shows the exact share of each state in its cycles.",
    ),
  );
  dialog.append(button({ class: "primary" }, "Close", () => dialog.close()));
  return dialog;
}

function keys(rows: readonly (readonly [string, string])[], kind = ""): HTMLElement {
  return el(
    "dl",
    { class: `keys${kind}` },
    ...rows.flatMap(([key, about]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, about)]),
  );
}

/** A dialog that asks for a cycle and hands it on. */
export function goToDialog(go: (cycle: number) => void): HTMLDialogElement {
  const input = el("input", { type: "text", inputmode: "numeric", id: "go-to-cycle", autocomplete: "off" });
  const form = el(
    "form",
    { method: "dialog" },
    el("label", { for: "go-to-cycle" }, "Go to cycle"),
    input,
    el("button", { class: "primary" }, "Go"),
  );
  const dialog = el("dialog", { class: "go-to", "aria-label": "Go to cycle" }, form);
  form.addEventListener("submit", () => {
    const text = input.value.replace(/[\s\u202f,_]/g, "");
    if (/^\d{1,16}$/.test(text)) go(Number(text));
    input.value = "";
  });
  return dialog;
}
