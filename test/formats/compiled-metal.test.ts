/** Every format decoded and multiplied by Metal text on the processor, against a second reading of its bits. */
import { expect, it } from "vitest";
import { prepareMetal } from "../exec/metal.ts";
import { describeWith } from "../tools.ts";
import { runInUnit, unitOf } from "./batch.ts";
import { caseOf, compileCase, FORMATS, type Kind, mistakes, operandsOf } from "./compiled.ts";

const KINDS: readonly Kind[] = ["decode", "linear"];

describeWith(["clang-16"], "formats in Metal", () => {
  it("decode and multiply as their bits say", { timeout: 300_000 }, () => {
    const cases = FORMATS.flatMap((name) => KINDS.map((kind) => caseOf(name, kind)));

    const made = cases.map((c) => compileCase(c, "metal.3"));
    // Unchecked, which is several times faster; the quickstart's operators run with every check.
    const run = prepareMetal(unitOf(made), "none");
    const found = cases.flatMap((c, op) => {
      const operands = operandsOf(c, made[op]!.source);
      const { words, errors } = runInUnit(made[op]!, op, operands.words, run);
      return [...errors.map((e) => `${c.name} ${c.kind}: ${e}`), ...mistakes(c, made[op]!, operands, words)];
    });
    expect(found).toEqual([]);
  });
});
