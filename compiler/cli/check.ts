/** `bitloom check FILE…`: everything that is wrong with the sources, each in its place. */
import { Diagnostics, type Source } from "../../ir/diagnostics.ts";
import { check } from "../check/check.ts";
import { readText } from "./files.ts";
import { diagnosticJson, sayDiagnostics } from "./report.ts";
import { EXIT, type Exit, printJson, type Terminal } from "./terminal.ts";

/** The sources of a command, or undefined once the reader has been told which file cannot be read. */
export function readSources(terminal: Terminal, paths: readonly string[]): readonly Source[] | undefined {
  const sources: Source[] = [];
  for (const path of paths) {
    const text = readText(terminal, path);
    if (text === undefined) return undefined;
    sources.push({ name: path === "-" ? "<stdin>" : path, text });
  }
  return sources;
}

export async function run(
  terminal: Terminal,
  paths: readonly string[],
  options: { readonly json?: boolean },
): Promise<Exit> {
  const sources = readSources(terminal, paths);
  if (sources === undefined) return EXIT.unreadable;
  const diagnostics = new Diagnostics();
  const module = check(sources, diagnostics);
  const ops = module.ops.map((op) => op.name);
  if (options.json) {
    const list = diagnostics.list.map((d) => diagnosticJson(d, module.sources));
    printJson(terminal, "bitloom.check/1", { ok: !diagnostics.failed, ops, diagnostics: list });
  } else {
    sayDiagnostics(terminal, diagnostics.list, module.sources);
    if (!diagnostics.failed) terminal.out(`${paths.join(", ")}: ${ops.length === 0 ? "no operators" : ops.join(", ")}`);
  }
  return diagnostics.failed ? EXIT.failed : EXIT.ok;
}
