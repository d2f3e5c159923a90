/** Every command as data: its words on the command line, its help, and the file that carries it out, loaded on demand. */
import { ruleHelp } from "../quantize/rule-texts.ts";
import type { Exit, Terminal } from "./terminal.ts";

/** What a command's file exports: its arguments in order, its options as declared in the table. */
export type Run = (terminal: Terminal, args: readonly string[], options: never) => Promise<Exit>;

export interface CommandSpec {
  readonly name: string;
  readonly about: string;
  readonly arguments: readonly (readonly [name: string, about: string])[];
  readonly options: readonly (readonly [flags: string, about: string, fallback?: string])[];
  readonly examples: readonly string[];
  /** More to say in the help. */
  readonly notes?: () => string;
  readonly load: () => Promise<{ readonly run: Run }>;
}

const JSON_OPTION = ["--json", "one JSON document on stdout instead of text"] as const;

const SOURCES = ["<file...>", ".loom files; - is standard input"] as const;

const OPERATOR_OPTIONS = [
  ["--op <name>", "the operator; not needed where there is one"],
  ["--shape <sizes>", "sizes by name: M=16,N=4096,K=4096"],
] as const;

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: "check",
    about: "report everything that is wrong with .loom files",
    arguments: [SOURCES],
    options: [JSON_OPTION],
    examples: ["check examples/quickstart.loom"],
    load: () => import("./check.ts"),
  },
  {
    name: "explain",
    about: "say what a diagnostic means, with a failing and a mended example",
    arguments: [["[code]", "a code such as name/unknown-format; without one, all codes"]],
    options: [JSON_OPTION],
    examples: ["explain", "explain name/unknown-format"],
    load: () => import("./explain.ts"),
  },
  {
    name: "fmt",
    about: "rewrite .loom files in their canonical layout",
    arguments: [SOURCES],
    options: [["--check", "change nothing; exit 1 where something would change"], JSON_OPTION],
    examples: ["fmt examples/quickstart.loom", "fmt --check examples/*.loom"],
    load: () => import("./fmt.ts"),
  },
  {
    name: "compile",
    about: "write the sources, launchers and report of an operator",
    arguments: [SOURCES],
    options: [
      ...OPERATOR_OPTIONS,
      ["--target <names>", "targets, comma-separated, or all"],
      ["-o, --out <folder>", "write files here; nothing is written without it"],
      [
        "--emit <parts>",
        "program, kernel, source, host, map (where each line stems from), why (what each pass decided), repack (from records as files store them to streams and back, in C), or the name of a pass; comma-separated (default: source,host)",
      ],
      JSON_OPTION,
    ],
    examples: [
      "compile examples/quickstart.loom --op linear_w4a16 --shape M=16,N=4096,K=4096 --target cuda.sm90a -o out",
      "compile examples/quickstart.loom --op linear_nf4 --shape M=1,N=64,K=64 --target wgsl.p0 --emit tile",
    ],
    load: () => import("./compile.ts"),
  },
  {
    name: "run",
    about: "run an operator on seeded operands and compare with the oracle",
    arguments: [SOURCES],
    options: [
      ...OPERATOR_OPTIONS,
      ["--target <name>", "target (default: the best WGSL profile that the device has)"],
      ["--device <device>", "webgpu, reference (the kernel evaluator), or auto", "auto"],
      ["--seed <number>", "seed of the operands", "1"],
      JSON_OPTION,
    ],
    examples: ["run examples/quickstart.loom --op linear_w4a16 --shape M=3,N=64,K=256"],
    load: () => import("./run.ts"),
  },
  {
    name: "simulate",
    about: "simulate passes of networks on accelerators",
    arguments: [
      [
        "<workload...>",
        "config.json files, topology.csv files, .gguf or .safetensors headers, names such as resnet50 or vgg16, or one product as M=16,N=16,K=256; with --depth peer also networks of the preset",
      ],
    ],
    options: [
      [
        "--depth <depth>",
        "cycle: our model; pe: every PE of the array in every cycle, with values, for small products; peer: a published simulator by its own formulas",
        "cycle",
      ],
      ["--preset <name>", "with --depth peer: bitmod-v1, bitmod-v2, ant, bitfusion or scalesim"],
      [
        "--hw <names>",
        "machines: names or files (.json, of scalesim .cfg), each with a memory by its timing behind a + (+ddr4-3200x2: two channels) and weights of its own behind an @; comma-separated (default: systolic-128; of a preset: all)",
      ],
      ["--phase <phases>", "prefill, decode, or both", "prefill"],
      ["--batch <numbers>", "sequences at once; comma-separated", "1"],
      ["--context <numbers>", "tokens of each sequence; comma-separated", "2048"],
      [
        "--weights <formats>",
        "how weights are stored: formats of the library or of --loom, or bits; comma-separated (default: as the file says, as the machine is built for, or f16)",
      ],
      [
        "--weight-bits <numbers>",
        "bits of a weight: 16, or 2 to 8 in groups of 128; comma-separated (default: as the machine is built for, or 16; of a preset: as published)",
      ],
      ["--activations <formats>", "how activations are stored before each product (default: f16)"],
      ["--kv <formats>", "how keys and values are stored (default: the machine's own, or f16)"],
      ["--kv-bits <number>", "bits of keys and values: 16, or 2 to 8 in groups of 128 (default: the machine's, or 16)"],
      ["--loom <files>", ".loom files that declare formats"],
      ["--allocation <file>", "formats by layer: CSV (layers,weights,activations,kv) or JSON; layers are globs"],
      ["--experts <number>", "experts of a mixture that a pass reaches (default: all that its tokens can)"],
      ["--dataflow <names>", "ws, os or is instead of the machine's own"],
      ["--elementwise", "also norms, softmax, activation functions and residual sums, on the vector unit"],
      ["--max-cycles <number>", "give up after this many cycles, with exit code 4"],
      ["--threads <number>", "threads for several runs (default: as many as there are cores)"],
      ["--trace <file>", "write the trace (one run)"],
      ["--chrome <file>", "write a Chrome trace, for Perfetto (one run)"],
      ["--kanata <file>", "write a Kanata log, for Konata (one run)"],
      ["--perfetto <file>", "write Perfetto's protobuf packets (one run)"],
      ["--report <file>", "write one page of all runs: charts, comparison, timelines; opens without a network"],
      ["--window <from:to>", "cycles that Chrome's, Kanata's and Perfetto's files cover (default: all)"],
      JSON_OPTION,
      ["--csv", "a row a layer, and one for the total, with every figure, instead of text"],
      ["--markdown", "the tables as Markdown instead of text"],
    ],
    examples: [
      "simulate examples/llama-2-7b.config.json --phase prefill,decode --weight-bits 16,4",
      "simulate examples/llama-2-7b.config.json --hw fp16-baseline@f16,bitmod@bitmod4 --phase decode --context 256",
      "simulate examples/llama-2-7b.config.json --hw fp16-baseline,olive-fp16,bitmod --phase decode --weight-bits 4 --report out/report.html",
      "simulate M=48,N=80,K=256 --depth pe --hw bitmod --weight-bits 4 --trace out/pe.trace",
      "simulate resnet50 vgg16 --hw systolic-128,systolic-32-os --markdown",
      "simulate examples/llama-2-7b.config.json --depth peer --preset bitmod-v2 --hw fp16-baseline,olive,bitmod-lossy --phase decode",
      "simulate examples/llama-2-7b.config.json --phase decode --weight-bits 4 --chrome out/decode.trace.json --window 0:1000000",
    ],
    load: () => import("./simulate.ts"),
  },
  {
    name: "compare",
    about: "hold two reports or traces of simulate side by side, operation by operation",
    arguments: [
      ["<a>", "a report of simulate --json, or a Bitloom trace"],
      ["<b>", "what is compared with it"],
    ],
    options: [
      ["--fail-on <limits>", "exit 1 where b is so far from a: cycles>+2%,energy>0; also time, dram, utilisation"],
      ["--all", "every operation that differs, not only the largest differences"],
      JSON_OPTION,
      ["--markdown", "the tables as Markdown instead of text"],
    ],
    examples: ["compare before.json after.json", "compare before.json after.json --fail-on 'cycles>+2%,energy>+1%'"],
    load: () => import("./compare.ts"),
  },
  {
    name: "formats",
    about: "list number formats, their fields and bits per value",
    arguments: [["[file...]", ".loom files; without one, the standard library"]],
    options: [JSON_OPTION],
    examples: ["formats"],
    load: () => import("./formats.ts"),
  },
  {
    name: "quantize",
    about: "pack the tensors of a file into a format",
    arguments: [["<file>", "a safetensors, GGUF or npy file"]],
    options: [
      ["--format <name>", "a format of the library, or of --loom"],
      ["-o, --out <file>", "the file to write: .safetensors, or .gguf for GGUF's own formats"],
      ["--tensors <globs>", "which tensors, comma-separated, * and ? stand for anything (default: matrices)"],
      ["--loom <file>", "a .loom file that declares the format"],
      [
        "--rule <name>",
        "how values become codes (default: the format's own rule); gptq and awq go before one: gptq+mse",
      ],
      ["--activations <file>", "inputs of the layers, rows of samples by the weights' names: for gptq, awq, k-means"],
      ["--hessian <file>", "(2 / samples) times the sum of x xT in their place"],
      ["--act-order", "gptq: columns with the largest diagonal first"],
      ["--damping <part>", "gptq: added to the diagonal, as a part of its mean (default: 0.01)"],
      ["--rotate <rotation>", "hadamard, or hadamard:SEED with random signs: rotate rows before encoding"],
      ["--outliers <which>", "keep outliers whole beside the codes: gobo, or 4sigma for those beyond 4 deviations"],
      ["--threads <number>", "threads (default: one a core for large files)"],
      JSON_OPTION,
    ],
    notes: ruleHelp,
    examples: [
      "quantize model.safetensors --format int4_g128 --tensors '*.weight' -o model.int4.safetensors",
      "quantize model.safetensors --format q4_k -o model.q4_k.gguf",
      "quantize model.safetensors --format u4_g128 --rule gptq+mse --act-order --activations inputs.safetensors -o model.gptq.safetensors",
      "quantize model.safetensors --format i4_row --rotate hadamard:1 -o model.rotated.safetensors",
    ],
    load: () => import("./quantize.ts"),
  },
  {
    name: "dequantize",
    about: "turn packed tensors, or GGUF's, back into plain numbers",
    arguments: [["<file>", "a file that quantize wrote, or a GGUF file"]],
    options: [
      ["-o, --out <file>", "the safetensors file to write"],
      ["--type <type>", "f32, f16 or bf16 (default: as before quantizing; f32 from GGUF)"],
      JSON_OPTION,
    ],
    examples: ["dequantize model.int4.safetensors -o model.again.safetensors"],
    load: () => import("./dequantize.ts"),
  },
  {
    name: "inspect",
    about: "show the tensors of a file, their formats, bit layouts and errors",
    arguments: [["<file>", "a safetensors, GGUF or npy file"]],
    options: [
      ["--tensors <globs>", "only these tensors"],
      ["--against <file>", "measure errors against the tensors of this file"],
      ["--stats", "read all values: range, deviation, share beyond three deviations"],
      JSON_OPTION,
    ],
    examples: ["inspect model.int4.safetensors", "inspect model.int4.safetensors --against model.safetensors"],
    load: () => import("./inspect.ts"),
  },
  {
    name: "targets",
    about: "list targets and what their tables say",
    arguments: [],
    options: [JSON_OPTION],
    examples: ["targets"],
    load: () => import("./targets.ts"),
  },
  {
    name: "passes",
    about: "list the passes in order",
    arguments: [],
    options: [JSON_OPTION],
    examples: ["passes"],
    load: () => import("./passes.ts"),
  },
  {
    name: "hw",
    about: "list hardware models, every number of one with its source, or compare with everything published",
    arguments: [["[name]", "a model; validate: the table of evidence, exit 1 where a figure differs"]],
    options: [JSON_OPTION],
    examples: ["hw", "hw systolic-128", "hw validate"],
    load: () => import("./hw.ts"),
  },
  {
    name: "doctor",
    about: "what this machine has: Node, WebGPU, CUDA, clang, browser",
    arguments: [],
    options: [JSON_OPTION],
    examples: ["doctor"],
    load: () => import("./doctor.ts"),
  },
  {
    name: "play",
    about: "the playground in the browser: write, compile, run and simulate, without a network",
    arguments: [["[file]", "a .loom file to begin with"]],
    options: [
      ["-o, --out <file>", "write it as one page that works offline, instead of serving it"],
      ["--port <number>", "serve on this port (default: any that is free)"],
      ["--json", "the address, or what was written, as one JSON document on stdout"],
    ],
    examples: ["play", "play examples/gallery/olive.loom", "play -o playground.html"],
    load: () => import("./play.ts"),
  },
  {
    name: "view",
    about: "look at traces in the browser: units, stalls and their causes, cycle by cycle",
    arguments: [["<trace...>", "Bitloom traces, Chrome trace JSON or Kanata logs"]],
    options: [
      ["--html <file>", "write one page that shows the trace without a network"],
      ["--chrome <file>", "write a Bitloom trace as a Chrome trace, for Perfetto"],
      ["--window <from:to>", "cycles that the Chrome trace covers (default: all)"],
      ["--info", "say what the trace holds, and serve nothing"],
      ["--port <number>", "serve on this port (default: any that is free)"],
      ["--json", "with --info, as one JSON document on stdout"],
    ],
    examples: [
      "view out/llama-2-7b.decode.trace",
      "view decode.trace --html decode.html",
      "view decode.trace --chrome decode.json --window 0:1000000",
    ],
    load: () => import("./view.ts"),
  },
];
