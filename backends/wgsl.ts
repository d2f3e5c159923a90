/** WGSL targets: one a profile, from what every browser has to what only the newest ones have. */
import { emitWebGpu } from "./hosts/webgpu-text.ts";
import { WGSL_RULES } from "./rules.ts";
import type { Backend } from "./syntax.ts";
import { type WgslFeatures, wgslSyntax } from "./wgsl-text.ts";

interface Profile {
  readonly name: string;
  readonly about: string;
  readonly features: WgslFeatures;
}

/** Versions: MDN browser-compat-data 8.1.9 (2026-11-12). */
const PROFILES: readonly Profile[] = [
  {
    name: "wgsl.p0",
    about: "every WebGPU browser (Chrome 113, Safari 26, Firefox 141): f32, no subgroups",
    features: { subgroups: false, packed: false },
  },
  {
    name: "wgsl.p1",
    about: "Chrome 120, Safari 26: has f16, which no kernel uses yet",
    features: { subgroups: false, packed: false },
  },
  {
    name: "wgsl.p2",
    about: "Chrome 134, Safari 27.3: adds subgroups",
    features: { subgroups: true, packed: false },
  },
  {
    name: "wgsl.p3",
    about: "Chrome 145: adds packed dot products and subgroup ids",
    features: { subgroups: true, packed: true },
  },
];

function target(profile: Profile): Backend {
  const { features } = profile;
  const backend: Backend = {
    name: profile.name,
    family: "wgsl",
    about: profile.about,
    lanes: 64,
    exchange: "block",
    warps: 1,
    types: ["bool", "i32", "u32", "f16", "f32"],
    stores: { f16: "f32" },
    vectorWords: 4,
    rows: [],
    tables: "constant",
    limits: {
      // Defaults of GPUSupportedLimits, which every adapter reaches (W3C WebGPU, section 3.6.2). Nobody states registers:
      // a budget that schedules keep, not a limit.
      threads: 256,
      sharedBytes: 16384,
      registersPerLane: 64,
      bindings: 8,
      gridX: 65535,
      gridYZ: 65535,
    },
    rules: features.packed ? WGSL_RULES.filter((r) => r.name !== "expand-dot4") : WGSL_RULES,
    model: "h100-sxm",
    syntax: wgslSyntax(features),
    emit: (unit) => emitWebGpu(unit, backend),
  };
  return backend;
}

/** All WGSL targets. */
export const WGSL_TARGETS: readonly Backend[] = PROFILES.map(target);

/** Other names for them. */
export const WGSL_ALIASES: Readonly<Record<string, string>> = { wgsl: "wgsl.p0", webgpu: "wgsl.p0" };
