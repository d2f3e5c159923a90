/** What the page accepts: a file beyond a limit is refused in words, because no page survives every file. */

export const MAX_FILE_BYTES = 2 ** 31;
/** V8 holds no string of more than 512 MB; JSON takes several times its size once parsed. */
export const MAX_TEXT_BYTES = 300 * 2 ** 20;
/** What a packed file may unpack to. */
export const MAX_UNPACKED_BYTES = 2 ** 30;
/** Of one segment; 64 lanes of this many slices fill about 1 GB. */
export const MAX_SLICES = 40_000_000;
export const MAX_LANES = 1024;
export const MAX_STATES = 64;
/** Of one array. */
export const MAX_PES = 262_144;
export const MAX_LAYERS = 1_000_000;
/** Layers times units: each layer has the sums before it for each unit. */
export const MAX_LAYER_UNITS = 4_000_000;
export const MAX_OPS = 4_000_000;
/** Lanes that one thread may be spread over where its slices overlap. */
export const MAX_DEPTH = 64;
export const MAX_CYCLES = Number.MAX_SAFE_INTEGER;
/** Names are shown, searched and put into tooltips; nobody reads more. */
export const MAX_NAME = 200;

/** A name as it is kept: a string without control characters, not too long. */
export function cleanName(value: unknown, fallback: string): string {
  if (typeof value !== "string" || value === "") return fallback;
  const short = value.length > MAX_NAME ? `${value.slice(0, MAX_NAME - 1)}…` : value;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  return short.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g, " ");
}

export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
