/** The gallery's page: what each file declares, how many bits a weight takes, where it is verified and how far it is off. */
import { internal } from "../../ir/diagnostics.ts";
import { bitsPerWeight, load, relativeError, SHAPE } from "./run.ts";
import { FAMILIES, OUTSIDE, type System } from "./systems.ts";

/** The comment on top of a file: the lines of its source, without what it says and the formula. */
function formulaOf(text: string): string {
  const line = text.split("\n").find((l) => l.startsWith("//   ")) ?? internal("a gallery file without a formula");
  return line.slice(5);
}

const rounded = (x: number, digits: number): string => x.toFixed(digits).replace(/\.?0+$/, "");

function rowsOf(system: System): readonly string[] {
  const loaded = load(system);
  const formula = formulaOf(loaded.source.text).replaceAll("|", "\\|");
  return loaded.cases.map((one, n) => {
    const file = n === 0 ? `[${system.name}](../examples/gallery/${system.file}.loom)` : "";
    const cells = [file, `\`${one.op}\``, n === 0 ? `\`${formula}\`` : "", rounded(bitsPerWeight(loaded, one), 3)];
    return `| ${[...cells, `${rounded(100 * relativeError(one), 2)} %`].join(" | ")} |`;
  });
}

/** docs/gallery.md. */
export function galleryPage(): string {
  const parts = FAMILIES.map(({ title, systems }) =>
    [
      `## ${title}`,
      "",
      "| system | operator | formula | bits a weight | error |",
      "|---|---|---|---|---|",
      ...systems.flatMap(rowsOf),
      "",
    ].join("\n"),
  );
  const outside = OUTSIDE.map(({ name, why }) => `| ${name} | ${why} |`);
  return `${[
    "# The gallery",
    "",
    "<!-- Made by scripts/gallery.mjs: do not edit. -->",
    "",
    "One file a number system or kernel of the literature: its source and formula on top, then the format and the operator in",
    "the language. Everything below is computed from the files.",
    "",
    "**Bits a weight** counts all that is stored for a layer of 4096 × 4096 weights: codes, scales, tables, outliers, factors.",
    "**Error** is ‖y − ŷ‖ / ‖y‖ of the result against the one with unquantized operands, quantization of activations included, on",
    `seeded heavy-tailed weights (Student's t, four degrees of freedom; ${SHAPE.N} × ${SHAPE.K}) and activations of which one channel in 61 is`,
    "eight times larger. Weights are rounded to nearest under the simplest rule for the format's parameters, without calibration:",
    "the figures compare number systems, not the methods that tune them.",
    "",
    "**Targets.** A test compiles every operator for WGSL, Metal and CUDA; runs the WGSL on SwiftShader and compares with the",
    "formula, written a second time in f64, within the bound that the compiler states; has clang check the Metal text and nvcc",
    "compile the CUDA text to PTX (`npx vitest run test/gallery`).",
    "",
    ...parts,
    "## Not here",
    "",
    "Systems that no linear operator carries.",
    "",
    "| system | why |",
    "|---|---|",
    ...outside,
  ].join("\n")}\n`;
}
