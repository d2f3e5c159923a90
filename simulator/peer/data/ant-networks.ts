/** The networks of ANT's evaluation: dimensions, and the bits that its authors give each layer on each machine. */
import { ANT_MACHINES, type PublishedMachineName } from "./ant-machines.ts";

export type AntNetworkName = "vgg16" | "resnet18" | "resnet50" | "inceptionv3" | "vit" | "mnli" | "cola" | "sst_2";

/** Kernel (its first side), side of the output, input channels, output channels, and rows an image or a sentence. */
type Dims = readonly [kernel: number, output: number, inputChannels: number, outputChannels: number, rows?: number];

/** One layer of a network for a batch of one. */
export interface AntNetworkLayer {
  readonly name: string;
  readonly kernel: number;
  readonly output: number;
  readonly inputChannels: number;
  readonly outputChannels: number;
  /** Rows of activations: tokens of a transformer's linear layers, 1 elsewhere. */
  readonly rows: number;
  readonly bits: number;
}

const VGG16: readonly Dims[] = [
  [3, 224, 3, 64],
  [3, 224, 64, 64],
  [3, 112, 64, 128],
  [3, 112, 128, 128],
  [3, 56, 128, 256],
  [3, 56, 256, 256],
  [3, 56, 256, 256],
  [3, 28, 256, 512],
  [3, 28, 512, 512],
  [3, 28, 512, 512],
  [3, 14, 512, 512],
  [3, 14, 512, 512],
  [3, 14, 512, 512],
  [1, 1, 25088, 4096],
  [1, 1, 4096, 4096],
  [1, 1, 4096, 1000],
];

const RESNET18: readonly Dims[] = [
  [7, 112, 3, 64],
  [3, 56, 64, 64],
  [3, 56, 64, 64],
  [3, 56, 64, 64],
  [3, 56, 64, 64],
  [3, 28, 64, 128],
  [3, 28, 128, 128],
  [1, 28, 64, 128],
  [3, 28, 128, 128],
  [3, 28, 128, 128],
  [3, 14, 128, 256],
  [3, 14, 256, 256],
  [1, 14, 128, 256],
  [3, 14, 256, 256],
  [3, 14, 256, 256],
  [3, 7, 256, 512],
  [3, 7, 512, 512],
  [1, 7, 256, 512],
  [3, 7, 512, 512],
  [3, 7, 512, 512],
  [1, 1, 512, 1000],
];

const RESNET50: readonly Dims[] = [
  [7, 112, 3, 64],
  [1, 56, 64, 64],
  [3, 56, 64, 64],
  [1, 56, 64, 256],
  [1, 56, 64, 256],
  [1, 56, 256, 64],
  [3, 56, 64, 64],
  [1, 56, 64, 256],
  [1, 56, 256, 64],
  [3, 56, 64, 64],
  [1, 56, 64, 256],
  [1, 56, 256, 128],
  [3, 28, 128, 128],
  [1, 28, 128, 512],
  [1, 28, 256, 512],
  [1, 28, 512, 128],
  [3, 28, 128, 128],
  [1, 28, 128, 512],
  [1, 28, 512, 128],
  [3, 28, 128, 128],
  [1, 28, 128, 512],
  [1, 28, 512, 128],
  [3, 28, 128, 128],
  [1, 28, 128, 512],
  [1, 28, 512, 256],
  [3, 14, 256, 256],
  [1, 14, 256, 1024],
  [1, 14, 512, 1024],
  [1, 14, 1024, 256],
  [3, 14, 256, 256],
  [1, 14, 256, 1024],
  [1, 14, 1024, 256],
  [3, 14, 256, 256],
  [1, 14, 256, 1024],
  [1, 14, 1024, 256],
  [3, 14, 256, 256],
  [1, 14, 256, 1024],
  [1, 14, 1024, 256],
  [3, 14, 256, 256],
  [1, 14, 256, 1024],
  [1, 14, 1024, 256],
  [3, 14, 256, 256],
  [1, 14, 256, 1024],
  [1, 14, 1024, 512],
  [3, 7, 512, 512],
  [1, 7, 512, 2048],
  [1, 7, 1024, 2048],
  [1, 7, 2048, 512],
  [3, 7, 512, 512],
  [1, 7, 512, 2048],
  [1, 7, 2048, 512],
  [3, 7, 512, 512],
  [1, 7, 512, 2048],
  [1, 1, 2048, 1000],
];

