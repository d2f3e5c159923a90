/** `bitloom fmt FILE…`: rewrites files in their canonical layout; --check only says which would change. */
import { Diagnostics } from "../../ir/diagnostics.ts";
import { format } from "../syntax/fmt.ts";
import { readSources } from "./check.ts";
import { type OutputFile, writeFiles } from "./files.ts";
import { diagnosticJson, sayDiagnostics } from "./report.ts";
import { EXIT, type Exit, printJson, type Terminal } from "./terminal.ts";

export async function run(
  terminal: Terminal,
  paths: readonly string[],
  options: { readonly check?: boolean; readonly json?: boolean },
): Promise<Exit> {
  const sources = readSources(terminal, paths);
  if (sources === undefined) return EXIT.unreadable;
  const diagnostics = new Diagnostics();
  const texts = sources.map((source, file) => format(file, source.text, diagnostics));
  const changed: OutputFile[] = [];
  for (const [i, text] of texts.entries())
    if (text !== undefined && text !== sources[i]!.text) changed.push({ path: paths[i]!, content: text });
  const failed = diagnostics.failed || (options.check === true && changed.length > 0);
  if (options.json) {
    const list = diagnostics.list.map((d) => diagnosticJson(d, sources));
    printJson(terminal, "bitloom.fmt/1", { ok: !failed, changed: changed.map((f) => f.path), diagnostics: list });
  } else sayDiagnostics(terminal, diagnostics.list, sources);
  if (diagnostics.failed) return EXIT.failed;
  if (options.check !== true) {
    const exit = writeFiles(
      terminal,
      changed.filter((f) => f.path !== "-"),
    );
    if (exit !== EXIT.ok) return exit;
  }
  if (options.json) return failed ? EXIT.failed : EXIT.ok;
  for (const [i, path] of paths.entries())
    if (path === "-" && options.check !== true) terminal.out(texts[i]!.replace(/\n$/, ""));
  for (const { path } of changed)
    if (path !== "-" || options.check === true)
      terminal.say(`${options.check ? "would reformat" : "reformatted"} ${path}`);
  return failed ? EXIT.failed : EXIT.ok;
}
