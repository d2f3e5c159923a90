/** The essays on the simulator's codes: each failing example gives its code and no other, each fixed one none. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { COMMANDS } from "../../compiler/cli/commands.ts";
import { openTerminal } from "../../compiler/cli/terminal.ts";
import type { CallExample, CommandExample, Essay, Example } from "../../compiler/explain/essay.ts";
import { explain } from "../../compiler/explain/explain.ts";
import { SIMULATOR_ESSAYS } from "../../compiler/explain/simulator-essays.ts";
import { instantiate } from "../../compiler/instantiate/instantiate.ts";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import { hardwareNamed } from "../../hw-models/index.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { tryProgram } from "../../simulator/engine.ts";
import { simulatePeer } from "../../simulator/peer/index.ts";
import { simulate } from "../../simulator/simulate.ts";
import { filesIn, ROOT } from "../meta/sources.ts";
import { withoutSignals } from "../simulator/deadlocks.ts";

const essays: Readonly<Record<string, Essay<Example>>> = SIMULATOR_ESSAYS;

interface Outcome {
  readonly exit: number;
  readonly said: string;
  readonly codes: readonly string[];
}

const folder = mkdtempSync(join(tmpdir(), "bitloom-essays-"));

function fileText(content: CommandExample["files"][string]): string {
  if (typeof content === "string") return content;
  const base = readFileSync(join(ROOT, `hw-models/${content.base}.json`), "utf8");
  expect(base).toContain(content.from);
  return base.replace(content.from, content.to);
}

/** `name a b --flag value` by the table of commands, in this process. */
async function runCommand({ files, command }: CommandExample): Promise<Outcome> {
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), fileText(content));
  const [name, ...words] = command.split(" ").map((w) => (/\.(json|csv|cfg|trace)$/.test(w) ? join(folder, w) : w));
  const spec = COMMANDS.find((c) => c.name === name)!;
  const takesValue = (flag: string): boolean => spec.options.some(([flags]) => flags.startsWith(`${flag} <`));
  const [args, options]: [string[], Record<string, string | boolean>] = [[], {}];
  while (words.length > 0) {
    const word = words.shift()!;
    if (!word.startsWith("--")) args.push(word);
    else
      options[word.slice(2).replace(/-(\w)/g, (_, c: string) => c.toUpperCase())] = takesValue(word)
        ? words.shift()!
        : true;
  }
  const said: string[] = [];
  const terminal = openTerminal({ write: () => true }, { write: (text: string) => said.push(text) }, {});
  const exit = await (await spec.load()).run(terminal, args, options as never);
  const text = said.join("").replaceAll(`${folder}/`, "");
  return { exit, said: text, codes: [...text.matchAll(/(?:error|warning)\[([a-z/-]+)\]/g)].map((m) => m[1]!) };
}

function runCall({ call, request }: CallExample): Outcome {
  const sink = new Diagnostics();
  const hardware = hardwareNamed("systolic-32-os")!;
  if (hardware.kind !== "accelerator") throw new Error("no accelerator");
  const shape = {
    name: "tiny",
    hidden: 64,
    feedForward: 64,
    blocks: 1,
    heads: 1,
    keyValueHeads: 1,
    headSize: 64,
    vocabulary: 64,
  };
  const base = { phase: "prefill", batch: 1, context: 16 } as const;
  if (call === "tileMachine") {
    const module = check([{ name: "input.loom", text: String(request.op) }], sink);
    const op = /op (\w+)/.exec(String(request.op))![1]!;
    const sizes = Object.fromEntries(
      ["M", "N", "K"].filter((s) => module.ops[0]!.sizes.some((z) => z.name === s)).map((s) => [s, 64]),
    );
    const program = instantiate(module, op, sizes, sink)!;
    tileMachine(program, hardware, "os", sink);
  } else if (call === "tryProgram") {
    const { program, machine } = withoutSignals(String(request.without), String(request.ring));
    tryProgram(program, machine, sink);
  } else if (call === "simulatePeer") {
    const model = { shape: { ...shape, gated: true }, known: undefined };
    simulatePeer({ ...base, preset: "", hardware: "", workload: { kind: "model", model }, ...request }, sink);
  } else simulate({ ...base, workload: shape, hardware, weights: 16, ...request }, tileMachine, sink);
  return { exit: sink.failed ? 1 : 0, said: "", codes: sink.list.map((d) => d.code) };
}

function run(example: Example): Promise<Outcome> | Outcome {
  if (example.kind === "command") return runCommand(example);
  if (example.kind === "call") return runCall(example);
  throw new Error("the simulator's essays show commands and calls");
}

describe("the simulator's essays", () => {
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const shown: string[] = [];
  beforeAll(() => void shown.splice(0));

  it.each(Object.keys(essays))("%s", async (code) => {
    const { failing, fixed } = essays[code]!;
    const failed = await run(failing);
    expect([...new Set(failed.codes)]).toEqual([code]);
    shown.push(`# ${code}\n${failed.said.replace(/^.* cycles in .*\n/gm, "")}`);
    const mended = await run(fixed);
    expect([mended.exit, mended.codes]).toEqual([0, []]);
    expect(explain(code)).toMatch(new RegExp(`^${code}: .*\\n\\n[^]*This fails:\\n\\n {4}[^]*This works:\\n\\n {4}`));
  });

  it("look as they did", async () => {
    await expect(shown.join("\n")).toMatchFileSnapshot("expected/simulator-errors.txt");
  });

  it("cover every code that is reported", () => {
    const text = ["simulator", "hw-models", "compiler/machine"]
      .flatMap((f) => filesIn(f, /\.ts$/))
      .concat(filesIn("compiler/cli", /allocation-table\.ts$/))
      .map((f) => f.text)
      .join("\n");
    const areas = /"((?:allocation|json|hardware|workload|simulate|machine|trace|peer|scalesim|topology)\/[a-z-]+)"/g;
    const used = [...text.matchAll(areas)].map((m) => m[1]!);
    // Readers of JSON put the area before these themselves.
    for (const end of ["missing", "type", "range"]) used.push(`hardware/${end}`, `workload/${end}`);
    used.push("hardware/unknown-field");
    expect([...new Set(used)].sort()).toEqual(Object.keys(essays).sort());
  });
});
