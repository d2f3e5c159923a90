/** The standard library: which of its files declares a name. The text is embedded, so a browser has it too. */
import type { Source } from "../ir/diagnostics.ts";
import { STD_FILES } from "./std-text.ts";

const DECLARATION = /^(format|codebook) (\w+)/gm;

/** Names declared in one file, by kind. */
interface StdFile {
  readonly source: Source;
  readonly formats: readonly string[];
  readonly codebooks: readonly string[];
}

/** The library's files in a fixed order, with what they declare: cheap enough to do without parsing. */
export function stdFiles(): readonly StdFile[] {
  return STD_FILES.map((source) => {
    const declared = [...source.text.matchAll(DECLARATION)];
    const named = (kind: string): string[] => declared.flatMap(([, k, name]) => (k === kind && name ? [name] : []));
    return { source, formats: named("format"), codebooks: named("codebook") };
  });
}
