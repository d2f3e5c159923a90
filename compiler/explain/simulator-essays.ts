/** Essays on the codes of files that the simulator reads and of what is asked of it. Every example is run by a test. */
import type { CommandExample, Essay, Example } from "./essay.ts";

type Fields = Readonly<Record<string, string | number>>;

const TINY: Fields = {
  model_type: "llama",
  hidden_size: 256,
  intermediate_size: 512,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  vocab_size: 1024,
};

const json = (fields: Fields): string => JSON.stringify(fields, null, 2);
const without = (name: string): Fields => Object.fromEntries(Object.entries(TINY).filter(([key]) => key !== name));

/** A model's config on the default machine. */
const config = (text: string): CommandExample => ({
  kind: "command",
  files: { "config.json": text },
  command: "simulate config.json --context 16",
});

/** A model on a copy of a built-in machine in which one piece reads differently. */
const machine = (from: string, to: string): CommandExample => ({
  kind: "command",
  files: { "config.json": json(TINY), "machine.json": { base: "systolic-32-os", from, to } },
  command: "simulate config.json --hw machine.json --context 16",
});
const asItIs = machine('"kind": "systolic"', '"kind": "systolic"');

const peer = (command: string, files: CommandExample["files"] = { "config.json": json(TINY) }): CommandExample => ({
  kind: "command",
  files,
  command: `simulate ${command} --depth peer --context 16`,
});

/** SCALE-Sim on a topology. */
const topology = (...lines: readonly string[]): CommandExample =>
  peer("net.csv --preset scalesim --hw os-16x16", { "net.csv": `${lines.join("\n")}\n` });
/** A topology on a machine of ours. */
const cycleTopology = (...lines: readonly string[]): CommandExample => ({
  kind: "command",
  files: { "net.csv": `${lines.join("\n")}\n` },
  command: "simulate net.csv",
});
/** An allocation table. */
const allocated = (name: string, text: string): CommandExample => ({
  kind: "command",
  files: { "config.json": json(TINY), [name]: text },
  command: `simulate config.json --context 16 --allocation ${name}`,
});
const GEMM = "Layer, M, N, K,";
const CONV = "Layer, IFMAP H, IFMAP W, Filter H, Filter W, Channels, Filters, Stride,";

const CFG: Readonly<Record<string, readonly string[]>> = {
  general: ["run_name = mine"],
  architecture_presets: [
    "ArrayHeight = 16",
    "ArrayWidth = 16",
    "IfmapSramSzkB = 1",
    "FilterSramSzkB = 1",
    "OfmapSramSzkB = 1",
    "Bandwidth = 10",
    "Dataflow = ws",
  ],
  run_presets: ["InterfaceBandwidth = CALC"],
};
const CFG_TEXT = Object.entries(CFG)
  .map(([section, lines]) => [`[${section}]`, ...lines, ""].join("\n"))
  .join("\n");
const cfg = (text: string, layers = `${GEMM}\nfc, 32, 32, 32,\n`): CommandExample =>
  peer("net.csv --preset scalesim --hw mine.cfg", { "net.csv": layers, "mine.cfg": text });

const FAMILY = "Llama, Mistral, Qwen 2 and 3, Gemma, Phi, GPT-NeoX, OPT and GPT-2";
const WEIGHTS = "--weight-bits 4";
const CALL = { preset: "bitmod-v2", hardware: "olive", batch: 1, context: 16, weightBits: 4 } as const;

