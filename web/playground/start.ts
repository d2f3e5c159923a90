/** The page of the playground, put together: one state, kept in the address; everything else is made from it. */
import { STD_FILES } from "../../compiler/std-text.ts";
import { button, el, fill } from "../dom.ts";
import type { Theme } from "../palette.ts";
import { makeBitsPanel } from "./bits-panel.ts";
import { openClient } from "./client.ts";
import { makeCodePanel } from "./code-panel.ts";
import { EXAMPLES } from "./examples.ts";
import { makeGallery } from "./gallery.ts";
import { makeHeader } from "./header.ts";
import type { Focus, Page, Panel } from "./page.ts";
import { makePassesPanel } from "./passes-panel.ts";
import type { FromWorker } from "./protocol.ts";
import { makeRunPanel } from "./run-panel.ts";
import { makeSimulatePanel } from "./simulate-panel.ts";
import { isOwn } from "./source-map.ts";
import { makeSourcePane } from "./source-pane.ts";
import { FRESH, fromFragment, type PlayState, type Tab, toFragment } from "./state.ts";

const TABS: readonly (readonly [tab: Tab, title: string])[] = [
  ["code", "Code"],
  ["passes", "Passes"],
  ["bits", "Bits"],
  ["run", "Run"],
  ["simulate", "Simulate"],
];

const ADDRESS_PAUSE_MS = 250;

function firstTheme(): Theme {
  try {
    const kept = localStorage.getItem("bitloom-theme");
    if (kept === "light" || kept === "dark") return kept;
  } catch {
    // A page without storage forgets the choice.
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function setTheme(page: Page, theme: Theme): void {
  page.theme = theme;
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("bitloom-theme", theme);
  } catch {
    // As above.
  }
}

/** The text that came inside the page. */
function startText(): string | undefined {
  const holder = document.getElementById("bitloom-start");
  if (holder === null) return undefined;
  const bytes = Uint8Array.from(atob((holder.textContent ?? "").trim()), (c) => c.charCodeAt(0));
  return new TextDecoder().decode(bytes);
}

/** The state to begin with: the address's, else the text inside the page, else the first example. */
async function firstState(): Promise<PlayState> {
  const kept = await fromFragment(location.hash);
  const text = startText() ?? EXAMPLES[0]?.text ?? "";
  return kept !== undefined && kept.text !== "" ? kept : { ...FRESH, text };
}

/** The line that says what the compiler is at. */
function makeStatus(): { readonly root: HTMLElement; readonly say: Page["say"] } {
  const root = el("output", { class: "state", "aria-live": "polite" });
  return {
    root,
    say(text, kind = "plain") {
      root.textContent = text;
      root.title = text;
      root.classList.toggle("bad", kind === "bad");
    },
  };
}

/** Tabs in a row, of which one is open; arrows go from one to the next. */
function makeTabs(page: Page): { readonly root: HTMLElement; show(): void } {
  const tabs = TABS.map(([tab, title]) =>
    button({ class: "tab", role: "tab", id: `tab-${tab}`, "aria-controls": "tool-body" }, title, () =>
      page.update({ tab }),
    ),
  );
  const root = el("div", { class: "tabs", role: "tablist", "aria-label": "Views" }, ...tabs);
  root.addEventListener("keydown", (event) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by === 0) return;
    const next = (TABS.findIndex(([tab]) => tab === page.state.tab) + by + TABS.length) % TABS.length;
    page.update({ tab: TABS[next]![0] });
    tabs[next]!.focus();
  });
  return {
    root,
    show() {
      tabs.forEach((tab, i) => {
        const open = TABS[i]![0] === page.state.tab;
        tab.setAttribute("aria-selected", String(open));
        tab.tabIndex = open ? 0 : -1;
      });
    },
  };
}

/** A handle between editor and results; dragged, or moved with the arrow keys. */
function makeSplitter(workspace: HTMLElement): HTMLElement {
  const handle = el("div", {
    class: "splitter",
    role: "separator",
    "aria-orientation": "vertical",
    "aria-label": "Width of the source",
    "aria-valuemin": 15,
    "aria-valuemax": 70,
    "aria-valuenow": 34,
    tabindex: 0,
  });
  const place = (share: number): void => {
    const percent = Math.min(70, Math.max(15, share));
    handle.setAttribute("aria-valuenow", String(Math.round(percent)));
    workspace.style.setProperty("--source-width", `${percent}%`);
  };
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  handle.addEventListener("pointermove", (event) => {
    if (handle.hasPointerCapture(event.pointerId)) place((100 * event.clientX) / workspace.clientWidth);
  });
  handle.addEventListener("keydown", (event) => {
    const by = event.key === "ArrowRight" ? 2 : event.key === "ArrowLeft" ? -2 : 0;
    if (by !== 0) place(Number(handle.getAttribute("aria-valuenow")) + by);
  });
  return handle;
}

