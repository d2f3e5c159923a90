/** Names in printed text: what the IR calls a thing, brought into a form that the language allows and nobody else has. */

/** Hands out names; equal keys get equal names, different keys different ones. */
export interface Names {
  /** The name of `key`, close to `wish` (by default the key itself). */
  of(key: string, wish?: string): string;
  /** A new name close to `wish`. */
  fresh(wish: string): string;
  /** A table that knows these names and adds its own. */
  inner(): Names;
}

/** Letters, digits and single underscores, not beginning with a digit or an underscore. */
export function identifier(text: string): string {
  const clean = text
    .replaceAll(/[^A-Za-z0-9_]/g, "_")
    .replaceAll(/_{2,}/g, "_")
    .replace(/^_+/, "");
  return /^[A-Za-z]/.test(clean) ? clean : `v${clean}`;
}

/** A name table in which `taken` names are never given. */
export function createNames(taken: ReadonlySet<string>, outer: ReadonlyMap<string, string> = new Map()): Names {
  const used = new Set(taken);
  const given = new Map(outer);
  const fresh = (wish: string): string => {
    const base = identifier(wish);
    let name = base;
    for (let i = 2; used.has(name); i++) name = `${base}_${i}`;
    used.add(name);
    return name;
  };
  return {
    fresh,
    of(key, wish = key) {
      const known = given.get(key);
      if (known !== undefined) return known;
      const name = fresh(wish);
      given.set(key, name);
      return name;
    },
    inner: () => createNames(used, given),
  };
}

/** What names of a vector's elements have in common: ("w0", "w1", "w2", "w3") → "w". */
export function commonName(names: readonly string[]): string {
  const first = names[0] ?? "v";
  let length = first.length;
  for (const name of names) while (!name.startsWith(first.slice(0, length))) length--;
  const common = first.slice(0, length).replace(/[._\d]+$/, "");
  return common === "" ? "v" : common;
}
