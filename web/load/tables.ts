/** Tables that grow while a foreign file is read: names of ops, and states, of which only so many can be told apart. */
import { cleanName, MAX_OPS, MAX_STATES } from "../limits.ts";

/** Gives equal names equal numbers; names beyond the limit share the last. */
export interface NameTable {
  readonly names: readonly string[];
  code(name: string): number;
}

export function nameTable(limit: number, rest: string, first: readonly string[] = []): NameTable {
  const names = [...first];
  const codes = new Map(names.map((name, i) => [name, i]));
  return {
    names,
    code(name) {
      const known = codes.get(name);
      if (known !== undefined) return known;
      if (names.length >= limit - 1 && !codes.has(rest)) {
        codes.set(rest, names.length);
        names.push(rest);
      }
      if (names.length >= limit) return codes.get(rest)!;
      const code = names.length;
      const clean = cleanName(name, rest);
      names.push(clean);
      codes.set(name, code);
      return code;
    },
  };
}

export const opTable = (): NameTable => nameTable(MAX_OPS, "other");
/** State 0 is idle. */
export const stateTable = (): NameTable => nameTable(MAX_STATES, "busy:other", ["idle"]);
