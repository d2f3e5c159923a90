#!/usr/bin/env node
/** The `bitloom` command: reads the command line, loads the one command that is asked for, and keeps its exit code honest. */
import { Command, CommanderError } from "commander";
import { COMMANDS, type CommandSpec } from "./cli/commands.ts";
import { EXIT, type Exit, openTerminal, type Terminal } from "./cli/terminal.ts";
import { VERSION } from "./version.ts";

function addCommand(program: Command, spec: CommandSpec, terminal: Terminal, finish: (exit: Exit) => void): void {
  const command = program.command(spec.name).description(spec.about);
  for (const [name, about] of spec.arguments) command.argument(name, about);
  for (const [flags, about, fallback] of spec.options) command.option(flags, about, fallback);
  const { notes } = spec;
  if (notes !== undefined) command.addHelpText("after", () => `\n${notes()}`);
  if (spec.examples.length > 0)
    command.addHelpText("after", `\nExamples:\n${spec.examples.map((e) => `  $ bitloom ${e}`).join("\n")}`);
  command.action(async () => {
    const { run } = await spec.load();
    // Options have the shape that the command's own file declares: both are written side by side in the table.
    finish(await run(terminal, command.args, command.opts() as never));
  });
}

/** Runs one command line and returns the exit code. */
export async function main(argv: readonly string[], terminal: Terminal): Promise<Exit> {
  const result: { exit: Exit } = { exit: EXIT.ok };
  const program = new Command("bitloom")
    .description("Compiles quantized operators to CUDA, WGSL and Metal, and simulates the accelerators built for them.")
    .version(VERSION, "-V, --version", "print the version")
    .option("--debug", "show where an internal error comes from")
    .showSuggestionAfterError()
    .showHelpAfterError("(bitloom --help lists the commands)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.replace(/\n$/, "")),
      writeErr: (text) => terminal.say(text.replace(/\n$/, "")),
    })
    .addHelpText(
      "after",
      "\nExit codes: 0 ok, 1 diagnostics or a failed check, 2 bad usage, 3 unreadable file, 4 aborted simulation, 70 our bug.",
    );
  const finish = (exit: Exit): void => {
    result.exit = exit;
  };
  for (const spec of COMMANDS) addCommand(program, spec, terminal, finish);
  try {
    await program.parseAsync(argv, { from: "user" });
    return result.exit;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const message = error instanceof Error ? error.message : String(error);
    terminal.say(message.startsWith("internal: ") ? message : `internal: ${message}`);
    terminal.say("This is a bug in Bitloom, not in your input. `--debug` before the command shows where it happened.");
    if (argv.includes("--debug") && error instanceof Error) terminal.say(error.stack ?? "");
    return EXIT.internal;
  }
}

// A reader that stops early (`bitloom formats | head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(EXIT.ok);
});
process.exitCode = await main(process.argv.slice(2), openTerminal(process.stdout, process.stderr, process.env));
