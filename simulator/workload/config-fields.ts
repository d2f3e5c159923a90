/** Fields of a Hugging Face `config.json`: each by any of its names, with what stands for an absent one. */
import type { JsonNode } from "../../hw-models/json.ts";
import { count, flag, number, type Reader, text } from "../../hw-models/read.ts";
import type { Diagnostics, Span } from "../../ir/diagnostics.ts";

/** A config while it is read; wrong fields are reported and read as 1, so that one run finds all. */
export interface Fields {
  /** An integer from 1 up, under the first of the names that stands; without `fallback` one must. */
  count(names: string | readonly string[], fallback?: number): number;
  flag(name: string, fallback: boolean): boolean;
  /** A text; an empty one counts as absent. */
  text(name: string): string | undefined;
  /** Whether a field is exactly this word. */
  is(name: string, word: string): boolean;
  has(name: string): boolean;
  /** Integers of a list; empty where there is none. */
  counts(name: string): readonly number[];
  /** How many members an object has; undefined where there is none. */
  size(name: string): number | undefined;
  /** Reports `workload/shape` at a field. */
  wrong(name: string, message: string): void;
  /** Reports it where the small one does not divide the large one. */
  divides(part: string, small: number, whole: string, large: number): void;
}

export function fieldsOf(root: JsonNode, sink: Diagnostics): Fields {
  const context = { sink, area: "workload" };
  const before = sink.list.length;
  const member = (name: string): JsonNode | undefined => {
    const node = root.kind === "object" ? root.members.find((m) => m.key === name)?.value : undefined;
    return node?.kind === "null" ? undefined : node;
  };
  const spanOf = (name: string): Span => (member(name) ?? root).span;
  const read = <T>(name: string, reader: Reader<T>, instead: T): T => {
    const node = member(name);
    return (node === undefined ? undefined : reader(node, name, context)) ?? instead;
  };
  const fields: Fields = {
    count(names, fallback) {
      const all = typeof names === "string" ? [names] : names;
      const name = all.find((n) => member(n) !== undefined);
      if (name !== undefined) return read(name, count, 1);
      if (fallback !== undefined) return fallback;
      const others = all.slice(1).map((n) => `\`${n}\``);
      const notes = others.length === 0 ? [] : [{ message: `it may also be called ${others.join(", ")}` }];
      sink.error("workload/missing", root.span, `\`${all[0]}\` is missing`, notes);
      return 1;
    },
    flag: (name, fallback) => read(name, flag, fallback),
    text: (name) => {
      const node = member(name);
      const empty = node === undefined || (node.kind === "string" && node.value === "");
      return empty ? undefined : text(node, name, context);
    },
    is(name, word) {
      const node = member(name);
      return node?.kind === "string" && node.value === word;
    },
    has: (name) => member(name) !== undefined,
    counts(name) {
      const node = member(name);
      if (node?.kind !== "array") return [];
      const whole = number({ min: 0, integer: true });
      return node.items.map((item, i) => whole(item, `${name}[${i}]`, context) ?? 0);
    },
    size(name) {
      const node = member(name);
      return node?.kind === "object" ? node.members.length : undefined;
    },
    wrong: (name, message) => sink.error("workload/shape", spanOf(name), message),
    divides(part, small, whole, large) {
      // Numbers that were wrong already stand as 1 here.
      if (sink.list.length === before && large % small !== 0)
        fields.wrong(part, `\`${part}\` (${small}) does not divide \`${whole}\` (${large})`);
    },
  };
  return fields;
}
