/** WGSL's text, by feature: f16, subgroups, packed dot products. */
import { internal } from "../ir/diagnostics.ts";
import type { Kernel, Width } from "../ir/kernel.ts";
import { isFloat, type Scalar } from "../ir/scalar.ts";
import { absent, C_OPS, LOGICAL, nonZero } from "./c-family.ts";
import { shapeNote } from "./memory.ts";
import { floatLiteral, intLiteral, noLiteral, wordDigits } from "./print-literal.ts";
import {
  type BufferText,
  call,
  type Declaration,
  type ExchangeText,
  type Form,
  infix,
  LEVEL,
  type Syntax,
  type Text,
  wrap,
} from "./syntax.ts";

/** Language features that a profile may use; each is a device feature or a language extension. */
export interface WgslFeatures {
  readonly subgroups: boolean;
  /** dot4I8Packed, and subgroup_id / num_subgroups as builtins. */
  readonly packed: boolean;
}

/** f16 values live in f32 locals and are stored so: no profile's own conversion says which way it rounds. */
const TYPES: Readonly<Partial<Record<Scalar, string>>> = {
  bool: "bool",
  i32: "i32",
  u32: "u32",
  f16: "f32",
  f32: "f32",
};

const typeOf = (type: Scalar): string => TYPES[type] ?? internal(`no type ${type}`);

function literal(value: number, type: Scalar): Text {
  switch (type) {
    case "bool":
      return { text: value === 0 ? "false" : "true", level: LEVEL.primary };
    case "i32":
      return intLiteral(value, "i32(-2147483648)");
    case "u32":
      return { text: `${wordDigits(value)}u`, level: LEVEL.primary };
    case "f32":
    case "f16":
      return floatLiteral(value, "f", wgslInfinity());
    default:
      return noLiteral(type);
  }
}

/** An infinite constant is a shader-creation error; the largest float takes its place where a maximum begins. */
function wgslInfinity(): string {
  return "3.4028234663852886e38f";
}

function cast(from: Scalar, to: Scalar): Form {
  if (to === "f16") return wrap("round_to_half($0)");
  if (from === "f16" && to === "f32") return wrap("$0", LEVEL.primary);
  return to === "bool" ? nonZero(literal(0, from).text) : wrap(`${typeOf(to)}($0)`);
}

/** In integers: below 2^-14 the unit is 2^-24 and the result is exact; from 65520 on it is infinite. */
const ROUND_TO_HALF = `// The f16 value nearest to x, ties to even.
fn round_to_half(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let size = bits & 0x7fffffffu;
  let sign = bits & 0x80000000u;
  if (size >= 0x38800000u) {
    let nearest = (size + 0xfffu + ((size >> 13u) & 1u)) & 0xffffe000u;
    return bitcast<f32>(sign | select(nearest, 0x7f800000u, nearest >= 0x47800000u));
  }
  let drop = min(126u - (size >> 23u), 25u);
  let digits = (size & 0x7fffffu) | 0x800000u;
  let units = digits >> drop;
  let rest = digits - (units << drop);
  let tie = 1u << (drop - 1u);
  let up = rest > tie || (rest == tie && units % 2u == 1u);
  return bitcast<f32>(sign | bitcast<u32>(f32(units + u32(up)) * 5.9604645e-8f));
}`;

/**
 * In integers, since WGSL's division and fma promise little and compilers may reassociate floats. |a| = A·2^p and
 * b = B·2^q with 18-bit A and B; the remainder A·2^(p−q+1) − f·2B is exact modulo 2^32, and small.
 */
const ROUND_QUOTIENT = `// The integer nearest to a / b in real arithmetic, ties to even; b > 0, |a / b| <= 2^15, 18 significant bits each.
fn round_quotient(a: f32, b: f32) -> f32 {
  let a_bits = bitcast<u32>(abs(a));
  let b_bits = bitcast<u32>(b);
  let exponent = i32(a_bits >> 23u) - i32(b_bits >> 23u);
  if (exponent < -1) {
    return 0.0f;
  }
  let numerator = (((a_bits & 0x7fffffu) | 0x800000u) >> 6u) << min(u32(exponent + 1), 31u);
  let divisor = (((b_bits & 0x7fffffu) | 0x800000u) >> 6u) * 2u;
  // Wrong by one at most, even if the division is off by some ulp.
  var whole = u32(floor(abs(a) / b));
  var rest = i32(numerator - whole * divisor);
  if (rest < 0) {
    whole -= 1u;
    rest += i32(divisor);
  } else if (rest >= i32(divisor)) {
    whole += 1u;
    rest -= i32(divisor);
  }
  let twice = 2u * u32(rest);
  let up = twice > divisor || (twice == divisor && whole % 2u == 1u);
  let size = f32(whole + u32(up));
  return select(size, -size, a < 0.0f);
}`;

const COUNT = [undefined, "u32"] as const;

/**
 * Names that WGSL keeps for itself: keywords, reserved words that a format or op may plausibly use, and the predeclared
 * functions that this printer calls (W3C WGSL, sections 16.1 and 16.2).
 */
