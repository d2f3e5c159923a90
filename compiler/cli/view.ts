/** `bitloom view TRACE`: shows traces in the browser; or writes them as one page or Chrome's JSON, or says what they hold. */

import { basename } from "node:path";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { type ChromeOptions, chromeTrace } from "../../simulator/export-chrome.ts";
import { decodeTrace, type Trace } from "../../simulator/trace.ts";
import { readBytes, writeFiles } from "./files.ts";
import { refuse } from "./request.ts";
import { formatBytes, formatCount } from "./table.ts";
import { EXIT, type Exit, printJson, type Terminal, usageError } from "./terminal.ts";
import { embedFiles, viewerPage } from "./trace-page.ts";
import { serveTraces } from "./view-server.ts";

export interface ViewOptions {
  readonly chrome?: string;
  readonly window?: string;
  readonly html?: string;
  readonly port?: string;
  readonly info?: boolean;
  readonly json?: boolean;
}

export const WINDOW_USAGE = "--window takes FROM:TO in cycles";

/** `--window FROM:TO`; without one, everything. Undefined where the text is something else. */
export function parseWindow(text: string | undefined): ChromeOptions | undefined {
  if (text === undefined) return {};
  const match = /^(\d+):(\d+)$/.exec(text);
  return match === null ? undefined : { from: Number(match[1]), to: Number(match[2]) };
}

type Kind = "bitloom" | "chrome" | "kanata" | "gzip";

const KINDS: Readonly<Record<Kind, string>> = {
  bitloom: "a Bitloom trace",
  chrome: "a Chrome trace (Trace Event Format)",
  kanata: "a Kanata log",
  gzip: "a packed file",
};

/** Recognises a trace by its first bytes, so that large files need no parsing; the page says what is wrong with one. */
function kindOf(bytes: Uint8Array): Kind | undefined {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return "gzip";
  const head = new TextDecoder().decode(bytes.subarray(0, 4096));
  if (head.startsWith("BLTR")) return "bitloom";
  if (head.startsWith("Kanata\t")) return "kanata";
  return /"traceEvents"\s*:/.test(head) || /^\s*\[\s*\{\s*"(ph|name|cat|pid)"/.test(head) ? "chrome" : undefined;
}

function summary({ header }: Trace): readonly string[] {
  const last = header.layers.at(-1);
  const cycles = last === undefined ? 0 : last.startCycle + (header.segments[last.segment]?.cycles ?? 0);
  return [
    `${header.workload}, ${header.phase} on ${header.hardware} at ${header.clockMHz} MHz`,
    `${formatCount(cycles)} cycles, ${header.layers.length} layers, units ${header.lanes.join(", ")}`,
  ];
}

interface NamedTrace {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly kind: Kind;
}

export async function run(terminal: Terminal, paths: readonly string[], options: ViewOptions): Promise<Exit> {
  const window = parseWindow(options.window);
  if (window === undefined) return usageError(terminal, WINDOW_USAGE, "for example --window 0:1000000");
  const port = Number(options.port ?? "0");
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    return usageError(terminal, `--port takes a number up to 65535, not ${options.port}`);
  const writes = options.chrome !== undefined || options.html !== undefined;
  if (paths.length > 1 && (writes || options.info || options.json))
    return usageError(terminal, "--chrome, --html, --info and --json take one trace");
  const traces: NamedTrace[] = [];
  for (const path of paths) {
    const bytes = readBytes(terminal, path);
    if (bytes === undefined) return EXIT.unreadable;
    const kind = kindOf(bytes);
    if (kind === undefined) {
      terminal.say(`${terminal.accent("red", "error:")} ${path} is not a trace that we know`);
      return EXIT.failed;
    }
    traces.push({ path, bytes, kind });
  }
  const [trace] = traces;
  if (trace !== undefined && (writes || options.info || options.json)) return tell(terminal, trace, window, options);
  return show(terminal, paths, port);
}

/** Writes what was asked for, and says what the trace holds where that was. */
function tell(
  terminal: Terminal,
  { path, bytes, kind }: NamedTrace,
  window: ChromeOptions,
  options: ViewOptions,
): Exit {
  const diagnostics = new Diagnostics();
  const trace = kind === "bitloom" ? decodeTrace(bytes, 0, diagnostics) : undefined;
  if (diagnostics.failed) return refuse(terminal, "view", diagnostics, [{ name: path, text: "" }], options.json);
  if (options.chrome !== undefined) {
    if (trace === undefined) return usageError(terminal, `${path} is ${KINDS[kind]}: only Bitloom's become Chrome's`);
    const exit = writeFiles(terminal, [{ path: options.chrome, content: chromeTrace(trace, window) }]);
    if (exit !== EXIT.ok) return exit;
    terminal.say(`wrote ${options.chrome}`);
  }
  if (options.html !== undefined) {
    const exit = writePage(terminal, path, bytes, options.html);
    if (exit !== EXIT.ok) return exit;
  }
  if (options.json) printJson(terminal, "bitloom.view/1", { path, kind, header: trace?.header ?? null });
  else if (options.info) {
    terminal.out(`${path}: ${KINDS[kind]}, ${formatBytes(bytes.length)}`);
    for (const line of trace === undefined ? [] : summary(trace)) terminal.out(line);
  }
  return EXIT.ok;
}

function builtPage(terminal: Terminal): string | undefined {
  const page = viewerPage();
  if (page === undefined)
    terminal.say(`${terminal.accent("red", "error:")} the page is not built; \`npm run build\` builds it`);
  return page;
}

/** One file that shows the trace without a network. */
function writePage(terminal: Terminal, path: string, bytes: Uint8Array, html: string): Exit {
  const page = builtPage(terminal);
  if (page === undefined) return EXIT.failed;
  const content = embedFiles(page, [{ name: basename(path), bytes }]);
  const exit = writeFiles(terminal, [{ path: html, content }]);
  if (exit === EXIT.ok) terminal.say(`wrote ${html} (${formatBytes(Buffer.byteLength(content))})`);
  return exit;
}

/** Serves traces until the process is ended. */
async function show(terminal: Terminal, paths: readonly string[], port: number): Promise<Exit> {
  const page = builtPage(terminal);
  if (page === undefined) return EXIT.failed;
  const serving = await serveTraces(page, paths, port);
  if (serving.kind === "failed") {
    terminal.say(`${terminal.accent("red", "error:")} cannot listen on port ${port}: ${serving.why}`);
    return EXIT.failed;
  }
  for (const url of serving.urls) terminal.out(url);
  terminal.say("Open it in a browser on this machine; Ctrl-C ends it.");
  await new Promise((resolve) => serving.server.once("close", resolve));
  return EXIT.ok;
}
