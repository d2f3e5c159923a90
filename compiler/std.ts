/** The standard library: which of its files declares a name. The text is embedded, so a browser has it too. */
import type { Source } from "../ir/diagnostics.ts";
import { STD_FILES } from "./std-text.ts";

const DECLARATION = /^(format|codebook|fn) (\w+)(<?)/gm;

/** Names declared in one file, by kind; `generics` are the formats with parameters. */
interface StdFile {
  readonly source: Source;
  readonly formats: readonly string[];
  readonly generics: readonly string[];
  readonly codebooks: readonly string[];
  readonly fns: readonly string[];
}

const cache: { files?: readonly StdFile[] } = {};

/** The library's files in a fixed order, with what they declare: found without parsing them. */
export function stdFiles(): readonly StdFile[] {
  cache.files ??= STD_FILES.map((source) => {
    const declared = [...source.text.matchAll(DECLARATION)];
    const named = (kind: string, angle = ""): string[] =>
      declared.flatMap(([, k, name, a]) => (k === kind && a === angle && name ? [name] : []));
    return {
      source,
      formats: named("format"),
      generics: named("format", "<"),
      codebooks: named("codebook"),
      fns: named("fn"),
    };
  });
  return cache.files;
}

/** The names that one file declares of a kind of item. */
export function declaredIn(file: StdFile, kind: "format" | "codebook" | "fn"): readonly string[] {
  switch (kind) {
    case "format":
      return [...file.formats, ...file.generics];
    case "codebook":
      return file.codebooks;
    case "fn":
      return file.fns;
  }
}
