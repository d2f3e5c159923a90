/** The networks of BitFusion's published sweep, and the machine that runs them. */

/** One layer; convolutions are square, and a fully connected layer is one of kernel and output 1. */
export interface BitfusionLayer {
  readonly name: string;
  readonly kernel: number;
  readonly stride: number;
  readonly output: number;
  readonly inputChannels: number;
  readonly outputChannels: number;
  readonly activationBits: number;
  readonly weightBits: number;
  /** The first layer of a network is laid out by im2col; later ones run channel by channel. */
  readonly im2col: boolean;
}

export interface BitfusionMachine {
  readonly rows: number;
  readonly columns: number;
  readonly dramBitsPerCycle: number;
  readonly weightBytes: number;
  readonly activationBytes: number;
  readonly outputBytes: number;
}

/**
 * `bf_e_conf.ini` of hsharma35/bitfusion at 04ec1c8 (as Eyeriss' area allows, 500 MHz) and the other points of
 * `results/bitfusion-eyeriss-sim-sweep.csv`, where the buffers grow with the columns.
 */
const machine = (columns: number, dramBitsPerCycle: number): BitfusionMachine => ({
  rows: 16,
  columns,
  dramBitsPerCycle,
  weightBytes: 2048 * columns,
  activationBytes: 1024 * columns,
  outputBytes: 512 * columns,
});

/** The five points of the sweep: the array, and bits a cycle of the memory. */
export const BITFUSION_MACHINES: Readonly<Record<string, BitfusionMachine>> = {
  "16x32-192": machine(32, 192),
  "16x32-4096": machine(32, 4096),
  "16x64-4096": machine(64, 4096),
  "16x128-4096": machine(128, 4096),
  "16x256-4096": machine(256, 4096),
};

export const BITFUSION_CLOCK_MHZ = 500;
export const BITFUSION_MAX_BITS = 8;
export const BITFUSION_MIN_BITS = 2;
export const BITFUSION_BATCH = 16;

/** `results/systolic_array_synth.csv`, 45 nm: one of the 16 units of a 4×4 array, at work. */
export const BITFUSION_UNIT_NANOWATTS = 3673500 / 16;

/** `sram/cacti_sweep.csv`, 45 nm: nanojoules a bit of banks with lines of 4 bytes. */
export const BITFUSION_SRAM_NJ_PER_BIT = {
  /** Banks of 128 bytes, one a unit. */
  weightRead: 0.000683701 / 32,
  weightWrite: 0.000925317 / 32,
  /** Banks of 512 bytes, one a column. */
  outputRead: 0.00106097 / 32,
  outputWrite: 0.00233869 / 32,
} as const;

/** The same of the activations' banks, one a row, by their bytes. */
export const BITFUSION_ACTIVATION_NJ_PER_BIT: Readonly<
  Record<number, { readonly read: number; readonly write: number }>
> = {
  2048: { read: 0.00190318 / 32, write: 0.00363853 / 32 },
  4096: { read: 0.00342953 / 32, write: 0.00431011 / 32 },
  8192: { read: 0.00639163 / 32, write: 0.00556268 / 32 },
  16384: { read: 0.0099817 / 32, write: 0.0084209 / 32 },
};

/** `simulator/stats.py`: nanojoules a bit, reads and writes. */
export const BITFUSION_DRAM_NJ_PER_BIT = 15e-3;

interface Conv {
  readonly stride?: number;
  readonly activationBits?: number;
  readonly weightBits?: number;
  readonly im2col?: boolean;
}

type Size = readonly [kernel: number, output: number];
type Channels = readonly [input: number, output: number];

function conv(
  bits: number,
  name: string,
  [kernel, output]: Size,
  channels: Channels,
  other: Conv = {},
): BitfusionLayer {
  return {
    name,
    kernel,
    stride: other.stride ?? 1,
    output,
    inputChannels: channels[0],
    outputChannels: channels[1],
    activationBits: other.activationBits ?? bits,
    weightBits: other.weightBits ?? bits,
    im2col: other.im2col ?? false,
  };
}

