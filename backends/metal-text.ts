/** Metal's text: constructor syntax for every conversion, explicit address spaces, one statement a line. */
import { internal } from "../ir/diagnostics.ts";
import type { Buffer } from "../ir/kernel.ts";
import { isFloat, type Scalar } from "../ir/scalar.ts";
import { absent, C_OPS, C_RESERVED, cDeclarations, convert, cVector, LOGICAL, nonZero, remainder } from "./c-family.ts";
import { shapeNote } from "./memory.ts";
import { floatLiteral, intLiteral, noLiteral, wordDigits } from "./print-literal.ts";
import {
  type BufferText,
  call,
  type ExchangeText,
  type Form,
  LEVEL,
  type SyncText,
  type Syntax,
  type Text,
  wrap,
} from "./syntax.ts";

const TYPES: Readonly<Partial<Record<Scalar, string>>> = {
  bool: "bool",
  i32: "int",
  u32: "uint",
  u16: "ushort",
  f16: "half",
  f32: "float",
};
const VECTORS = { i32: "int", u32: "uint", f16: "half", f32: "float" };

const nameOf = (type: Scalar): string => TYPES[type] ?? internal(`no type ${type}`);

function literal(value: number, type: Scalar): Text {
  switch (type) {
    case "bool":
      return { text: value === 0 ? "false" : "true", level: LEVEL.primary };
    case "i32":
      return intLiteral(value, "(-2147483647 - 1)");
    case "u32":
      return { text: `${wordDigits(value)}u`, level: LEVEL.primary };
    case "f32":
      return floatLiteral(value, "f", "INFINITY");
    case "f16":
      return floatLiteral(value, "h", "half(INFINITY)");
    default:
      return noLiteral(type);
  }
}

function cast(from: Scalar, to: Scalar): Form {
  return to === "bool" ? nonZero(literal(0, from).text) : convert(TYPES, to);
}

const given = (x: ExchangeText, value: string): string[] => [`const ${nameOf(x.type)} ${x.to} = ${value};`];

const EXCHANGE: Syntax["exchange"] = {
  "warp.shuffleXor": (x) => given(x, `simd_shuffle_xor(${x.args[0]}, ushort(${x.args[1]}))`),
  "warp.shuffleAt": (x) => given(x, `simd_shuffle(${x.args[0]}, ushort(${x.args[1]}))`),
  "warp.broadcast": (x) => given(x, `simd_broadcast(${x.args[0]}, ushort(0))`),
  // One bit a lane: the sum of distinct powers of two, which also serves SIMD-groups of fewer than 32 lanes.
  "warp.ballot": (x) => given(x, `simd_sum(${x.args[0]} ? 1u << lane_index : 0u)`),
  "warp.any": (x) => given(x, `simd_any(${x.args[0]})`),
  "warp.elect": (x) => given(x, "lane_index == 0u"),
  "warp.sum": (x) => given(x, `simd_sum(${x.args[0]})`),
  "warp.max": (x) => given(x, `simd_max(${x.args[0]})`),
};

const flags = (x: SyncText): string =>
  x.global ? "mem_flags::mem_threadgroup | mem_flags::mem_device" : "mem_flags::mem_threadgroup";

const RESERVED = new Set([
  ...C_RESERVED,
  ...`kernel vertex fragment device constant threadgroup thread thread_index metal group group_y group_z lane warp uint uint2 uint3 uint4 int2 int4
float2 float4 half2 half4 uchar ushort bfloat atomic simd_sum simd_max as_type fabs select clamp vec matrix sampler texture
buffer access visible stage_in`.split(/\s+/),
]);

const ROUND_QUOTIENT = `// The integer nearest to a / b in real arithmetic, ties to even; b > 0, |a / b| <= 2^15, 18 significant bits each.
static inline float round_quotient(float a, float b) {
  // Wrong by one at most, even if the division is off by some ulp. The remainder is exact and tells.
  const float q = rint(a / b);
  const float twice = 2.0f * fma(-q, b, a);
  const bool odd = (int(q) & 1) != 0;
  if (twice > b || (twice == b && odd)) {
    return q + 1.0f;
  }
  if (twice < -b || (twice == -b && odd)) {
    return q - 1.0f;
  }
  return q;
}`;

