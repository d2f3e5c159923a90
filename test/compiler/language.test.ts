/** What an editor asks: colours of words, what stands at a place, where it is declared, what may be written. */
import { describe, expect, it } from "vitest";
import { check } from "../../compiler/check/check.ts";
import { FUNCTIONS } from "../../compiler/check/functions.ts";
import { completions, describeAt } from "../../compiler/language/describe.ts";
import { highlight } from "../../compiler/language/highlight.ts";
import { BUILTINS, storageType, WORDS } from "../../compiler/language/words.ts";
import { STD_FILES } from "../../compiler/std-text.ts";
import * as T from "../../compiler/syntax/tokens.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import { SAMPLE } from "./sample.ts";

const TEXT = `// Four bits and a scale.
format mine {
  block 32
  row: f16
  q: i4[32]
  value(i) = row * q[i]
}

op linear<M, N, K>(x: f16[M, K], w: mine[N, K], v: nf4[N, K]) -> f16[M, N] {
  let t[m, n] = sum k { x[m, k] * w[n, k] }
  y[m, n] = max(t[m, n], 0) + sum k { x[m, k] * v[n, k] }
}
`;
const module = check([{ name: "mine.loom", text: TEXT }], new Diagnostics());

/** The description of the `n`th place where `word` stands. */
function at(word: string, n = 0) {
  let offset = -1;
  for (let i = 0; i <= n; i++) offset = TEXT.indexOf(word, offset + 1);
  return describeAt(module, 0, offset + 1 < TEXT.length ? offset : offset - 1);
}
const definitionOf = (word: string, n = 0): string => {
  const span = at(word, n)?.definition;
  const source = span && module.sources[span.file];
  return span === undefined || source === undefined
    ? "none"
    : `${source.name}: ${source.text.slice(0, span.start).split("\n").length}`;
};

describe("colours of words", () => {
  const kindsIn = (text: string) => new Map(highlight(text).map((w) => [`${w.start}`, w]));

  it.each(["sample", ...STD_FILES.map((f) => f.name)])(
    "cover %s in order, without gaps in what is not space",
    (name) => {
      const text = STD_FILES.find((f) => f.name === name)?.text ?? SAMPLE;
      let end = 0;
      for (const word of highlight(text)) {
        expect(text.slice(end, word.start).trim()).toBe("");
        end = word.end;
      }
      expect(text.slice(end).trim()).toBe("");
    },
  );

  it("tell what a name stands for", () => {
    const kinds = kindsIn(TEXT);
    const kindAt = (word: string, n = 0): string | undefined => {
      let offset = -1;
      for (let i = 0; i <= n; i++) offset = TEXT.indexOf(word, offset + 1);
      return kinds.get(`${offset}`)?.kind;
    };
    expect(["mine", "block", "row", "value"].map((w) => kindAt(w))).toEqual([
      "declaration",
      "keyword",
      "keyword",
      "keyword",
    ]);
    expect([kindAt("row *"), kindAt("q[i]"), kindAt("w[n, k]"), kindAt("k]"), kindAt("M,"), kindAt("max")]).toEqual([
      "field",
      "field",
      "tensor",
      "axis",
      "size",
      "function",
    ]);
  });

  it("survive every prefix of a text", () => {
    for (let n = 0; n < TEXT.length; n += 7) expect(() => highlight(TEXT.slice(0, n))).not.toThrow();
  });
});

describe("what stands at a place", () => {
  it("gives types in the language's words", () => {
    expect(at("w[n")?.title).toBe("w: mine[N, K]");
    expect(at("t[m")?.title).toBe("t: f32[M, N]");
    expect(at("q[i]")?.title).toBe("q: i4[32]");
    expect(at("q[i]")?.facts).toEqual(["32 × 4 = 128 bits a block, one per value"]);
    expect(at("linear")?.title).toBe("op linear<M, N, K>(x: f16[M, K], w: mine[N, K], v: nf4[N, K]) -> f16[M, N]");
    expect(at("k {")?.facts).toEqual(["0 … K − 1"]);
    expect(at("sum")?.facts).toEqual([WORDS.sum]);
  });

  it("says what a format costs, and its comment", () => {
    const mine = at("mine[N");
    // 4 bits, and 16 for each row of 4096.
    expect(mine?.facts[0]).toContain(`${Number((4 + 16 / 4096).toFixed(3))} bits a value, blocks of 32`);
    expect(mine?.comment).toBe("Four bits and a scale.");
  });

  it("finds declarations in the file and in the library", () => {
    expect(definitionOf("mine[N")).toBe("mine.loom: 2");
    expect(definitionOf("row *")).toBe("mine.loom: 4");
    expect(definitionOf("w[n")).toBe("mine.loom: 9");
    expect(definitionOf("t[m, n],")).toBe("mine.loom: 10");
    const library = at("nf4")?.definition;
    expect(module.sources[library!.file]!.text.slice(library!.start, library!.end)).toBe("nf4");
    expect(module.sources[library!.file]!.name).toMatch(/^std\//);
  });

  it("follows the library into itself", () => {
    const library = at("nf4")!.definition!;
    const { text } = module.sources[library.file]!;
    const book = describeAt(module, library.file, text.indexOf("nf4_values[q"));
    expect(text.slice(book!.definition!.start, book!.definition!.end)).toBe("nf4_values");
    expect(book!.title).toBe("codebook nf4_values: 16 numbers");
  });

  it("never throws on half-written text", () => {
    for (let n = 0; n < TEXT.length; n += 11) {
      const half = check([{ name: "half.loom", text: TEXT.slice(0, n) }], new Diagnostics());
      expect(() => describeAt(half, 0, n)).not.toThrow();
    }
  });
});

describe("words", () => {
  it("has a sentence for every keyword of the lexer and every function of the checker", () => {
    const keywords = T.TOKENS.flatMap((t) => (/^`[a-z]+`$/.test(t.LABEL ?? "") ? [t.LABEL!.slice(1, -1)] : []));
    expect(keywords.length).toBeGreaterThan(10);
    expect(keywords.filter((w) => !Object.hasOwn(WORDS, w))).toEqual([]);
    expect(Object.keys(FUNCTIONS).filter((f) => !Object.hasOwn(BUILTINS, f))).toEqual([]);
  });

  it("knows the ranges of integers", () => {
    expect(storageType("i4")).toContain("-8 … 7");
    expect(storageType("u2")).toContain("0 … 3");
    expect(storageType("i33")).toBeUndefined();
  });

  it("offers the library's formats and the text's own names", () => {
    const labels = completions(TEXT).map((c) => c.label);
    for (const name of ["mine", "nf4", "q", "M", "k", "max", "format", "f16"]) expect(labels).toContain(name);
    expect(new Set(labels).size).toBe(labels.length);
  });
});
