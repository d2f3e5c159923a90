/** The rules by which formats are encoded: what each does, where it comes from, and which declarations it fits. */
import { roundQuotient } from "../../ir/eval/scalar.ts";
import { type Format, isPlain } from "../../ir/format.ts";
import { type IntType, isFloat, rangeOf } from "../../ir/scalar.ts";
import { antEncoder, shapeEncoder } from "./clip-encode.ts";
import { doubleAbsmaxEncoder } from "./double-absmax.ts";
import { type FormatEncoder, groupsOf, storeFloat } from "./encoder.ts";
import type { FormatModel } from "./format-model.ts";
import { ggmlEncoder, ggmlFp4Encoder } from "./ggml-encode.ts";
import { peakOf } from "./groups.ts";
import { type ColumnWeights, linearEncoder, linearModelOf } from "./linear-encode.ts";
import { pairEncoderOf } from "./pair-encode.ts";
import { scaleEncoder } from "./scale-encode.ts";
import { superEncoder } from "./super-encode.ts";

/** What a rule has to go by: the declaration, its model where it has one, and how much each input column matters. */
export interface Request {
  readonly format: Format;
  readonly model: FormatModel | undefined;
  readonly importance: ColumnWeights;
}

export interface Rule {
  readonly name: string;
  /** One sentence for `--help`. */
  readonly about: string;
  /** Where it was published. */
  readonly source: string;
  /** What it can be used for, for the message where it cannot. */
  readonly fits: string;
  /** The encoder, or undefined where the declaration is not of its kind. */
  build(request: Request): FormatEncoder | undefined;
}

const withModel =
  (build: (format: Format, model: FormatModel) => FormatEncoder | undefined): Rule["build"] =>
  ({ format, model }) =>
    model === undefined ? undefined : build(format, model);