const space = (buffer: Buffer): string => (buffer.space === "shared" ? "threadgroup" : "device");
const constness = (buffer: Buffer): string => (buffer.access === "read" ? "const " : "");

/** Metal Shading Language 3. */
export function metalSyntax(): Syntax {
  const local = (name: string, value: string): { readonly use: Text; readonly declare: string } => ({
    use: { text: name, level: LEVEL.primary },
    declare: `const int ${name} = int(${value});`,
  });
  return {
    extension: ".metal",
    types: TYPES,
    ops: {
      ...C_OPS,
      abs: (type) => call(isFloat(type) ? "fabs" : "abs", 1),
      min: call("min", 2),
      max: call("max", 2),
      mod: remainder("fmod"),
      popc: wrap("int(popcount($0))"),
      floor: call("floor", 1),
      ceil: call("ceil", 1),
      rint: call("rint", 1),
      sqrt: call("sqrt", 1),
      exp2: call("exp2", 1),
      log2: call("log2", 1),
      fma: call("fma", 3),
      f16lo: wrap("float(as_type<half2>($0).x)"),
      f16hi: wrap("float(as_type<half2>($0).y)"),
      dot4: absent("dot4"),
      roundQuotient: call("round_quotient", 2),
      subF16x2: wrap("as_type<uint>(as_type<half2>($0) - as_type<half2>($1))"),
      packF16x2: wrap("as_type<uint>(half2(half($0), half($1)))"),
    },
    logical: LOGICAL,
    cast,
    bits: (_, to) => wrap(`as_type<${nameOf(to)}>($0)`),
    literal,
    builtins: {
      group: (dim) => local(["group", "group_y", "group_z"][dim]!, `group_index.${"xyz"[dim]}`),
      warp: () => local("warp", "warp_index"),
      lane: () => local("lane", "lane_index"),
      thread: (_, k) => local("thread_index", `warp_index * ${k.lanes} + lane_index`),
    },
    reserved: RESERVED,
    vectors: {
      kind: "pointer",
      place: (buffer, type, pointer) => `*reinterpret_cast<${constness(buffer)}${space(buffer)} ${type}*>(${pointer})`,
    },
    vector: cVector(VECTORS),
    make: (type, elements) => `${type}(${elements.join(", ")})`,
    load: (place) => place,
    ...cDeclarations(TYPES),
    atomicAdd: (place, value, buffer) =>
      `atomic_fetch_add_explicit(reinterpret_cast<${space(buffer)} atomic_${nameOf(buffer.type)}*>(&${place}), ${value}, memory_order_relaxed);`,
    exchange: EXCHANGE,
    sync: {
      "block.barrier": (x) => [`threadgroup_barrier(${flags(x)});`],
      "warp.barrier": (x) => [`simdgroup_barrier(${flags(x)});`],
    },
    transfer: {},
    matrix: {},
    helpers: { round_quotient: () => ROUND_QUOTIENT },
    parameters: {
      group_index: "uint3 group_index [[threadgroup_position_in_grid]]",
      lane_index: "uint lane_index [[thread_index_in_simdgroup]]",
      warp_index: "uint warp_index [[simdgroup_index_in_threadgroup]]",
    },
    directives: [{ when: /^/, text: "#include <metal_stdlib>\nusing namespace metal;" }],
    table: (name, type, values) => [`constant ${type} ${name}[${values.length}] = {`, `    ${values.join(", ")}};`],
    shared: (_, b) => [`threadgroup ${nameOf(b.buffer.type)} ${b.name}[${b.buffer.length}];`],
    sharedAt: "kernel",
    entry: (kernel, name, buffers, parameters) => ({
      before: [`// ${shapeNote(kernel, { group: "threadgroups", lane: "threads", shared: "of threadgroup memory" })}`],
      open: [`kernel void ${name}(`, `    ${[...buffers.map(parameter), ...parameters].join(",\n    ")}) {`],
    }),
  };
}

function parameter(b: BufferText): string {
  return `${constness(b.buffer)}device ${nameOf(b.buffer.type)}* ${b.name} [[buffer(${b.binding})]]`;
}
