/** `bitloom view TRACE`: says what a trace file holds and how to look at it; turns Bitloom's into Chrome's. */
import { Diagnostics } from "../../ir/diagnostics.ts";
import { type ChromeOptions, chromeTrace } from "../../simulator/export-chrome.ts";
import { decodeTrace, type Trace } from "../../simulator/trace.ts";
import { readBytes, writeFiles } from "./files.ts";
import { refuse } from "./request.ts";
import { formatBytes, formatCount } from "./table.ts";
import { EXIT, type Exit, printJson, type Terminal, usageError } from "./terminal.ts";

export interface ViewOptions {
  readonly chrome?: string;
  readonly window?: string;
  readonly json?: boolean;
}

export const WINDOW_USAGE = "--window takes FROM:TO in cycles";

/** `--window FROM:TO`; without one, everything. Undefined where the text is something else. */
export function parseWindow(text: string | undefined): ChromeOptions | undefined {
  if (text === undefined) return {};
  const match = /^(\d+):(\d+)$/.exec(text);
  return match === null ? undefined : { from: Number(match[1]), to: Number(match[2]) };
}

const PERFETTO = "open https://ui.perfetto.dev and drop the file on the page; it stays in your browser";

/** Recognises a trace by its first bytes, so that large files need no parsing. */
function kindOf(bytes: Uint8Array): "chrome" | "bitloom" | undefined {
  const head = new TextDecoder().decode(bytes.subarray(0, 4096));
  if (head.startsWith("BLTR")) return "bitloom";
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

export async function run(terminal: Terminal, [path = ""]: readonly string[], options: ViewOptions): Promise<Exit> {
  const window = parseWindow(options.window);
  if (window === undefined) return usageError(terminal, WINDOW_USAGE, "for example --window 0:1000000");
  const bytes = readBytes(terminal, path);
  if (bytes === undefined) return EXIT.unreadable;
  const kind = kindOf(bytes);
  if (kind === undefined) {
    terminal.say(`${terminal.accent("red", "error:")} ${path} is not a trace that we know`);
    return EXIT.failed;
  }
  const diagnostics = new Diagnostics();
  const trace = kind === "bitloom" ? decodeTrace(bytes, 0, diagnostics) : undefined;
  if (diagnostics.failed) return refuse(terminal, "view", diagnostics, [{ name: path, text: "" }], options.json);
  if (trace === undefined && options.chrome !== undefined)
    return usageError(terminal, `${path} is a Chrome trace already`);
  if (trace !== undefined && options.chrome !== undefined) {
    const exit = writeFiles(terminal, [{ path: options.chrome, content: chromeTrace(trace, window) }]);
    if (exit !== EXIT.ok) return exit;
    terminal.say(`wrote ${options.chrome}`);
  }
  const how =
    trace === undefined || options.chrome !== undefined ? PERFETTO : `bitloom view ${path} --chrome trace.json`;
  if (options.json) printJson(terminal, "bitloom.view/1", { path, kind, how, header: trace?.header ?? null });
  else {
    const what = trace === undefined ? "a Chrome trace (Trace Event Format)" : "a Bitloom trace";
    terminal.out(`${path}: ${what}, ${formatBytes(bytes.length)}`);
    for (const line of trace === undefined ? [] : summary(trace)) terminal.out(line);
    terminal.out(`Look at it: ${how}`);
  }
  return EXIT.ok;
}
