/** Readers: small functions from JSON nodes to typed values, combined into the shape of a whole file. */
import type { Diagnostics } from "../ir/diagnostics.ts";
import { describeJson, type JsonNode } from "./json.ts";

export interface ReadContext {
  readonly sink: Diagnostics;
  /** First part of every diagnostic's code: `hardware`, `workload`. */
  readonly area: string;
}

/** Reads one value at a JSON path such as `units[2].rows`; undefined after a diagnostic. */
export type Reader<T> = (node: JsonNode, path: string, context: ReadContext) => T | undefined;

interface FieldReader<T> {
  readonly read: Reader<T>;
  /** What stands for an absent (or null) field; `required` where there is nothing. */
  readonly absent: { readonly kind: "required" } | { readonly kind: "value"; readonly value: T };
}

const wrong = (node: JsonNode, path: string, context: ReadContext, wanted: string): undefined => {
  context.sink.error(`${context.area}/type`, node.span, `\`${path}\` must be ${wanted}, not ${describeJson(node)}`);
  return undefined;
};

export const text: Reader<string> = (node, path, context) =>
  node.kind === "string" && node.value !== "" ? node.value : wrong(node, path, context, "a text");

/** A name that can stand in paths and places: letters, digits and hyphens. */
export const name: Reader<string> = (node, path, context) =>
  node.kind === "string" && /^[A-Za-z][A-Za-z0-9-]*$/.test(node.value)
    ? node.value
    : wrong(node, path, context, "a name of letters, digits and hyphens");

export const flag: Reader<boolean> = (node, path, context) =>
  node.kind === "boolean" ? node.value : wrong(node, path, context, "true or false");

/** A number in [min, max]; `integer` refuses fractions and everything beyond 2^53. */
export function number(bounds: {
  readonly min: number;
  readonly max?: number;
  readonly integer?: boolean;
  /** `min` itself is refused. */
  readonly above?: boolean;
}): Reader<number> {
  return (node, path, context) => {
    const wanted = bounds.integer === true ? "an integer" : "a number";
    if (node.kind !== "number") return wrong(node, path, context, wanted);
    const { value } = node;
    if (bounds.integer === true && !Number.isSafeInteger(value)) return wrong(node, path, context, wanted);
    const low = bounds.above === true ? value <= bounds.min : value < bounds.min;
    if (low || value > (bounds.max ?? Number.MAX_VALUE)) {
      const range = `${bounds.above === true ? "above" : "at least"} ${bounds.min}${bounds.max === undefined ? "" : ` and at most ${bounds.max}`}`;
      context.sink.error(`${context.area}/range`, node.span, `\`${path}\` must be ${range}, not ${value}`);
      return undefined;
    }
    return value;
  };
}

/** A size or a count: an integer from 1 up. */
export const count = number({ min: 1, integer: true });
/** A rate or an amount above 0. */
export const positive = number({ min: 0, above: true });
/** An amount from 0 up. */
export const amount = number({ min: 0 });

/** The word `unlimited` (read as Infinity) or what `reader` takes. */
export function orUnlimited(reader: Reader<number>): Reader<number> {
  return (node, path, context) =>
    node.kind === "string" && node.value === "unlimited" ? Number.POSITIVE_INFINITY : reader(node, path, context);
}

export function oneOf<const T extends string>(words: readonly T[]): Reader<T> {
  return (node, path, context) => {
    const found = node.kind === "string" ? words.find((w) => w === node.value) : undefined;
    return found ?? wrong(node, path, context, `one of ${words.map((w) => `"${w}"`).join(", ")}`);
  };
}

/** A list; `min` items at least. */
export function list<T>(item: Reader<T>, min = 0): Reader<readonly T[]> {
  return (node, path, context) => {
    if (node.kind !== "array") return wrong(node, path, context, "a list");
    if (node.items.length < min) return wrong(node, path, context, `a list of at least ${min}`);
    const values = node.items.map((n, i) => item(n, `${path}[${i}]`, context));
    return values.every((v) => v !== undefined) ? (values as readonly T[]) : undefined;
  };
}

export function required<T>(read: Reader<T>): FieldReader<T> {
  return { read, absent: { kind: "required" } };
}

export function optional<T>(read: Reader<T>, value: T): FieldReader<T> {
  return { read, absent: { kind: "value", value } };
}

type Fields<T> = { readonly [K in keyof T]-?: FieldReader<T[K]> };

/** An object with these fields. `open` lets others stand beside them, for files that are not ours to define. */
export function object<T>(fields: Fields<T>, open: "open" | "closed" = "closed"): Reader<T> {
  return (node, path, context) => {
    if (node.kind !== "object") return wrong(node, path || "the file", context, "an object");
    const before = context.sink.list.length;
    const at = (name: string): string => (path === "" ? name : `${path}.${name}`);
    if (open === "closed") reportUnknown(node, Object.keys(fields), at, context);
    const result: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(fields) as readonly [string, FieldReader<unknown>][]) {
      const member = node.members.find((m) => m.key === name);
      if (member === undefined || (member.value.kind === "null" && field.absent.kind === "value")) {
        if (field.absent.kind === "value") result[name] = field.absent.value;
        else context.sink.error(`${context.area}/missing`, node.span, `\`${at(name)}\` is missing`);
      } else {
        result[name] = field.read(member.value, at(name), context);
      }
    }
    return context.sink.list.length === before ? (result as T) : undefined;
  };
}

function reportUnknown(
  node: JsonNode & { readonly kind: "object" },
  known: readonly string[],
  at: (name: string) => string,
  context: ReadContext,
): void {
  for (const member of node.members) {
    if (known.includes(member.key)) continue;
    context.sink.error(`${context.area}/unknown-field`, member.keySpan, `\`${at(member.key)}\` is not a field here`, [
      { message: `the fields are ${known.join(", ")}` },
    ]);
  }
}

/** An object whose `kind` says which of these it is. */
export function variant<T extends { readonly kind: string }>(
  cases: {
    readonly [K in T["kind"]]: Reader<Extract<T, { readonly kind: K }>>;
  },
): Reader<T> {
  const kinds = Object.keys(cases) as readonly T["kind"][];
  return (node, path, context) => {
    if (node.kind !== "object") return wrong(node, path || "the file", context, "an object");
    const member = node.members.find((m) => m.key === "kind");
    if (member === undefined) {
      context.sink.error(
        `${context.area}/missing`,
        node.span,
        `\`${path === "" ? "kind" : `${path}.kind`}\` is missing`,
      );
      return undefined;
    }
    const kind = oneOf(kinds)(member.value, path === "" ? "kind" : `${path}.kind`, context);
    return kind === undefined ? undefined : cases[kind](node, path, context);
  };
}
