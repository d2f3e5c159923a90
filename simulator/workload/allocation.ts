/** How operands are stored: one format for all layers, or formats layer by layer from an allocation table. */
import { bitsPerValue, type Format } from "../../ir/format.ts";
import type { Layer } from "./layers.ts";
import { weightFormat } from "./matmul.ts";

/** A format, or bits (16: f16; 2 to 8: integers in groups of 128 with an f16 scale). */
export type Storage = Format | number;

export const formatOf = (storage: Storage): Format => (typeof storage === "number" ? weightFormat(storage) : storage);

/** One line of an allocation table: what it does not say is as in the request. */
export interface AllocationRule {
  /** Names of layers; `*` stands for any characters, `?` for one. */
  readonly layers: string;
  readonly weights?: Storage;
  readonly activations?: Storage;
  readonly keyValues?: Storage;
}

/** Formats of one layer: its second operand's and its activations'. */
export interface LayerFormats {
  readonly operand: Format;
  readonly activation: Format;
}

export interface Formats {
  readonly weight: Format;
  readonly activation: Format;
  readonly keyValue: Format;
}

const PATTERNS = { "*": ".*", "?": "." } as const;

/** A glob as a regular expression over whole names. */
export function globPattern(glob: string): RegExp {
  const parts = [...glob].map((c) => (c === "*" || c === "?" ? PATTERNS[c] : c.replace(/[.+^${}()|[\]\\]/, "\\$&")));
  return new RegExp(`^${parts.join("")}$`);
}

/** Gives each layer its formats: the first rule that names the layer and says something about the operand decides. */
export function allocator(base: Formats, rules: readonly AllocationRule[]): (layer: Layer) => LayerFormats {
  const compiled = rules.map((rule) => ({ rule, pattern: globPattern(rule.layers) }));
  // One object for each storage, so that equal layers share what is computed of them.
  const known = new Map<Storage, Format>();
  const found = (storage: Storage): Format => {
    const format = known.get(storage) ?? formatOf(storage);
    known.set(storage, format);
    return format;
  };
  return (layer) => {
    const matching = compiled.filter(({ pattern }) => pattern.test(layer.name)).map(({ rule }) => rule);
    const pick = (key: "weights" | "activations" | "keyValues", instead: Format): Format => {
      const storage = matching.find((rule) => rule[key] !== undefined)?.[key];
      return storage === undefined ? instead : found(storage);
    };
    return {
      operand: layer.operand === "weight" ? pick("weights", base.weight) : pick("keyValues", base.keyValue),
      activation: pick("activations", base.activation),
    };
  };
}

/** Stored bits a value over all second operands of one kind, everything in the declarations included; 0 without any. */
export function meanBits(
  layers: readonly Layer[],
  formats: (layer: Layer) => LayerFormats,
  operand: Layer["operand"],
): number {
  let [bits, values] = [0, 0];
  for (const layer of layers) {
    if (layer.operand !== operand) continue;
    const { batch, n, k } = layer.shape;
    bits += bitsPerValue(formats(layer).operand, k, n * batch) * batch * n * k;
    values += batch * n * k;
  }
  return values === 0 ? 0 : bits / values;
}
