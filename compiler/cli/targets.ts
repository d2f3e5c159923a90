/** `bitloom targets`: what there is text for, and what each target's table says. */
import { TARGETS } from "../../backends/index.ts";
import { formatBytes, printTable } from "./table.ts";
import { EXIT, type Exit, printJson, type Terminal } from "./terminal.ts";

export async function run(
  terminal: Terminal,
  _args: readonly string[],
  options: { readonly json?: boolean },
): Promise<Exit> {
  const targets = TARGETS.map(({ name, family, about, lanes, exchange, types, vectorWords, rows, limits, model }) => {
    const native = rows.filter((r) => r.support === "native").map((r) => r.row);
    return { name, family, about, lanes, exchange, types, vectorWords, rows, native, limits, model };
  });
  if (options.json) {
    printJson(terminal, "bitloom.targets/1", { targets: targets.map(({ native: _native, ...target }) => target) });
    return EXIT.ok;
  }
  printTable(
    terminal,
    [
      { title: "Name" },
      { title: "Lanes", align: "right" },
      { title: "Shared", align: "right", drop: 1 },
      { title: "Matrix rows", align: "right", drop: 2 },
      { title: "What it is", drop: 3 },
    ],
    targets.map((t) => [t.name, `${t.lanes}`, formatBytes(t.limits.sharedBytes), `${t.native.length}`, t.about]),
  );
  return EXIT.ok;
}
