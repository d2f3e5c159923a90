/** Evidence from publications' own simulators: BitMoD, ANT and its fork, BitFusion. */
import { Diagnostics, internal, NO_SPAN } from "../../ir/diagnostics.ts";
import { type AntLayer, type AntResult, runAnt } from "../peer/ant.ts";
import { runBitfusion } from "../peer/bitfusion.ts";
import { runBitmod } from "../peer/bitmod.ts";
import { antClaims, bitmodClaims, type PeerClaim } from "../peer/claims.ts";
import { type LanguageNetworkName, languageNetwork } from "../peer/data/ant-language-networks.ts";
import { type AntMachineName, isForkMachine } from "../peer/data/ant-machines.ts";
import { type AntNetworkName, antNetwork } from "../peer/data/ant-networks.ts";
import { BITFUSION_MACHINES, BITFUSION_NETWORKS } from "../peer/data/bitfusion-networks.ts";
import {
  type BitmodAccelerator,
  type BitmodVersion,
  KNOWN_MODELS,
  publishedWeightBits,
} from "../peer/data/language-models.ts";
import type { Phase } from "../peer/workload.ts";
import { ANT_LAYERS, ANT_TOTALS, BITFUSION_TOTALS, BITMOD_PUBLISHED, BITMOD_REVISED } from "./published-tables.ts";
import { type Agreement, digits, type EvidenceGroup, type EvidenceRow, EXACT, linesOf, OPEN, relative } from "./row.ts";

/** Published energies are whole microjoules or rounded constants: 0.1 %. */
const ENERGY_WITHIN = 1e-3;

/** Cycles and energy of every configuration in a table of BitMoD's. */
function bitmodRows(version: BitmodVersion, table: string): readonly EvidenceRow[] {
  return linesOf(table).flatMap(([accelerator = "", id = "", phase = "", batch, context, cycles, microjoules]) => {
    const model = KNOWN_MODELS.find((m) => m.id === id) ?? internal(`no model ${id}`);
    const name = accelerator as BitmodAccelerator;
    const bits = publishedWeightBits(version, name, model) ?? internal(`no weight bits of ${id}`);
    const request = { version, accelerator: name, workload: model.shape, phase: phase as Phase };
    const size = { batch: Number(batch), context: Number(context), weightBits: bits[phase as Phase] };
    const { totals } =
      runBitmod({ ...request, ...size }, new Diagnostics(), NO_SPAN) ?? internal(`${id} does not run on ${name}`);
    const of = `${model.shape.name} ${phase} on ${name}, batch ${batch}, context ${context}`;
    return [
      { claim: `${of}: cycles`, published: Number(cycles), ours: totals.cycles, agreement: EXACT },
      {
        claim: `${of}: energy, µJ`,
        published: Number(microjoules),
        ours: totals.energyPJ.total / 1e6,
        agreement: relative(ENERGY_WITHIN),
      },
    ];
  });
}

const claimRow = ({ claim, published, ours }: PeerClaim, agreement: Agreement): EvidenceRow => ({
  claim,
  published,
  ours,
  agreement,
});

/** The paper's headline ratios. One of nine does not follow from the figures that were published with it. */
function headlineRows(): readonly EvidenceRow[] {
  return bitmodClaims().map((c) =>
    c.published === 1.31
      ? {
          ...claimRow(c, OPEN),
          note: "the energies published for each model, averaged as the other rows are, give 1.32 themselves",
        }
      : claimRow(c, digits(2)),
  );
}

/** What a search finds, once for each layer and machine. */
class AntRuns {
  readonly #known = new Map<string, AntResult>();

  run({ kernel, output, inputChannels, outputChannels, batch, bits }: AntLayer, machine: AntMachineName): AntResult {
    const key = [machine, kernel, output, inputChannels, outputChannels, batch, bits].join(" ");
    const layer = { kernel, output, inputChannels, outputChannels, batch, bits };
    const found = this.#known.get(key) ?? runAnt(layer, machine) ?? internal(`no tile of ${key}`);
    this.#known.set(key, found);
    return found;
  }
}

