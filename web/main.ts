/** The page: its title line, opening of traces from anywhere, and the viewer of the one that is open. */
import { type App, openApp } from "./app.ts";
import type { CommandId } from "./commands.ts";
import { button, el, fill, icon } from "./dom.ts";
import { type Entry, entriesOf, type NamedBytes, type Reading, readInWorker } from "./entries.ts";
import { MAX_FILE_BYTES } from "./limits.ts";
import type { Loaded } from "./model.ts";
import type { Theme } from "./palette.ts";
import { helpDialog } from "./panels/help.ts";
import { facts, reportFacts } from "./panels/summary.ts";
import { openReport, type ReportApp } from "./report-app.ts";
import { distinctTitles } from "./run.ts";
import { fromHash, toHash, wholeRun } from "./view-spec.ts";
import { PAGE_ADDRESS, type Shell } from "./viewer.ts";

/** Traces that one address may name. */
const MAX_NAMED = 32;

interface Page {
  app: App | undefined;
  report: ReportApp | undefined;
  reading: Reading | undefined;
  /** All runs that are open, in the order in which they were opened. */
  entries: readonly Entry[];
  /** Files that are chosen next go beside those that are open. */
  adding: boolean;
  theme: Theme;
}

const page: Page = {
  app: undefined,
  report: undefined,
  reading: undefined,
  entries: [],
  adding: false,
  theme: "light",
};

const search = el("input", {
  type: "search",
  placeholder: "Search  /",
  "aria-label": "Search the trace",
  autocomplete: "off",
  spellcheck: "false",
});
const searchCount = el("output", { class: "search-count", "aria-live": "polite" });
const title = el("div", { class: "title" });
const main = el("main", { class: "viewer", tabindex: -1 });
const status = el("footer", { class: "status" });
const help = helpDialog();
const picker = el("input", { type: "file", hidden: true, multiple: true, "aria-label": "Trace file" });

function setTheme(theme: Theme, keep: boolean): void {
  page.theme = theme;
  document.documentElement.dataset.theme = theme;
  try {
    if (keep) localStorage.setItem("bitloom-theme", theme);
  } catch {
    // A page without storage forgets the choice.
  }
  page.app?.refresh();
  page.report?.refresh();
}