/** Every rule that needs the values alone (some also heed the importance of columns). */
export const RULES: readonly Rule[] = [
  {
    name: "rounding",
    about: "every value to the nearest number of its own type",
    source: "IEEE 754-2019, section 4.3.1",
    fits: "plain numbers",
    build: ({ format }) =>
      isPlain(format) && isFloat(format.fields[0]!.type)
        ? { rule: "rounding", encode: (values) => new Map([[format.fields[0]!.name, values]]) }
        : undefined,
  },
  {
    name: "absmax",
    about: "scale = max|x| / the grid's peak, nearest value; outer scales make the largest inner one the largest code",
    source: "round to nearest; OCP MX 1.0 section 6.3 for powers of two; VS-Quant (MLSys 2021) for two levels",
    fits: "grids under one or two scales",
    build: ({ format, model }) => {
      if (format.encoder !== undefined) return declaredAbsmax(format, format.encoder);
      const found = model && scaleEncoder(format, model, "absmax");
      return found?.rule === "absmax" ? found : model && model.scales.length === 1 ? ggmlFp4(format, model) : undefined;
    },
  },
  {
    name: "min-max",
    about: "from the least to the largest value, with an integer zero point or a float offset",
    source: "Jacob et al., CVPR 2018; decoupleQ, arXiv:2404.12759 (float offset)",
    fits: "integers with a zero point or an offset",
    build: withModel((format, model) =>
      model.zero === undefined && model.offset === undefined ? undefined : scaleEncoder(format, model, "absmax"),
    ),
  },
  {
    name: "mse",
    about: "the part 1, 63/64, … 3/8 of the range whose codes have the least squared error",
    source: "clipping search as in OCTAV (ICML 2022) and GPTQ's and AWQ's quantizers, here by enumeration",
    fits: "grids under one scale, with or without zero point or offset",
    build: withModel((format, model) => scaleEncoder(format, model, "mse")),
  },
  {
    name: "absmean",
    about: "scale = mean|x|, nearest of -1, 0, 1 or of the two signs",
    source: "BitNet b1.58, arXiv:2402.17764; XNOR-Net, ECCV 2016",
    fits: "signs and ternary numbers",
    build: withModel((format, model) => {
      const sizes = new Set(model.grids.flat().map(Math.abs));
      sizes.delete(0);
      return sizes.size === 1 ? scaleEncoder(format, model, "absmean") : undefined;
    }),
  },
  {
    name: "bitmod",
    about: "each group takes the special value of least squared error; codes belong to the scale before it is stored",
    source: "BitMoD (Chen et al., HPCA 2025), algorithm 1",
    fits: "groups that choose one of BitMoD's four special values",
    build: withModel((format, model) => onlyRule(scaleEncoder(format, model, "absmax"), "bitmod")),
  },
  {
    name: "grids",
    about: "absmax for every grid that a group may choose; the least squared error wins, the first of equals",
    source: "the selection of BitMoD's and MANT's groups, for any grids",
    fits: "groups that choose a grid",
    build: withModel((format, model) => onlyRule(scaleEncoder(format, model, "absmax"), "grids")),
  },
  {
    name: "olive",
    about: "75 … 249 % of 3 sigma, outliers take the place of their neighbours, least squared error",
    source: "OliVe (Guo et al., ISCA 2023) and its published quantizer",
    fits: "pairs of normal values, outliers and victims",
    build: ({ format }) => pairEncoderOf(format),
  },
  {
    name: "ant",
    about: "75 … 149 % of max|x| for each type that a tensor may have, least squared error",
    source: "ANT (Guo et al., MICRO 2022) and its published quantizer",
    fits: "one scale a tensor or row, with or without a choice of type",
    build: withModel(antEncoder),
  },
  {
    name: "adaptivfloat",
    about: "the exponent range that the largest magnitude just needs, nearest value",
    source: "AdaptivFloat (Tambe et al., DAC 2020), algorithm 1",
    fits: "a floating-point grid under a power of two",
    build: withModel((format, model) => {
      const [scale, second] = model.scales;
      if (scale?.factors?.every((f) => f > 0 && Number.isInteger(Math.log2(f))) !== true || second !== undefined)
        return undefined;
      return renamed(scaleEncoder(format, model, "absmax"), "adaptivfloat");
    }),
  },
  {
    name: "nupes",
    about: "the exponent between 0.5 and 3 of least squared error, under absmax",
    source: "NUPES (Yvinec et al., arXiv:2308.05600)",
    fits: "a scale and a float that shapes the grid, both of the tensor",
    build: ({ format }) => shapeEncoder(format),
  },
  {
    name: "k-search",
    about: "weighted least squares over step widths around the range's own, for sub-blocks and then their scales",
    source: "K-quants and IQ4 of ggml (ggml-quants.c, quantize_row_*_ref), bit for bit",
    fits: "super-blocks with integer scales (and minima)",
    build: withModel(superEncoder),
  },
  {
    name: "table-search",
    about: "weighted least squares over fifteen scales around the one that puts the peak on the lowest value",
    source: "IQ4_NL of ggml, bit for bit",
    fits: "a table under one float scale",
    build: withModel((format, model) => ggmlEncoder(format, model, "table")),
  },
  {
    name: "ggml-signed-peak",
    about: "the value of largest magnitude, with its sign, takes the lowest code",
    source: "Q4_0 and Q5_0 of ggml, bit for bit",
    fits: "two's complement integers under one float scale",
    build: withModel((format, model) => ggmlEncoder(format, model, "signed-peak")),
  },
  {
    name: "ggml-range",
    about: "from the least to the largest value, half up, by the reciprocal of the scale before it is stored",
    source: "Q4_1 and Q5_1 of ggml, bit for bit",
    fits: "integers under one scale with a float offset",
    build: withModel((format, model) => ggmlEncoder(format, model, "range")),
  },
  {
    name: "ggml-peak",
    about: "max|x| by the reciprocal of the scale before it is stored, half away from zero",
    source: "Q8_0, Q2_0, TQ1_0 and TQ2_0 of ggml, bit for bit",
    fits: "integers under one float scale",
    build: withModel((format, model) => ggmlEncoder(format, model, "peak")),
  },
  {
    name: "ggml-sign",
    about: "mean|x| in f32, and the sign",
    source: "Q1_0 of ggml, bit for bit",
    fits: "signs under one float scale",
    build: withModel((format, model) =>
      model.grids[0]!.length === 2 ? ggmlEncoder(format, model, "sign") : undefined,
    ),
  },
  {
    name: "ggml-fp4",
    about: "OCP's exponent, or max|x| / 6 in UE4M3; of equally near values the smaller",
    source: "MXFP4 and NVFP4 of ggml, bit for bit",
    fits: "a grid under one coded scale",
    build: withModel((format, model) => renamed(ggmlFp4(format, model), "ggml-fp4")),
  },
  {
    name: "double-absmax",
    about: "absmax of small blocks, coded around the tensor's mean of them",
    source: "QLoRA's double quantization (Dettmers et al., NeurIPS 2023)",
    fits: "a table under coded scales with a mean",
    build: withModel(doubleAbsmaxEncoder),
  },
  {
    name: "k-means",
    about: "tables fitted by weighted k-means, a row or a tensor; weights are the inputs' importance where given",
    source: "SqueezeLLM (Kim et al., ICML 2024); Deep Compression (ICLR 2016)",
    fits: "tables that the file stores",
    build: ({ format, importance }) => linear(format, importance, "k-means"),
  },
  {
    name: "alternating",
    about: "scales of binary planes and their bits in turn by least squares, from the greedy residual",
    source: "Xu et al., ICLR 2018; LUT-GEMM; DB-LLM's split for planes of 0 and 1 (arXiv:2402.11960)",
    fits: "sums of scaled binary planes",
    build: ({ format, importance }) => linear(format, importance, "alternating"),
  },
];