/** Kernels of 1×7 and 7×1 count as 1×1 and 7×7: the simulator takes the first side for both. */
const INCEPTIONV3: readonly Dims[] = [
  [3, 149, 3, 32],
  [3, 147, 32, 32],
  [3, 147, 32, 64],
  [1, 73, 64, 80],
  [3, 71, 80, 192],
  [1, 35, 192, 64],
  [1, 35, 192, 48],
  [5, 35, 48, 64],
  [1, 35, 192, 64],
  [3, 35, 64, 96],
  [3, 35, 96, 96],
  [1, 35, 192, 32],
  [1, 35, 256, 64],
  [1, 35, 256, 48],
  [5, 35, 48, 64],
  [1, 35, 256, 64],
  [3, 35, 64, 96],
  [3, 35, 96, 96],
  [1, 35, 256, 64],
  [1, 35, 288, 64],
  [1, 35, 288, 48],
  [5, 35, 48, 64],
  [1, 35, 288, 64],
  [3, 35, 64, 96],
  [3, 35, 96, 96],
  [1, 35, 288, 64],
  [3, 17, 288, 384],
  [1, 35, 288, 64],
  [3, 35, 64, 96],
  [3, 17, 96, 96],
  [1, 17, 768, 192],
  [1, 17, 768, 128],
  [1, 17, 128, 128],
  [7, 17, 128, 192],
  [1, 17, 768, 128],
  [7, 17, 128, 128],
  [1, 17, 128, 128],
  [7, 17, 128, 128],
  [1, 17, 128, 192],
  [1, 17, 768, 192],
  [1, 17, 768, 192],
  [1, 17, 768, 160],
  [1, 17, 160, 160],
  [7, 17, 160, 192],
  [1, 17, 768, 160],
  [7, 17, 160, 160],
  [1, 17, 160, 160],
  [7, 17, 160, 160],
  [1, 17, 160, 192],
  [1, 17, 768, 192],
  [1, 17, 768, 192],
  [1, 17, 768, 160],
  [1, 17, 160, 160],
  [7, 17, 160, 192],
  [1, 17, 768, 160],
  [7, 17, 160, 160],
  [1, 17, 160, 160],
  [7, 17, 160, 160],
  [1, 17, 160, 192],
  [1, 17, 768, 192],
  [1, 17, 768, 192],
  [1, 17, 768, 192],
  [1, 17, 192, 192],
  [7, 17, 192, 192],
  [1, 17, 768, 192],
  [7, 17, 192, 192],
  [1, 17, 192, 192],
  [7, 17, 192, 192],
  [1, 17, 192, 192],
  [1, 17, 768, 192],
  [1, 17, 768, 192],
  [3, 8, 192, 320],
  [1, 17, 768, 192],
  [1, 17, 192, 192],
  [7, 17, 192, 192],
  [3, 8, 192, 192],
  [1, 8, 1280, 320],
  [1, 8, 1280, 384],
  [1, 8, 384, 384],
  [3, 8, 384, 384],
  [1, 8, 1280, 448],
  [3, 8, 448, 384],
  [1, 8, 384, 384],
  [3, 8, 384, 384],
  [1, 8, 1280, 192],
  [1, 8, 2048, 320],
  [1, 8, 2048, 384],
  [1, 8, 384, 384],
  [3, 8, 384, 384],
  [1, 8, 2048, 448],
  [3, 8, 448, 384],
  [1, 8, 384, 384],
  [3, 8, 384, 384],
  [1, 8, 2048, 192],
  [1, 1, 2048, 1000],
];

/** ViT-Base: 197 tokens, query, key and value in one layer; attention's products are not simulated. */
const VIT: readonly Dims[] = [
  ...Array.from({ length: 12 }, (): readonly Dims[] => [
    [1, 1, 768, 2304, 197],
    [1, 1, 768, 768, 197],
    [1, 1, 768, 3072, 197],
    [1, 1, 3072, 768, 197],
  ]).flat(),
  [1, 1, 768, 1000],
];

/** BitFusion's list alone begins with the embedding of the patches. */
const VIT_OF_BITFUSION: readonly Dims[] = [[16, 14, 3, 768], ...VIT];

