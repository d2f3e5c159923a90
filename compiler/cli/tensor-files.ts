/** What the commands on tensor files share: opening, refusing, choosing tensors, finding formats, writing. */
import { Diagnostics, type Source } from "../../ir/diagnostics.ts";
import type { Format } from "../../ir/format.ts";
import { check } from "../check/check.ts";
import type { ByteSource } from "../io/byte-source.ts";
import { type AtomicFile, createAtomic, openFile } from "../io/node-files.ts";
import { openTensors } from "../io/open.ts";
import type { FileCode, TensorFile } from "../io/tensor-file.ts";
import { reasonOf } from "./files.ts";
import { sayDiagnostics } from "./report.ts";
import { EXIT, type Exit, printJson, type Terminal } from "./terminal.ts";

/** How one of these commands ends early, having said why. */
export type OrExit<T> = { readonly value: T } | { readonly exit: Exit };

export interface OpenTensors {
  readonly path: string;
  readonly source: ByteSource;
  readonly file: TensorFile;
}

/** Says what is wrong with a binary file: places are bytes. */
export function refuseFile(
  terminal: Terminal,
  command: string,
  path: string,
  diagnostics: Diagnostics,
  json: boolean | undefined,
): Exit {
  const list = diagnostics.list;
  if (json === true) {
    const problems = list.map(({ code, message, span, notes }) => ({
      code,
      message,
      file: path,
      bytes: [span.start, span.end],
      notes: notes.map((n) => n.message),
    }));
    printJson(terminal, `bitloom.${command}/1`, { ok: false, diagnostics: problems });
  } else
    for (const { code, message, span, notes } of list) {
      terminal.say(`${terminal.accent("red", `error[${code}]:`)} ${message}`);
      terminal.say(`  ${terminal.accent("cyan", "-->")} ${path}, bytes ${span.start} to ${span.end}`);
      for (const note of notes) {
        const at = note.span === undefined ? "" : ` (bytes ${note.span.start} to ${note.span.end})`;
        terminal.say(`  note: ${note.message}${at}`);
      }
    }
  return EXIT.failed;
}

/** Says that a request cannot be carried out with these files: a diagnostic without bytes to point at. */
export function refuseRequest(
  terminal: Terminal,
  command: string,
  code: FileCode,
  message: string,
  json: boolean | undefined,
  place?: string,
): Exit {
  if (json === true) {
    const problem = { code, message, ...(place !== undefined && { at: place }) };
    printJson(terminal, `bitloom.${command}/1`, { ok: false, diagnostics: [problem] });
  } else {
    terminal.say(`${terminal.accent("red", `error[${code}]:`)} ${message}`);
    if (place !== undefined) terminal.say(`  ${terminal.accent("cyan", "-->")} ${place}`);
  }
  return EXIT.failed;
}

/** Opens a file of tensors, hands it to `use` and closes it; failures of the medium end with exit code 3. */
export async function withTensors(
  terminal: Terminal,
  command: string,
  path: string,
  json: boolean | undefined,
  use: (opened: OpenTensors) => Promise<Exit>,
): Promise<Exit> {
  const opened = await openFile(path).catch((error: unknown) => ({ reason: reasonOf(error) }));
  if ("reason" in opened) {
    terminal.say(`${terminal.accent("red", "error:")} cannot read ${path}: ${opened.reason}`);
    return EXIT.unreadable;
  }
  try {
    const diagnostics = new Diagnostics();
    const file = await openTensors(opened.source, diagnostics);
    if (file === undefined) return refuseFile(terminal, command, path, diagnostics, json);
    return await use({ path, source: opened.source, file });
  } finally {
    await opened.close();
  }
}

/** Begins the output, hands it to `fill`, and puts it in its place only where `fill` ends well. */
export async function writeTensors(
  terminal: Terminal,
  path: string,
  size: number,
  fill: (file: AtomicFile) => Promise<Exit>,
): Promise<Exit> {
  const refuse = (error: unknown): Exit => {
    terminal.say(`${terminal.accent("red", "error:")} cannot write ${path}: ${reasonOf(error)}`);
    return EXIT.unreadable;
  };
  let file: AtomicFile;
  try {
    file = createAtomic(path, size);
  } catch (error) {
    return refuse(error);
  }
  let exit: Exit;
  try {
    exit = await fill(file);
  } catch (error) {
    file.abort();
    return refuse(error);
  }
  if (exit !== EXIT.ok) {
    file.abort();
    return exit;
  }
  try {
    file.commit();
    return EXIT.ok;
  } catch (error) {
    return refuse(error);
  }
}

/** A matcher for a comma-separated list of names with `*` and `?`. */
export function globMatcher(list: string): (name: string) => boolean {
  const patterns = list.split(",").map((glob) => {
    const escaped = glob.trim().replace(/[.+^${}()|[\]\\]/g, "\\$&");
    return new RegExp(`^${escaped.replace(/\*+/g, ".*").replace(/\?/g, ".")}$`, "s");
  });
  return (name) => patterns.some((p) => p.test(name));
}

/** A format and the file that declares it. */
export interface FoundFormat {
  readonly format: Format;
  readonly source: Source;
}

/**
 * Finds a format by the name that an operator would use, in the given sources or the library. Mistakes are said and give
 * undefined. `at` names the place of the request in messages.
 */
export function findFormat(
  terminal: Terminal,
  name: string,
  sources: readonly Source[],
  at: string,
): FoundFormat | undefined {
  const request: Source = {
    name: at,
    text: `op quantized<N, K>(x: ${name}[N, K]) -> f32[N, K] {\n  y[n, k] = x[n, k]\n}\n`,
  };
  const diagnostics = new Diagnostics();
  const module = check([...sources, request], diagnostics);
  const wanted = module.ops.find((op) => op.name === "quantized")?.operands[0]?.format;
  const format = module.formats.find((f) => f.name === wanted);
  const source = format === undefined ? undefined : module.sources[format.span.file];
  if (diagnostics.failed || format === undefined || source === undefined) {
    sayDiagnostics(terminal, diagnostics.list, module.sources);
    return undefined;
  }
  return { format, source };
}
