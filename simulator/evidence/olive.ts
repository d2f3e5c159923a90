/** OliVe's published means beside ours: its simulator is not public, so networks, bits and arrays are what is known of them. */
import { internal } from "../../ir/diagnostics.ts";
import { runAnt } from "../peer/ant.ts";
import type { PublishedMachineName } from "../peer/data/ant-machines.ts";
import { type EvidenceGroup, type EvidenceRow, OPEN } from "./row.ts";

/** A network of OliVe's figures by its encoder or decoder blocks. */
interface Network {
  readonly name: string;
  readonly hidden: number;
  readonly feedForward: number;
}

/** Four of OliVe's networks (ISCA 2023); blocks of one network are alike, so ratios need one. */
const NETWORKS: readonly Network[] = [
  { name: "BERT-base", hidden: 768, feedForward: 3072 },
  { name: "BERT-large", hidden: 1024, feedForward: 4096 },
  { name: "GPT2-XL", hidden: 1600, feedForward: 6400 },
  { name: "OPT-6.7B", hidden: 4096, feedForward: 16384 },
];

/** As ANT's simulator runs BERT: 64 sequences of 128 tokens. */
const ROWS = 64 * 128;

interface Side {
  readonly machine: PublishedMachineName;
  readonly bits: number;
}

/** OliVe's 4096 4-bit PEs are as many as ANT's 32 × 32 units of four. */
const OLIVE: Side = { machine: "ant-os", bits: 4 };

interface Means {
  readonly speed: number;
  readonly energy: number;
}

function costOf({ hidden, feedForward }: Network, { machine, bits }: Side): { cycles: number; energyNJ: number } {
  const linears = [
    ...Array.from({ length: 4 }, () => [hidden, hidden] as const),
    [hidden, feedForward] as const,
    [feedForward, hidden] as const,
  ];
  let [cycles, energyNJ] = [0, 0];
  for (const [inputChannels, outputChannels] of linears) {
    const layer = { kernel: 1, output: 1, inputChannels, outputChannels, batch: ROWS, bits };
    const { cost, energyNJ: e } = runAnt(layer, machine) ?? internal(`no tile on ${machine}`);
    cycles += cost.cycles;
    energyNJ += e.static + e.dram + e.sram + e.core;
  }
  return { cycles, energyNJ };
}

/** Geometric means over the networks of the other machine's cycles and energy over OliVe's. */
function meansOver(other: Side): Means {
  const logs = NETWORKS.map((network) => {
    const [theirs, olive] = [costOf(network, other), costOf(network, OLIVE)];
    return { speed: Math.log(theirs.cycles / olive.cycles), energy: Math.log(theirs.energyNJ / olive.energyNJ) };
  });
  const mean = (values: readonly number[]): number => Math.exp(values.reduce((s, v) => s + v, 0) / values.length);
  return { speed: mean(logs.map((l) => l.speed)), energy: mean(logs.map((l) => l.energy)) };
}

const UNKNOWN = "OliVe's array, its energies, the sequence lengths and the bars of its models are not public";

function pair(
  name: string,
  speed: number,
  energy: number,
  ours: Means | undefined,
  note: string,
): readonly EvidenceRow[] {
  const row = (what: string, published: number, value: number | undefined): EvidenceRow => ({
    claim: `OliVe over ${name}: ${what}`,
    published,
    ...(value === undefined ? {} : { ours: value }),
    agreement: OPEN,
    note,
  });
  return [row("speedup", speed, ours?.speed), row("energy", energy, ours?.energy)];
}

/** The published means; none can be checked, so none decides. */
export function oliveEvidence(): EvidenceGroup {
  const onGpu = "a GPU with OliVe's decoders in its tensor cores is not modelled";
  return {
    name: "olive",
    title: "OliVe's published means beside ANT's simulator with OliVe's bits",
    source: "OliVe, ISCA 2023, as summarised by others",
    rows: [
      ...pair("AdaFloat", 4.8, 3.7, meansOver({ machine: "adafloat", bits: 8 }), `${UNKNOWN}; all layers 8 bits there`),
      ...pair(
        "OLAccel",
        3.8,
        2.1,
        meansOver({ machine: "olaccel", bits: 4 }),
        `${UNKNOWN}; OLAccel without its outlier path`,
      ),
      ...pair(
        "ANT",
        3.7,
        3.3,
        meansOver({ machine: "ant-os", bits: 8 }),
        `${UNKNOWN}; ANT without retraining, taken as 8 bits everywhere, which bounds it from above`,
      ),
      ...pair("GOBO on a GPU", 4.5, 4.0, undefined, onGpu),
      ...pair("INT8 on a GPU", 2.7, 2.3, undefined, onGpu),
      ...pair("ANT on a GPU", 2.4, 2.0, undefined, onGpu),
    ],
  };
}
