/** Trellis codes: each value depends on the newest bits of a stream that bites its tail; Viterbi finds the best stream. */
import { internal } from "../../ir/diagnostics.ts";
import type { Field, Format } from "../../ir/format.ts";
import { bitsOf, isFloat, isInt } from "../../ir/scalar.ts";
import { type FormatEncoder, storeFloat } from "./encoder.ts";
import { BlockEvaluator } from "./format-decode.ts";

const STATE_BITS = 16;

interface Trellis {
  readonly codes: Field;
  readonly scale: Field;
  /** New bits a value. */
  readonly bits: number;
  /** The value of each state under scale 1. */
  readonly values: Float32Array;
  readonly deviation: number;
}

const known = new WeakMap<Format, Trellis | "none">();

function trellisOf(format: Format): Trellis | undefined {
  const before = known.get(format);
  if (before !== undefined) return before === "none" ? undefined : before;
  const found = readTrellis(format);
  known.set(format, found ?? "none");
  return found;
}

/** A code a value, the value made from the last 16 bits of codes; checked against the declaration. */
function readTrellis(format: Format): Trellis | undefined {
  const codes = format.fields.find((f) => f.scope === "block" && f.count === format.block && isInt(f.type));
  const scale = format.fields.find((f) => f !== codes);
  if (codes === undefined || scale === undefined || format.fields.length !== 2) return undefined;
  const bits = bitsOf(codes.type);
  const window = STATE_BITS / bits;
  const uses = format.uses.filter((u) => u.field === codes.name);
  if (!Number.isInteger(window) || !codes.type.startsWith("u") || uses.length < 2 || format.block < 2 * window)
    return undefined;
  if (!isFloat(scale.type) || scale.scope !== "row" || scale.count !== 1) return undefined;
  const evaluator = new BlockEvaluator(format);
  evaluator.fields.set(scale.name, [1]);
  const stream = new Uint8Array(format.block);
  evaluator.fields.set(codes.name, stream);
  const mask = 2 ** bits - 1;
  const values = Float32Array.from({ length: 2 ** STATE_BITS }, (_, state) => {
    for (let j = 0; j < window; j++) stream[window - j] = (state >> (bits * j)) & mask;
    return evaluator.value(window);
  });
  if (values.some((v) => !Number.isFinite(v))) return undefined;
  for (let i = 0; i < stream.length; i++) stream[i] = (i * 2654435761) >>> (32 - bits);
  evaluator.fields.set(scale.name, [4]);
  for (const i of [0, 1, window, format.block - 1]) {
    let state = 0;
    for (let j = 0; j < window; j++) state |= stream[(i - j + format.block) % format.block]! << (bits * j);
    if (evaluator.value(i) !== 4 * values[state]!) return undefined;
  }
  const deviation = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
  return deviation > 0 ? { codes, scale, bits, values, deviation } : undefined;
}

/** Viterbi over all states (Tseng et al., "QTIP", NeurIPS 2024), twice: the first pass finds where the tail bites. */
export function trellisEncoder(format: Format): FormatEncoder | undefined {
  const trellis = trellisOf(format);
  if (trellis === undefined) return undefined;
  const { codes, scale, deviation } = trellis;
  return {
    rule: "viterbi",
    encode(values, columns) {
      const rows = values.length / columns;
      const blocks = Math.ceil(columns / format.block);
      const scales = new Float64Array(rows);
      const out = new Uint8Array(values.length);
      const scratch = createScratch(trellis, format.block);
      for (let row = 0; row < rows; row++) {
        const own = values.subarray(row * columns, (row + 1) * columns);
        const rms = Math.sqrt(own.reduce((sum, v) => sum + v * v, 0) / columns);
        scales[row] = storeFloat(scale.type, rms / deviation);
        const unit = scales[row] || 1;
        for (let b = 0; b < blocks; b++) {
          const wanted = new Float32Array(format.block);
          const count = Math.min(format.block, columns - b * format.block);
          for (let i = 0; i < count; i++) wanted[i] = own[b * format.block + i]! / unit;
          // Codes behind the row's end are not stored and read as 0.
          const stream = bestStream(trellis, wanted, count, scratch);
          for (let i = 0; i < count; i++) out[row * columns + b * format.block + i] = stream[i]!;
        }
      }
      return new Map<string, ArrayLike<number>>([[codes.name, out], [scale.name, scales]]); // biome-ignore format: one line
    },
  };
}

interface Scratch {
  readonly cost: Float32Array;
  readonly next: Float32Array;
  /** By step and by the bits that a state shares with its predecessor: the predecessor's oldest bits. */
  readonly back: Uint8Array;
}

function createScratch({ bits }: Trellis, length: number): Scratch {
  const states = 2 ** STATE_BITS;
  return {
    cost: new Float32Array(states),
    next: new Float32Array(states),
    back: new Uint8Array(length * 2 ** (STATE_BITS - bits)),
  };
}

/** The stream of least squared error; a block cut short by the row's end begins after zeros. */
function bestStream(trellis: Trellis, wanted: Float32Array, count: number, scratch: Scratch): Uint8Array {
  const length = wanted.length;
  if (count < length) return walk(trellis, wanted, count, 0, undefined, scratch).codes;
  const half = length >> 1;
  const rotated = wanted.map((_, i) => wanted[(i + half) % length]!);
  const first = walk(trellis, rotated, length, undefined, undefined, scratch);
  // The state at the value before index 0: its newest bits are those that both ends share.
  const shared = first.states[length - half - 1]! & (2 ** (STATE_BITS - trellis.bits) - 1);
  return walk(trellis, wanted, length, shared, shared, scratch).codes;
}

/** Viterbi from states that follow `from` to states that end in `to` (low bits of states; undefined: any). */
function walk(
  { bits, values }: Trellis,
  wanted: Float32Array,
  count: number,
  from: number | undefined,
  to: number | undefined,
  { cost, next, back }: Scratch,
): { readonly codes: Uint8Array; readonly states: Uint16Array } {
  const groups = 2 ** (STATE_BITS - bits);
  const branch = 2 ** bits;
  let [now, later] = [cost, next];
  for (let g = 0; g < groups; g++)
    for (let q = 0; q < branch; q++) {
      const state = g * branch + q;
      const difference = wanted[0]! - values[state]!;
      now[state] = from === undefined || from === g ? difference * difference : Number.POSITIVE_INFINITY;
    }
  for (let t = 1; t < count; t++) {
    const x = wanted[t]!;
    for (let g = 0; g < groups; g++) {
      let [best, which] = [now[g]!, 0];
      for (let h = 1; h < branch; h++) {
        const own = now[h * groups + g]!;
        if (own < best) {
          best = own;
          which = h;
        }
      }
      back[t * groups + g] = which;
      const first = g * branch;
      for (let state = first; state < first + branch; state++) {
        const difference = x - values[state]!;
        later[state] = best + difference * difference;
      }
    }
    [now, later] = [later, now];
  }
  let [end, least] = [-1, Number.POSITIVE_INFINITY];
  for (let state = 0; state < now.length; state++)
    if ((to === undefined || (state & (groups - 1)) === to) && now[state]! < least) [end, least] = [state, now[state]!];
  if (end < 0) internal("a trellis reaches every state");
  const states = new Uint16Array(count);
  const codes = new Uint8Array(wanted.length);
  for (let t = count - 1, state = end; t >= 0; t--) {
    states[t] = state;
    codes[t] = state & (branch - 1);
    const g = state >> bits;
    state = back[t * groups + g]! * groups + g;
  }
  return { codes, states };
}
