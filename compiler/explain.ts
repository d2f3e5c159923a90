/** What every diagnostic code means: `bitloom explain CODE` prints these essays. */
import { LANGUAGE_ESSAYS } from "./language-essays.ts";
import { TARGET_ESSAYS } from "./target-essays.ts";

/** A file, and for codes about sizes the request that goes with it. */
export interface Example {
  readonly text: string;
  readonly op?: string;
  readonly sizes?: Readonly<Record<string, number>>;
  readonly target?: string;
}

/** The meaning of one code, with an example that has the mistake and the same example mended. */
export interface Essay {
  /** One line, without the values of a particular case. */
  readonly title: string;
  /** Why it is a mistake, and what to do. */
  readonly why: string;
  readonly failing: Example;
  readonly fixed: Example;
}

/** Codes that have an essay; `report` accepts no other. */
export type Code = keyof typeof LANGUAGE_ESSAYS | keyof typeof TARGET_ESSAYS;

const ESSAYS: Readonly<Record<string, Essay>> = { ...LANGUAGE_ESSAYS, ...TARGET_ESSAYS };

/** All codes that have an essay, sorted. */
export function explainedCodes(): readonly string[] {
  return Object.keys(ESSAYS).sort();
}

export function essayOf(code: string): Essay | undefined {
  return Object.hasOwn(ESSAYS, code) ? ESSAYS[code] : undefined;
}

/** The essay of a code as text for a terminal, or undefined where there is no such code. */
export function explain(code: string): string | undefined {
  const essay = essayOf(code);
  if (essay === undefined) return undefined;
  const example = ({ text, op, sizes, target }: Example): string => {
    const asked = Object.entries(sizes ?? {}).map(([name, value]) => `${name}=${value}`);
    const request =
      op === undefined
        ? ""
        : `\n\n    (operator ${op} with ${asked.join(", ") || "no sizes"}${target === undefined ? "" : ` for ${target}`})`;
    return text
      .split("\n")
      .map((line) => (line === "" ? "" : `    ${line}`))
      .join("\n")
      .concat(request);
  };
  return [
    `${code}: ${essay.title}`,
    wrap(essay.why, 88),
    "This fails:",
    example(essay.failing),
    "This works:",
    example(essay.fixed),
  ].join("\n\n");
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
