/** Random expressions of every type and shape: what tests parentheses, literals and conversions of a language. */
import { evalKernel } from "../../ir/eval/kernel.ts";
import { bufferOf, emptyBuffer, type KernelBuffer } from "../../ir/eval/kernel-buffers.ts";
import type { ExprBuilder, ExprId, Op } from "../../ir/expr.ts";
import type { Scalar } from "../../ir/scalar.ts";
import { KernelBuilder } from "../ir/kernels.ts";
import { type Case, words } from "./kernels.ts";

const TYPES = ["u32", "i32", "f32"] as const;
type Leaf = (typeof TYPES)[number];

/** Operators whose results stay exact and defined on every target when values begin below 16 and depth is small. */
const OPS: Readonly<Record<Leaf, readonly Op[]>> = {
  u32: ["add", "sub", "mul", "and", "or", "xor", "min", "max", "shl", "shr", "div", "mod", "not"],
  i32: ["add", "sub", "min", "max", "neg", "abs", "shr", "div", "mod", "and", "or", "xor", "not"],
  f32: ["add", "sub", "mul", "neg", "min", "max", "abs", "floor", "fma"],
};
const COMPARE: readonly Op[] = ["eq", "ne", "lt", "le", "gt", "ge"];

/** Writes trees with `pick`, a source of random numbers below its argument. */
function grower(b: ExprBuilder, leaves: Readonly<Record<Leaf, ExprId>>, pick: (below: number) => number) {
  const grow = (type: Leaf, depth: number): ExprId => {
    if (depth === 0) return pick(3) === 0 ? b.constant(type === "u32" ? pick(16) : pick(31) - 15, type) : leaves[type];
    const kind = pick(8);
    if (kind === 0) return b.op("select", condition(depth - 1), grow(type, depth - 1), grow(type, depth - 1));
    if (kind === 1) return convert(type, depth - 1);
    const op = OPS[type][pick(OPS[type].length)]!;
    const left = grow(type, depth - 1);
    if (["neg", "not", "abs", "floor"].includes(op)) return b.op(op, left);
    if (op === "shl" || op === "shr") return b.op(op, left, b.constant(pick(5), type));
    if (op === "div" || op === "mod") return b.op(op, left, b.constant(pick(14) + 2, type));
    if (op === "fma") return b.op(op, left, grow(type, 0), grow(type, depth - 1));
    return b.op(op, left, grow(type, depth - 1));
  };
  const convert = (type: Leaf, depth: number): ExprId => {
    if (type === "f32") return b.cast(b.op("mod", grow("i32", depth), b.constant(16, "i32")), "f32");
    if (pick(3) === 0) return b.cast(condition(depth), type);
    const word = grow(type === "i32" ? "u32" : "i32", depth);
    return type === "u32" ? b.cast(word, "u32") : b.cast(b.op("and", word, b.constant(255, "u32")), "i32");
  };
  const condition = (depth: number): ExprId => {
    const kind = pick(4);
    if (depth > 0 && kind === 0) return b.op(pick(2) === 0 ? "and" : "or", condition(depth - 1), condition(depth - 1));
    if (depth > 0 && kind === 1) return b.op("not", condition(depth - 1));
    const type = TYPES[pick(3)]!;
    return b.op(COMPARE[pick(6)]!, grow(type, Math.min(depth, 2)), grow(type, Math.min(depth, 2)));
  };
  return grow;
}

/** A kernel that stores `count` random expressions of each type for every lane; the evaluator says what they are. */
export function randomExpressions(lanes: number, count: number, seed: number): Case {
  const b = new KernelBuilder({ name: `random${seed}`, lanes, warps: 1 });
  const random = words(100_000, seed);
  const state = { next: 0 };
  const pick = (below: number): number => random[state.next++ % random.length]! % below;
  b.input("x", "u32", lanes);
  for (const type of TYPES) b.output(type, type, lanes * count);
  const word = b.op("mod", b.read("x", b.thread()), b.e.constant(16, "u32"));
  const small = b.op("sub", b.e.cast(word, "i32"), b.e.constant(7, "i32"));
  const leaves = { u32: word, i32: small, f32: b.e.cast(small, "f32") };
  const grow = grower(b.e, leaves, pick);
  for (const type of TYPES)
    for (let i = 0; i < count; i++) b.write(type, b.at(b.int(i), [b.thread(), count]), grow(type, 3));
  const made = b.done();
  const kernel = { ...made, buffers: made.buffers.map((buffer) => ({ ...buffer, tensor: buffer.id })) };
  const x = words(lanes, seed + 1);
  const buffers = new Map<string, KernelBuffer>([["x", bufferOf("u32", [...x])]]);
  for (const type of TYPES as readonly Scalar[]) buffers.set(type, emptyBuffer(type, lanes * count));
  const { errors } = evalKernel(kernel, buffers);
  if (errors.length > 0) throw new Error(errors.join("\n"));
  const outputs = Object.fromEntries(
    TYPES.map((type) => [type, { values: [...buffers.get(type)!.data], tolerance: 0 }]),
  );
  return { kernel, inputs: { x }, outputs };
}
