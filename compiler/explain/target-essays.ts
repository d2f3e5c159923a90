/** Essays on the codes of targets and schedules. Every example is compiled: the failing one yields its code, the other nothing. */
import type { Essay, LoomExample } from "./essay.ts";

const PLANES = `op linear_w2a8<M, N, K>(x: f16[M, K], w: i2_planes[N, K]) -> f16[M, N] {
  let xq = quantize(x, i8_planes)
  y[m, n] = sum k { xq[m, k] * w[n, k] }
}`;
const GROUPS = `op linear<M, N, K>(x: f16[M, K], w: int4_g128[N, K]) -> f16[M, N] {
  y[m, n] = sum k { x[m, k] * w[n, k] }
}`;

const planes = (target: string, body: string): LoomExample => ({
  text: `${PLANES}\n\nschedule linear_w2a8 for ${target} {\n  ${body}\n}`,
  op: "linear_w2a8",
  sizes: { M: 16, N: 64, K: 256 },
  target,
});

const groups = (target: string, body: string): LoomExample => ({
  text: `${GROUPS}\n\nschedule linear for ${target} {\n  ${body}\n}`,
  op: "linear",
  sizes: { M: 16, N: 64, K: 256 },
  target,
});

export const TARGET_ESSAYS = {
  "target/unknown": {
    title: "there is no such target",
    why: "`bitloom targets` lists the targets. A CUDA target names the architecture, a WGSL target the profile.",
    failing: { text: GROUPS, op: "linear", sizes: { M: 16, N: 64, K: 256 }, target: "cuda.sm70" },
    fixed: { text: GROUPS, op: "linear", sizes: { M: 16, N: 64, K: 256 }, target: "cuda.sm80" },
  },
  "target/no-row": {
    title: "the target does not have this matrix row",
    why: "A matrix row is one matrix instruction: its shape and its element types. Each target's table lists those it has.",
    failing: planes("wgsl.p0", 'row "mma.m16n8k256.b1"'),
    fixed: planes("cuda.sm80", 'row "mma.m16n8k256.b1"'),
  },
  "target/emulated": {
    title: "the assembler replaces this matrix row by other instructions",
    why: "Some architectures accept an instruction that they do not have and imitate it slowly. The compiler never chooses such a row by itself; a schedule gets it by writing `emulated` behind the row.",
    failing: planes("cuda.sm120a", 'row "mma.m16n8k256.b1"'),
    fixed: planes("cuda.sm120a", 'row "mma.m16n8k256.b1" emulated'),
  },
  "schedule/no-strategy": {
    title: "the target cannot contract in this way",
    why: "A strategy needs instructions and a lowering on the target. `fma` is possible everywhere.",
    failing: groups("cuda.sm80", "contract k with lut"),
    fixed: groups("cuda.sm80", "contract k with fma"),
  },
  "schedule/no-planes": {
    title: "bit planes are asked for, but an operand is not stored so",
    why: "The bit-plane strategy multiplies planes of one bit with `and` and a population count. Both operands must be integers stored plane by plane, as `i2_planes` and `i8_planes` are.",
    failing: groups("cuda.sm80", "contract k with bitplanes"),
    fixed: planes("cuda.sm80", "contract k with bitplanes"),
  },
  "schedule/row-unfit": {
    title: "the matrix row cannot carry this contraction",
    why: "A row multiplies elements of fixed types; the operands' stored codes must be what it multiplies.",
    failing: groups("cuda.sm80", 'row "mma.m16n8k256.b1"'),
    fixed: planes("cuda.sm80", 'row "mma.m16n8k256.b1"'),
  },
  "schedule/tile": {
    title: "a tile that cannot be shared out",
    why: "A tile is divided among the warps of a block and the lanes of a warp: it must be a multiple of their number. Where a matrix row is used, the row fixes the tile of the summed axis.",
    failing: groups("cuda.sm80", "tile n 3"),
    fixed: groups("cuda.sm80", "tile n 8"),
  },
} as const satisfies Readonly<Record<string, Essay>>;
