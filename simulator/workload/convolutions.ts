/** Convolutional networks for images of 224 × 224, as torchvision builds them, by im2col: each convolution is a product. */
import type { Network, ProductStage, Stage } from "./network.ts";

/** A network while it is put together: what leaves the last layer. */
interface Building {
  readonly stages: Stage[];
  size: number;
  channels: number;
  vectors: number;
}

interface Conv {
  readonly name: string;
  readonly filters: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly padding?: number;
  readonly bias?: boolean;
  readonly groups?: number;
}

const IMAGE = 224;
const CLASSES = 1000;

/** Outputs along one side: PyTorch's Conv2d and MaxPool2d. */
export const outputsOf = (input: number, kernel: number, stride: number, padding: number): number =>
  Math.floor((input + 2 * padding - kernel) / stride) + 1;

function conv(net: Building, c: Conv, from: { readonly size: number; readonly channels: number } = net): void {
  const { kernel, stride = 1, padding = 0, bias = false, groups = 1 } = c;
  const size = outputsOf(from.size, kernel, stride, padding);
  const stage: ProductStage = {
    ...{ kind: "product", name: c.name, role: "convolution", batch: groups, m: size * size, bias },
    ...{ n: c.filters / groups, k: (kernel * kernel * from.channels) / groups },
  };
  net.stages.push(stage);
  net.size = size;
  net.channels = c.filters;
}

function pool(net: Building, kernel: number, stride: number, padding = 0): void {
  net.size = outputsOf(net.size, kernel, stride, padding);
}

/** Weight and bias of a batch norm over the channels that leave the last convolution. */
function norm(net: Building): void {
  net.vectors += 2 * net.channels;
}

function dense(net: Building, name: string, n: number, k: number): void {
  net.stages.push({ kind: "product", name, role: "output", batch: 1, m: 1, n, k, bias: true });
}

const start = (): Building => ({ stages: [], size: IMAGE, channels: 3, vectors: 0 });

/** AlexNet in one column (Krizhevsky, 2014). */
function alexnet(): Building {
  const net = start();
  const at = (i: number): string => `features.${i}`;
  conv(net, { name: at(0), filters: 64, kernel: 11, stride: 4, padding: 2, bias: true });
  pool(net, 3, 2);
  conv(net, { name: at(3), filters: 192, kernel: 5, padding: 2, bias: true });
  pool(net, 3, 2);
  conv(net, { name: at(6), filters: 384, kernel: 3, padding: 1, bias: true });
  conv(net, { name: at(8), filters: 256, kernel: 3, padding: 1, bias: true });
  conv(net, { name: at(10), filters: 256, kernel: 3, padding: 1, bias: true });
  pool(net, 3, 2);
  dense(net, "classifier.1", 4096, 256 * 36);
  dense(net, "classifier.4", 4096, 4096);
  dense(net, "classifier.6", CLASSES, 4096);
  return net;
}

/** VGG (Simonyan and Zisserman, 2014): how many convolutions before each of five poolings. */
function vgg(depths: readonly number[]): Building {
  const net = start();
  let index = 0;
  depths.forEach((depth, i) => {
    for (let j = 0; j < depth; j++) {
      const filters = Math.min(512, 64 << i);
      conv(net, { name: `features.${index}`, filters, kernel: 3, padding: 1, bias: true });
      index += 2;
    }
    pool(net, 2, 2);
    index++;
  });
  dense(net, "classifier.0", 4096, 512 * 49);
  dense(net, "classifier.3", 4096, 4096);
  dense(net, "classifier.6", CLASSES, 4096);
  return net;
}

/** ResNet (He et al., 2015), with the stride in the 3 × 3 convolution of a bottleneck. */
function resnet(depths: readonly number[], bottleneck: boolean): Building {
  const net = start();
  conv(net, { name: "conv1", filters: 64, kernel: 7, stride: 2, padding: 3 });
  norm(net);
  pool(net, 3, 2, 1);
  depths.forEach((depth, i) => {
    for (let j = 0; j < depth; j++) residual(net, `layer${i + 1}.${j}`, 64 << i, i > 0 && j === 0 ? 2 : 1, bottleneck);
  });
  dense(net, "fc", CLASSES, net.channels);
  return net;
}

function residual(net: Building, name: string, width: number, stride: number, bottleneck: boolean): void {
  const input = { size: net.size, channels: net.channels };
  const filters = bottleneck ? 4 * width : width;
  const parts: readonly Omit<Conv, "name">[] = bottleneck
    ? [
        { filters: width, kernel: 1 },
        { filters: width, kernel: 3, stride, padding: 1 },
        { filters, kernel: 1 },
      ]
    : [
        { filters: width, kernel: 3, stride, padding: 1 },
        { filters: width, kernel: 3, padding: 1 },
      ];
  parts.forEach((part, i) => {
    conv(net, { name: `${name}.conv${i + 1}`, ...part });
    norm(net);
  });
  if (stride === 1 && input.channels === filters) return;
  conv(net, { name: `${name}.downsample.0`, filters, kernel: 1, stride }, input);
  norm(net);
}

const BUILDERS: Readonly<Record<string, () => Building>> = {
  alexnet,
  vgg11: () => vgg([1, 1, 2, 2, 2]),
  vgg16: () => vgg([2, 2, 3, 3, 3]),
  vgg19: () => vgg([2, 2, 4, 4, 4]),
  resnet18: () => resnet([2, 2, 2, 2], false),
  resnet34: () => resnet([3, 4, 6, 3], false),
  resnet50: () => resnet([3, 4, 6, 3], true),
  resnet101: () => resnet([3, 4, 23, 3], true),
  resnet152: () => resnet([3, 8, 36, 3], true),
};

/** Names of the networks that need no file. */
export const CONVOLUTIONAL: readonly string[] = Object.keys(BUILDERS);

/**
 * A convolutional network by its name; undefined where there is none. An input of k × k windows is read as the matrix that
 * im2col makes of it; pooling, norms and activation functions are no products and are not listed.
 */
export function convolutional(name: string): Network | undefined {
  const build = Object.hasOwn(BUILDERS, name) ? BUILDERS[name] : undefined;
  if (build === undefined) return undefined;
  const { stages, vectors } = build();
  return {
    ...{ name, family: "convolutional", pass: "fixed", tokens: 1, stages },
    otherParameters: { embeddings: 0, vectors },
  };
}
