/** The tab "Code": targets side by side, each line tied to the source that it stems from. */
import { TARGETS } from "../../backends/index.ts";
import type { EmittedFile } from "../../backends/syntax.ts";
import { button, el, fill, icon } from "../dom.ts";
import { type CodeView, linesOf, makeCodeView } from "./code-view.ts";
import { type Page, type Panel, reportLine } from "./page.ts";
import type { TargetResult } from "./protocol.ts";
import { type Colouring, colouring, colourOf, lineStarts, overlaps } from "./source-map.ts";

interface Column {
  readonly target: string;
  readonly root: HTMLElement;
  readonly code: CodeView;
  readonly files: HTMLSelectElement;
  readonly foot: HTMLElement;
  /** The file that is shown. */
  shown: EmittedFile | undefined;
  /** The file that was scrolled to its kernel. */
  opened: string;
  /** The result that is shown. */
  result: TargetResult | undefined;
}

export interface CodePanel extends Panel {
  /** Marks what belongs to the page's focus. */
  link(): void;
  /** Colours by line of the source. */
  colours(): ReadonlyMap<number, number>;
}

const extensionOf = (name: string): string => name.slice(name.lastIndexOf("."));

const CROSS = "M4 4l8 8M12 4l-8 8";
const COPY =
  "M5.5 5.5V3.2c0-.4.3-.7.7-.7h6.1c.4 0 .7.3.7.7v6.1c0 .4-.3.7-.7.7H10M3.7 5.5h5.6c.4 0 .7.3.7.7v6.1c0 .4-.3.7-.7.7H3.7c-.4 0-.7-.3-.7-.7V6.2c0-.4.3-.7.7-.7z";

/** A list of all targets, by family. */
export function targetOptions(select: HTMLSelectElement, chosen: string): void {
  const families = [...new Set(TARGETS.map((t) => t.family))];
  fill(
    select,
    ...families.map((family) =>
      el(
        "optgroup",
        { label: family },
        ...TARGETS.filter((t) => t.family === family).map((t) =>
          el("option", { value: t.name, title: t.about, selected: t.name === chosen }, t.name),
        ),
      ),
    ),
  );
}

