/** Essays on the codes of tensor files. Every example is a small safetensors file that a test writes and a command reads. */
import type { Essay, TensorExample } from "./essay.ts";

const inspect = (header: string, bytes: number): TensorExample => ({
  kind: "tensors",
  header,
  bytes,
  command: "inspect model.safetensors",
});

const one = (dtype: string, shape: string, offsets: string): string =>
  `{"w":{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}}`;
const GOOD = inspect(one("F32", "[2,2]", "[0,16]"), 16);
const two = (second: string): string =>
  `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":${second}}}`;

const packed = (format: string): string => {
  const entry = { format, shape: [1, 4], type: "F32", rule: "absmax", error: { sqnrDb: null, maxError: 0 } };
  const record = JSON.stringify({ version: 1, sources: [], tensors: { w: entry } });
  return `{"__metadata__":{"bitloom.packed":${JSON.stringify(record)}},"w.q":{"dtype":"I8","shape":[1,4],"data_offsets":[0,4]}}`;
};

const one3 = (shape: string, offsets: string): TensorExample => inspect(one("F32", shape, offsets), 12);

const quantize = (fill: number): TensorExample => ({
  ...GOOD,
  fill,
  command: "quantize model.safetensors --format i8_row --tensors w -o packed.safetensors",
});

export const FILE_ESSAYS = {
  "file/unknown": {
    title: "a file is none of those that hold tensors",
    why: "safetensors files begin with the length of a JSON header and the header itself, GGUF files with `GGUF`, npy files with `\\x93NUMPY`. PyTorch's own files (.pt, .bin) are programs and are never read: save tensors with the safetensors package.",
    failing: inspect("hello", 0),
    fixed: GOOD,
  },
  "file/truncated": {
    title: "a file ends before what it announces",
    why: "A header, a tensor or a list reaches beyond the end of the file, most often because a download or a copy stopped early. The message names the tensor and both places.",
    failing: inspect(one("F32", "[2,2]", "[0,16]"), 9),
    fixed: GOOD,
  },
  "file/header": {
    title: "a header is not what its format prescribes",
    why: "The header is no valid JSON (safetensors), no dictionary (npy), or lacks something that every tensor has. The bytes in the message are where reading stopped.",
    failing: inspect('{"w":{"dtype":"F32","shape":[2,2]}}', 16),
    fixed: GOOD,
  },
  "file/range": {
    title: "sizes of a file contradict each other, or are beyond all bounds",
    why: "Offsets do not match a tensor's shape and type, bytes belong to no tensor, or a count is larger than any file. Such files are refused before anything is allocated.",
    failing: inspect(one("F32", "[2,3]", "[0,16]"), 16),
    fixed: GOOD,
  },
  "file/overlap": {
    title: "two tensors share bytes",
    why: "Neither safetensors nor GGUF allows tensors to overlap: a write to one would change the other. The file was made by a faulty writer, or to attack a reader.",
    failing: inspect(two("[4,12]"), 12),
    fixed: inspect(two("[8,16]"), 16),
  },
  "file/unsupported": {
    title: "a file uses something that is not read",
    why: "A version, a byte order or an element type is unknown. For arrays in Fortran order or with big-endian numbers, save a converted copy.",
    failing: inspect(one("F12", "[2,2]", "[0,16]"), 16),
    fixed: GOOD,
  },
  "file/duplicate": {
    title: "a name stands twice",
    why: "Names of tensors and metadata are unique; readers disagree about which of two equal ones counts, so neither is taken.",
    failing: inspect('{"__metadata__":{"a":"1","a":"2"}}', 0),
    fixed: inspect('{"__metadata__":{"a":"1"}}', 0),
  },
  "file/packed": {
    title: "a record of packed tensors does not fit its file",
    why: "`quantize` leaves a record in the metadata that names the format of each packed tensor and carries its declaration. Here the declaration is missing or wrong, a field's tensor is absent or of another size, or codes decode to NaN or infinity.",
    failing: inspect(packed("i8_rows"), 4),
    fixed: inspect(packed("i8"), 4),
  },
  "file/not-finite": {
    title: "a tensor to quantize holds NaN or infinity",
    why: "A scale taken from such a value would spoil its whole group. Find out where it comes from; if the tensor is meant to hold it, leave it out with --tensors.",
    failing: quantize(255),
    fixed: quantize(1),
  },
  "file/rule": {
    title: "a rule does not fit a format",
    why: "A rule makes what its paper describes: a table fitted by k-means needs a format that stores tables, GPTQ one whose values are a grid under scales. `bitloom quantize --help` says for each rule what it is for; without --rule a format is encoded by its own.",
    failing: {
      ...GOOD,
      fill: 1,
      command: "quantize model.safetensors --format i8_row --rule k-means --tensors w -o packed.safetensors",
    },
    fixed: {
      ...GOOD,
      fill: 1,
      command: "quantize model.safetensors --format table3_row --rule k-means --tensors w -o packed.safetensors",
    },
  },
  "file/calibration": {
    title: "activations or a Hessian do not belong to a weight",
    why: "GPTQ and AWQ look for a tensor with the weight's name, with or without `.weight`, or take the only one that the file has. Activations are rows as long as the weight's; a Hessian is a symmetric matrix of that size with a diagonal that is nowhere negative.",
    failing: {
      ...one3("[1,3]", "[0,12]"),
      command:
        "quantize model.safetensors --format i8_row --rule gptq --hessian model.safetensors --tensors w -o packed.safetensors",
    },
    fixed: {
      ...GOOD,
      fill: 1,
      command:
        "quantize model.safetensors --format i8_row --rule gptq --activations model.safetensors --tensors w -o packed.safetensors",
    },
  },
} as const satisfies Readonly<Record<string, Essay<TensorExample>>>;
