/** What every diagnostic code means: `bitloom explain CODE` prints these essays. */
import { FILE_ESSAYS } from "./file-essays.ts";
import { LANGUAGE_ESSAYS } from "./language-essays.ts";
import { SIMULATOR_ESSAYS } from "./simulator-essays.ts";
import { TARGET_ESSAYS } from "./target-essays.ts";

/** A .loom file, and for codes about sizes the request that goes with it. */
export interface LoomExample {
  readonly kind?: "loom";
  readonly text: string;
  readonly op?: string;
  readonly sizes?: Readonly<Record<string, number>>;
  readonly target?: string;
}

/** A copy of a built-in hardware model in which one piece reads differently. */
export interface Excerpt {
  readonly base: string;
  readonly from: string;
  readonly to: string;
}

/** A command and the files that it reads. */
export interface CommandExample {
  readonly kind: "command";
  readonly files: Readonly<Record<string, string | Excerpt>>;
  /** Without `bitloom`. */
  readonly command: string;
}

/** A call of the library, for codes that the command line rules out by itself. */
export interface CallExample {
  readonly kind: "call";
  readonly call: "simulate" | "simulatePeer" | "tileMachine";
  /** The fields that matter. */
  readonly request: Readonly<Record<string, string | number>>;
}

/** A command that reads `model.safetensors`: a header, and so many bytes of tensors behind it. */
export interface TensorExample {
  readonly kind: "tensors";
  readonly header: string;
  readonly bytes: number;
  /** What each of the bytes is; 0 where absent. */
  readonly fill?: number;
  /** Without `bitloom`. */
  readonly command: string;
}

export type Example = LoomExample | CommandExample | CallExample | TensorExample;

/** The meaning of one code, with an example that has the mistake and the same example mended. */
export interface Essay<E extends Example = LoomExample> {
  /** One line, without the values of a particular case. */
  readonly title: string;
  /** Why it is a mistake, and what to do. */
  readonly why: string;
  readonly failing: E;
  readonly fixed: E;
}

/** Codes of the compiler that have an essay; `report` accepts no other. */
export type Code = keyof typeof LANGUAGE_ESSAYS | keyof typeof TARGET_ESSAYS;

const ESSAYS: Readonly<Record<string, Essay<Example>>> = {
  ...LANGUAGE_ESSAYS,
  ...TARGET_ESSAYS,
  ...SIMULATOR_ESSAYS,
  ...FILE_ESSAYS,
};

/** All codes that have an essay, sorted. */
export function explainedCodes(): readonly string[] {
  return Object.keys(ESSAYS).sort();
}

export function essayOf(code: string): Essay<Example> | undefined {
  return Object.hasOwn(ESSAYS, code) ? ESSAYS[code] : undefined;
}

/** The essay of a code as text for a terminal, or undefined where there is no such code. */
export function explain(code: string): string | undefined {
  const essay = essayOf(code);
  if (essay === undefined) return undefined;
  return [
    `${code}: ${essay.title}`,
    wrap(essay.why, 88),
    "This fails:",
    showExample(essay.failing),
    "This works:",
    showExample(essay.fixed),
  ].join("\n\n");
}

const indent = (text: string): string =>
  text
    .split("\n")
    .map((line) => (line === "" ? "" : `    ${line}`))
    .join("\n");

function showExample(example: Example): string {
  switch (example.kind) {
    case "command":
      return [...Object.entries(example.files).map(showFile), indent(`$ bitloom ${example.command}`)].join("\n\n");
    case "call":
      return indent(showCall(example));
    case "tensors": {
      const { header, bytes, fill = 0, command } = example;
      const data = `(and ${bytes} bytes of ${fill} behind the header)`;
      return indent(`model.safetensors, after 8 bytes of header length:\n${header}\n${data}\n\n$ bitloom ${command}`);
    }
    default:
      return showLoom(example);
  }
}

function showLoom({ text, op, sizes, target }: LoomExample): string {
  if (op === undefined) return indent(text);
  const asked = Object.entries(sizes ?? {}).map(([name, value]) => `${name}=${value}`);
  const forTarget = target === undefined ? "" : ` for ${target}`;
  return indent(`${text}\n\n(operator ${op} with ${asked.join(", ") || "no sizes"}${forTarget})`);
}

function showFile([name, content]: readonly [string, string | Excerpt]): string {
  if (typeof content === "string") return indent(`${name}:\n${content.trimEnd()}`);
  const { base, from, to } = content;
  const what = from === to ? "" : to === "" ? `, without\n${from}` : `, with\n${to}\ninstead of\n${from}`;
  return indent(`${name}: hw-models/${base}.json${what}`);
}

/** The call as TypeScript; the text of an operator stands above it. */
function showCall({ call, request: { op, ...request } }: CallExample): string {
  if (op !== undefined) return `${op}\n\n${call}(program, machine, dataflow, diagnostics)`;
  const fields = Object.entries(request).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return `${call}({ …, ${fields.join(", ")} })`;
}

function wrap(text: string, width: number): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1]!;
    if (line !== "" && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.join("\n");
}
