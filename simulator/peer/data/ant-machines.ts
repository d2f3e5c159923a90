/** The machines of ANT's simulator, and the energies of its buffers, its memory and its arrays. */

/** ANT's own six machines. */
export type PublishedMachineName = "ant-os" | "ant-ws" | "bitfusion" | "olaccel" | "adafloat" | "biscaled";
/** Four of the fork of the simulator that M2XFP's authors made. */
export type ForkMachineName = "olive-16x16" | "ant-16x16" | "mant-16x16" | "nvesm2-32x32";
export type AntMachineName = PublishedMachineName | ForkMachineName;

export interface AntMachine {
  readonly rows: number;
  readonly columns: number;
  /** A unit multiplies one pair of this many bits a cycle, or more pairs of fewer bits. */
  readonly maxBits: number;
  /** Fewer bits than this gain nothing. */
  readonly minBits: number;
  readonly dataflow: "os" | "ws";
  /** Bits of layers where nobody says otherwise: machines whose layers all have the same. */
  readonly fixedBits?: number;
  /** Of one processing element (`results/systolic_array_synth.csv`). */
  readonly dynamicNanowatts: number;
  readonly leakageNanowatts: number;
}

/** BitFusion's element of 8 and 2 bits, 45 nm, at 500 MHz: ANT's simulator takes it for all of 8 and 4 bits. */
const ELEMENT = { dynamicNanowatts: 279960, leakageNanowatts: 64314 } as const;

/**
 * `ant_simulator/conf_*.ini` of clevercool/ANT-Quantization at bc84067, on an equal area. ANT and BitFusion share one
 * array and differ in their layers' bits; OLAccel's outliers are not modelled.
 */
const PUBLISHED_MACHINES: Readonly<Record<PublishedMachineName, AntMachine>> = {
  "ant-os": { rows: 32, columns: 32, maxBits: 8, minBits: 4, dataflow: "os", ...ELEMENT },
  "ant-ws": { rows: 32, columns: 32, maxBits: 8, minBits: 4, dataflow: "ws", ...ELEMENT },
  bitfusion: { rows: 32, columns: 32, maxBits: 8, minBits: 4, dataflow: "os", ...ELEMENT },
  olaccel: { rows: 16, columns: 18, maxBits: 8, minBits: 4, dataflow: "os", ...ELEMENT },
  adafloat: { rows: 32, columns: 28, maxBits: 8, minBits: 4, dataflow: "os", fixedBits: 8, ...ELEMENT },
  biscaled: {
    rows: 32,
    columns: 80,
    maxBits: 6,
    minBits: 6,
    dataflow: "os",
    fixedBits: 6,
    dynamicNanowatts: 123882,
    leakageNanowatts: 28458,
  },
};

/** `configs/accelerator/conf_*.ini`, `configs/ppa/systolic_array_synth_*.csv` of dwrScent/nvesm2 at 4dd65fd: 45 nm. */
const FORK_ELEMENT = { dynamicNanowatts: 244307.8, leakageNanowatts: 13225.2 } as const;
const FORK_MACHINES: Readonly<Record<ForkMachineName, AntMachine>> = {
  "olive-16x16": { rows: 16, columns: 16, maxBits: 8, minBits: 4, dataflow: "os", ...FORK_ELEMENT },
  "ant-16x16": { rows: 16, columns: 16, maxBits: 8, minBits: 4, dataflow: "os", ...FORK_ELEMENT },
  "mant-16x16": {
    rows: 16,
    columns: 16,
    maxBits: 8,
    minBits: 2,
    dataflow: "os",
    dynamicNanowatts: 433560.5,
    leakageNanowatts: 40197.7,
  },
  "nvesm2-32x32": {
    rows: 32,
    columns: 32,
    maxBits: 4,
    minBits: 4,
    dataflow: "os",
    fixedBits: 4,
    dynamicNanowatts: 125987.5,
    leakageNanowatts: 21346.3125,
  },
};

/** Whether a machine is one of the fork's, which has networks of its own. */
export const isForkMachine = (name: AntMachineName): name is ForkMachineName => Object.hasOwn(FORK_MACHINES, name);

/** All machines of the simulator and its fork. */
export const ANT_MACHINES: Readonly<Record<AntMachineName, AntMachine>> = { ...PUBLISHED_MACHINES, ...FORK_MACHINES };

/** `conf_*.ini`: the same for all machines. */
export const ANT_MEMORY = {
  dramBitsPerCycle: 1024,
  weightBytes: 131072,
  activationBytes: 262144,
  outputBytes: 131072,
} as const;
export const ANT_CLOCK_MHZ = 500;

/** `sram/cacti_sweep.csv`: CACTI, 28 nm, nanojoules a bit of banks of 4096, 8192 and 128 bytes with lines of 64, 64 and 4. */
export const ANT_SRAM_NJ_PER_BIT = {
  weightRead: 0.0168924 / 512,
  weightWrite: 0.0203422 / 512,
  activationRead: 0.0177688 / 512,
  activationWrite: 0.0248866 / 512,
  outputRead: 0.000294945 / 32,
  outputWrite: 0.000415925 / 32,
} as const;

/** Leakage of the banks (32, 32 and 1024 of them) in milliwatts, at 500 MHz: weighs in the choice of tiles only. */
export const ANT_SRAM_LEAK_NJ_PER_CYCLE = ((2.96594 * 32 + 5.4983 * 32 + 0.127708 * 1024) * 1e6) / 500e6;

/** `simulator/stats.py`, `get_energy`: what the choice of tiles is made by, nanojoules a cycle and a bit. */
export const ANT_CHOICE_NJ = {
  dramLeak: 3838.05 / 500000,
  dramRead: 1.18294 / 1024,
  dramWrite: 1.47797 / 1024,
} as const;

/** `simulator/stats.py`, `get_energy_breakdown`: what is reported, nanojoules a cycle and a bit. */
export const ANT_REPORT_NJ = { static: 484.615 / 500, dramRead: 0.644304 / 1024, dramWrite: 0.784104 / 1024 } as const;
