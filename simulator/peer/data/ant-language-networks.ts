/** Blocks of language models as M2XFP's fork of ANT's simulator runs them, with its bits for four machines. */
import type { ForkMachineName } from "./ant-machines.ts";
import type { AntNetworkLayer } from "./ant-networks.ts";

export type LanguageNetworkName = "llama2_7b" | "falcon_7b" | "llama3_8b" | "llama3_70b" | "mistral_7b" | "opt6b7";

/** Tokens of every run (`accel_model_configs.py`). */
const TOKENS = 2048;

/** Name, inputs and outputs of a linear layer. */
type Linear = readonly [name: string, inputs: number, outputs: number];

interface LanguageNetwork {
  readonly block: readonly Linear[];
  /** Bits of each layer by machine, one word a block: fewer blocks than the model has. */
  readonly bits: Readonly<Record<Exclude<ForkMachineName, "nvesm2-32x32">, readonly string[]>>;
}

function gatedBlock(hidden: number, keyWidth: number, feedForward: number): readonly Linear[] {
  return [
    ["q", hidden, hidden],
    ["k", hidden, keyWidth],
    ["v", hidden, keyWidth],
    ["o", hidden, hidden],
    ["gate", hidden, feedForward],
    ["up", hidden, feedForward],
    ["down", feedForward, hidden],
  ];
}

const times = (count: number, word: string): readonly string[] => Array.from({ length: count }, () => word);

/** `simulator/benchmarks/base_models.py` and `accel_model_configs.py` of dwrScent/nvesm2 at 4dd65fd. */
const NETWORKS: Readonly<Record<LanguageNetworkName, LanguageNetwork>> = {
  llama2_7b: {
    block: gatedBlock(4096, 4096, 11008),
    bits: {
      "olive-16x16": times(8, "4884848"),
      "ant-16x16": times(8, "8888444"),
      "mant-16x16": [...times(6, "8888444"), ...times(2, "4444444")],
    },
  },
  falcon_7b: {
    block: [
      ["attn_mix", 4544, 4672],
      ["attn_out", 4544, 4544],
      ["up", 4544, 18176],
      ["down", 18176, 4544],
    ],
    bits: {
      "olive-16x16": times(8, "4488"),
      "ant-16x16": [...times(7, "8448"), "4444"],
      "mant-16x16": [...times(7, "8448"), "8444"],
    },
  },
  llama3_8b: {
    block: gatedBlock(4096, 1024, 14336),
    bits: { "olive-16x16": ["8844888"], "ant-16x16": ["4488848"], "mant-16x16": ["8484448"] },
  },
  llama3_70b: {
    block: gatedBlock(8192, 1024, 28672),
    bits: {
      "olive-16x16": ["4884848", "4484848"],
      "ant-16x16": ["8884448", "4884448"],
      "mant-16x16": ["4484448", "4884448"],
    },
  },
  mistral_7b: {
    block: gatedBlock(4096, 1024, 14336),
    bits: {
      "olive-16x16": times(7, "8844848"),
      "ant-16x16": [...times(6, "8844448"), "4444444"],
      "mant-16x16": [...times(6, "4844448"), "4444444"],
    },
  },
  opt6b7: {
    block: [
      ["q", 4096, 4096],
      ["k", 4096, 4096],
      ["v", 4096, 4096],
      ["o", 4096, 4096],
      ["up", 4096, 16384],
      ["down", 16384, 4096],
    ],
    bits: {
      "olive-16x16": times(8, "488484"),
      "ant-16x16": [...times(6, "888444"), ...times(2, "444444")],
      "mant-16x16": [...times(5, "888444"), ...times(3, "444444")],
    },
  },
};

export const LANGUAGE_NETWORKS = Object.keys(NETWORKS) as readonly LanguageNetworkName[];

/** The layers of the blocks that the fork simulates, attention's products and the output left out as there. */
export function languageNetwork(name: LanguageNetworkName, machine: ForkMachineName): readonly AntNetworkLayer[] {
  const { block, bits } = NETWORKS[name];
  // NVESM2 has 4 bits everywhere, in as many blocks as ANT's list has.
  const words = machine === "nvesm2-32x32" ? bits["ant-16x16"].map((word) => word.replace(/./g, "4")) : bits[machine];
  return words.flatMap((word, i) =>
    block.map(([layer, inputChannels, outputChannels], j) => ({
      name: `${name}.${i}.${layer}`,
      kernel: 1,
      output: 1,
      inputChannels,
      outputChannels,
      rows: TOKENS,
      bits: Number(word[j]),
    })),
  );
}
