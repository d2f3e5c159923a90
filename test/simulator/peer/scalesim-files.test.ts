/** SCALE-Sim's files as they come: topologies in all their variants, configurations, and what is wrong with them where. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../../ir/diagnostics.ts";
import { type PeerRequest, readScalesimConfig, readTopology, simulatePeer } from "../../../simulator/peer/index.ts";
import { readTable } from "../../validation/csv.ts";

const HEADER = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,";

function read(text: string) {
  const sink = new Diagnostics();
  const layers = readTopology(text, 0, sink);
  return { layers, found: sink.list.map((d) => `${d.severity} ${d.code} at ${text.slice(d.span.start, d.span.end)}`) };
}

const conv1 = {
  kind: "conv",
  name: "Conv1",
  inputHeight: 224,
  inputWidth: 224,
  kernelHeight: 11,
  kernelWidth: 11,
  channels: 3,
  filters: 96,
  stride: 4,
  batch: 1,
};

describe("readTopology", () => {
  it.each([
    ["as it should be", `${HEADER}\nConv1,224,224,11,11,3,96,4,\n`],
    [
      "blanks, blank lines and Windows' line ends",
      `${HEADER}\r\n\r\n Conv1 , 224 ,224,\t11,11 ,3,96, 4,\r\n,,,,,,,,\r\n`,
    ],
    ["no comma at the end of the lines", `${HEADER.slice(0, -1)}\nConv1,224,224,11,11,3,96,4`],
    ["a byte order mark and other words", "\ufeffLayer,Ifmap h,w,f,f,c,n,s\nConv1,224,224,11,11,3,96,4,"],
    ["tabs", `${HEADER.replaceAll(",", "\t")}\nConv1\t224\t224\t11\t11\t3\t96\t4\t`],
    ["further columns without a meaning", `${HEADER},,Eh,Ew,e2\nConv1,224,224,11,11,3,96,4,,,55,55,3025`],
    ["numbers that a spreadsheet wrote", `${HEADER}\nConv1,224.0,224,11,11,3,96,4.,`],
  ])("reads %s", (_, text) => {
    expect(read(text)).toEqual({ layers: [conv1], found: [] });
  });

  it("reads products, ratios of sparsity and batches by the header", () => {
    expect(read("Layer, M, N, K, Sparsity,\nfc, 256, 128, 64, 2:4,\nfc2, 1, 2, 3,\n")).toEqual({
      layers: [
        { kind: "gemm", name: "fc", m: 256, n: 128, k: 64, count: 1, sparsity: { kept: 2, of: 4 } },
        { kind: "gemm", name: "fc2", m: 1, n: 2, k: 3, count: 1 },
      ],
      found: [],
    });
    expect(read(`${HEADER.slice(0, -1)}, Batch Size,\nConv1,224,224,11,11,3,96,4,8,\n`).layers).toEqual([
      { ...conv1, batch: 8 },
    ]);
    expect(read(`${HEADER}\nConv1,224,224,11,11,3,96,4,1:2,\n`).layers).toEqual([
      { ...conv1, sparsity: { kept: 1, of: 2 } },
    ]);
  });

  it("makes a layer of every channel of a depthwise convolution", () => {
    const { layers } = read(`${HEADER}\nDP1,7,7,3,3,3,1,1,\n`);
    expect(layers?.map((l) => l.name)).toEqual(["DP1Channel_0", "DP1Channel_1", "DP1Channel_2"]);
    expect(layers?.[0]).toMatchObject({ channels: 1, filters: 1 });
  });

  it("takes a first line of numbers for a layer and a lone name for a heading", () => {
    expect(read("a,4,5,6\nb,1,2,3")).toMatchObject({
      layers: [{ m: 4, n: 5, k: 6 }, { m: 1 }],
      found: ["warning topology/header at a,4,5,6"],
    });
    expect(read("L,M,N,K,\nEncoder,\nq,1,2,3,")).toMatchObject({
      layers: [{ name: "q" }],
      found: ["warning topology/heading at Encoder"],
    });
  });

  it.each([
    ["", "error topology/empty at "],
    [HEADER, "error topology/empty at L"],
    [`${HEADER}\nConv1,224,224,11,\n`, "error topology/columns at Conv1,224,224,11,"],
    [`${HEADER}\nConv1,B,224,11,11,3,96,4,\n`, "error topology/dimension at B"],
    [`${HEADER}\nConv1,224,224,11,11,0,96,4,\n`, "error topology/dimension at 0"],
    [`${HEADER}\nConv1,224,224,11,11,3,96,99999999999,\n`, "error topology/dimension at 99999999999"],
    [`${HEADER}\nConv1,8,224,11,11,3,96,4,\n`, "error topology/filter at 11"],
    ["L,M,N,K,Sparsity\nq,1,2,3,4:2,", "error topology/sparsity at 4:2"],
    ["L,M,N,K,Sparsity\nq,1,2,3,half,", "error topology/sparsity at half"],
  ])("says where %j is wrong", (text, expected) => {
    expect(read(text)).toEqual({ layers: undefined, found: [expected] });
  });

  it("never throws", () => {
    const line = fc.array(
      fc.oneof(fc.constantFrom("M", "N", "K", "2:4", "DP", ""), fc.nat(99).map(String), fc.string()),
    );
    fc.assert(
      fc.property(fc.array(line.map((f) => f.join(","))), (lines) => {
        const { layers, found } = read(lines.join("\n"));
        expect(layers === undefined).toBe(found.some((d) => d.startsWith("error")));
      }),
    );
  });
});

const CONFIG = `[general]
run_name = mine

[architecture_presets]
ArrayHeight:    32
ArrayWidth:     16
IfmapSramSzkB:   64
FilterSramSzkB:  64
OfmapSramSzkB:   32
Bandwidth : 10
; a comment
Dataflow : os

[run_presets]
InterfaceBandwidth: USER
`;
const LAYOUT = "[layout]\nIfmapCustomLayout: False\nIfmapSRAMBankBandwidth: 20\nFilterSRAMBankBandwidth: 30\n";

function config(text: string) {
  const sink = new Diagnostics();
  const machine = readScalesimConfig(text, 0, sink);
  return { machine, found: sink.list.map((d) => `${d.code} at ${text.slice(d.span.start, d.span.end)}`) };
}

describe("readScalesimConfig", () => {
  const machine = {
    name: "mine",
    version: "v2",
    dataflow: "os",
    rows: 32,
    columns: 16,
    sramKB: { ifmap: 64, filter: 64, ofmap: 32 },
    wordsPerCycle: { ifmap: 10, filter: 10, ofmap: 10 },
  };

  it("reads both versions: the third takes the words of reads from its layout section", () => {
    expect(config(CONFIG)).toEqual({ machine, found: [] });
    const third = { ...machine, version: "v3", wordsPerCycle: { ifmap: 20, filter: 30, ofmap: 10 } };
    expect(config(CONFIG + LAYOUT)).toEqual({ machine: third, found: [] });
    const { wordsPerCycle: _, ...calc } = machine;
    expect(config(CONFIG.replace("USER", "CALC"))).toEqual({ machine: calc, found: [] });
    expect(config(CONFIG.replace("Bandwidth : 10", "bandwidth = 10,20,30")).machine?.wordsPerCycle).toEqual({
      ifmap: 10,
      filter: 20,
      ofmap: 30,
    });
  });

  it.each([
    [CONFIG.replace("Dataflow : os", "Dataflow : rs"), "scalesim/value at rs"],
    [CONFIG.replace("ArrayHeight:    32", "ArrayHeight: -1"), "scalesim/value at -1"],
    [CONFIG.replace("OfmapSramSzkB:   32\n", ""), "scalesim/missing at ["],
    [CONFIG.replace("USER", "FAST"), "scalesim/value at FAST"],
    [CONFIG.replace("; a comment", "a comment"), "scalesim/syntax at a comment"],
    [`x = 1\n${CONFIG}`, "scalesim/syntax at x = 1"],
    [`${CONFIG}[sparsity]\nSparsitySupport : true`, "scalesim/unsupported at true"],
    [CONFIG + LAYOUT.replace("False", "True"), "scalesim/unsupported at True"],
    [`${CONFIG}UseRamulatorTrace: True`, "scalesim/unsupported at True"],
  ])("says where it is wrong: %#", (text, expected) => {
    expect(config(text)).toEqual({ machine: undefined, found: [expected] });
  });

  it("never throws", () => {
    const part = fc.oneof(
      fc.constantFrom("[architecture_presets]", "ArrayHeight", ":", "=", "\n", "4", "os"),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const { machine: found, found: codes } = config(parts.join(" "));
        expect(found === undefined).toBe(codes.length > 0);
      }),
    );
  });
});

describe("the preset scalesim", () => {
  const base: PeerRequest = {
    preset: "scalesim",
    hardware: "ws-128x128",
    workload: { kind: "layers", name: "vit_s", layers: [] },
    phase: "prefill",
    batch: 1,
    context: 1,
  };

  it("adds the layers of a topology up to the total of a run", () => {
    const rows = readTable("scalesim/results.csv").filter((r) => r.config === "v3_vit_s_128x128_ws_CALC_s256-256-256");
    const text = ["Layer,M,N,K,", ...rows.map((r) => `${r.layer},${r.M},${r.N},${r.K},`)].join("\n");
    const layers = readTopology(text, 0, new Diagnostics())!;
    const workload = { kind: "layers", name: "vit_s", layers } as const;
    const [result] = simulatePeer({ ...base, workload }, new Diagnostics())!.results;
    // runs.csv of the same run
    expect(result!.totals).toMatchObject({ cycles: 56639, stallCycles: 0, macs: 275165184 });
    expect(result!.totals.utilisation).toBeCloseTo(0.297, 3);
    expect(result!.layers.map((l) => l.cycles)).toEqual(rows.map((r) => Number(r.total_cycles)));
  });

  it("takes a machine from a configuration, stalls included", () => {
    const machine = config(
      CONFIG.replace("ArrayWidth:     16", "ArrayWidth: 32").replace("OfmapSramSzkB:   32", "OfmapSramSzkB: 64"),
    ).machine!;
    const layers = [{ kind: "gemm", name: "Test 1", m: 256, n: 128, k: 256, count: 2 }] as const;
    const workload = { kind: "layers", name: "test", layers } as const;
    const [result] = simulatePeer({ ...base, hardware: machine, workload }, new Diagnostics())!.results;
    expect(result!.hardware).toBe("mine");
    expect(result!.totals).toMatchObject({ computeCycles: 2 * 10175, stallCycles: 2 * 40248 });
    expect(result!.totals.bytes.ifmapDram).toEqual({ read: 2 * 524320, write: 0 });
  });

  it("runs the block of a language model that SCALE-Sim does not finish", () => {
    const shape = {
      name: "llama",
      hidden: 4096,
      feedForward: 11008,
      blocks: 32,
      heads: 32,
      keyValueHeads: 32,
      headSize: 128,
      vocabulary: 32000,
      gated: true,
    };
    const workload = { kind: "model", model: { shape, known: undefined } } as const;
    const [result] = simulatePeer({ ...base, workload, phase: "decode", context: 2048 }, new Diagnostics())!.results;
    // SCALE-Sim's run of this layer alone: 392191 cycles.
    expect(result!.layers[0]).toMatchObject({ name: "model.layers.0.self_attn.q_proj", cycles: 392191 });
    expect(result!.layers.length).toBe(289);
  });

  it("refuses what it cannot run", () => {
    const codes = (change: Partial<PeerRequest>): readonly string[] => {
      const sink = new Diagnostics();
      simulatePeer({ ...base, ...change }, sink);
      return sink.list.map((d) => d.code);
    };
    expect(codes({ hardware: "rs-8x8" })).toEqual(["peer/hardware"]);
    const layer = { kind: "gemm", name: "big", m: 1e5, n: 1, k: 1e4, count: 1, sparsity: { kept: 1, of: 2 } } as const;
    const workload = { kind: "layers", name: "big", layers: [layer] } as const;
    expect(codes({ workload })).toEqual(["scalesim/sparsity"]);
    expect(codes({ workload, hardware: config(CONFIG).machine! })).toEqual(["scalesim/sparsity", "scalesim/size"]);
  });
});