export const SIMULATOR_ESSAYS = {
  "json/syntax": {
    title: "a file is not JSON",
    why: "Configurations and hardware models are strict JSON (RFC 8259): names and texts in double quotes, no comments, no comma behind the last item.",
    failing: config(json(TINY).replace("1024\n", "1024,\n")),
    fixed: config(json(TINY)),
  },
  "json/duplicate": {
    title: "a name stands twice in one object",
    why: "JSON leaves open which of the two counts, and readers differ. Here neither does: remove one.",
    failing: config(json(TINY).replace('"vocab_size"', '"hidden_size": 512,\n  "vocab_size"')),
    fixed: config(json(TINY)),
  },
  "hardware/missing": {
    title: "a hardware model lacks a field",
    why: "Nothing about a machine is assumed silently. `bitloom hw NAME --json` prints a complete model to start from.",
    failing: machine('"rows": 32,', ""),
    fixed: asItIs,
  },
  "hardware/type": {
    title: "a field of a hardware model is of another type",
    why: "Numbers are written without quotes; where a rate or a capacity has no limit, the word `unlimited` stands.",
    failing: machine('"rows": 32', '"rows": "32"'),
    fixed: asItIs,
  },
  "hardware/range": {
    title: "a number of a hardware model is out of range",
    why: "Sizes and counts are integers from 1 up, rates are above 0, latencies and energies from 0 up.",
    failing: machine('"bytesPerCycle": 32', '"bytesPerCycle": -32'),
    fixed: asItIs,
  },
  "hardware/unknown-field": {
    title: "a field that hardware models do not have",
    why: "A field that nobody reads is a mistake more often than a comment; `about` takes text.",
    failing: machine('"clockMHz": 1000', '"clockMHz": 1000,\n  "voltage": 0.9'),
    fixed: asItIs,
  },
  "hardware/missing-unit": {
    title: "a machine lacks a unit that every product of matrices needs",
    why: "A machine has one off-chip memory, one array and one vector unit; for weights, activations and results a buffer and a channel each; and a feeder for weights and for activations.",
    failing: machine(
      ',\n    { "kind": "vector", "name": "vec", "elementsPerCycle": 32, "energyPJPerElement": 0.49 }',
      "",
    ),
    fixed: asItIs,
  },
  "hardware/duplicate-unit": {
    title: "two units have one name or one task",
    why: "Reports name units, so names are unique; and work goes to one unit, so only one may take it.",
    failing: machine('"name": "obuf"', '"name": "ibuf"'),
    fixed: asItIs,
  },
  "hardware/source": {
    title: "a number of a hardware model has no source",
    why: "A warning: the simulation runs, but nobody can check it. Each number has an entry in `sources`: `cite` says where it comes from, or, with `assumed`, why it was chosen.",
    failing: machine('"field": "clockMHz"', '"field": "units.pe.clock"'),
    fixed: asItIs,
  },
  "workload/missing": {
    title: "a config lacks a dimension",
    why: "Without it the network's products are not known. A `config.json` from Hugging Face has it.",
    failing: config(json(without("hidden_size"))),
    fixed: config(json(TINY)),
  },
  "workload/type": {
    title: "a dimension of a config is of another type",
    why: "Dimensions are numbers without quotes.",
    failing: config(json({ ...TINY, hidden_size: "256" })),
    fixed: config(json(TINY)),
  },
  "workload/range": {
    title: "a dimension of a config is out of range",
    why: "Dimensions are integers from 1 up.",
    failing: config(json({ ...TINY, vocab_size: 0 })),
    fixed: config(json(TINY)),
  },
  "workload/family": {
    title: "a family of networks that cannot be simulated",
    why: `The layers of a network follow from its \`model_type\`, so each family has to be known. Published simulators (\`--depth peer\`) run ${FAMILY}.`,
    failing: peer(`config.json --preset bitmod-v2 ${WEIGHTS}`, {
      "config.json": json({ ...TINY, model_type: "rwkv" }),
    }),
    fixed: peer(`config.json --preset bitmod-v2 ${WEIGHTS}`),
  },
  "workload/shape": {
    title: "the heads of a network do not divide it",
    why: "The width is shared out among heads, and query heads among key–value heads. `head_dim` sets a width of its own.",
    failing: config(json({ ...TINY, num_attention_heads: 3 })),
    fixed: config(json({ ...TINY, num_attention_heads: 4 })),
  },
  "simulate/capacity": {
    title: "no block of a product fits a buffer",
    why: "Operands are cut into blocks that lie in the machine's buffers; the smallest block of this product is larger than the buffer. Enlarge it, or choose another dataflow or fewer rows.",
    failing: machine(
      '"holds": ["weight"],\n      "capacityBytes": 524288',
      '"holds": ["weight"],\n      "capacityBytes": 64',
    ),
    fixed: asItIs,
  },
  "simulate/deadlock": {
    title: "the units of a machine wait for each other",
    why: "A machine program of your own, or one that your own tiler made, gives its units roles with rings between them. Here no unit can go on: a ring is filled that nobody empties, or emptied that nobody fills. The notes say of every unit what it waits for, since which cycle, and how often the ring's other side has done its part.",
    failing: { kind: "call", call: "tryProgram", request: { without: "release", ring: "weight" } },
    fixed: { kind: "call", call: "tryProgram", request: {} },
  },
  "simulate/format": {
    title: "the PEs do not take operands of so many bits",
    why: "Bit-serial PEs multiply by terms, and each width of weights has so many. Widths without terms, such as f16, they cannot multiply by: store the weights, or keys and values, in fewer bits. PEs that join for wide operands join up to a width; give activations fewer bits too. A dataflow that an array cannot run has this code as well.",
    failing: {
      kind: "command",
      files: { "config.json": json(TINY) },
      command: "simulate config.json --hw bitmod --weight-bits 16 --context 16",
    },
    fixed: {
      kind: "command",
      files: { "config.json": json(TINY) },
      command: "simulate config.json --hw bitmod --weight-bits 4 --context 16",
    },
  },
  "simulate/limit": {
    title: "a simulation was given up at its limit",
    why: "`--max-cycles` ends a pass that takes longer, with exit code 4, for scripts that try many machines. It is looked at after every layer. The report says which layer it was and what each unit did most in it.",
    failing: {
      kind: "command",
      files: { "config.json": json(TINY) },
      command: "simulate config.json --hw systolic-32-os --context 16 --max-cycles 1000",
    },
    fixed: {
      kind: "command",
      files: { "config.json": json(TINY) },
      command: "simulate config.json --hw systolic-32-os --context 16 --max-cycles 1000000000",
    },
  },
  "simulate/request": {
    title: "a number in the request is out of range",
    why: "The library's `simulate` takes a batch and a context from 1 up and weights of 2 to 8 or 16 bits, or a format.",
    failing: { kind: "call", call: "simulate", request: { batch: 0 } },
    fixed: { kind: "call", call: "simulate", request: { batch: 1 } },
  },
  "machine/unsupported": {
    title: "a program that a machine cannot carry out",
    why: "A machine runs one product of two matrices, with the decoding of its operands before it and an element-wise end behind it. What else an operator computes has to be a program of its own.",
    failing: {
      kind: "call",
      call: "tileMachine",
      request: { op: "op scale<M, K>(x: f16[M, K]) -> f16[M, K] {\n  y[m, k] = 2 * x[m, k]\n}" },
    },
    fixed: {
      kind: "call",
      call: "tileMachine",
      request: {
        op: "op product<M, N, K>(x: f16[M, K], w: f16[N, K]) -> f16[M, N] {\n  y[m, n] = sum k { x[m, k] * w[n, k] }\n}",
      },
    },
  },
  "trace/format": {
    title: "a file is no trace of this version",
    why: "`bitloom simulate --trace` writes traces; a file that was cut off or that another version wrote cannot be read. Write it again.",
    failing: { kind: "command", files: { "a.trace": "BLTRACE, but not really" }, command: "view a.trace --info" },
    fixed: {
      kind: "command",
      files: { "config.json": json(TINY) },
      command: "simulate config.json --context 16 --trace a.trace",
    },
  },
  "peer/preset": {
    title: "there is no such preset",
    why: "The library's `simulatePeer` takes `bitmod-v1`, `bitmod-v2`, `ant`, `bitfusion` and `scalesim`.",
    failing: { kind: "call", call: "simulatePeer", request: { ...CALL, preset: "bitmod-v3" } },
    fixed: { kind: "call", call: "simulatePeer", request: CALL },
  },
  "peer/request": {
    title: "a number in the request is out of range",
    why: "The library's `simulatePeer` takes a batch and a context from 1 up and weights of 1 to 16 bits.",
    failing: { kind: "call", call: "simulatePeer", request: { ...CALL, context: 0 } },
    fixed: { kind: "call", call: "simulatePeer", request: CALL },
  },
  "peer/hardware": {
    title: "the preset does not know this machine",
    why: "A published simulator has the machines that its authors gave it. SCALE-Sim takes any array, as `ws-128x128`, or one of its configuration files.",
    failing: peer(`config.json --preset bitmod-v2 --hw tpu ${WEIGHTS}`),
    fixed: peer(`config.json --preset bitmod-v2 --hw olive ${WEIGHTS}`),
  },
  "peer/network": {
    title: "the machine does not know this network",
    why: "A preset's own networks carry bits for each layer, which their authors chose for some machines only.",
    failing: peer("vgg16 --preset ant --hw olive-16x16"),
    fixed: peer("vgg16 --preset ant --hw ant-os"),
  },
  "peer/weight-bits": {
    title: "the bits of a weight are not known for this network",
    why: "ANT and OliVe store weights in as many bits as a network's accuracy needs, which were published for few networks; searches of tiles take whole bits. `--weight-bits` says how many.",
    failing: peer("config.json --preset bitmod-v2 --hw olive"),
    fixed: peer("config.json --preset bitmod-v2 --hw olive --weight-bits 4.5"),
  },
  "peer/batch": {
    title: "the published simulator runs one sequence only",
    why: "BitMoD's first simulator has no batch. Its revision has.",
    failing: peer(`config.json --preset bitmod-v1 --batch 4 ${WEIGHTS}`),
    fixed: peer(`config.json --preset bitmod-v2 --batch 4 ${WEIGHTS}`),
  },
  "peer/sram-width": {
    title: "no energy is published for a buffer of this width",
    why: "BitMoD's buffers are as wide as the weights that a row of PEs takes in a cycle, and their energies come from a table of widths. Bits between those of the table would need a number that nobody published.",
    failing: peer("config.json --preset bitmod-v2 --hw bitmod-lossy --weight-bits 12"),
    fixed: peer("config.json --preset bitmod-v2 --hw bitmod-lossy --weight-bits 8"),
  },
  "peer/square": {
    title: "a convolution is not square, and is taken for one",
    why: "A warning: ANT's and BitFusion's simulators know one side of kernels and outputs, and take the first for both.",
    failing: peer("net.csv --preset ant --hw ant-os --weight-bits 4", {
      "net.csv": `${CONV}\nc, 16, 16, 1, 3, 8, 8, 1,\n`,
    }),
    fixed: peer("net.csv --preset ant --hw ant-os --weight-bits 4", {
      "net.csv": `${CONV}\nc, 16, 16, 3, 3, 8, 8, 1,\n`,
    }),
  },
  "peer/tile": {
    title: "no tile of a layer fits the machine's buffers",
    why: "The search halves tiles of channels, images and outputs, but never a kernel: one that is larger than half a buffer has no tile.",
    failing: peer("net.csv --preset ant --hw ant-os --weight-bits 8", {
      "net.csv": `${CONV}\nc, 999, 999, 999, 999, 8, 8, 1,\n`,
    }),
    fixed: peer("net.csv --preset ant --hw ant-os --weight-bits 8", {
      "net.csv": `${CONV}\nc, 9, 9, 9, 9, 8, 8, 1,\n`,
    }),
  },
  "scalesim/syntax": {
    title: "a line of a configuration is neither a section nor a key with its value",
    why: "SCALE-Sim's configurations are `[section]` lines and `key = value` or `key : value` lines.",
    failing: cfg(CFG_TEXT.replace("Dataflow = ws", "Dataflow ws\nDataflow = ws")),
    fixed: cfg(CFG_TEXT),
  },
  "scalesim/missing": {
    title: "a configuration lacks a key",
    why: "The array, its dataflow and the sizes of its buffers have to be there.",
    failing: cfg(CFG_TEXT.replace("Dataflow = ws\n", "")),
    fixed: cfg(CFG_TEXT),
  },
  "scalesim/value": {
    title: "a key of a configuration has a value that it cannot have",
    why: "Sizes are integers from 1 up, the dataflow is `os`, `ws` or `is`, the interface's bandwidth `CALC` or `USER`.",
    failing: cfg(CFG_TEXT.replace("= ws", "= rs")),
    fixed: cfg(CFG_TEXT),
  },
  "scalesim/unsupported": {
    title: "a configuration asks for what is not reproduced",
    why: "Sparse weights, custom layouts and latencies from Ramulator change SCALE-Sim's figures in ways that its replica here does not follow.",
    failing: cfg(`${CFG_TEXT}\n[sparsity]\nSparsitySupport = true\n`),
    fixed: cfg(`${CFG_TEXT}\n[sparsity]\nSparsitySupport = false\n`),
  },
  "scalesim/size": {
    title: "a layer is too large to step through",
    why: "USER mode has no closed form: every access to a buffer is followed. That is possible up to 2^26 words an operand; `InterfaceBandwidth = CALC` runs layers of any size.",
    failing: cfg(CFG_TEXT.replace("CALC", "USER"), `${GEMM}\nfc, 16384, 8192, 8192,\n`),
    fixed: cfg(CFG_TEXT.replace("CALC", "USER"), `${GEMM}\nfc, 64, 32, 32,\n`),
  },
  "scalesim/sparsity": {
    title: "a topology gives ratios of sparse weights, which are ignored",
    why: "A warning: SCALE-Sim runs such layers dense too, unless its configuration asks for sparsity, which is not reproduced.",
    failing: topology("Layer, M, N, K, Sparsity,", "fc, 32, 32, 32, 2:4,"),
    fixed: topology("Layer, M, N, K, Sparsity,", "fc, 32, 32, 32, 4:4,"),
  },
  "topology/empty": {
    title: "a topology has no layers",
    why: "Behind the line of headings stands one layer a line.",
    failing: topology(GEMM),
    fixed: topology(GEMM, "fc, 32, 32, 32,"),
  },
  "topology/columns": {
    title: "a layer of a topology lacks dimensions",
    why: "A product has M, N and K; a convolution the input's height and width, the filter's, channels, filters and the stride. The headings say which of the two a file holds.",
    failing: topology(GEMM, "fc, 32, 32,"),
    fixed: topology(GEMM, "fc, 32, 32, 32,"),
  },
  "topology/dimension": {
    title: "a dimension of a topology is no number from 1 up",
    why: "Symbols such as a batch `B` have to be replaced by their values.",
    failing: topology(GEMM, "fc, B, 32, 32,"),
    fixed: topology(GEMM, "fc, 32, 32, 32,"),
  },
  "topology/filter": {
    title: "a filter is larger than its input",
    why: "Inputs are given with what padding adds: a 3 × 3 filter over a padded 1 × 1 image has an input of 3 × 3.",
    failing: topology(CONV, "c, 1, 1, 3, 3, 8, 8, 1,"),
    fixed: topology(CONV, "c, 3, 3, 3, 3, 8, 8, 1,"),
  },
  "topology/header": {
    title: "the first line of a topology is a layer",
    why: "A warning: it is read as a layer. SCALE-Sim takes every first line for headings, and leaves that layer out.",
    failing: topology("fc, 32, 32, 32,"),
    fixed: topology(GEMM, "fc, 32, 32, 32,"),
  },
  "topology/dense": {
    title: "sparse layers of a topology are simulated dense",
    why: "A warning: machines of depth `cycle` skip no weights. SCALE-Sim's own model of sparsity runs with `--depth peer --preset scalesim`.",
    failing: cycleTopology("Layer, M, N, K, Sparsity,", "fc, 32, 32, 32, 2:4,"),
    fixed: cycleTopology("Layer, M, N, K,", "fc, 32, 32, 32,"),
  },
  "allocation/columns": {
    title: "the first line of an allocation table does not name its columns",
    why: "An allocation table as CSV begins with the names of its columns: `layers`, and some of `weights`, `activations` and `kv`. Every further line gives the layers that its glob names these formats; the first line that fits decides.",
    failing: allocated("al.csv", "*.mlp.*,int4_g128\n"),
    fixed: allocated("al.csv", "layers,weights\n*.mlp.*,int4_g128\n"),
  },
  "allocation/line": {
    title: "a line of an allocation table says no format",
    why: "In JSON a table is an object from globs to a format, or to an object of `weights`, `activations` and `kv`.",
    failing: allocated("al.json", '{ "*.mlp.*": true }'),
    fixed: allocated("al.json", '{ "*.mlp.*": "int4_g128" }'),
  },
  "allocation/unused": {
    title: "a line of an allocation table names no layer",
    why: "A warning: its glob fits none of the names that the report lists, so the line does nothing. `*` stands for any characters, `?` for one.",
    failing: allocated("al.json", '{ "mlp": "int4_g128" }'),
    fixed: allocated("al.json", '{ "*.mlp.*": "int4_g128" }'),
  },
  "topology/heading": {
    title: "a line of a topology has a name and no dimensions",
    why: "A warning: it is read as a heading between layers.",
    failing: topology(GEMM, "Encoder,", "fc, 32, 32, 32,"),
    fixed: topology(GEMM, "fc, 32, 32, 32,"),
  },
  "topology/sparsity": {
    title: "a ratio of sparse weights cannot be read",
    why: "A ratio such as 2:4 says how many weights of each group stay.",
    failing: topology("Layer, M, N, K, Sparsity,", "fc, 32, 32, 32, 4:2,"),
    fixed: topology("Layer, M, N, K, Sparsity,", "fc, 32, 32, 32, 4:4,"),
  },
} as const satisfies Readonly<Record<string, Essay<Example>>>;
