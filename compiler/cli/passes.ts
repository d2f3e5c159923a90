/** `bitloom passes`: the stages that a compilation goes through, in order; their names are what `--emit` takes. */
import { ALGEBRA, KERNEL, LOWERING, SCHEDULING } from "../pipelines.ts";
import { printTable } from "./table.ts";
import { EXIT, type Exit, printJson, type Terminal } from "./terminal.ts";

interface Row {
  readonly name: string;
  readonly level: "program" | "kernel";
  readonly about: string;
}

/** All passes in order. */
export function listPasses(): readonly Row[] {
  const program = [...ALGEBRA, ...SCHEDULING].map((p): Row => ({ name: p.name, level: "program", about: p.about }));
  const kernel = KERNEL.map((p): Row => ({ name: p.name, level: "kernel", about: p.about }));
  return [...program, ...LOWERING.map((p): Row => ({ ...p, level: "kernel" })), ...kernel];
}

export async function run(
  terminal: Terminal,
  _args: readonly string[],
  options: { readonly json?: boolean },
): Promise<Exit> {
  const passes = listPasses();
  if (options.json) printJson(terminal, "bitloom.passes/1", { passes });
  else
    printTable(
      terminal,
      [{ title: "Pass" }, { title: "Works on", drop: 1 }, { title: "What holds afterwards" }],
      passes.map((p) => [p.name, p.level, p.about]),
    );
  return EXIT.ok;
}