/** Builds the page. */
export async function startPage(): Promise<void> {
  const status = makeStatus();
  const page: Page = {
    state: await firstState(),
    checked: undefined,
    results: new Map(),
    focus: undefined,
    stale: false,
    busy: true,
    theme: firstTheme(),
    update: () => {},
    look: () => {},
    goTo: () => {},
    say: status.say,
    textOf: (file) => (file === 0 ? page.state.text : STD_FILES[file - 1]?.text),
  };
  document.documentElement.dataset.theme = page.theme;
  const client = openClient((message) => hear(message));
  const submit = (now: boolean): void => {
    const { text, op, sizes, targets } = page.state;
    page.stale = true;
    page.busy = true;
    client.submit({ text, op, sizes, targets }, now);
  };
  const timers: { address?: ReturnType<typeof setTimeout> } = {};
  const keepNow = async (): Promise<void> => {
    clearTimeout(timers.address);
    const before = location.hash;
    const fragment = await toFragment(page.state);
    // Where somebody went to another state meanwhile, theirs stands.
    if (location.hash === before) history.replaceState(null, "", `#${fragment}`);
  };
  const keep = (): void => {
    clearTimeout(timers.address);
    timers.address = setTimeout(() => void keepNow(), ADDRESS_PAUSE_MS);
  };

  const source = makeSourcePane(page, client, () => {
    page.state = { ...page.state, text: source.editor.text() };
    keep();
    submit(false);
  });
  const code = makeCodePanel(page);
  const simulate = makeSimulatePanel(page);
  const panels: Readonly<Record<Tab, Panel>> = {
    code,
    passes: makePassesPanel(page, client),
    bits: makeBitsPanel(page),
    run: makeRunPanel(page),
    simulate,
  };
  const tabs = makeTabs(page);
  const body = el("div", { class: "tool-body", id: "tool-body", role: "tabpanel" });
  const gallery = makeGallery((example) => page.update({ text: example.text, op: "", bits: FRESH.bits }));
  const header = makeHeader(page, status.root, {
    examples: () => gallery.showModal(),
    link() {
      void keepNow()
        .then(() => navigator.clipboard.writeText(location.href))
        .then(
          () => page.say("link copied: it holds all of this"),
          () => page.say("the link is in the address line"),
        );
    },
    theme() {
      setTheme(page, page.theme === "dark" ? "light" : "dark");
      simulate.refresh();
    },
  });

  const refresh = (): void => {
    const { tab } = page.state;
    const panel = panels[tab];
    body.setAttribute("aria-labelledby", `tab-${tab}`);
    if (body.firstChild !== panel.root) fill(body, panel.root);
    panel.show();
    source.editor.stripe(code.colours());
    tabs.show();
    header.show();
  };
  page.update = (change) => {
    const before = page.state;
    page.state = { ...before, ...change };
    if (change.text !== undefined) source.editor.replace(change.text);
    keep();
    const { text, op, sizes, targets } = page.state;
    if (text !== before.text || op !== before.op || sizes !== before.sizes || targets !== before.targets) submit(true);
    refresh();
  };
  page.look = (focus: Focus) => {
    page.focus = focus;
    code.link();
    source.editor.link(focus.kind === "output" ? focus.origins.filter(isOwn) : [], focus.kind === "output");
  };
  page.goTo = (span) => source.goTo(span);

  const hear = (message: FromWorker): void => {
    switch (message.kind) {
      case "checked":
        page.checked = message.checked;
        source.diagnose(message.checked.diagnostics);
        break;
      case "compiled":
        page.results.set(message.result.target, message.result);
        break;
      case "done": {
        page.busy = false;
        page.stale = !(page.checked?.ok ?? false);
        const errors = page.checked?.diagnostics.filter((d) => d.severity === "error").length ?? 0;
        if (errors > 0) page.say(`${errors} ${errors === 1 ? "error" : "errors"}`, "bad");
        else page.say(`compiled in ${message.milliseconds.toFixed(0)} ms`);
        refresh();
        break;
      }
      case "failed":
        page.busy = false;
        page.say(message.message, "bad");
    }
  };

  const workspace = el("main", { class: "workspace" });
  workspace.append(
    source.root,
    makeSplitter(workspace),
    el("section", { class: "tools-area", "aria-label": "Results" }, tabs.root, body),
  );
  fill(document.getElementById("app")!, header.root, workspace, gallery);
  // The event's address: the page's own may have been written over since.
  globalThis.addEventListener("hashchange", (event) => {
    clearTimeout(timers.address);
    void fromFragment(new URL(event.newURL).hash).then((kept) => {
      if (kept !== undefined && kept.text !== "") page.update(kept);
    });
  });
  Object.defineProperty(globalThis, "bitloom", { value: { state: () => page.state, busy: () => page.busy } });
  submit(true);
  refresh();
}
