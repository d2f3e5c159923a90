/** Words of generated texts: CUDA, Metal, WGSL and the compiler's own IR, as CodeMirror colours them. */
import type { StreamParser } from "@codemirror/language";

const words = (text: string): ReadonlySet<string> => new Set(text.split(" "));

interface Vocabulary {
  readonly keywords: ReadonlySet<string>;
  readonly types: ReadonlySet<string>;
}

const C_KEYWORDS =
  "for if else return while do switch case break continue const static extern inline using namespace struct template typename auto volatile asm true false restrict";
const C_TYPES =
  "int unsigned float double void bool char short long half half2 uint2 uint4 int2 int4 float2 float4 uint32_t int32_t uint16_t uint8_t size_t";

const CUDA: Vocabulary = {
  keywords: words(
    `${C_KEYWORDS} __global__ __device__ __shared__ __constant__ __launch_bounds__ __restrict__ __forceinline__`,
  ),
  types: words(`${C_TYPES} __half __half2 __nv_bfloat16 dim3 cudaError_t cudaStream_t`),
};
const METAL: Vocabulary = {
  keywords: words(`${C_KEYWORDS} kernel device constant threadgroup thread`),
  types: words(`${C_TYPES} uint ushort uchar bfloat`),
};
const WGSL: Vocabulary = {
  keywords: words(
    "fn let var const for if else return while loop break continue enable requires true false override struct",
  ),
  types: words("u32 i32 f32 f16 bool vec2 vec3 vec4 array atomic"),
};
const IR: Vocabulary = {
  keywords: words(
    "program kernel launch loop for let var if else read write copy map fill contract decode quantize over by in at step cache stream keep grid warp serial unroll reduce sum max tensor buffer table role roles ring signal unit array collective sync barrier when format shape",
  ),
  types: words(
    "f32 f16 bf16 u32 i32 bool u1 u2 u3 u4 u8 u16 i2 i4 i8 i16 input output workspace local global shared register",
  ),
};

const VOCABULARY: Readonly<Record<string, Vocabulary>> = { ".cu": CUDA, ".metal": METAL, ".wgsl": WGSL, ".ir": IR };

interface Reading {
  comment: boolean;
}

/** A tokenizer for the texts of a file extension. */
export function languageOf(extension: string): StreamParser<Reading> {
  const { keywords, types } = VOCABULARY[extension] ?? IR;
  return {
    startState: () => ({ comment: false }),
    token(stream, state) {
      if (state.comment) {
        if (stream.match(/^.*?\*\//)) state.comment = false;
        else stream.skipToEnd();
        return "comment";
      }
      if (stream.eatSpace()) return null;
      if (stream.match("//")) {
        stream.skipToEnd();
        return "comment";
      }
      if (stream.match("/*")) {
        state.comment = true;
        return "comment";
      }
      if (stream.sol() && stream.match(/^#\w+.*/)) return "meta";
      if (stream.match(/^"(?:[^"\\]|\\.)*"/)) return "string";
      if (stream.match(/^@\w+/)) return "meta";
      if (stream.match(/^(?:0x[\da-fA-F]+|\d[\d.]*(?:[eE][+-]?\d+)?)[a-zA-Z]*/)) return "number";
      const word = stream.match(/^[A-Za-z_]\w*/);
      if (word) {
        const [name = ""] = word as RegExpMatchArray;
        if (keywords.has(name)) return "keyword";
        if (types.has(name)) return "typeName";
        return stream.match(/^\s*\(/, false) ? "variableName.function" : "variableName";
      }
      stream.next();
      return "operator";
    },
  };
}
