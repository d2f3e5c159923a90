/** Line maps: each generated line names the operator's text and the declaration that a reader would point at. */
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { lineMapOf } from "../../compiler/cli/line-map.ts";
import { type Compiled, compile } from "../../compiler/driver.ts";
import { Diagnostics, type Span } from "../../ir/diagnostics.ts";

const TEXT = `format w4 {
  block 32
  scale: f16
  q: u4[32]
  value(i) = scale * (q[i] - 8)
}

op linear<M, N, K>(x: f16[M, K], w: w4[N, K]) -> f16[M, N] {
  y[m, n] = sum k { x[m, k] * w[n, k] }
}
`;

const diagnostics = new Diagnostics();
const module = check([{ name: "own.loom", text: TEXT }], diagnostics);

function compiled(target: string): Compiled {
  const made = compile({ sources: [], op: "linear", sizes: { M: 1, N: 64, K: 8192 }, target }, diagnostics, module);
  if (made === undefined) throw new Error(JSON.stringify(diagnostics.list));
  return made;
}

const textOf = ({ file, start, end }: Span): string => module.sources[file]!.text.slice(start, end);

describe.each(["cuda.sm90a", "wgsl.p0", "wgsl.p2", "metal.3"])("line map of %s", (target) => {
  const [file] = compiled(target).files;
  const lines = file!.text.replace(/\n$/, "").split("\n");
  /** Places of all lines that a pattern finds, as text. */
  const originsAt = (pattern: RegExp): readonly (readonly string[])[] => {
    const found = lines.flatMap((line, i) => (pattern.test(line) ? [file!.lines[i]!.map(textOf)] : []));
    expect(found.length).toBeGreaterThan(0);
    return found;
  };

  it("has an entry for every line", () => {
    expect(file!.lines).toHaveLength(lines.length);
  });

  it("ties loads of codes and scales to their fields", () => {
    for (const origins of originsAt(/ = .*\bw_q\b/)) expect(origins).toEqual(["w", "q: u4[32]"]);
    for (const origins of originsAt(/ = .*\bw_scale[[ ]/)) expect(origins.at(-1)).toBe("scale: f16");
    for (const origins of originsAt(/ = .*\bx(\[| \+ )t/)) expect(origins).toEqual(["x"]);
  });

  it("ties decoding to the format's value, and multiplying to the sum", () => {
    for (const origins of originsAt(/\bw_value\d+ = /)) expect(origins).toEqual(["w", "value(i) = scale * (q[i] - 8)"]);
    for (const origins of originsAt(/\bfma(f)?\(.*w_value/)) expect(origins).toEqual(["sum k { x[m, k] * w[n, k] }"]);
    for (const origins of originsAt(/^\s*y\[.*\] = /)) expect(origins[0]).toMatch(/^y\[m, n\] = /);
  });

  it("leaves nothing inside the loop without a place", () => {
    const from = lines.findIndex((line) => /^ *for \(.*k_step/.test(line));
    const to = lines.findIndex((line, i) => i > from && /^ {2}\}$/.test(line));
    expect(to).toBeGreaterThan(from + 10);
    expect(lines.slice(from, to + 1).filter((_, i) => file!.lines[from + i]!.length === 0)).toEqual([]);
  });

  it("is the document that --emit map writes, with lines and columns", () => {
    const document = lineMapOf(file!, module.sources);
    expect(document.sources).toEqual(["own.loom"]);
    const line = lines.findIndex((text) => /\bw_value0 = /.test(text));
    expect(document.lines[line]!.at(-1)).toEqual([0, 5, 3, 5, 3 + "value(i) = scale * (q[i] - 8)".length]);
  });
});
