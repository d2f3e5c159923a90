/** The machines of BitMoD's simulator: arrays, energy of a PE, and the energy of its two buffers by width. */
import type { BitmodAccelerator } from "./language-models.ts";

export interface BitmodArray {
  readonly rows: number;
  readonly columns: number;
}

export interface BitmodMachine {
  readonly prefill: BitmodArray;
  readonly decode: BitmodArray;
  /** Weights that a PE multiplies together: the length of its dot product. */
  readonly dotProduct: number;
  /** Weights enter as terms, two bits' worth a cycle. */
  readonly bitSerial: boolean;
  readonly peEnergyPJ: number;
  readonly peAreaUm2: number;
  /** Bits of a cached key or value in the revised simulator; the first one has no such setting. */
  readonly kvBits: number;
}

/** `bitmod_sim/test_*.py`: iso-area arrays at 1 GHz, TSMC 28 nm, before the place-and-route factor. */
export const BITMOD_MACHINES: Readonly<Record<BitmodAccelerator, BitmodMachine>> = {
  "fp16-baseline": {
    prefill: { rows: 32, columns: 24 },
    decode: { rows: 64, columns: 12 },
    dotProduct: 1,
    bitSerial: false,
    peEnergyPJ: 0.77,
    peAreaUm2: 1968.7,
    kvBits: 16,
  },
  ant: {
    prefill: { rows: 32, columns: 32 },
    decode: { rows: 64, columns: 16 },
    dotProduct: 1,
    bitSerial: false,
    peEnergyPJ: 0.56,
    peAreaUm2: 1318.6,
    kvBits: 16,
  },
  olive: {
    prefill: { rows: 36, columns: 32 },
    decode: { rows: 72, columns: 16 },
    dotProduct: 1,
    bitSerial: false,
    peEnergyPJ: 0.613,
    peAreaUm2: 1318.6,
    kvBits: 16,
  },
  "bitmod-lossless": bitmod(),
  "bitmod-lossy": bitmod(),
};

function bitmod(): BitmodMachine {
  return {
    prefill: { rows: 32, columns: 32 },
    decode: { rows: 64, columns: 16 },
    dotProduct: 4,
    bitSerial: true,
    peEnergyPJ: 0.56,
    peAreaUm2: 1507.7,
    kvBits: 8,
  };
}

/** `bitmod_sim/accelerator.py`: 1 GHz. */
export const BITMOD_CLOCK_MHZ = 1000;
/** `bitmod_sim/accelerator.py`: weights and activations have 512 KB each. */
export const BITMOD_BUFFER_BYTES = 524288;
/** `bitmod_sim/mem`: a 128-bit interface at double data rate. */
export const BITMOD_DRAM_BITS_PER_CYCLE = 256;
/** `bitmod_sim/mem`: 1200 pJ for 64 bits, reads and writes alike. */
export const BITMOD_DRAM_ENERGY_PJ_PER_BIT = 1200 / 64;
/** `bitmod_sim/pe_array.py`: synthesis to place and route. */
export const BITMOD_PLACEMENT_FACTOR = 1.5;

export interface SramEnergy {
  readonly busBits: number;
  readonly readPJ: number;
  readonly writePJ: number;
}

/**
 * CACTI 7, 28 nm, 512 KB, 8 banks, one read and one write port, by width of an access: a build of HewlettPackard/cacti
 * gives the published energies.
 */
export const BITMOD_SRAM: readonly SramEnergy[] = [
  { busBits: 128, readPJ: 60.1299, writePJ: 37.1679 },
  { busBits: 144, readPJ: 61.5418, writePJ: 38.4589 },
  { busBits: 192, readPJ: 66.5781, writePJ: 43.3184 },
  { busBits: 256, readPJ: 70.0928, writePJ: 51.7178 },
  { busBits: 288, readPJ: 72.5962, writePJ: 54.1192 },
  { busBits: 384, readPJ: 82.8304, writePJ: 64.0479 },
  { busBits: 512, readPJ: 92.7944, writePJ: 83.3536 },
  { busBits: 576, readPJ: 107.696, writePJ: 89.3432 },
  { busBits: 1024, readPJ: 138.4416, writePJ: 156.0904 },
];