const onlyRule = (encoder: FormatEncoder | undefined, rule: string): FormatEncoder | undefined =>
  encoder?.rule === rule ? encoder : undefined;

const renamed = (encoder: FormatEncoder | undefined, rule: string): FormatEncoder | undefined =>
  encoder === undefined ? undefined : { ...encoder, rule };

function linear(format: Format, importance: ColumnWeights, rule: string): FormatEncoder | undefined {
  const model = linearModelOf(format);
  return model === undefined ? undefined : onlyRule(linearEncoder(format, model, importance), rule);
}

/** Coded scales of parts of a block have no outer scale that could take their place. */
function ggmlFp4(format: Format, model: FormatModel): FormatEncoder | undefined {
  return model.scales[0]?.factors === undefined ? undefined : ggmlFp4Encoder(format, model);
}

/** `encode absmax`: scale = max|x| / top, code = x · top / max|x| to the nearest integer in real arithmetic, ties to even. */
function declaredAbsmax(format: Format, names: { readonly scale: string; readonly code: string }): FormatEncoder {
  const scaleField = format.fields.find((f) => f.name === names.scale)!;
  const top = rangeOf(format.fields.find((f) => f.name === names.code)!.type as IntType)[1];
  return {
    rule: "absmax",
    encode(values, columns, stats) {
      const groups = groupsOf({ ...scaleField, span: format.block }, format.block, values.length, columns);
      const codes = new Int16Array(values.length);
      const scales = new Float64Array(groups.count);
      for (let g = 0; g < groups.count; g++) {
        const [start, end] = groups.range(g);
        const peak = scaleField.scope === "tensor" ? stats.peak : peakOf(values, start, end);
        scales[g] = storeFloat(scaleField.type, peak / top);
        const divisor = peak > 0 ? peak : 1;
        for (let i = start; i < end; i++) codes[i] = roundQuotient(values[i]! * top, divisor);
      }
      return new Map<string, ArrayLike<number>>([
        [names.code, codes],
        [names.scale, scales],
      ]);
    },
  };
}

/**
 * Rules that papers and reference implementations give to formats of the library, where the structure alone would call for
 * another one. A format of a user's own takes one of these with `--rule`.
 */
const PUBLISHED: readonly (readonly [names: RegExp, rule: string])[] = [
  [/^(q4_0|q5_0)$/, "ggml-signed-peak"],
  [/^(q4_1|q5_1)$/, "ggml-range"],
  [/^(q8_0|q2_0|tq1_0|tq2_0)$/, "ggml-peak"],
  [/^q1_0$/, "ggml-sign"],
  [/^iq4_nl$/, "table-search"],
  [/^gguf_(mxfp4|nvfp4)$/, "ggml-fp4"],
  [/^(ternary|sign_|bipolar<1,)/, "absmean"],
  [/^ant/, "ant"],
  [/^adaptivfloat/, "adaptivfloat"],
];

/** The order in which structures call for rules. */
const BY_STRUCTURE = [
  "rounding",
  "k-search",
  "bitmod",
  "grids",
  "absmax",
  "min-max",
  "double-absmax",
  "ant",
  "olive",
  "nupes",
  "k-means",
  "alternating",
];

/** The rule that a format is encoded by where none is asked for. */
export function defaultRule(request: Request): Rule | undefined {
  const published = PUBLISHED.find(([names]) => names.test(request.format.name))?.[1];
  const order = [...(published === undefined ? [] : [published]), ...BY_STRUCTURE];
  if (request.format.encoder !== undefined && published === undefined) order.unshift("absmax");
  const rules = order.map((name) => RULES.find((r) => r.name === name)).filter((r) => r !== undefined);
  return rules.find((r) => r.build(request) !== undefined);
}
