/** The page of the playground: title line, editor, tabs; keeps the state in the address and the worker busy. */
import { format } from "../../compiler/syntax/fmt.ts";
import { Diagnostics, type Span } from "../../ir/diagnostics.ts";
import { button, el, fill, icon } from "../dom.ts";
import type { Theme } from "../palette.ts";
import { openClient } from "./client.ts";
import { makeCodePanel } from "./code-panel.ts";
import { EXAMPLES } from "./examples.ts";
import { currentOp, currentSizes, type Page, type Panel } from "./page.ts";
import type { FromWorker } from "./protocol.ts";
import { makeSourceEditor } from "./source-editor.ts";
import { isOwn } from "./source-map.ts";
import { FRESH, fromFragment, type PlayState, type Tab, toFragment } from "./state.ts";

const TABS: readonly (readonly [tab: Tab, title: string])[] = [["code", "Code"]];

const ADDRESS_PAUSE_MS = 300;

function firstTheme(): Theme {
  try {
    const kept = localStorage.getItem("bitloom-theme");
    if (kept === "light" || kept === "dark") return kept;
  } catch {
    // A page without storage forgets the choice.
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** The sign: a woven square. */
function mark(): SVGSVGElement {
  const svg = icon("M2 5h3M8 5h6M2 11h6M11 11h3M5 2v6M5 11v3M11 2v3M11 8v6");
  svg.classList.add("sign");
  return svg;
}

/** The state to begin with: the address's, or the first example. */
async function firstState(): Promise<PlayState> {
  const kept = await fromFragment(location.hash);
  if (kept !== undefined && kept.text !== "") return kept;
  const [first] = EXAMPLES;
  return { ...FRESH, ...kept, text: first?.text ?? "" };
}

/** Builds the page. */
export async function startPage(): Promise<void> {
  const status = el("output", { class: "state", "aria-live": "polite" });
  const page: Page = {
    state: await firstState(),
    checked: undefined,
    results: new Map(),
    focus: undefined,
    stale: false,
    theme: firstTheme(),
    update: () => {},
    look: () => {},
    goTo: () => {},
    say(text, kind = "plain") {
      status.textContent = text;
      status.classList.toggle("bad", kind === "bad");
    },
  };
  document.documentElement.dataset.theme = page.theme;

  const code = makeCodePanel(page);
  const panels: Readonly<Partial<Record<Tab, Panel>>> = { code };
  const tool = el("div", { class: "tool-body" });

  const client = openClient((message) => hear(message));
  const submit = (now: boolean): void => {
    const { text, op, targets } = page.state;
    page.stale = true;
    client.submit({ text, op, sizes: page.state.sizes, targets }, now);
  };

  const editor = makeSourceEditor({
    label: "Source, in Bitloom's language",
    text: page.state.text,
    extensions: [],
    changed() {
      page.state = { ...page.state, text: editor.text() };
      keep();
      submit(false);
    },
    moved(offset) {
      const line = editor.view.state.doc.lineAt(offset);
      if (line.from < line.to) page.look({ kind: "source", span: { file: 0, start: line.from, end: line.to } });
    },
    save() {
      const formatted = format(0, editor.text(), new Diagnostics());
      if (formatted !== undefined) editor.replace(formatted);
      page.say(
        formatted === undefined ? "a syntax mistake: not formatted" : "formatted",
        formatted === undefined ? "bad" : "plain",
      );
    },
  });

  const refresh = (): void => {
    const panel = panels[page.state.tab] ?? code;
    if (tool.firstChild !== panel.root) fill(tool, panel.root);
    panel.show();
    editor.stripe(code.colours());
    showHeader();
  };

  const timers: { address?: ReturnType<typeof setTimeout> } = {};
  const keep = (): void => {
    clearTimeout(timers.address);
    timers.address = setTimeout(() => {
      void toFragment(page.state).then((fragment) => history.replaceState(null, "", `#${fragment}`));
    }, ADDRESS_PAUSE_MS);
  };

  page.update = (change) => {
    const before = page.state;
    page.state = { ...before, ...change };
    if (change.text !== undefined && change.text !== editor.text()) editor.replace(change.text);
    keep();
    const { op, sizes, targets } = page.state;
    if (op !== before.op || sizes !== before.sizes || targets !== before.targets) submit(true);
    refresh();
  };
  page.look = (focus) => {
    page.focus = focus;
    code.link();
    const spans = focus.kind === "output" ? focus.origins.filter(isOwn) : [];
    editor.link(spans, focus.kind === "output");
  };
  page.goTo = (span: Span) => {
    if (!isOwn(span)) return;
    editor.view.dispatch({ selection: { anchor: span.start, head: span.end }, scrollIntoView: true });
    editor.view.focus();
  };

  const hear = (message: FromWorker): void => {
    switch (message.kind) {
      case "checked": {
        page.checked = message.checked;
        editor.diagnose(message.checked.diagnostics);
        refresh();
        break;
      }
      case "compiled":
        page.results.set(message.result.target, message.result);
        break;
      case "done": {
        page.stale = !(page.checked?.ok ?? false);
        const errors = page.checked?.diagnostics.filter((d) => d.severity === "error").length ?? 0;
        if (errors > 0) page.say(`${errors} ${errors === 1 ? "error" : "errors"}`, "bad");
        else page.say(`compiled in ${message.milliseconds.toFixed(0)} ms`);
        refresh();
        break;
      }
      case "failed":
        page.say(message.message, "bad");
    }
  };

  const opSelect = el("select", { class: "op-select", "aria-label": "Operator" });
  opSelect.addEventListener("change", () => page.update({ op: opSelect.value }));
  const sizes = el("div", { class: "sizes" });
  const gallery = el("select", { class: "gallery", "aria-label": "Examples" });
  fill(
    gallery,
    el("option", { value: "" }, "Examples…"),
    ...EXAMPLES.map((e, i) => el("option", { value: String(i) }, e.name)),
  );
  gallery.addEventListener("change", () => {
    const example = EXAMPLES[Number(gallery.value)];
    gallery.value = "";
    if (example !== undefined) page.update({ text: example.text, op: "" });
  });

  const showHeader = (): void => {
    const op = currentOp(page);
    const names = page.checked?.ops.map((o) => o.name) ?? [];
    if ([...opSelect.options].map((o) => o.value).join() !== names.join())
      fill(opSelect, ...names.map((name) => el("option", { value: name }, name)));
    if (op !== undefined) opSelect.value = op.name;
    const key = op?.sizes.join() ?? "";
    if (sizes.dataset.key !== key) {
      sizes.dataset.key = key;
      fill(
        sizes,
        ...(op?.sizes ?? []).map((name) => {
          const input = el("input", { type: "number", min: 1, max: 2 ** 24, id: `size-${name}`, "data-size": name });
          input.addEventListener("change", () => {
            const value = Number(input.value);
            if (Number.isSafeInteger(value) && value > 0)
              page.update({ sizes: { ...page.state.sizes, [name]: value } });
          });
          return el("label", { class: "size" }, el("span", {}, name), input);
        }),
      );
    }
    for (const input of sizes.querySelectorAll("input"))
      if (document.activeElement !== input) input.value = String(currentSizes(page)[input.dataset.size ?? ""] ?? "");
  };

  const theme = button(
    { class: "tool icon", title: "Light or dark", "aria-label": "Light or dark" },
    icon("M8 2a6 6 0 1 0 6 6 4.5 4.5 0 0 1-6-6z"),
    () => {
      page.theme = page.theme === "dark" ? "light" : "dark";
      document.documentElement.dataset.theme = page.theme;
      try {
        localStorage.setItem("bitloom-theme", page.theme);
      } catch {
        // A page without storage forgets the choice.
      }
    },
  );
  const tabs = el("div", { class: "tabs", role: "tablist", "aria-label": "Views" });
  fill(
    tabs,
    ...TABS.map(([tab, title]) => {
      const b = button({ class: "tab", role: "tab", "aria-selected": String(page.state.tab === tab) }, title, () =>
        page.update({ tab }),
      );
      return b;
    }),
  );
  fill(
    document.getElementById("app")!,
    el(
      "header",
      { class: "top" },
      el("h1", { class: "brand" }, mark(), "bitloom"),
      gallery,
      opSelect,
      sizes,
      el("span", { class: "grow" }),
      status,
      theme,
    ),
    el(
      "main",
      { class: "workspace" },
      el("section", { class: "source", "aria-label": "Source" }, editor.box),
      el("section", { class: "tools-area", "aria-label": "Results" }, tabs, tool),
    ),
  );
  submit(true);
  refresh();
}
