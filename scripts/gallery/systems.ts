/** The systems of the gallery: how each packs weights, and what its formula makes of them. */
import { ACCELERATORS } from "./accelerators.ts";
import { ACTIVATIONS } from "./activations.ts";
import { BITS } from "./bits.ts";
import { CODEBOOKS } from "./codebooks.ts";
import { FLOATS } from "./floats.ts";
import { MIXED } from "./mixed.ts";
import type { Case, Kit } from "./pack.ts";
import { WEIGHT_ONLY } from "./weight-only.ts";

export interface System {
  /** The file's name without its ending. */
  readonly file: string;
  /** What people call it. */
  readonly name: string;
  /** One case for each operator of the file. */
  pack(kit: Kit): readonly Case[];
}

/** The parts of the gallery, in the order of its page. */
export const FAMILIES: readonly { readonly title: string; readonly systems: readonly System[] }[] = [
  { title: "Bit planes, one to two bits", systems: BITS },
  { title: "Weight-only, uniform", systems: WEIGHT_ONLY },
  { title: "Weight-only, of several parts", systems: MIXED },
  { title: "Weights and activations", systems: ACTIVATIONS },
  { title: "Floating formats", systems: FLOATS },
  { title: "Codebooks, vectors, trellises", systems: CODEBOOKS },
  { title: "Number systems of accelerators", systems: ACCELERATORS },
];

export const SYSTEMS: readonly System[] = FAMILIES.flatMap((f) => f.systems);

/** Systems that are no linear operator, and why. */
export const OUTSIDE: readonly { readonly name: string; readonly why: string }[] = [
  {
    name: "EcoFormer",
    why: "attention in Hamming space: hashes queries and keys, and needs a softmax-free attention operator",
  },
  { name: "VidKV", why: "stores keys and values of attention; keys are coded in the frequency domain along tokens" },
  { name: "KIVI", why: "stores keys per channel and values per token with a window of recent tokens: attention" },
  { name: "RotateKV", why: "rotates keys before and after position encoding, keeps sink tokens: attention" },
  { name: "COMET's KV4", why: "stores keys and values of attention in four bits; its linear layers are in `comet`" },
  { name: "GEAR", why: "compresses the cache of attention: quantized plus low rank plus sparse, made at run time" },
  {
    name: "MiniCache",
    why: "merges the caches of neighbouring layers: attention over a shared direction and magnitudes",
  },
];
