/** One sentence on every keyword, builtin function and storage type: what an editor shows over them. */

/** Words of the language that are not names. */
export const WORDS: Readonly<Record<string, string>> = {
  format: "how a block of numbers is stored, and what each code means",
  codebook: "a table of numbers that codes look up; `_` is a code that is not used",
  fn: "a named expression; a call is replaced by its body",
  op: "what is computed, in index notation, over tensors of any format",
  schedule: "how an operator is carried out on one target",
  let: "a name for a part of the value",
  sum: "adds up over indices: of two factors, a contraction",
  for: "the target that a schedule is for",
  block: "values per block, along the tensor's last axis unless the operator says `along`",
  row: "stored once per row: all axes but the last",
  tensor: "stored once per tensor",
  value: "the number that element i of a block stands for",
  encode: "how numbers become codes at run time",
  along: "the axis that the format's blocks lie along",
  contract: "how the sum over these axes is done",
  with: "the strategy of a contraction",
  tile: "extents of the tile that one block computes",
  stages: "tiles in flight, 1 to 16",
  emulated: "also where the target only imitates the row",
};

/** Functions that every expression may call; `of` is the form of a call. */
export const BUILTINS: Readonly<Record<string, { readonly of: string; readonly about: string }>> = {
  min: { of: "min(a, b, …)", about: "the smallest; integers stay integers" },
  max: { of: "max(a, b, …)", about: "the largest; integers stay integers" },
  abs: { of: "abs(a)", about: "without its sign; integers stay integers" },
  select: { of: "select(c, a, b)", about: "a where c holds, else b" },
  exp2: { of: "exp2(a)", about: "2 to the power of a; exact for integers" },
  log2: { of: "log2(a)", about: "the logarithm to base 2" },
  sqrt: { of: "sqrt(a)", about: "the square root" },
  floor: { of: "floor(a)", about: "the next whole number below" },
  ceil: { of: "ceil(a)", about: "the next whole number above" },
  round: { of: "round(a)", about: "the nearest whole number, ties to even" },
  as_f16: { of: "as_f16(a)", about: "the number whose half-precision encoding is the integer's low 16 bits" },
  as_bf16: { of: "as_bf16(a)", about: "the number whose bfloat16 encoding is the integer's low 16 bits" },
  as_f32: { of: "as_f32(a)", about: "the number whose single-precision encoding the integer is" },
  quantize: { of: "quantize(tensor, format)", about: "the tensor in another format, made while the operator runs" },
  absmax: {
    of: "absmax(scale, code)",
    about: "scale = max|x| / largest code over its scope; codes are x / scale, ties to even",
  },
  fma: { of: "fma", about: "decodes and multiplies, one multiply-add a product" },
  mma: { of: "mma", about: "matrix instructions" },
  dot4: { of: "dot4", about: "four products of packed bytes at a time" },
  bitplanes: { of: "bitplanes", about: "and and population count on planes of one bit" },
  lut: { of: "lut", about: "table lookups" },
};

/** What a field's storage type holds. */
export function storageType(name: string): string | undefined {
  const match = /^([iu])(\d{1,2})$/.exec(name);
  if (match !== null) {
    const bits = Number(match[2]);
    if (bits < 1 || bits > 32) return undefined;
    const [low, high] = match[1] === "i" ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
    return `${match[1] === "i" ? "two's complement" : "unsigned"}, ${low} … ${high}`;
  }
  const floats: Readonly<Record<string, string>> = {
    f16: "IEEE half: 1 sign, 5 exponent, 10 fraction bits",
    bf16: "bfloat16: 1 sign, 8 exponent, 7 fraction bits",
    f32: "IEEE single: 1 sign, 8 exponent, 23 fraction bits",
  };
  return Object.hasOwn(floats, name) ? floats[name] : undefined;
}
