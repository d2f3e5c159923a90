/** Metal targets. */
import { emitMetal } from "./hosts/swift.ts";
import { metalSyntax } from "./metal-text.ts";
import { METAL_RULES } from "./rules.ts";
import type { Backend } from "./syntax.ts";

/**
 * Metal 3 with SIMD-groups of `lanes` lanes. Apple's GPUs have 32; narrower ones let tests on a CPU see what depends on it.
 */
export function metal(lanes: 4 | 8 | 16 | 32 = 32): Backend {
  const backend: Backend = {
    name: "metal.3",
    family: "metal",
    about: "Metal 3, Apple7 and later: f16, SIMD-groups of 32",
    lanes,
    exchange: "warp",
    warps: 4,
    types: ["bool", "i32", "u32", "u16", "f16", "f32"],
    stores: { f16: "f16" },
    vectorWords: 4,
    rows: [],
    tables: "shared",
    limits: {
      // Metal Feature Set Tables (2024), Apple7: 1024 threads, 32 KB, 31 buffers. Nobody states registers:
      // a budget that schedules keep, not a limit.
      threads: 1024,
      sharedBytes: 32768,
      registersPerLane: 128,
      bindings: 31,
      gridX: 2 ** 31 - 1,
      gridYZ: 2 ** 31 - 1,
    },
    rules: METAL_RULES,
    // No model of an Apple GPU has sourced numbers yet.
    model: "a100-sxm",
    syntax: metalSyntax(),
    emit: (unit) => emitMetal(unit, backend),
  };
  return backend;
}

/** All Metal targets. */
export const METAL_TARGETS: readonly Backend[] = [metal()];

/** Other names for them. */
export const METAL_ALIASES: Readonly<Record<string, string>> = { metal: "metal.3" };
