/** `bitloom explain [CODE]`: what a diagnostic means, with a failing and a mended example; without a code, all codes. */
import { essayOf, explain, explainedCodes } from "../explain/explain.ts";
import { nearest } from "../report.ts";
import { printTable } from "./table.ts";
import { EXIT, type Exit, printJson, type Terminal, usageError } from "./terminal.ts";

export async function run(
  terminal: Terminal,
  [code]: readonly string[],
  options: { readonly json?: boolean },
): Promise<Exit> {
  if (code === undefined) {
    const codes = explainedCodes().map((name) => ({ code: name, title: essayOf(name)?.title ?? "" }));
    if (options.json) printJson(terminal, "bitloom.explain/1", { codes });
    else
      printTable(
        terminal,
        [{ title: "Code" }, { title: "Meaning" }],
        codes.map((c) => [c.code, c.title]),
      );
    return EXIT.ok;
  }
  const text = explain(code);
  if (text === undefined) {
    const meant = nearest(code, explainedCodes());
    const hint = meant === undefined ? "`bitloom explain` lists all codes" : `did you mean \`${meant}\`?`;
    return usageError(terminal, `there is no code \`${code}\``, hint);
  }
  if (options.json) printJson(terminal, "bitloom.explain/1", { codes: [{ code, ...essayOf(code) }] });
  else terminal.out(text.trimEnd());
  return EXIT.ok;
}
