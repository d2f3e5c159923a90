/** The page: its title line, opening of traces from anywhere, and the viewer of the one that is open. */
import { type App, openApp } from "./app.ts";
import type { CommandId } from "./commands.ts";
import { button, el, fill, icon } from "./dom.ts";
import { MAX_FILE_BYTES } from "./limits.ts";
import type { Loaded, Model } from "./model.ts";
import type { Theme } from "./palette.ts";
import { helpDialog } from "./panels/help.ts";
import { facts } from "./panels/summary.ts";
import { PAGE_ADDRESS, type Shell } from "./viewer.ts";

/** The text of the worker's script: the build puts it here, so that the page is one file. */
declare const BITLOOM_WORKER: string;

interface Page {
  app: App | undefined;
  worker: Worker | undefined;
  theme: Theme;
}

const page: Page = { app: undefined, worker: undefined, theme: "light" };

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
const picker = el("input", { type: "file", hidden: true, "aria-label": "Trace file" });

function setTheme(theme: Theme, keep: boolean): void {
  page.theme = theme;
  document.documentElement.dataset.theme = theme;
  try {
    if (keep) localStorage.setItem("bitloom-theme", theme);
  } catch {
    // A page without storage forgets the choice.
  }
  page.app?.refresh();
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
  if (id === "open") picker.click();
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

function showTitle(model: Model): void {
  const name = [model.workload, model.phase].filter((s) => s !== "").join(" · ");
  document.title = `${name} · Bitloom`;
  const list = el("dl", { class: "facts" });
  for (const [key, value, exactly] of facts(model))
    list.append(el("div", { title: exactly }, el("dt", {}, key), el("dd", {}, value)));
  fill(title, el("span", { class: "run", title: name }, name), el("span", { class: "machine" }, model.hardware), list);
}

/** The page without a trace: what it opens, and how. */
function showWelcome(message?: Node): void {
  page.app?.close();
  page.app = undefined;
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
        "Drop a trace anywhere on this page, or open one: Bitloom traces, Chrome trace JSON, Kanata logs; gzip too.",
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

/** Reads in a worker, which can be ended at any time: no file freezes the page. */
function openBytes(name: string, bytes: ArrayBuffer): void {
  page.worker?.terminate();
  page.app?.close();
  page.app = undefined;
  const url = URL.createObjectURL(new Blob([BITLOOM_WORKER], { type: "text/javascript" }));
  const worker = new Worker(url);
  page.worker = worker;
  const finish = (): void => {
    worker.terminate();
    URL.revokeObjectURL(url);
    page.worker = undefined;
  };
  showLoading(name, () => {
    finish();
    showWelcome();
  });
  worker.onmessage = (event: MessageEvent<Loaded>) => {
    finish();
    const loaded = event.data;
    if (loaded.kind === "error") {
      showError(name, loaded.message);
      return;
    }
    showTitle(loaded.model);
    page.app = openApp(loaded.model, shell);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    finish();
    showError(name, `reading it failed: ${event.message}`);
  };
  worker.postMessage(bytes, [bytes]);
}

async function openBlob(name: string, blob: Blob): Promise<void> {
  if (blob.size > MAX_FILE_BYTES) showError(name, "it is larger than 2 GB");
  else openBytes(name, await blob.arrayBuffer());
}

/** The trace that came inside the page, as base64. */
function openEmbedded(): boolean {
  const holder = document.getElementById("bitloom-trace");
  if (holder === null) return false;
  const text = atob((holder.textContent ?? "").trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const name = holder.dataset.name ?? "trace";
  holder.remove();
  openBytes(name, bytes.buffer);
  return true;
}

/** The trace named in the address: of this page's own origin, as the content security policy says. */
async function openNamed(): Promise<boolean> {
  const path = new URLSearchParams(location.search).get("trace");
  if (path === null) return false;
  const url = new URL(path, location.href);
  const name = decodeURIComponent(url.pathname.split("/").at(-1) ?? path);
  if (url.origin !== location.origin || url.protocol === "file:") {
    showError(name, "the page opens traces of its own address only: drop the file on the page instead");
    return true;
  }
  showLoading(name, showWelcome);
  try {
    const response = await fetch(url);
    if (response.ok) await openBlob(name, await response.blob());
    else showError(name, `the server answered ${response.status}`);
  } catch {
    showError(name, "the server does not answer");
  }
  return true;
}

function connectFiles(): void {
  picker.addEventListener("change", () => {
    const [file] = picker.files ?? [];
    if (file !== undefined) void openFile(file);
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
    const file = event.dataTransfer?.files[0];
    if (file !== undefined) void openFile(file);
  });
}

/** Another file has other cycles: its view begins anew. */
async function openFile(file: File): Promise<void> {
  history.replaceState(null, "", location.pathname + location.search);
  await openBlob(file.name, file);
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
