/** What one edit costs the playground's worker, as processor time: the same functions, in Node. */
import { readFileSync } from "node:fs";
import { checkText, compileFor, operatorOf } from "../../web/playground/compiling.ts";
import { defaultSize } from "../../web/playground/state.ts";

/** Processor milliseconds an edit, over `edits` edits after `warm` others; garbage collection and compilation included. */
export function processorTime(
  path: string,
  op: string,
  targets: readonly string[],
  edits: number,
  warm: number,
): number {
  const source = readFileSync(path, "utf8");
  const edit = (n: number): void => {
    const text = `${source}// ${n}\n`;
    const { module } = checkText(text);
    const found = operatorOf(module, { text, op, sizes: {}, targets }, defaultSize);
    if (found === undefined) throw new Error(`${path} has no operator ${op}`);
    for (const target of targets) compileFor(module, found.op.name, found.sizes, target);
  };
  for (let n = 0; n < warm; n++) edit(n);
  const before = process.cpuUsage();
  for (let n = 0; n < edits; n++) edit(warm + n);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / edits;
}