function antLayerRows(runs: AntRuns): readonly EvidenceRow[] {
  return linesOf(ANT_LAYERS).flatMap(([times, machine = "", ...numbers]) => {
    const [kernel, output, inputChannels, outputChannels, batch, bits, cycles, computing, read, written] = numbers.map(
      Number,
    ) as [number, number, number, number, number, number, number, number, number, number];
    const layer = { kernel, output, inputChannels, outputChannels, batch, bits };
    const { cost } = runs.run(layer, machine as AntMachineName);
    const of = `${kernel}×${kernel} ${inputChannels}→${outputChannels} at ${output}, batch ${batch}, ${bits} bits on ${machine}`;
    const row = (what: string, published: number, ours: number): EvidenceRow => ({
      claim: `${of}: ${what}`,
      published,
      ours,
      agreement: EXACT,
      times: Number(times),
    });
    return [
      row("cycles", cycles, cost.cycles),
      row("computing cycles", computing, cost.computeCycles),
      row("bits read off chip", read, cost.dramReadBits),
      row("bits written off chip", written, cost.dramWriteBits),
    ];
  });
}

function antTotalRows(runs: AntRuns): readonly EvidenceRow[] {
  return linesOf(ANT_TOTALS).flatMap(([name = "", network = "", batch, cycles, nanojoules]) => {
    const machine = name as AntMachineName;
    const layers = isForkMachine(machine)
      ? languageNetwork(network as LanguageNetworkName, machine)
      : antNetwork(network as AntNetworkName, machine);
    const results = layers.map((layer) => runs.run({ ...layer, batch: layer.rows * Number(batch) }, machine));
    const sum = (value: (result: AntResult) => number): number => results.reduce((s, r) => s + value(r), 0);
    const energy = sum(({ energyNJ: e }) => e.static + e.dram + e.sram + e.core);
    return [
      {
        claim: `${network} on ${machine}: cycles`,
        published: Number(cycles),
        ours: sum((r) => r.cost.cycles),
        agreement: EXACT,
      },
      {
        claim: `${network} on ${machine}: energy, nJ`,
        published: Number(nanojoules),
        ours: energy,
        agreement: relative(ENERGY_WITHIN),
      },
    ];
  });
}

function bitfusionRows(): readonly EvidenceRow[] {
  return linesOf(BITFUSION_TOTALS).flatMap(([name = "", network = "", batch, cycles, waiting]) => {
    const machine = BITFUSION_MACHINES[name] ?? internal(`no machine ${name}`);
    const costs = (BITFUSION_NETWORKS[network] ?? []).map(
      (layer) => (runBitfusion(layer, machine, Number(batch)) ?? internal(`no tile of ${network}`)).cost,
    );
    const row = (what: string, published: string | undefined, ours: number): EvidenceRow => ({
      claim: `${network} on ${name}: ${what}`,
      published: Number(published),
      ours,
      agreement: EXACT,
    });
    return [
      row(
        "cycles",
        cycles,
        costs.reduce((s, c) => s + c.cycles, 0),
      ),
      row(
        "cycles waiting for memory",
        waiting,
        costs.reduce((s, c) => s + c.stallCycles, 0),
      ),
    ];
  });
}

/** Everything that BitMoD's, ANT's and BitFusion's authors published, against their formulas here. */
export function publishedEvidence(): readonly EvidenceGroup[] {
  const runs = new AntRuns();
  return [
    {
      name: "bitmod-headlines",
      title: "BitMoD's headline ratios, depth peer",
      source: "BitMoD, HPCA 2025, section V",
      rows: headlineRows(),
    },
    {
      name: "bitmod-v1",
      title: "BitMoD's published cycles and energies, preset bitmod-v1",
      source: "yc2367/BitMoD-HPCA-25 at 58d7bdb, plot notebook",
      rows: bitmodRows("v1", BITMOD_PUBLISHED),
    },
    {
      name: "bitmod-v2",
      title: "BitMoD's revised simulator, preset bitmod-v2",
      source: "runs of abdelfattah-lab/BitMoD-HPCA-25 at e445a5f",
      rows: bitmodRows("v2", BITMOD_REVISED),
    },
    {
      name: "ant-times",
      title: "ANT's published times over AdaFloat, preset ant",
      source: "clevercool/ANT-Quantization at bc84067, results/ant_res.csv",
      rows: antClaims().map((c) => claimRow(c, digits(2))),
    },
    {
      name: "ant-totals",
      title: "ANT's simulator and its fork, whole networks, preset ant",
      source: "a second transcription of ant_simulator at bc84067 and of dwrScent/nvesm2 at 4dd65fd",
      rows: antTotalRows(runs),
    },
    {
      name: "ant-layers",
      title: "ANT's simulator, layer by layer, preset ant",
      source: "a second transcription of ant_simulator at bc84067",
      rows: antLayerRows(runs),
    },
    {
      name: "bitfusion",
      title: "BitFusion's published sweep, preset bitfusion",
      source: "hsharma35/bitfusion at 04ec1c8, results/bitfusion-eyeriss-sim-sweep.csv",
      rows: bitfusionRows(),
    },
  ];
}
