/** What every diagnostic code means: `bitloom explain CODE` prints these essays. */
import type { CallExample, Essay, Example, Excerpt, LoomExample } from "./essay.ts";
import { FILE_ESSAYS } from "./file-essays.ts";
import { LANGUAGE_ESSAYS } from "./language-essays.ts";
import { SIMULATOR_ESSAYS } from "./simulator-essays.ts";
import { TARGET_ESSAYS } from "./target-essays.ts";

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
