/** Essays on the codes of the language's front end. Every example is checked: the failing one yields its code, the other nothing. */
import type { Essay } from "./essay.ts";

const COPY = "op copy<M, K>(x: f16[M, K]) -> f16[M, K] {\n  y[m, k] = x[m, k]\n}";
const LINEAR = `op linear<M, N, K>(x: f16[M, K], w: int4_g128[N, K]) -> f16[M, N] {
  y[m, n] = sum k { x[m, k] * w[n, k] }
}`;
const NESTED = (depth: number): string =>
  `op deep<M>(x: f16[M]) -> f16[M] {\n  y[m] = ${"(".repeat(depth)}x[m]${")".repeat(depth)}\n}`;

export const LANGUAGE_ESSAYS = {
  "syntax/character": {
    title: "a character that the language does not use",
    why: "Files are made of names, numbers, quoted names, operators, brackets and comments (`//`). Statements end by themselves, without semicolons.",
    failing: { text: "format half {\n  v: f16;\n  value = v\n}" },
    fixed: { text: "format half {\n  v: f16\n  value = v\n}" },
  },
  "syntax/expected": {
    title: "something else should stand here",
    why: "The text does not follow the grammar; the message says what could stand at this place. One mistake does not hide the next: the parser goes on after it.",
    failing: { text: "format half {\n  v f16\n  value = v\n}" },
    fixed: { text: "format half {\n  v: f16\n  value = v\n}" },
  },
  "syntax/unexpected": {
    title: "something stands after the end of an item",
    why: "An item ends with its closing brace. What follows must begin another item.",
    failing: { text: "format half {\n  v: f16\n  value = v\n} }" },
    fixed: { text: "format half {\n  v: f16\n  value = v\n}" },
  },
  "syntax/item": {
    title: "a file is a list of items",
    why: "At the top of a file only `format`, `codebook`, `fn`, `op` and `schedule` may begin something.",
    failing: { text: "formt half {\n  v: f16\n  value = v\n}" },
    fixed: { text: "format half {\n  v: f16\n  value = v\n}" },
  },
  "syntax/comparison": {
    title: "comparisons do not chain",
    why: "`a < b < c` would compare a condition with a number. Compare twice and combine the conditions with `&`, in parentheses.",
    failing: { text: "op f<M>(x: f16[M]) -> f16[M] {\n  y[m] = 0 < x[m] < 1 ? x[m] : 0\n}" },
    fixed: { text: "op f<M>(x: f16[M]) -> f16[M] {\n  y[m] = (0 < x[m]) & (x[m] < 1) ? x[m] : 0\n}" },
  },
  "limit/file-size": {
    title: "a file is too large",
    why: "Files have at most 2 097 152 characters, so that no file can occupy the compiler for long. Large tables belong beside the weights, not into a declaration.",
    failing: { text: `// ${"x".repeat(2 ** 21)}` },
    fixed: { text: "// x" },
  },
  "limit/nesting": {
    title: "brackets nest too deeply",
    why: "Brackets, braces and open conditionals nest at most 64 deep. Name a part of the computation with `let`.",
    failing: { text: NESTED(80) },
    fixed: { text: NESTED(1) },
  },
  "limit/expression": {
    title: "an expression is too long",
    why: "The way from an expression to its deepest part passes at most 1000 operators. Split it with `let`, or write the repetition as a `sum`.",
    failing: { text: `op f<M>(x: f16[M]) -> f16[M] {\n  y[m] = x[m]${" + x[m]".repeat(1001)}\n}` },
    fixed: { text: "op f<M>(x: f16[M]) -> f16[M] {\n  y[m] = 1002 * x[m]\n}" },
  },
  "limit/range": {
    title: "a number is outside what is possible here",
    why: "Blocks and fields have 1 to 65536 elements, codebooks at most 65536 entries, a record at most 2^24 bits, extents are below 2^31, numbers are finite in f32 and integers fit into 32 bits.",
    failing: { text: "format f {\n  block 0\n  q: i4\n  value = q\n}" },
    fixed: { text: "format f {\n  block 1\n  q: i4\n  value = q\n}" },
  },
  "name/unknown": {
    title: "a name that nothing declares",
    why: "Fields, the index of `value(i)` and codebooks are known inside a format; operands, values of `let`, sizes and indices inside an operator. The hint names the closest one.",
    failing: { text: "format f {\n  scale: f16\n  q: i4\n  value = scal * q\n}" },
    fixed: { text: "format f {\n  scale: f16\n  q: i4\n  value = scale * q\n}" },
  },
  "name/unknown-format": {
    title: "there is no such format",
    why: "Formats are declared in the given files or in the standard library; `bitloom formats` lists the latter.",
    failing: { text: LINEAR.replace("int4_g128", "int4_g129") },
    fixed: { text: LINEAR },
  },
  "name/unknown-op": {
    title: "there is no such operator",
    why: "A schedule, or the request to compile, names an operator that the given files do not declare, or that has mistakes of its own.",
    failing: { text: `${COPY}\n\nschedule coppy for cuda.sm90 {\n  tile m 16\n}` },
    fixed: { text: `${COPY}\n\nschedule copy for cuda.sm90 {\n  tile m 16\n}` },
  },
  "name/duplicate": {
    title: "a name is declared twice",
    why: "Names are unique among the items of one kind, the fields of a format, and the operands, values and indices of an operator. A format of yours may have the name of a standard one: it then replaces it.",
    failing: { text: "format f {\n  q: i4\n  q: i4\n  value = q\n}" },
    fixed: { text: "format f {\n  q: i4\n  r: i4\n  value = q + r\n}" },
  },
  "name/cycle": {
    title: "something is declared through itself",
    why: "A function may call other functions, and a format may be another one with arguments or use others as types of its fields, but no chain of them may lead back: expressions have no recursion, so that every value is computed in bounded time.",
    failing: { text: "fn f(x) = f(x) + 1\n\nformat a {\n  q: i4\n  value = f(q)\n}" },
    fixed: { text: "fn f(x) = x + 1\n\nformat a {\n  q: i4\n  value = f(q)\n}" },
  },
  "name/unused": {
    title: "a name is declared and never used",
    why: "An operand that no statement reads still has to be passed, and a size that no shape uses still has to be given. Most often another name was meant.",
    failing: { text: "op f<M>(x: f16[M], b: f16[M]) -> f16[M] {\n  y[m] = x[m]\n}" },
    fixed: { text: "op f<M>(x: f16[M], b: f16[M]) -> f16[M] {\n  y[m] = x[m] + b[m]\n}" },
  },
  "format/no-value": {
    title: "a format without a meaning",
    why: "`value(i) = …` says which number the codes of element i stand for. Without it the bits mean nothing.",
    failing: { text: "format f {\n  block 32\n  scale: f16\n  q: i4[32]\n}" },
    fixed: { text: "format f {\n  block 32\n  scale: f16\n  q: i4[32]\n  value(i) = scale * q[i]\n}" },
  },
  "format/no-field": {
    title: "a format that stores nothing",
    why: "A format describes stored bits: it has at least one field.",
    failing: { text: "format zero {\n  value = 0\n}" },
    fixed: { text: "format zero {\n  q: i1\n  value = 0 * q\n}" },
  },
  "format/duplicate-member": {
    title: "`block`, `value` or `encode` is given twice",
    why: "A format has one block size, one value and at most one encoder.",
    failing: { text: "format f {\n  q: i4\n  value = q\n  value = -q\n}" },
    fixed: { text: "format f {\n  q: i4\n  value = -q\n}" },
  },
  "format/offset": {
    title: "a bit offset is not integer arithmetic",
    why: "The expression behind `@` is the bit offset of element `i` (and of its bit `bit`) inside the block's record. It must be known before anything is read, so it uses only `i`, `bit`, whole numbers, and the operators of integers.",
    failing: { text: "format f {\n  block 2\n  q: i4[2] @ 4.5 * i\n  value(i) = q[i]\n}" },
    fixed: { text: "format f {\n  block 2\n  q: i4[2] @ 4 * i\n  value(i) = q[i]\n}" },
  },
  "format/offset-range": {
    title: "a bit offset outside the record",
    why: "A record begins at bit 0 and has at most 2^24 bits; every bit of every element must lie inside.",
    failing: { text: "format f {\n  block 2\n  q: i4[2] @ 4 * (i - 1)\n  value(i) = q[i]\n}" },
    fixed: { text: "format f {\n  block 2\n  q: i4[2] @ 4 * (1 - i)\n  value(i) = q[i]\n}" },
  },
  "format/offset-scope": {
    title: "a row or tensor field with a place in the record",
    why: "`@` places a field inside the record of its block. Fields of a row or of the tensor are stored apart, once.",
    failing: { text: "format f {\n  row scale: f16 @ 0\n  q: i4\n  value = scale * q\n}" },
    fixed: { text: "format f {\n  row scale: f16\n  q: i4\n  value = scale * q\n}" },
  },
  "format/overlap": {
    title: "two fields share a bit",
    why: "Every bit of a record belongs to one bit of one element. Fields without `@` follow what stands before them; fields with `@` lie where they say.",
    failing: { text: "format f {\n  block 4\n  d: f16\n  q: u4[4] @ 8 + 4 * i\n  value(i) = d * q[i]\n}" },
    fixed: { text: "format f {\n  block 4\n  d: f16\n  q: u4[4] @ 16 + 4 * i\n  value(i) = d * q[i]\n}" },
  },
  "format/irregular": {
    title: "bit offsets too irregular for a large tensor",
    why: "Offsets to which every binary digit of `i` and of `bit` adds a part of its own, and sums of quotients and remainders by divisors of the block, hold for tensors of any size. Any other packing becomes a table of addresses, and those are limited to 4 million entries.",
    failing: {
      text: "format f {\n  block 16\n  q: u4[16] @ 4 * (5 * i % 16)\n  value(i) = q[i]\n}\n\nop g<M, K>(w: f[M, K]) -> f16[M, K] {\n  y[m, k] = w[m, k]\n}",
      op: "g",
      sizes: { M: 2048, K: 2048 },
    },
    fixed: {
      text: "format f {\n  block 16\n  q: u4[16] @ 4 * (i ^ 5)\n  value(i) = q[i]\n}\n\nop g<M, K>(w: f[M, K]) -> f16[M, K] {\n  y[m, k] = w[m, k]\n}",
      op: "g",
      sizes: { M: 2048, K: 2048 },
    },
  },
  "format/indexing": {
    title: "an index is missing, or stands where none belongs",
    why: "A field with several elements, a codebook and a table are used with one index; a field with one element may be used without.",
    failing: { text: "format f {\n  block 4\n  q: u4[4]\n  value(i) = q\n}" },
    fixed: { text: "format f {\n  block 4\n  q: u4[4]\n  value(i) = q[i]\n}" },
  },
  "format/index-range": {
    title: "a field is read outside its elements",
    why: "The compiler knows the range of every integer: `i` runs over the block, a code over its type. An index must stay inside the field for all of them.",
    failing: { text: "format f {\n  block 4\n  q: u4[4]\n  value(i) = q[i + 1]\n}" },
    fixed: { text: "format f {\n  block 4\n  q: u4[4]\n  value(i) = q[3 - i]\n}" },
  },
  "format/field-type": {
    title: "the type of a field's elements is no single number",
    why: "A field's elements are stored as a storage type (`f16`, `u4`, …) or as a format that stores each value by itself: block 1, one field, no row or tensor fields. Such a format says what the stored code means, as `e4m3` does for a scale.",
    failing: {
      text: "format pair {\n  block 2\n  q: u4[2]\n  value(i) = q[i]\n}\n\nformat f {\n  scale: pair\n  q: i4\n  value = scale * q\n}",
    },
    fixed: {
      text: "format half {\n  q: u4\n  value = q / 2.0\n}\n\nformat f {\n  scale: half\n  q: i4\n  value = scale * q\n}",
    },
  },
  "format/table-range": {
    title: "a code without an entry",
    why: "A table must have an entry for every value its index can take; write `_` for codes that never occur. Signed codes are negative half of the time: declare the field unsigned.",
    failing: { text: "codebook c = [0, 1, 2]\n\nformat f {\n  q: u2\n  value = c[q]\n}" },
    fixed: { text: "codebook c = [0, 1, 2, _]\n\nformat f {\n  q: u2\n  value = c[q]\n}" },
  },
  "format/table-entry": {
    title: "a table entry is not a constant",
    why: "Entries are numbers known in advance, made of literals and `+`, `-`, `*`, `/`, and finite in f32; `_` marks a code that is not used.",
    failing: { text: "codebook c = [0, sqrt(2)]\n\nformat f {\n  q: u1\n  value = c[q]\n}" },
    fixed: { text: "codebook c = [0, 1.4142135]\n\nformat f {\n  q: u1\n  value = c[q]\n}" },
  },
  "format/sum": {
    title: "a sum that does not fit where it stands",
    why: "A sum inside a format says how far its one index goes, with a constant: `sum j < 4 { … }`. A sum inside an operator ranges over axes of tensors, and says nothing more.",
    failing: { text: "format f {\n  block 4\n  q: u4[4]\n  value(i) = sum j { q[j] }\n}" },
    fixed: { text: "format f {\n  block 4\n  q: u4[4]\n  value(i) = sum j < 4 { q[j] } - 2 * q[i]\n}" },
  },
  "format/encode": {
    title: "an encoder does not fit its format",
    why: "`encode absmax(scale, code)` sets the scale to max|x| / qmax over its scope and each code to the nearest multiple of it. So the value must be `scale * code`, the scale one floating-point number, and the code a signed integer of at least two bits for every value.",
    failing: { text: "format f {\n  row s: f32\n  q: u8\n  value = s * q\n  encode absmax(s, q)\n}" },
    fixed: { text: "format f {\n  row s: f32\n  q: i8\n  value = s * q\n  encode absmax(s, q)\n}" },
  },
  "format/no-encoder": {
    title: "a format that does not say how to encode",
    why: "`quantize` needs to know how numbers become codes while the operator runs: the format must have an `encode` member.",
    failing: { text: "op f<M, K>(x: f16[M, K]) -> f16[M, K] {\n  let q = quantize(x, nf4)\n  y[m, k] = q[m, k]\n}" },
    fixed: { text: "op f<M, K>(x: f16[M, K]) -> f16[M, K] {\n  let q = quantize(x, i8_row)\n  y[m, k] = q[m, k]\n}" },
  },
  "format/unused-field": {
    title: "a field is stored and never read",
    why: "Every field costs memory and bandwidth. If it is padding that a file prescribes, move the other fields with `@` instead.",
    failing: { text: "format f {\n  pad: u4\n  q: u4\n  value = q\n}" },
    fixed: { text: "format f {\n  q: u4 @ 4\n  value = q\n}" },
  },
  "type/mismatch": {
    title: "a number, an integer or a condition stands where another is needed",
    why: "Codes and indices are integers, values are numbers, comparisons are conditions. Bit operators and indices take integers; `?` and `select` take a condition; arithmetic takes numbers and integers.",
    failing: { text: "format f {\n  q: u4\n  value = q & 1 ? 1 : 0\n}" },
    fixed: { text: "format f {\n  q: u4\n  value = (q & 1) != 0 ? 1 : 0\n}" },
  },
  "type/arguments": {
    title: "a function with the wrong number of arguments",
    why: "`min` and `max` take two or more arguments, `select` takes three, all others one.",
    failing: { text: "op f<M>(x: f16[M]) -> f16[M] {\n  y[m] = max(x[m])\n}" },
    fixed: { text: "op f<M>(x: f16[M]) -> f16[M] {\n  y[m] = max(x[m], 0)\n}" },
  },
  "type/division": {
    title: "an integer division that may divide by zero",
    why: "Expressions are total: they have a value for every stored bit pattern. The divisor of `/` and `%` on integers must be provably not 0. Division of numbers is not affected: write `2.0` for `2`.",
    failing: { text: "format f {\n  a: u4\n  b: u4\n  value = a / b\n}" },
    fixed: { text: "format f {\n  a: u4\n  b: u4\n  value = a / max(b, 1)\n}" },
  },
  "type/result": {
    title: "a result that is not a floating-point tensor",
    why: "Results are stored as `f16`, `bf16` or `f32`.",
    failing: { text: COPY.replace("-> f16", "-> i8_row") },
    fixed: { text: COPY },
  },
  "shape/rank": {
    title: "too many or too few indices",
    why: "A tensor is used with exactly one index for each of its axes.",
    failing: { text: "op f<M, K>(x: f16[M, K]) -> f16[M] {\n  y[m] = x[m]\n}" },
    fixed: { text: "op f<M, K>(x: f16[M, K]) -> f16[M] {\n  y[m] = sum k { x[m, k] }\n}" },
  },
  "shape/extent": {
    title: "an index ranges over two different extents",
    why: "An index variable has one extent, that of every axis it is used on. Sizes are different extents even if they may happen to be equal; a size and a number are too.",
    failing: { text: LINEAR.replace("w[n, k]", "w[k, n]") },
    fixed: { text: LINEAR },
  },
  "shape/unknown-extent": {
    title: "nothing says how far an index goes",
    why: "An index gets its extent from an axis on which it stands alone.",
    failing: { text: "op f<M>(x: f16[M]) -> f16[M] {\n  y[m] = sum j { x[m] }\n}" },
    fixed: { text: "op f<M, J>(x: f16[M, J]) -> f16[M] {\n  y[m] = sum j { x[m, j] }\n}" },
  },
  "shape/index": {
    title: "index arithmetic that cannot be checked",
    why: "An index is a variable, a whole number, or a variable plus or minus a whole number: these are proved to stay inside their tensor before anything runs. It may also add elements of unsigned integer operands.",
    failing: { text: "op f(x: f16[8]) -> f16[4] {\n  y[m] = x[2 * m]\n}" },
    fixed: { text: "op f(x: f16[4, 2]) -> f16[4] {\n  y[m] = x[m, 0]\n}" },
  },
  "shape/places": {
    title: "elements that cannot be indices",
    why: "An index may be looked up, as in `x[m, columns[j]]`: in an operand of plain unsigned integers of less than 32 bits. Numbers with a scale, negative or computed ones lead nowhere.",
    failing: { text: "op f<M, J>(x: f16[M, J], at: i8[J]) -> f16[M, J] {\n  y[m, j] = x[m, at[j]]\n}" },
    fixed: { text: "op f<M, J>(x: f16[M, J], at: u16[J]) -> f16[M, J] {\n  y[m, j] = x[m, at[j]]\n}" },
  },
  "shape/outside": {
    title: "an index may lie outside its tensor",
    why: "A constant index must be smaller than the extent; 0 is always inside. An offset is allowed where both extents are numbers and the largest index stays inside.",
    failing: { text: "op f(x: f16[8]) -> f16[8] {\n  y[m] = x[m] + x[8]\n}" },
    fixed: { text: "op f(x: f16[8]) -> f16[8] {\n  y[m] = x[m] + x[7]\n}" },
  },
  "shape/block": {
    title: "an axis is not a whole number of blocks",
    why: "A format with a block of B values stores its operand's last axis in blocks of B; the extent must be a multiple of B. Pad the operand with zeros, or choose a smaller block.",
    failing: { text: LINEAR, op: "linear", sizes: { M: 16, N: 64, K: 100 } },
    fixed: { text: LINEAR, op: "linear", sizes: { M: 16, N: 64, K: 128 } },
  },
  "shape/along": {
    title: "`along` does not name one axis",
    why: "`w: int4_g128[N, K] along N` lays the blocks of w along its axis N instead of the last one. The name must be the extent of exactly one axis of that tensor.",
    failing: { text: "op f<M, K>(w: int4_g128[M, K] along N) -> f16[M, K] {\n  y[m, k] = w[m, k]\n}" },
    fixed: { text: "op f<M, K>(w: int4_g128[M, K] along M) -> f16[M, K] {\n  y[m, k] = w[m, k]\n}" },
  },
  "op/let": {
    title: "an intermediate value without indices",
    why: "`let t[m, n] = …` declares a tensor. Only `let v = quantize(tensor, format)` stands without indices: it takes a whole tensor.",
    failing: { text: "op f<M>(x: f16[M]) -> f16[M] {\n  let t = 2\n  y[m] = x[m]\n}" },
    fixed: { text: "op f<M>(x: f16[M]) -> f16[M] {\n  let t[m] = 2 * x[m]\n  y[m] = t[m]\n}" },
  },
  "op/result": {
    title: "an operator has one result, its last statement",
    why: "The last statement has no `let`, and indices on its left side; all statements before it are `let`.",
    failing: { text: "op f<M>(x: f16[M]) -> f16[M] {\n  let y[m] = x[m]\n}" },
    fixed: { text: "op f<M>(x: f16[M]) -> f16[M] {\n  y[m] = x[m]\n}" },
  },
  "op/quantize": {
    title: "`quantize` takes a tensor and a format, and stands alone",
    why: "Quantization looks at a whole row or block at once, so it is a statement and not an element-wise function: `let v = quantize(x, format)`.",
    failing: { text: "op f<M, K>(x: f16[M, K]) -> f16[M, K] {\n  y[m, k] = 2 * quantize(x, i8_row)\n}" },
    fixed: {
      text: "op f<M, K>(x: f16[M, K]) -> f16[M, K] {\n  let xq = quantize(x, i8_row)\n  y[m, k] = 2 * xq[m, k]\n}",
    },
  },
  "schedule/axis": {
    title: "a schedule names an axis that the operator does not have",
    why: "Axes are the index variables of the operator's body; `contract` takes those that a sum runs over.",
    failing: { text: `${LINEAR}\n\nschedule linear for cuda.sm90 {\n  contract j with fma\n}` },
    fixed: { text: `${LINEAR}\n\nschedule linear for cuda.sm90 {\n  contract k with fma\n}` },
  },
  "schedule/strategy": {
    title: "there is no such strategy",
    why: "A contraction is carried out by `fma` (decode and multiply), `mma` (matrix instructions), `dot4` (packed bytes), `bitplanes` (and, popcount) or `lut` (table lookup).",
    failing: { text: `${LINEAR}\n\nschedule linear for cuda.sm90 {\n  contract k with mmaa\n}` },
    fixed: { text: `${LINEAR}\n\nschedule linear for cuda.sm90 {\n  contract k with mma\n}` },
  },
  "schedule/twice": {
    title: "a schedule decides the same thing twice",
    why: "Each directive is given once, and each axis is tiled once.",
    failing: { text: `${LINEAR}\n\nschedule linear for cuda.sm90 {\n  stages 2\n  stages 4\n}` },
    fixed: { text: `${LINEAR}\n\nschedule linear for cuda.sm90 {\n  stages 4\n}` },
  },
  "size/missing": {
    title: "a size is not given",
    why: "A program exists for numbers: every size of the operator needs one.",
    failing: { text: COPY, op: "copy", sizes: { M: 4 } },
    fixed: { text: COPY, op: "copy", sizes: { M: 4, K: 8 } },
  },
  "size/unknown": {
    title: "a size that the operator does not have",
    why: "The sizes of an operator stand in angle brackets after its name.",
    failing: { text: COPY, op: "copy", sizes: { M: 4, K: 8, L: 2 } },
    fixed: { text: COPY, op: "copy", sizes: { M: 4, K: 8 } },
  },
  "size/invalid": {
    title: "a size that is not a positive whole number",
    why: "Sizes are whole numbers from 1 to 2^31 - 1.",
    failing: { text: COPY, op: "copy", sizes: { M: 0, K: 8 } },
    fixed: { text: COPY, op: "copy", sizes: { M: 1, K: 8 } },
  },
  "size/too-large": {
    title: "a tensor with too many elements",
    why: "Kernels index elements with 32-bit integers: a tensor has fewer than 2^31 elements. Split the operator along an axis that is not summed over.",
    failing: { text: COPY, op: "copy", sizes: { M: 65536, K: 65536 } },
    fixed: { text: COPY, op: "copy", sizes: { M: 65536, K: 4096 } },
  },
} as const satisfies Readonly<Record<string, Essay>>;
