/** `bitloom view`: says what a trace file is and how to look at it. */
import { readText } from "./files.ts";
import { EXIT, type Exit, printJson, type Terminal } from "./terminal.ts";

type TraceKind = "chrome" | "bitloom" | "unknown";

/** Recognises a trace by its first lines, so that large files need no parsing. */
function kindOf(text: string): TraceKind {
  const head = text.slice(0, 4096);
  if (/"traceEvents"\s*:/.test(head) || /^\s*\[\s*\{\s*"(ph|name|cat|pid)"/.test(head)) return "chrome";
  return /"(schema|format)"\s*:\s*"bitloom[.-]trace/.test(head) ? "bitloom" : "unknown";
}

const HOW: Readonly<Record<TraceKind, readonly string[]>> = {
  chrome: [
    "a Chrome trace (Trace Event Format)",
    "open https://ui.perfetto.dev and drop the file on the page; it stays in your browser",
  ],
  bitloom: [
    "a Bitloom trace",
    "write a Chrome trace beside it: bitloom simulate … --chrome trace.json, then view that",
  ],
  unknown: ["not a trace that we know", ""],
};

export async function run(
  terminal: Terminal,
  [path = ""]: readonly string[],
  options: { readonly json?: boolean },
): Promise<Exit> {
  const text = readText(terminal, path);
  if (text === undefined) return EXIT.unreadable;
  const kind = kindOf(text);
  const [what = "", how = ""] = HOW[kind];
  if (kind === "unknown") {
    terminal.say(`${terminal.accent("red", "error:")} ${path} is ${what}`);
    return EXIT.failed;
  }
  if (options.json) printJson(terminal, "bitloom.view/1", { path, kind, how });
  else {
    terminal.out(`${path}: ${what}, ${text.length.toLocaleString("en")} characters`);
    terminal.out(how);
  }
  return EXIT.ok;
}
