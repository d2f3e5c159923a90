/** The rules by which formats are encoded, as the command line explains them: plain data, light to load. */

export interface RuleText {
  readonly name: string;
  /** What it does, in one clause. */
  readonly about: string;
  /** Where it was published. */
  readonly source: string;
  /** What it can be used for. */
  readonly fits: string;
}

/** Rules that need the values alone; some also heed the importance of columns. */
export const RULE_TEXTS = [
  {
    name: "rounding",
    about: "every value to the nearest number of its own type",
    source: "IEEE 754-2019, section 4.3.1",
    fits: "plain numbers",
  },
  {
    name: "absmax",
    about: "scale = max|x| / the grid's peak, nearest value; outer scales make the largest inner one the largest code",
    source: "round to nearest; OCP MX 1.0 section 6.3 for powers of two; VS-Quant (MLSys 2021) for two levels",
    fits: "grids under one or two scales",
  },
  {
    name: "min-max",
    about: "from the least to the largest value, with an integer zero point or a float offset",
    source: "Jacob et al., CVPR 2018; decoupleQ, arXiv:2404.12759 (float offset)",
    fits: "integers with a zero point or an offset",
  },
  {
    name: "act-order",
    about: "groups of the columns that matter alike (--activations, --hessian), each with its range",
    source: "GPTQ's desc_act (Frantar et al., ICLR 2023)",
    fits: "scales that a table of the columns' groups selects",
  },
  {
    name: "mse",
    about: "the part 1, 63/64, … 3/8 of the range whose codes have the least squared error",
    source: "clipping search as in OCTAV (ICML 2022) and GPTQ's and AWQ's quantizers, here by enumeration",
    fits: "grids under one scale, with or without zero point or offset",
  },
  {
    name: "absmean",
    about: "scale = mean|x|, nearest of -1, 0, 1 or of the two signs",
    source: "BitNet b1.58, arXiv:2402.17764; XNOR-Net, ECCV 2016",
    fits: "signs and ternary numbers",
  },
  {
    name: "bitmod",
    about: "each group takes the special value of least squared error; codes belong to the scale before it is stored",
    source: "BitMoD (Chen et al., HPCA 2025), algorithm 1",
    fits: "groups that choose one of BitMoD's four special values",
  },
  {
    name: "grids",
    about: "absmax for every grid that a group may choose; the least squared error wins, the first of equals",
    source: "the selection of BitMoD's and MANT's groups, for any grids",
    fits: "groups that choose a grid",
  },
  {
    name: "olive",
    about: "75 … 249 % of 3 sigma, outliers take the place of their neighbours, least squared error",
    source: "OliVe (Guo et al., ISCA 2023) and its published quantizer",
    fits: "pairs of normal values, outliers and victims",
  },
  {
    name: "ant",
    about: "75 … 149 % of max|x| for each type that a tensor may have, least squared error",
    source: "ANT (Guo et al., MICRO 2022) and its published quantizer",
    fits: "one scale a tensor or row, with or without a choice of type",
  },
  {
    name: "adaptivfloat",
    about: "the exponent range that the largest magnitude just needs, nearest value",
    source: "AdaptivFloat (Tambe et al., DAC 2020), algorithm 1",
    fits: "a floating-point grid under a power of two",
  },
  {
    name: "nupes",
    about: "the exponent between 0.5 and 3 of least squared error, under absmax",
    source: "NUPES (Yvinec et al., arXiv:2308.05600)",
    fits: "a scale and a float that shapes the grid, both of the tensor",
  },
  {
    name: "k-search",
    about: "weighted least squares over step widths around the range's own, for sub-blocks and then their scales",
    source: "K-quants and IQ4 of ggml (ggml-quants.c, quantize_row_*_ref), bit for bit",
    fits: "super-blocks with integer scales (and minima)",
  },
  {
    name: "table-search",
    about: "weighted least squares over fifteen scales around the one that puts the peak on the lowest value",
    source: "IQ4_NL of ggml, bit for bit",
    fits: "a table under one float scale",
  },
  {
    name: "ggml-signed-peak",
    about: "the value of largest magnitude, with its sign, takes the lowest code",
    source: "Q4_0 and Q5_0 of ggml, bit for bit",
    fits: "two's complement integers under one float scale",
  },
  {
    name: "ggml-range",
    about: "from the least to the largest value, half up, by the reciprocal of the scale before it is stored",
    source: "Q4_1 and Q5_1 of ggml, bit for bit",
    fits: "integers under one scale with a float offset",
  },
  {
    name: "ggml-peak",
    about: "max|x| by the reciprocal of the scale before it is stored, half away from zero",
    source: "Q8_0, Q2_0, TQ1_0 and TQ2_0 of ggml, bit for bit",
    fits: "integers under one float scale",
  },
  {
    name: "ggml-sign",
    about: "mean|x| in f32, and the sign",
    source: "Q1_0 of ggml, bit for bit",
    fits: "signs under one float scale",
  },
  {
    name: "ggml-fp4",
    about: "OCP's exponent, or max|x| / 6 in UE4M3; of equally near values the smaller",
    source: "MXFP4 and NVFP4 of ggml, bit for bit",
    fits: "a grid under one coded scale",
  },
  {
    name: "double-absmax",
    about: "absmax of small blocks, coded around the tensor's mean of them",
    source: "QLoRA's double quantization (Dettmers et al., NeurIPS 2023)",
    fits: "a table under coded scales with a mean",
  },
  {
    name: "k-means",
    about: "tables fitted by weighted k-means, a row or a tensor; weights are the inputs' importance where given",
    source: "SqueezeLLM (Kim et al., ICML 2024); Deep Compression (ICLR 2016)",
    fits: "tables that the file stores",
  },
  {
    name: "gobo",
    about:
      "a dictionary of equally populated bins, moved while the sum of |error| falls; --outliers gobo keeps the rest",
    source: "GOBO (Zadeh et al., MICRO 2020)",
    fits: "one table a tensor",
  },
  {
    name: "beam",
    about: "codebooks of residuals by k-means and least squares, codes by beam search",
    source: "AQLM (Egiazarian et al., ICML 2024); with one codebook VPTQ (Liu et al., EMNLP 2024)",
    fits: "vector codebooks that the file stores, one or a sum of several",
  },
  {
    name: "e8p",
    about: "the nearest of 65536 points of E8, exactly; scale of least squared error among six a row",
    source: "QuIP# (Tseng et al., ICML 2024), the E8P codebook",
    fits: "magnitudes from a table with seven signs, a parity and a shift",
  },
  {
    name: "viterbi",
    about: "the bit stream of least squared error through all 65536 states, biting its tail",
    source: "QTIP (Tseng et al., NeurIPS 2024), algorithms 1 and 4",
    fits: "values computed from the newest 16 bits of a stream",
  },
  {
    name: "alternating",
    about: "scales of binary planes and their bits in turn by least squares, from the greedy residual",
    source: "Xu et al., ICLR 2018; LUT-GEMM; DB-LLM's split for planes of 0 and 1 (arXiv:2402.11960)",
    fits: "sums of scaled binary planes",
  },
] as const satisfies readonly RuleText[];

export type RuleName = (typeof RULE_TEXTS)[number]["name"];

/** What goes before a rule: `gptq`, `awq+gptq+mse`. They need to know the inputs of the layer. */
export const SECOND_ORDER_TEXTS = [
  {
    name: "gptq",
    about: "column by column, later columns make up for the error of earlier ones; parameters by the rule behind it",
    source: "GPTQ (Frantar et al., ICLR 2023): Cholesky factor of the damped inverse Hessian; --act-order, --damping",
    fits: "grids under scales, super-blocks included; needs --hessian or --activations",
  },
  {
    name: "awq",
    about:
      "input channels are scaled by mean|x|^a before they are encoded, a of least output error among 0, 0.05, … 0.95",
    source: "AWQ (Lin et al., MLSys 2024)",
    fits: "every format; needs --activations or --hessian",
  },
] as const satisfies readonly RuleText[];

/** The rules as lines of help. */
export function ruleHelp(): string {
  const lines = [...RULE_TEXTS, ...SECOND_ORDER_TEXTS].map(
    ({ name, about, source, fits }) => `  ${name}: ${about}\n      for ${fits}\n      ${source}`,
  );
  return `Rules:\n${lines.join("\n")}`;
}
