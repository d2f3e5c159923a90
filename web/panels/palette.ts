/** A dialog that finds commands, panels, lanes and layers by parts of their names. */
import { el, fill } from "../dom.ts";

export interface PaletteEntry {
  readonly name: string;
  /** The key that does the same. */
  readonly hint: string;
  act(): void;
}

const MAX_SHOWN = 60;

/** Entries whose names hold all words, in their order; those that begin with the first word come first. */
export function findEntries(entries: readonly PaletteEntry[], query: string): readonly PaletteEntry[] {
  const words = query
    .toLowerCase()
    .split(/\s+/)
    .filter((w) => w !== "");
  const found = entries.filter(({ name }) => words.every((w) => name.toLowerCase().includes(w)));
  const [first = ""] = words;
  return [...found].sort(
    (a, b) => Number(b.name.toLowerCase().startsWith(first)) - Number(a.name.toLowerCase().startsWith(first)),
  );
}

/** The dialog; choosing closes it. */
export function paletteDialog(entries: readonly PaletteEntry[]): HTMLDialogElement {
  const input = el("input", {
    type: "text",
    role: "combobox",
    "aria-label": "Find a command, lane or layer",
    "aria-expanded": "true",
    "aria-controls": "palette-list",
    placeholder: "Command, lane or layer",
    autocomplete: "off",
    spellcheck: "false",
  });
  const list = el("ul", { id: "palette-list", role: "listbox", "aria-label": "Found" });
  const dialog = el("dialog", { class: "palette", "aria-label": "Commands" }, input, list);
  const state: { shown: readonly PaletteEntry[]; at: number } = { shown: [], at: 0 };
  const choose = (entry: PaletteEntry | undefined): void => {
    dialog.close();
    entry?.act();
  };
  const show = (): void => {
    fill(
      list,
      ...state.shown.map((entry, i) => {
        const selected = i === state.at;
        const item = el("li", { role: "option", id: `palette-${i}`, "aria-selected": String(selected) });
        item.append(el("span", {}, entry.name), ...(entry.hint === "" ? [] : [el("kbd", {}, entry.hint)]));
        item.addEventListener("click", () => choose(entry));
        return item;
      }),
    );
    input.setAttribute("aria-activedescendant", state.shown.length === 0 ? "" : `palette-${state.at}`);
    list.children[state.at]?.scrollIntoView({ block: "nearest" });
  };
  const find = (): void => {
    state.shown = findEntries(entries, input.value).slice(0, MAX_SHOWN);
    state.at = 0;
    show();
  };
  input.addEventListener("input", find);
  input.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by !== undefined && state.shown.length > 0) {
      event.preventDefault();
      state.at = (state.at + by + state.shown.length) % state.shown.length;
      show();
    }
    if (event.key !== "Enter") return;
    event.preventDefault();
    choose(state.shown[state.at]);
  });
  find();
  return dialog;
}