/** The panel; columns come and go with the page's targets. */
export function makeCodePanel(page: Page): CodePanel {
  const columns: Column[] = [];
  const row = el("div", { class: "columns" });
  const add = button(
    { class: "add-column", title: "Another target beside these", "aria-label": "Add a target" },
    "+",
    () => {
      const free = TARGETS.find((t) => !page.state.targets.includes(t.name));
      if (free !== undefined) page.update({ targets: [...page.state.targets, free.name] });
    },
  );
  const root = el("div", { class: "code-panel" }, row, add);
  const shown: { colouring: Colouring; starts: readonly number[] } = { colouring: new Map(), starts: [0] };

  const makeColumn = (target: string): Column => {
    const code = makeCodeView({
      label: `Code for ${target}`,
      pick(line) {
        const origins = column.shown?.lines[line] ?? [];
        page.look({ kind: "output", target, origins });
      },
    });
    const choose = el("select", { class: "target-select", "aria-label": "Target" });
    targetOptions(choose, target);
    choose.addEventListener("change", () => {
      const targets = page.state.targets.map((t) => (t === target ? choose.value : t));
      page.update({ targets: [...new Set(targets)] });
    });
    const files = el("select", { class: "file-select", "aria-label": `File for ${target}` });
    files.addEventListener("change", () => showFile(column));
    const copy = button(
      { class: "ghost", title: "Copy this file", "aria-label": `Copy the code for ${target}` },
      icon(COPY),
      () => {
        void navigator.clipboard
          ?.writeText(column.shown?.text ?? "")
          .then(() => page.say(`copied ${column.shown?.name}`));
      },
    );
    const close = button({ class: "ghost", title: "Close", "aria-label": `Close ${target}` }, icon(CROSS), () => {
      if (page.state.targets.length > 1) page.update({ targets: page.state.targets.filter((t) => t !== target) });
    });
    const foot = el("div", { class: "column-foot" });
    const section = el(
      "section",
      { class: "column", "aria-label": target },
      el("header", { class: "column-head" }, choose, files, el("span", { class: "grow" }), copy, close),
      code.box,
      foot,
    );
    const column: Column = {
      target,
      root: section,
      code,
      files,
      foot,
      shown: undefined,
      opened: "",
      result: undefined,
    };
    return column;
  };

  const showFile = (column: Column): void => {
    const files = column.result?.result?.files ?? [];
    const file = files.find((f) => f.name === column.files.value) ?? files[0];
    column.shown = file;
    if (file === undefined) return;
    const colours = file.lines.map((origins) => colourOf(origins, shown.colouring, shown.starts));
    column.code.show(file.text, extensionOf(file.name), colours);
    // A file opens where its kernel begins: what stands before are helpers.
    if (column.opened === `${file.name}`) return;
    column.opened = file.name;
    const first = file.lines.findIndex((origins) => origins.length > 0);
    column.code.scrollTo(Math.max(0, first - 12));
  };

  const showColumn = (column: Column): void => {
    const result = page.results.get(column.target);
    column.root.classList.toggle("stale", page.stale || result?.result === undefined);
    const files = result?.result?.files ?? [];
    const report = result?.result?.report;
    if (files.length > 0 && column.result !== result) {
      const names = files.map((f) => f.name);
      const kept = names.includes(column.files.value) ? column.files.value : names[0];
      const op = report?.op ?? "";
      const short = (name: string): string => (name.startsWith(op) ? name.slice(op.length).replace(/^[._]/, "") : name);
      fill(column.files, ...names.map((name) => el("option", { value: name, selected: name === kept }, short(name))));
      column.result = result;
    }
    showFile(column);
    const error = result?.diagnostics.find((d) => d.severity === "error");
    const old = page.stale && error === undefined && !page.busy ? "of the text before the mistake · " : "";
    fill(column.foot, error?.message ?? (report === undefined ? "" : `${old}${reportLine(report)}`));
    column.foot.title = error?.message ?? report?.schedule.reasons.join("; ") ?? "";
    column.foot.classList.toggle("bad", error !== undefined);
  };

  const link = (): void => {
    const { focus } = page;
    for (const column of columns) {
      const lines = column.shown?.lines ?? [];
      if (focus === undefined) column.code.link([], false);
      else if (focus.kind === "source")
        column.code.link(
          linesOf(lines, (s) => overlaps(s, focus.span)),
          true,
        );
      else {
        const [first] = focus.origins;
        const wanted = focus.origins.at(-1) ?? first;
        const found =
          wanted === undefined ? [] : linesOf(lines, (s) => s.file === wanted.file && s.start === wanted.start);
        column.code.link(found, column.target !== focus.target);
      }
    }
  };

  return {
    root,
    link,
    colours() {
      const own = new Map<number, number>();
      for (const [key, colour] of shown.colouring) if (key >= 0) own.set(key, colour);
      return own;
    },
    show() {
      const { targets } = page.state;
      const before = columns.splice(0);
      for (const target of targets) columns.push(before.find((c) => c.target === target) ?? makeColumn(target));
      if (columns.length !== before.length || columns.some((c, i) => c !== before[i]))
        fill(row, ...columns.map((c) => c.root));
      for (const gone of before) if (!columns.includes(gone)) gone.code.view.destroy();
      add.hidden = targets.length >= TARGETS.length;
      const files = columns.flatMap((c) => page.results.get(c.target)?.result?.files.map((f) => f.lines) ?? []);
      shown.starts = lineStarts(page.state.text);
      shown.colouring = colouring(files, page.state.text);
      for (const column of columns) showColumn(column);
      link();
    },
  };
}