const RESERVED = new Set(
  `alias break case const const_assert continue continuing default diagnostic discard else enable false fn for if let
loop override requires return struct switch true var while NULL Self abstract active alignas alignof as asm asm_fragment
async attribute auto await become binding_array cast catch class co_await co_return co_yield coherent column_major common
compile compile_fragment concept const_cast consteval constexpr constinit crate debugger decltype delete demote
demote_to_helper do dynamic_cast enum explicit export extends extern external fallthrough filter final finally friend from
fxgroup get goto groupshared highp impl implements import inline instanceof interface layout lowp macro macro_rules match
mediump meta mod module move mut mutable namespace new nil noexcept noinline nointerpolation non_coherent noncoherent
noperspective null nullptr of operator package packoffset partition pass patch pixelfragment precise precision premerge
priv protected pub public readonly ref regardless register reinterpret_cast require resource restrict self set shared
sizeof smooth snorm static static_assert static_cast std subroutine super target template this thread_local throw trait
try type typedef typeid typename typeof union unless unorm unsafe unsized use using varying virtual volatile wgsl where
with writeonly yield bool i32 u32 f32 f16 vec2 vec3 vec4 array atomic ptr abs min max floor ceil round sqrt exp2 log2 fma
select bitcast countOneBits unpack2x16float dot4I8Packed workgroupBarrier storageBarrier atomicAdd atomicLoad group
group_y group_z lane warp thread`.split(/\s+/),
);

const given = (x: ExchangeText, value: string): string[] => [`let ${x.to} = ${value};`];

/** Reductions over the block from subgroup reductions; the helper's name tells operation and type. */
const blockReduce =
  (op: "sum" | "max", features: WgslFeatures) =>
  (x: ExchangeText): string[] => {
    // Without the builtin, subgroups are taken to lie in the order of local indices.
    const place = features.packed
      ? "subgroup_index, subgroup_lane == 0u"
      : "local_index / subgroup_lanes, local_index % subgroup_lanes == 0u";
    return given(x, `block_${op}_${x.type}(${x.args[0]}, ${place}, subgroup_lanes)`);
  };

/** Adds up what the subgroups found. Their size is known only at run time (4 to 128): there is room for the smallest. */
function blockReduceHelper(op: "sum" | "max", type: Scalar, kernel: Kernel): string {
  const threads = kernel.lanes * kernel.warps;
  const name = `block_${op}_${type}`;
  const step = op === "sum" ? `total += ${name}_parts[i];` : `total = max(total, ${name}_parts[i]);`;
  return `var<workgroup> ${name}_parts: array<${type}, ${Math.max(1, Math.ceil(threads / 4))}>;

fn ${name}(value: ${type}, subgroup: u32, is_first: bool, lanes: u32) -> ${type} {
  let part = subgroup${op === "sum" ? "Add" : "Max"}(value);
  workgroupBarrier();
  if (is_first) {
    ${name}_parts[subgroup] = part;
  }
  workgroupBarrier();
  var total = ${name}_parts[0];
  for (var i = 1u; i < (${threads}u + lanes - 1u) / lanes; i++) {
    ${step}
  }
  return total;
}`;
}

function reductions(features: WgslFeatures): Pick<Syntax, "exchange" | "helpers"> {
  if (!features.subgroups) return { exchange: {}, helpers: {} };
  const helpers: Record<string, (kernel: Kernel) => string> = {};
  for (const op of ["sum", "max"] as const)
    for (const type of ["f32", "i32", "u32"] as const)
      helpers[`block_${op}_${type}`] = (kernel) => blockReduceHelper(op, type, kernel);
  return {
    exchange: { "block.sum": blockReduce("sum", features), "block.max": blockReduce("max", features) },
    helpers,
  };
}

function arrayOf(buffer: BufferText): string {
  const { type, length } = buffer.buffer;
  const element = buffer.atomic
    ? `atomic<${typeOf(type)}>`
    : buffer.width === 1
      ? typeOf(type)
      : vector(type, buffer.width);
  return `array<${element}, ${Math.ceil(length / buffer.width)}>`;
}

function vector(type: Scalar, width: Width): string {
  return `vec${width}<${typeOf(type)}>`;
}

function binding(b: BufferText): string {
  // Atomics need read_write; WGSL has no write-only storage buffers.
  const access = b.buffer.access === "read" && !b.atomic ? "read" : "read_write";
  return `@group(0) @binding(${b.binding}) var<storage, ${access}> ${b.name}: ${arrayOf(b)};`;
}

const at = (text: string): Text => ({ text, level: LEVEL.primary });

/** A local of type i32; `of` says how many values the builtin takes, so that range analysis can drop bounds checks. */
function builtin(name: string, value: string, of?: number): { readonly use: Text; readonly declare: string } {
  return { use: at(name), declare: `let ${name} = i32(${of === undefined ? value : `${value} % ${of}u`});` };
}

/** Where WGSL needs several statements of declaration: `var v = 0u; if (p) { v = …; }`. */
function declareMasked(name: string, _type: string, when: string, value: string, otherwise: string): string[] {
  return [`var ${name} = ${otherwise};`, `if (${when}) {`, `  ${name} = ${value};`, "}"];
}

