/** OliVe's published means beside ours: its simulator is not public, so networks, bits and arrays are what is known of them. */
import { hardwareNamed } from "../../hw-models/index.ts";
import { Diagnostics, internal } from "../../ir/diagnostics.ts";
import { runAnt } from "../peer/ant.ts";
import type { PublishedMachineName } from "../peer/data/ant-machines.ts";
import { simulate, type Tiler } from "../simulate.ts";
import type { Network as Workload } from "../workload/network.ts";
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

/** Tokens of a pass at depth `cycle`: a fold of rows on OliVe's array; more would be the same folds again. */
const TOKENS = 64;

/** Products of that shape in a block: queries, keys, values and output are alike. */
const TIMES: Readonly<Record<string, number>> = { attention: 4, up: 1, down: 1 };

/** The products of one block of a network. */
function blockOf({ name, hidden, feedForward }: Network): Workload {
  const product = (what: string, n: number, k: number) =>
    ({ kind: "product", name: what, role: "feed-forward", batch: 1, m: TOKENS, n, k, bias: false }) as const;
  return {
    name,
    family: "block",
    pass: "fixed",
    stages: [
      product("attention", hidden, hidden),
      product("up", feedForward, hidden),
      product("down", hidden, feedForward),
    ],
    otherParameters: { embeddings: 0, vectors: 0 },
  };
}

interface Cost {
  readonly seconds: number;
  readonly energyPJ: number;
}

/** One block of a network on a machine, with its own bits or with these. */
function cycleCost(network: Network, machine: string, bits: number | undefined, tile: Tiler): Cost {
  const hardware = hardwareNamed(machine);
  if (hardware?.kind !== "accelerator") return internal(`no machine ${machine}`);
  const own = bits === undefined ? {} : { weights: bits, activations: bits };
  const request = { workload: blockOf(network), hardware, phase: "prefill", batch: 1, context: 1, ...own } as const;
  const sink = new Diagnostics();
  const found = simulate(request, tile, sink)?.report.results[0]?.layers;
  if (found === undefined) return internal(`${network.name} does not run on ${machine}: ${sink.list[0]?.message}`);
  return {
    seconds: found.reduce((sum, l) => sum + (TIMES[l.name] ?? 1) * l.timeSeconds, 0),
    energyPJ: found.reduce((sum, l) => sum + (TIMES[l.name] ?? 1) * l.energyPJ.total, 0),
  };
}

/** Geometric means over the networks of the other machine's time and energy over those of the machine `olive`. */
function cycleMeans(olive: readonly Cost[], machine: string, bits: number | undefined, tile: Tiler): Means {
  const mean = (ratio: (other: Cost, ours: Cost) => number): number => {
    const logs = NETWORKS.map((network, i) => Math.log(ratio(cycleCost(network, machine, bits, tile), olive[i]!)));
    return Math.exp(logs.reduce((sum, l) => sum + l, 0) / logs.length);
  };
  return {
    speed: mean((other, ours) => other.seconds / ours.seconds),
    energy: mean((other, ours) => other.energyPJ / ours.energyPJ),
  };
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

/** What is unknown about each machine that OliVe is compared with. */
const ABOUT = {
  adafloat: `${UNKNOWN}; all layers 8 bits there`,
  olaccel: `${UNKNOWN}; OLAccel without its outlier path`,
  ant: `${UNKNOWN}; ANT without retraining, taken as 8 bits everywhere, which bounds it from above`,
  gobo: "published on a GPU; ours is an accelerator with as many PEs, in 20 times the area by the only figures there are (0.216 and 0.011 mm² at 7 nm, MicroScopiQ), so OliVe is ahead at equal area; GOBO's clock, buffers and memory are assumed",
} as const;

/** The published means beside depth `cycle`: machines `olive`, `adaptivfloat`, `olaccel`, `ant` and `gobo`. */
function onMachines(tile: Tiler): EvidenceGroup {
  const olive = NETWORKS.map((network) => cycleCost(network, "olive", undefined, tile));
  const over = (machine: string, bits?: number): Means => cycleMeans(olive, machine, bits, tile);
  return {
    name: "olive-machines",
    title: "OliVe's published means beside depth cycle: BERT-base, BERT-large, GPT2-XL, OPT-6.7B",
    source: "OliVe, ISCA 2023, as summarised by others",
    rows: [
      ...pair("AdaFloat", 4.8, 3.7, over("adaptivfloat"), ABOUT.adafloat),
      ...pair("OLAccel", 3.8, 2.1, over("olaccel"), ABOUT.olaccel),
      ...pair("ANT", 3.7, 3.3, over("ant", 8), ABOUT.ant),
      ...pair("GOBO (published on a GPU)", 4.5, 4.0, over("gobo"), ABOUT.gobo),
    ],
  };
}

/** The published means; none can be checked, so none decides. */
export function oliveEvidence(tile: Tiler): readonly EvidenceGroup[] {
  const onGpu = "a GPU with OliVe's decoders in its tensor cores is not modelled";
  return [
    onMachines(tile),
    {
      name: "olive",
      title: "OliVe's published means beside ANT's simulator with OliVe's bits",
      source: "OliVe, ISCA 2023, as summarised by others",
      rows: [
        ...pair("AdaFloat", 4.8, 3.7, meansOver({ machine: "adafloat", bits: 8 }), ABOUT.adafloat),
        ...pair("OLAccel", 3.8, 2.1, meansOver({ machine: "olaccel", bits: 4 }), ABOUT.olaccel),
        ...pair("ANT", 3.7, 3.3, meansOver({ machine: "ant-os", bits: 8 }), ABOUT.ant),
        ...pair("INT8 on a GPU", 2.7, 2.3, undefined, onGpu),
        ...pair("ANT on a GPU", 2.4, 2.0, undefined, onGpu),
      ],
    },
  ];
}
