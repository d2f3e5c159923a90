/** The formatter: canonical, idempotent, faithful to the tree, careful with comments. */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { STD_FILES } from "../../compiler/std-text.ts";
import type { Item } from "../../compiler/syntax/ast.ts";
import { format } from "../../compiler/syntax/fmt.ts";
import { parse } from "../../compiler/syntax/parser.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { SAMPLE } from "./sample.ts";

const examples = new URL("../../examples/", import.meta.url);
const files = [
  { name: "sample", text: SAMPLE },
  ...STD_FILES,
  ...readdirSync(examples)
    .filter((name) => name.endsWith(".loom"))
    .map((name) => ({ name, text: readFileSync(new URL(name, examples), "utf8") })),
];

function formatted(text: string): string {
  const diagnostics = new Diagnostics();
  const result = format(0, text, diagnostics);
  if (result === undefined) throw new Error(JSON.stringify(diagnostics.list));
  return result;
}

/** The tree without places. */
function treeOf(text: string): unknown {
  const items: readonly Item[] = parse(0, text, new Diagnostics()).items;
  return JSON.parse(JSON.stringify(items, (key, value) => (/span$/i.test(key) ? undefined : value)));
}

const commentsOf = (text: string): string[] =>
  parse(0, text, new Diagnostics()).comments.map((comment) => comment.image.trimEnd());

describe("fmt", () => {
  it("lays the sample out", async () => {
    await expect(formatted(SAMPLE)).toMatchFileSnapshot("expected/sample.loom");
  });

  it.each(files.filter((f) => f.name !== "sample"))("leaves $name alone", ({ text }) => {
    expect(formatted(text)).toBe(text);
  });

  it("breaks what is too long, with and without comments inside", async () => {
    const entries = Array.from({ length: 40 }, (_, i) => `${i}.5`).join(",");
    const text = `codebook a = [${entries}]
codebook b = [1, // one
2, 3
// own line
, 4]
op f<M,N,K>(a_long_name_for_activations:f16[M,K],a_long_name_for_weights:int4_g128[N,K], // packed
and_a_bias:f32[N])->f16[M,N]{y[m,n]=// the result
sum k{a_long_name_for_activations[m,k]*a_long_name_for_weights[n,k]}+and_a_bias[n]+and_a_bias[n]+and_a_bias[n]}`;
    await expect(formatted(text)).toMatchFileSnapshot("expected/long.loom");
    expect(formatted(formatted(text))).toBe(formatted(text));
  });

  it("puts one statement on a line and one blank line between items", () => {
    const text = `format a{block 4 s:f16 q:i4[4] value(i)=s*q[i]}format b{v:f16 value=v}\n\n\n\n// c\nformat c{v:f16\n\n\nvalue=v}`;
    expect(formatted(text)).toBe(`format a {
  block 4
  s: f16
  q: i4[4]
  value(i) = s * q[i]
}

format b {
  v: f16
  value = v
}

// c
format c {
  v: f16

  value = v
}
`);
  });

  it("does not touch a file with a syntax mistake", () => {
    const diagnostics = new Diagnostics();
    expect(format(0, "op f(", diagnostics)).toBeUndefined();
    expect(diagnostics.failed).toBe(true);
  });

  it("is idempotent, keeps the tree and every comment, however the text is spaced", () => {
    const { tokens } = parse(0, SAMPLE, new Diagnostics());
    const gap = fc.constantFrom(
      "",
      "",
      " ",
      "\n",
      "\n\n\n",
      " // note\n",
      "\n// own line\n",
      "\t",
      "\r\n",
      "\n\n//\n// two\n\n",
    );
    fc.assert(
      fc.property(fc.array(gap, { minLength: tokens.length, maxLength: tokens.length }), (gaps) => {
        // Words must stay apart; everything else may touch.
        const text = tokens
          .map((token, n) => {
            const next = tokens[n + 1]?.image ?? "";
            const touch = /\w$/.test(token.image) && /^\w/.test(next);
            const joins = /[-<>=!]$/.test(token.image) && /^[-<>=]/.test(next);
            return token.image + gaps[n] + ((touch || joins) && gaps[n] === "" ? " " : "");
          })
          .join("");
        const once = formatted(text);
        expect(treeOf(once)).toEqual(treeOf(SAMPLE));
        expect(commentsOf(once)).toEqual(commentsOf(text));
        expect(formatted(once)).toBe(once);
      }),
      { numRuns: 300 },
    );
  });
});
