/** Formats on the command line of `simulate`: bits or names, of the library or of .loom files. */
import type { Source } from "../../ir/diagnostics.ts";
import type { Storage } from "../../simulator/workload/allocation.ts";
import { findFormat } from "./tensor-files.ts";
import { EXIT, type Exit, type Terminal, usageError } from "./terminal.ts";

/** Parts of a list at commas that stand outside `<…>`: `int<4, 32>` is one. */
export function splitList(text: string): readonly string[] {
  const parts: string[] = [""];
  let depth = 0;
  for (const c of text) {
    if (c === "<") depth++;
    if (c === ">") depth--;
    if (c === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += c;
  }
  return parts.map((part) => part.trim());
}

type Found = { readonly storage: Storage } | { readonly exit: Exit };

/** Finds what stands on a command line or in a table: bits (16, 2 to 8) or the name of a format. What is wrong is said. */
export interface FormatSources {
  lookUp(text: string, option: string): Found;
}

/** Bits that the simulator has a format for. */
const isStored = (bits: number): boolean => bits === 16 || (Number.isInteger(bits) && bits >= 2 && bits <= 8);

/** A finder over the library and these files. */
export function formatSources(terminal: Terminal, sources: readonly Source[]): FormatSources {
  const known = new Map<string, Found>();
  const look = (text: string, option: string): Found => {
    if (/^\d+(\.\d+)?$/.test(text)) {
      if (isStored(Number(text))) return { storage: Number(text) };
      return {
        exit: usageError(terminal, `${option} takes 16 or 2 to 8 bits, or names of formats, not ${text}`),
      };
    }
    if (!/^[A-Za-z_][\w<>, ]*$/.test(text))
      return { exit: usageError(terminal, `${option} takes bits or the name of a format, not \`${text}\``) };
    const found = findFormat(terminal, text, sources, `${option} ${text}`);
    return found === undefined ? { exit: EXIT.failed } : { storage: found.format };
  };
  return {
    lookUp(text, option) {
      const found = known.get(text) ?? look(text, option);
      known.set(text, found);
      return found;
    },
  };
}