const fc = (bits: number, name: string, channels: Channels): BitfusionLayer => conv(bits, name, [1, 1], channels);

function alexNet(): readonly BitfusionLayer[] {
  const halves = ["a", "b"].flatMap((half) => [
    conv(8, `conv1_${half}`, [11, 55], [3, 96], { stride: 4, im2col: true }),
    conv(4, `conv2_${half}`, [5, 27], [96, 256]),
    conv(4, `conv3_${half}`, [3, 13], [512, 384]),
    conv(4, `conv4_${half}`, [3, 13], [384, 384]),
    conv(4, `conv5_${half}`, [3, 13], [384, 256]),
  ]);
  return [...halves, fc(4, "fc1", [18432, 8192]), fc(4, "fc2", [8192, 8192]), fc(8, "fc3", [8192, 1000])];
}

/** Six convolutions at 32, 16 and 8 pixels and three fully connected layers: the networks for SVHN and CIFAR-10. */
function sixAndThree(bits: number, width: number, firstWeightBits: number): readonly BitfusionLayer[] {
  const first = { activationBits: 8, weightBits: firstWeightBits, im2col: true };
  return [
    conv(bits, "conv0", [3, 32], [3, width], first),
    conv(bits, "conv1", [3, 32], [width, width]),
    conv(bits, "conv2", [3, 16], [width, 2 * width]),
    conv(bits, "conv3", [3, 16], [2 * width, 2 * width]),
    conv(bits, "conv4", [3, 8], [2 * width, 4 * width]),
    conv(bits, "conv5", [3, 8], [4 * width, 4 * width]),
    fc(bits, "fc6", [64 * width, 1024]),
    fc(bits, "fc7", [1024, 1024]),
    fc(bits, "fc8", [1024, 10]),
  ];
}

function leNet5(): readonly BitfusionLayer[] {
  return [
    conv(2, "conv0", [5, 32], [1, 32], { im2col: true }),
    conv(2, "conv1", [5, 16], [32, 64]),
    fc(2, "fc1", [4096, 512]),
    fc(2, "fc2", [512, 10]),
  ];
}

function vgg7(): readonly BitfusionLayer[] {
  const halves = ["a", "b"].flatMap((half) => [
    conv(2, `conv1_${half}`, [3, 32], [3, 128], { im2col: true }),
    conv(2, `conv2_${half}`, [3, 16], [128, 256]),
    conv(2, `conv3_${half}`, [3, 8], [256, 512]),
  ]);
  return [...halves, fc(2, "fc1", [8192, 1024])];
}

function resNet18(): readonly BitfusionLayer[] {
  const stages = [
    [2, 56, 128, 128],
    [3, 28, 128, 256],
    [4, 14, 256, 512],
    [5, 7, 512, 1024],
  ] as const;
  const modules = stages.flatMap(([stage, output, input, width]) => [
    conv(4, `conv${stage}_1_a`, [1, output], [input, width], { stride: stage === 2 ? 1 : 2 }),
    conv(4, `conv${stage}_1_b`, [3, output], [width, width]),
    conv(4, `conv${stage}_2_a`, [1, output], [width, width]),
    conv(4, `conv${stage}_2_b`, [3, output], [width, width]),
  ]);
  return [conv(8, "conv1_a", [7, 112], [3, 128], { stride: 2, im2col: true }), ...modules];
}

/** `benchmarks/benchmarks.py` of hsharma35/bitfusion at 04ec1c8 (AlexNet and ResNet-18 twice as wide, as in WRPN). */
export const BITFUSION_NETWORKS: Readonly<Record<string, readonly BitfusionLayer[]>> = {
  AlexNet: alexNet(),
  SVHN: sixAndThree(1, 64, 1),
  CIFAR10: sixAndThree(2, 128, 8),
  "LeNet-5": leNet5(),
  "VGG-7": vgg7(),
  "RESNET-18": resNet18(),
  RNN: [fc(4, "matmul", [4096, 4096])],
  LSTM: [fc(4, "matmul", [3600, 3600])],
};