const DIRECTIVES: Syntax["directives"] = [
  { when: /\bsubgroup_lane|\bsubgroup(Add|Max)\b/, text: "enable subgroups;" },
  { when: /@builtin\((subgroup_id|num_subgroups)\)/, text: "requires subgroup_id;" },
  { when: /\bdot4I8Packed\b/, text: "requires packed_4x8_integer_dot_product;" },
];

/** The table of a profile. */
export function wgslSyntax(features: WgslFeatures): Syntax {
  const { exchange, helpers } = reductions(features);

  return {
    extension: ".wgsl",
    types: TYPES,
    ops: {
      ...C_OPS,
      select: call("select", 3, [2, 1, 0]),
      shl: infix("<<", LEVEL.shift, COUNT),
      shr: infix(">>", LEVEL.shift, COUNT),
      abs: call("abs", 1),
      min: call("min", 2),
      max: call("max", 2),
      mod: infix("%", LEVEL.product),
      popc: (type) => (type === "i32" ? call("countOneBits", 1) : wrap("i32(countOneBits($0))")),
      floor: call("floor", 1),
      ceil: call("ceil", 1),
      rint: call("round", 1),
      sqrt: call("sqrt", 1),
      exp2: call("exp2", 1),
      log2: call("log2", 1),
      fma: (type) =>
        isFloat(type)
          ? call("fma", 3)
          : { text: "$0 * $1 + $2", level: LEVEL.sum, args: [LEVEL.product, LEVEL.unary, LEVEL.product] },
      f16lo: wrap("unpack2x16float($0).x"),
      f16hi: wrap("unpack2x16float($0).y"),
      dot4: features.packed
        ? {
            text: "$2 + dot4I8Packed($0, $1)",
            level: LEVEL.sum,
            args: [LEVEL.any, LEVEL.any, LEVEL.sum],
            as: ["u32", "u32"],
          }
        : absent("dot4"),
      roundQuotient: call("round_quotient", 2),
      packF16x2: absent("packF16x2"),
      subF16x2: absent("subF16x2"),
    },
    logical: LOGICAL,
    cast,
    bits: (_, to) => wrap(`bitcast<${typeOf(to)}>($0)`),
    literal,
    builtins: {
      group: (dim, k) => builtin(["group", "group_y", "group_z"][dim]!, `workgroup_id.${"xyz"[dim]}`, k.grid[dim]),
      warp: (_, k) => builtin("warp", `local_index / ${k.lanes}u`),
      lane: (_, k) => builtin("lane", "local_index", k.warps === 1 ? undefined : k.lanes),
      thread: () => builtin("thread", "local_index"),
    },
    reserved: RESERVED,
    vectors: { kind: "declared" },
    vector: (type, width) => (width === 1 ? undefined : vector(type, width)),
    make: (type, elements) => `${type}(${elements.join(", ")})`,
    load: (place) => place,
    declareLet: (d: Declaration) => `let ${d.name} = ${d.value};`,
    declareVar: (d: Declaration) => `var ${d.name} = ${d.value};`,
    declareVector: (name, _, value) => `let ${name} = ${value};`,
    declareMasked,
    loop: (name, from, to, step) => [
      `for (var ${name} = ${from}; ${name} < ${to}; ${step === 1 ? `${name}++` : `${name} += ${step}`}) {`,
    ],
    atomicAdd: (place, value) => `atomicAdd(&${place}, ${value});`,
    atomicLoad: (place) => `atomicLoad(&${place})`,
    exchange,
    sync: {
      "block.barrier": (x) => (x.global ? ["workgroupBarrier();", "storageBarrier();"] : ["workgroupBarrier();"]),
    },
    transfer: {},
    matrix: {},
    helpers: { ...helpers, round_to_half: () => ROUND_TO_HALF, round_quotient: () => ROUND_QUOTIENT },
    parameters: {
      workgroup_id: "@builtin(workgroup_id) workgroup_id: vec3<u32>",
      local_index: "@builtin(local_invocation_index) local_index: u32",
      subgroup_lanes: "@builtin(subgroup_size) subgroup_lanes: u32",
      subgroup_lane: "@builtin(subgroup_invocation_id) subgroup_lane: u32",
      subgroup_index: "@builtin(subgroup_id) subgroup_index: u32",
    },
    directives: DIRECTIVES,
    table: (name, type, values) => [`const ${name} = array<${type}, ${values.length}>(`, `  ${values.join(", ")});`],
    shared: (_, b) => [`var<workgroup> ${b.name}: ${arrayOf(b)};`],
    sharedAt: "module",
    entry: (kernel, name, buffers, parameters) => ({
      before: [
        ...buffers.map(binding),
        "",
        `// ${shapeNote(kernel, { group: "workgroups", lane: "invocations", shared: "of workgroup memory" })}`,
      ],
      open: [`@compute @workgroup_size(${kernel.lanes * kernel.warps})`, `fn ${name}(${parameters.join(", ")}) {`],
    }),
  };
}
