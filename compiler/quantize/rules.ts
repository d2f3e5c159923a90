/** The rules by which formats are encoded: what each does, where it comes from, and which declarations it fits. */
import { roundQuotient } from "../../ir/eval/scalar.ts";
import { rint } from "../../ir/float.ts";
import { type Format, isPlain } from "../../ir/format.ts";
import { bitsOf, type IntType, isFloat, isInt, rangeOf } from "../../ir/scalar.ts";
import { antEncoder, shapeEncoder } from "./clip-encode.ts";
import { doubleAbsmaxEncoder } from "./double-absmax.ts";
import { type FormatEncoder, groupsOf, storeFloat } from "./encoder.ts";
import type { FormatModel } from "./format-model.ts";
import { ggmlEncoder, ggmlFp4Encoder } from "./ggml-encode.ts";
import { peakOf } from "./groups.ts";
import { latticeEncoder } from "./lattice-encode.ts";
import { type ColumnWeights, goboEncoder, linearEncoder, linearModelOf } from "./linear-encode.ts";
import { pairEncoderOf } from "./pair-encode.ts";
import { actOrderEncoder, twoLevelRangeEncoder } from "./range-encode.ts";
import { RULE_TEXTS, type RuleName, type RuleText } from "./rule-texts.ts";
import { scaleEncoder } from "./scale-encode.ts";
import { superEncoder } from "./super-encode.ts";
import { trellisEncoder } from "./trellis-encode.ts";
import { vectorEncoder } from "./vector-encode.ts";
// from "./super-encode.ts";

/** What a rule has to go by: the declaration, its model where it has one, and how much each input column matters. */
export interface Request {
  readonly format: Format;
  readonly model: FormatModel | undefined;
  readonly importance: ColumnWeights;
}

export interface Rule extends RuleText {
  /** The encoder, or undefined where the declaration is not of the rule's kind. */
  build(request: Request): FormatEncoder | undefined;
}

const withModel =
  (build: (format: Format, model: FormatModel) => FormatEncoder | undefined): Rule["build"] =>
  ({ format, model }) =>
    model === undefined ? undefined : build(format, model);

const BUILDERS: Readonly<Record<RuleName, Rule["build"]>> = {
  rounding: ({ format }) => {
    const [field] = format.fields;
    if (field === undefined || !isPlain(format)) return undefined;
    if (isFloat(field.type)) return { rule: "rounding", encode: (values) => new Map([[field.name, values]]) };
    // Integers of few bits have a grid, as any other format.
    if (!isInt(field.type) || bitsOf(field.type) <= 8) return undefined;
    const [low, high] = rangeOf(field.type);
    const nearest = (v: number): number => Math.min(Math.max(rint(v), low), high);
    return { rule: "rounding", encode: (values) => new Map([[field.name, Float64Array.from(values, nearest)]]) };
  },
  absmax: ({ format, model }) => {
    if (format.encoder !== undefined) return declaredAbsmax(format, format.encoder);
    const found = model && scaleEncoder(format, model, "absmax");
    return found?.rule === "absmax" ? found : model && model.scales.length === 1 ? ggmlFp4(format, model) : undefined;
  },
  "min-max": withModel((format, model) =>
    model.zero === undefined && model.offset === undefined
      ? undefined
      : (scaleEncoder(format, model, "absmax") ?? twoLevelRangeEncoder(format, model)),
  ),
  "act-order": ({ format, importance }) => actOrderEncoder(format, importance),
  mse: withModel((format, model) => scaleEncoder(format, model, "mse")),
  absmean: withModel((format, model) => {
    const [grid = [], second] = model.grids;
    // One code further out, as two's complement has it, is left alone.
    const least = Math.min(...grid.map(Math.abs).filter((v) => v > 0));
    if (second !== undefined || grid.length > 4 || !grid.includes(least) || !grid.includes(-least)) return undefined;
    const only = grid.map((v) => (Math.abs(v) > least ? Number.NaN : v));
    return scaleEncoder(format, { ...model, grids: [only] }, "absmean");
  }),
  bitmod: withModel((format, model) => onlyRule(scaleEncoder(format, model, "absmax"), "bitmod")),
  grids: withModel((format, model) => onlyRule(scaleEncoder(format, model, "absmax"), "grids")),
  olive: ({ format }) => pairEncoderOf(format),
  ant: withModel(antEncoder),
  adaptivfloat: withModel((format, model) => {
    const [scale, second] = model.scales;
    if (scale?.factors?.every((f) => f > 0 && Number.isInteger(Math.log2(f))) !== true || second !== undefined)
      return undefined;
    return renamed(scaleEncoder(format, model, "absmax"), "adaptivfloat");
  }),
  nupes: ({ format }) => shapeEncoder(format),
  "k-search": withModel(superEncoder),
  "table-search": withModel((format, model) => ggmlEncoder(format, model, "table")),
  "ggml-signed-peak": withModel((format, model) => ggmlEncoder(format, model, "signed-peak")),
  "ggml-range": withModel((format, model) => ggmlEncoder(format, model, "range")),
  "ggml-peak": withModel((format, model) => ggmlEncoder(format, model, "peak")),
  "ggml-sign": withModel((format, model) =>
    model.grids[0]!.length === 2 ? ggmlEncoder(format, model, "sign") : undefined,
  ),
  "ggml-fp4": withModel((format, model) => renamed(ggmlFp4(format, model), "ggml-fp4")),
  "double-absmax": withModel(doubleAbsmaxEncoder),
  "k-means": ({ format, importance }) => linear(format, importance, "k-means"),
  gobo: ({ format }) => goboEncoder(format),
  beam: ({ format }) => vectorEncoder(format),
  e8p: ({ format }) => latticeEncoder(format),
  viterbi: ({ format }) => trellisEncoder(format),
  alternating: ({ format, importance }) => linear(format, importance, "alternating"),
};

/** Every rule that needs the values alone. */
export const RULES: readonly Rule[] = RULE_TEXTS.map((text) => ({ ...text, build: BUILDERS[text.name] }));

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
  [/^gobo/, "gobo"],
];

/** The order in which structures call for rules. */
const BY_STRUCTURE = [
  "rounding",
  "k-search",
  "bitmod",
  "grids",
  "absmax",
  "min-max",
  "act-order",
  "double-absmax",
  "ant",
  "olive",
  "nupes",
  "beam",
  "e8p",
  "viterbi",
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