function firstTheme(): Theme {
  try {
    const kept = localStorage.getItem("bitloom-theme");
    if (kept === "light" || kept === "dark") return kept;
  } catch {
    // As above.
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function command(id: CommandId): void {
  if (id === "theme") setTheme(page.theme === "dark" ? "light" : "dark", true);
  if (id === "open") {
    page.adding = false;
    picker.click();
  }
  if (id === "help") help.showModal();
}

const shell: Shell = {
  main,
  status,
  search,
  searchCount,
  keys: globalThis,
  address: PAGE_ADDRESS,
  theme: () => page.theme,
  command,
  addRuns: () => {
    page.adding = true;
    picker.click();
  },
};

function titleBar(): HTMLElement {
  const tools = el(
    "div",
    { class: "tools" },
    el(
      "div",
      { class: "search" },
      icon("M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.5 10.5 14 14"),
      search,
      searchCount,
    ),
    button({ class: "tool", title: "Open a trace (O)" }, "Open", () => command("open")),
    button(
      { class: "tool icon", title: "Light or dark (T)", "aria-label": "Light or dark" },
      icon("M8 2a6 6 0 1 0 6 6 4.5 4.5 0 0 1-6-6z"),
      () => command("theme"),
    ),
    button({ class: "tool icon", title: "Keys and gestures (?)", "aria-label": "Keys and gestures" }, "?", () =>
      command("help"),
    ),
  );
  return el("header", { class: "top" }, el("h1", { class: "brand" }, mark(), "bitloom"), title, tools);
}

/** The sign: a woven square. */
function mark(): SVGSVGElement {
  const svg = icon("M2 5h3M8 5h6M2 11h6M11 11h3M5 2v6M5 11v3M11 2v3M11 8v6");
  svg.classList.add("sign");
  return svg;
}

function showTitle({ run, model }: Entry, current: number): void {
  const name = [run.workload, run.phase].filter((s) => s !== "").join(" · ");
  document.title = `${name} · Bitloom`;
  const list = el("dl", { class: "facts" });
  for (const [key, value, exactly] of model === undefined ? reportFacts(run) : facts(model))
    list.append(el("div", { title: exactly }, el("dt", {}, key), el("dd", {}, value)));
  const which = page.entries.length > 1 ? runChoice(current) : el("span", { class: "machine" }, run.hardware);
  fill(title, el("span", { class: "run", title: name }, name), which, list);
}

/** Which of the open runs is looked at. */
function runChoice(current: number): HTMLElement {
  const titles = distinctTitles(page.entries.map((e) => e.run));
  const choice = el(
    "select",
    { class: "run-choice", "aria-label": "Run" },
    ...titles.map((text, i) => el("option", { value: i }, text)),
  );
  choice.value = String(current);
  choice.addEventListener("change", () => openRun(Number(choice.value)));
  return choice;
}

function closeRun(): void {
  page.app?.close();
  page.report?.close();
  page.app = undefined;
  page.report = undefined;
}

/** Shows a run in place of the one that is looked at; panels and comparison stay as they are. */
function openRun(run: number): void {
  const before = page.app?.spec() ?? fromHash(location.hash, Number.MAX_SAFE_INTEGER, 0);
  const { panel, summary, comparison, sort, focus } = before;
  closeRun();
  const cycles = page.entries[run]?.model?.cycles ?? 1;
  const hash = toHash({ ...wholeRun(cycles), panel, summary, comparison, sort, focus, run }, cycles);
  history.pushState(null, "", `#${hash}`);
  showRun(run);
}

/** Shows a run as the address says it. */
function showRun(wanted: number): void {
  const current = wanted < page.entries.length ? wanted : 0;
  const entry = page.entries[current]!;
  const open = { runs: page.entries.map((e) => e.run), current };
  showTitle(entry, current);
  if (entry.model === undefined) page.report = openReport(open, shell);
  else page.app = openApp(entry.model, shell, open);
}

/** The page without a trace: what it opens, and how. */
function showWelcome(message?: Node): void {
  closeRun();
  page.entries = [];
  main.classList.remove("only-deck");
  document.title = "Bitloom trace viewer";
  fill(title);
  fill(status, el("span", {}, "Files stay in this browser: nothing is sent anywhere."));
  const open = button({ class: "primary" }, "Open a trace…", () => command("open"));
  fill(
    main,
    el(
      "section",
      { class: "welcome" },
      ...(message === undefined ? [] : [message]),
      el("h2", {}, "Look at a run, cycle by cycle"),
      el(
        "p",
        {},
        "Drop a trace anywhere on this page, or open one: Bitloom traces and reports, Chrome trace JSON, Kanata logs; gzip too. Several at once are compared.",
      ),
      open,
      el("p", { class: "quiet" }, "A trace comes from ", el("code", {}, "bitloom simulate … --trace run.bltr"), "."),
    ),
  );
}

function showError(name: string, message: string): void {
  showWelcome(
    el("div", { class: "error", role: "alert" }, el("b", {}, `${name} cannot be shown`), el("p", {}, `${message}.`)),
  );
}

function showLoading(name: string, cancel: () => void): void {
  main.classList.remove("only-deck");
  fill(
    main,
    el(
      "section",
      { class: "welcome", "aria-busy": "true" },
      el("div", { class: "spinner", "aria-hidden": "true" }),
      el("p", { role: "status" }, `Reading ${name}…`),
      button({ class: "quiet-button" }, "Cancel", cancel),
    ),
  );
}

/** Shows the first layers of a trace while the rest is read; what is looked at stays when all is there. */
function showFirst(first: Loaded, name: string): void {
  if (first.kind !== "model") return;
  page.entries = entriesOf(first);
  showRun(0);
  title.append(el("span", { class: "reading", role: "status" }, `reading the rest of ${name}…`));
}

/** Opens files in the place of those that are open, or beside them. */
async function openAll(files: readonly NamedBytes[], beside: boolean): Promise<void> {
  page.reading?.cancel();
  const kept = beside ? page.entries : [];
  const opened: Entry[] = [];
  closeRun();
  for (const [i, { name, bytes }] of files.entries()) {
    const reading = readInWorker(bytes, (first) => {
      if (page.reading === reading && files.length === 1 && kept.length === 0) showFirst(first, name);
    });
    page.reading = reading;
    const many = files.length > 1 ? ` (${i + 1} of ${files.length})` : "";
    showLoading(`${name}${many}`, () => {
      reading.cancel();
      page.reading = undefined;
      if (kept.length > 0) showRun(0);
      else showWelcome();
    });
    const loaded = await reading.result;
    // Another file was chosen meanwhile.
    if (page.reading !== reading) return;
    page.reading = undefined;
    closeRun();
    if (loaded.kind === "error") {
      showError(name, loaded.message);
      return;
    }
    opened.push(...entriesOf(loaded));
  }
  page.entries = [...kept, ...opened];
  showRun(kept.length > 0 ? 0 : fromHash(location.hash, 1, 0).run);
}

async function openBlobs(files: readonly { readonly name: string; readonly blob: Blob }[], beside: boolean) {
  const large = files.find((f) => f.blob.size > MAX_FILE_BYTES);
  if (large !== undefined) {
    showError(large.name, "it is larger than 2 GB");
    return;
  }
  const bytes = await Promise.all(files.map(async ({ name, blob }) => ({ name, bytes: await blob.arrayBuffer() })));
  await openAll(bytes, beside);
}

/** The traces that came inside the page, as base64. */
function openEmbedded(): boolean {
  const holders = [...document.querySelectorAll<HTMLElement>('script[type="application/octet-stream"]')];
  if (holders.length === 0) return false;
  const files = holders.map((holder): NamedBytes => {
    const text = atob((holder.textContent ?? "").trim());
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    holder.remove();
    return { name: holder.dataset.name ?? "trace", bytes: bytes.buffer };
  });
  void openAll(files, false);
  return true;
}

/** The traces named in the address: of this page's own origin, as the content security policy says. */
async function openNamed(): Promise<boolean> {
  const paths = new URLSearchParams(location.search).getAll("trace").slice(0, MAX_NAMED);
  if (paths.length === 0) return false;
  const files: { name: string; blob: Blob }[] = [];
  for (const path of paths) {
    const url = new URL(path, location.href);
    const name = decodeURIComponent(url.pathname.split("/").at(-1) ?? path);
    if (url.origin !== location.origin || url.protocol === "file:") {
      showError(name, "the page opens traces of its own address only: drop the file on the page instead");
      return true;
    }
    showLoading(name, showWelcome);
    try {
      const response = await fetch(url);
      if (!response.ok) {
        showError(name, `the server answered ${response.status}`);
        return true;
      }
      files.push({ name, blob: await response.blob() });
    } catch {
      showError(name, "the server does not answer");
      return true;
    }
  }
  await openBlobs(files, false);
  return true;
}

function connectFiles(): void {
  picker.addEventListener("change", () => {
    void openFiles([...(picker.files ?? [])], page.adding && page.entries.length > 0);
    picker.value = "";
  });
  const { body } = document;
  body.addEventListener("dragover", (event) => {
    event.preventDefault();
    body.classList.add("dropping");
  });
  body.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) body.classList.remove("dropping");
  });
  body.addEventListener("drop", (event) => {
    event.preventDefault();
    body.classList.remove("dropping");
    void openFiles([...(event.dataTransfer?.files ?? [])], event.shiftKey && page.entries.length > 0);
  });
}

/** Another file has other cycles: its view begins anew. */
async function openFiles(files: readonly File[], beside: boolean): Promise<void> {
  if (files.length === 0) return;
  const hash = beside ? location.hash : "";
  history.replaceState(null, "", location.pathname + location.search + hash);
  await openBlobs(
    files.map((file) => ({ name: file.name, blob: file })),
    beside,
  );
}

function connectKeys(): void {
  globalThis.addEventListener("keydown", (event) => {
    if (page.app !== undefined || event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey) return;
    if (event.key === "?") command("help");
    if (event.code === "KeyO") command("open");
    if (event.code === "KeyT") command("theme");
  });
}

async function start(): Promise<void> {
  setTheme(firstTheme(), false);
  fill(document.getElementById("app")!, titleBar(), main, status, picker, help);
  connectFiles();
  connectKeys();
  Object.defineProperty(globalThis, "bitloom", { value: { app: () => page.app } });
  if (!openEmbedded() && !(await openNamed())) showWelcome();
}

void start();