/** BERT-Base: 128 tokens; attention's products are not simulated. */
const BERT: readonly Dims[] = [
  ...Array.from({ length: 12 }, (): readonly Dims[] => [
    [1, 1, 768, 768, 128],
    [1, 1, 768, 768, 128],
    [1, 1, 768, 768, 128],
    [1, 1, 768, 768, 128],
    [1, 1, 768, 3072, 128],
    [1, 1, 3072, 768, 128],
  ]).flat(),
  [1, 1, 768, 768],
  [1, 1, 768, 2],
];

interface Network {
  readonly dims: readonly Dims[];
  /** One digit a layer. */
  readonly ant: string;
  readonly bitfusion: string;
  readonly olaccel: string;
}

/** `benchmarks/*_bench.py` of clevercool/ANT-Quantization at bc84067. AdaFloat has 8 bits everywhere, BiScaled 6. */
const NETWORKS: Readonly<Record<AntNetworkName, Network>> = {
  vgg16: {
    dims: VGG16,
    ant: "8444444444444448",
    bitfusion: "8888888888484848",
    olaccel: "8444444444444448",
  },
  resnet18: {
    dims: RESNET18,
    ant: "844444444444444444448",
    bitfusion: "888888888888888848848",
    olaccel: "844444444444444444448",
  },
  resnet50: {
    dims: RESNET50,
    ant: "844444444444444444444444444444444444444444444444444448",
    bitfusion: "888888888888888844884844884884484484484484884488448448",
    olaccel: "844444444444444444444444444444444444444444444444444448",
  },
  inceptionv3: {
    dims: INCEPTIONV3,
    ant: "88884444444444444444444444444444444444444444444444444444444444444444444444444444444444444444448",
    bitfusion: "88888888888888888888888888888488448888488848844888884484444884484444444448848844844484444444444",
    olaccel: "84444444444444444444444444444444444444444444444444444444444444444444444444444444444444444444448",
  },
  vit: {
    dims: VIT,
    ant: "4888448444844444444444848444448444444444444844448",
    bitfusion: "88488888888888888888884888888848884888488848888888",
    olaccel: "4444444444444444444444444444444444444444444444444",
  },
  mnli: {
    dims: BERT,
    ant: "44444444444444444444444444444444444444444444444488844444444844444444444488",
    bitfusion: "88848888848888848888848888848488848488848488848488848888888888848888848484",
    olaccel: "44444444444444444444444444444444444444444444444444444444444444444444444444",
  },
  cola: {
    dims: BERT,
    ant: "44444444444444444444444444444444444448444488844488844444444844444444444488",
    bitfusion: "88888888888888888888888888888888888888888888888888888888888888888888888888",
    olaccel: "44444444444444444444444444444444444444444444444444444444444444444444444444",
  },
  sst_2: {
    dims: BERT,
    ant: "44444444444444444444444444444444444444444444444444444444444444444444444444",
    bitfusion: "88848488848488848888848488848488848488848488848488848488848888848488848444",
    olaccel: "44444444444444444444444444444444444444444444444444444444444444444444444444",
  },
};

export const ANT_NETWORKS = Object.keys(NETWORKS) as readonly AntNetworkName[];

/** ANT's published runs all have this many images or sentences (`run_ant.py`). */
export const ANT_BATCH = 64;

/** The layers of a network as a machine runs them. */
export function antNetwork(name: AntNetworkName, machine: PublishedMachineName): readonly AntNetworkLayer[] {
  const network = NETWORKS[name];
  const dims = name === "vit" && machine === "bitfusion" ? VIT_OF_BITFUSION : network.dims;
  const digits = bitsOf(network, machine);
  return dims.map(([kernel, output, inputChannels, outputChannels, rows = 1], i) => ({
    name: `${name}.${i}`,
    kernel,
    output,
    inputChannels,
    outputChannels,
    rows,
    bits: digits === undefined ? (ANT_MACHINES[machine].fixedBits ?? 8) : Number(digits[i]),
  }));
}

function bitsOf(network: Network, machine: PublishedMachineName): string | undefined {
  switch (machine) {
    case "ant-os":
    case "ant-ws":
      return network.ant;
    case "bitfusion":
      return network.bitfusion;
    case "olaccel":
      return network.olaccel;
    case "adafloat":
    case "biscaled":
      return undefined;
  }
}
