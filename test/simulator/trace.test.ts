/** Traces: slices are the state tables in detail, files read back as they were written, Chrome's JSON keeps its rules. */
import { describe, expect, it } from "vitest";
import { tileMachine } from "../../compiler/passes/tile-machine.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";
import {
  chromeTrace,
  decodeTrace,
  encodeTrace,
  estimateChromeBytes,
  type Simulation,
  simulate,
  slicesOf,
  type Transformer,
} from "../../simulator/index.ts";
import { addTables, busy, NO_CYCLES, type StateTable } from "../../simulator/states.ts";
import { machineWith } from "./machines.ts";

const workload: Transformer = {
  name: "tiny",
  hidden: 48,
  feedForward: 96,
  blocks: 2,
  heads: 4,
  keyValueHeads: 2,
  headSize: 12,
  vocabulary: 60,
};
const hardware = machineWith({
  rows: 8,
  columns: 8,
  dataflow: "ws",
  overlap: { shadowRegisters: true },
  capacityBytes: 4096,
  bytesPerCycle: 16,
  latencyCycles: 20,
  requestBytes: 64,
  elementsPerCycle: 8,
});

function traced(memoise: boolean): Simulation {
  const request = {
    workload,
    hardware,
    phase: "prefill",
    batch: 1,
    context: 20,
    weights: 4,
    trace: true,
    memoise,
  } as const;
  return simulate(request, tileMachine, new Diagnostics())!;
}

const simulation = traced(true);
const trace = simulation.trace!;
const { totals, layers } = simulation.report.results[0]!;

function tableFrom(lane: number): StateTable {
  let table = NO_CYCLES;
  for (const slice of slicesOf(trace, lane)) {
    const [what, kind = ""] = slice.state.split(":");
    const culprits = slice.culprit === undefined ? {} : { [slice.culprit]: slice.cycles };
    const one: StateTable = {
      busy: what === "busy" ? { [kind]: slice.cycles } : {},
      stall: what === "stall" ? { [kind]: slice.cycles } : {},
      idle: what === "idle" ? slice.cycles : 0,
      culprits,
    };
    table = addTables(table, one);
  }
  return table;
}

describe("trace", () => {
  it.each(trace.header.lanes.map((name, lane) => ({ name, lane })))(
    "$name: its slices are its state table",
    ({ name, lane }) => {
      expect(tableFrom(lane)).toEqual(totals.units[name]);
    },
  );

  it("slices of a lane follow each other from 0 to the end, without equal neighbours in a layer", () => {
    for (const lane of trace.header.lanes.keys()) {
      let end = 0;
      let last = "";
      for (const slice of slicesOf(trace, lane)) {
        expect(slice.start).toBe(end);
        expect(slice.cycles).toBeGreaterThan(0);
        const key = JSON.stringify([slice.layer, slice.state, slice.op, slice.culprit]);
        expect(key).not.toBe(last);
        last = key;
        end += slice.cycles;
      }
      expect(end).toBe(totals.cycles);
    }
  });

  it("layers of one shape share a segment, and it reads the same where they do not", () => {
    expect(trace.header.layers.map((l) => l.startCycle)).toEqual(layers.map((l) => l.startCycle));
    expect(trace.header.segments.length).toBeLessThan(trace.header.layers.length);
    const apart = traced(false).trace!;
    expect(apart.header.segments.length).toBe(apart.header.layers.length);
    for (const lane of trace.header.lanes.keys())
      expect([...slicesOf(apart, lane)]).toEqual([...slicesOf(trace, lane)]);
  });

  it("has the folds that make the sums: as many multiply–accumulates, each ending where the array takes its last row", () => {
    const pe = trace.header.lanes.indexOf("pe");
    const contracting = busy("contract");
    trace.header.segments.forEach((segment, id) => {
      const { folds, cycles, state } = trace.segments[id]!;
      let macs = 0;
      folds!.time.forEach((time, i) => {
        macs += time * folds!.rows[i]! * folds!.columns[i]!;
      });
      expect(macs).toBe(segment.figures!.macs);
      const first = segment.counts.slice(0, pe).reduce((sum, n) => sum + n, 0);
      const works: boolean[] = [];
      for (let i = first; i < first + segment.counts[pe]!; i++)
        for (let c = 0; c < cycles[i]!; c++) works.push(state[i] === contracting);
      let end = 0;
      folds!.cycles.forEach((length, i) => {
        const streaming = works.slice(end, end + length).filter(Boolean).length;
        end += length;
        expect(streaming).toBe(folds!.time[i]);
        expect(works[end - 1]).toBe(true);
      });
    });
  });

  it("knows how much of each buffer is allocated: within its capacity, never negative, nothing left over at the end", () => {
    trace.header.segments.forEach((segment, id) => {
      trace.segments[id]!.counters!.forEach(({ cycles, value }, i) => {
        const { capacityBytes } = trace.header.counters![i]!;
        expect(cycles.reduce((sum, c) => sum + c, 0)).toBeLessThanOrEqual(segment.cycles);
        expect(Math.min(...value)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...value)).toBeGreaterThan(0);
        expect(Math.max(...value)).toBeLessThanOrEqual(capacityBytes ?? Number.POSITIVE_INFINITY);
        expect(value.at(-1)).toBe(0);
      });
    });
  });

  it("carries the figures of the report: layer for layer, with the machine", () => {
    const { result, machine } = trace.header.run!;
    expect({ ...result, totals, layers }).toEqual(simulation.report.results[0]);
    expect(machine).toEqual(hardware);
    for (const [i, layer] of trace.header.layers.entries()) {
      const { name, kind, shape, startCycle } = layer;
      const figures = trace.header.segments[layer.segment]!.figures!;
      expect(layers[i]).toMatchObject({ name, kind, shape, startCycle, ...figures });
    }
  });

  it("reads back as it was written, also from an odd place in a buffer", () => {
    const bytes = encodeTrace(trace);
    expect(decodeTrace(bytes, 0, new Diagnostics())).toEqual(trace);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(decodeTrace(shifted.subarray(3), 0, new Diagnostics())).toEqual(trace);
  });

  it("refuses what is no trace", () => {
    const bytes = encodeTrace(trace);
    const reason = (file: Uint8Array): string => {
      const sink = new Diagnostics();
      expect(decodeTrace(file, 0, sink)).toBeUndefined();
      return sink.list.map((d) => `${d.code} ${d.message}`).join();
    };
    expect(reason(bytes.subarray(0, 5))).toMatch(/trace\/format .* too short/);
    expect(reason(new TextEncoder().encode("{ not a trace }"))).toMatch(/does not begin with BLTR/);
    expect(reason(bytes.subarray(0, 100))).toMatch(/header is cut off/);
    expect(reason(bytes.subarray(0, bytes.length - 8))).toMatch(/columns are cut off/);
    const newer = bytes.slice();
    newer[4] = 2;
    expect(reason(newer)).toMatch(/version is 2/);
    const damaged = bytes.slice();
    damaged[12] = 0x58;
    expect(reason(damaged)).toMatch(/header is damaged/);
  });
});

describe("Chrome export", () => {
  interface Event {
    readonly ph: string;
    readonly tid?: number;
    readonly ts?: number;
    readonly dur?: number;
    readonly name: string;
    readonly args: Readonly<Record<string, string | number>>;
  }
  const parse = (options = {}): readonly Event[] => {
    const file = JSON.parse([...chromeTrace(trace, options)].join("")) as { readonly traceEvents: readonly Event[] };
    return file.traceEvents;
  };
  const events = parse();

  it("has one slice at a time on a track, in the order of time, in whole cycles", () => {
    const ends = new Map<number, number>();
    let last = 0;
    for (const e of events) {
      if (e.ph !== "X") continue;
      expect(Number.isSafeInteger(e.ts) && Number.isSafeInteger(e.dur)).toBe(true);
      expect(e.ts!).toBeGreaterThanOrEqual(last);
      expect(e.ts!).toBeGreaterThanOrEqual(ends.get(e.tid!) ?? 0);
      ends.set(e.tid!, e.ts! + e.dur!);
      last = e.ts!;
    }
  });

  it("holds every busy and stalled cycle, under the names of kinds", () => {
    const names = new Map(
      events.flatMap((e) => (e.name === "thread_name" ? [[String(e.args.name), e.tid!] as const] : [])),
    );
    const cyclesOn = (track: string, name: string): number =>
      events
        .filter((e) => e.ph === "X" && e.tid === names.get(track) && e.name === name)
        .reduce((sum, e) => sum + e.dur!, 0);
    expect(cyclesOn("pe", "contract")).toBe(totals.units.pe!.busy.contract);
    const stalls = Object.entries(totals.units.pe!.stall);
    expect(stalls.length).toBeGreaterThan(1);
    for (const [cause, cycles] of stalls) expect(cyclesOn("pe ▸ stall", `stall.${cause}`)).toBe(cycles);
    expect(cyclesOn("dram", "read")).toBe(totals.units.dram!.busy.read);
    expect(events.filter((e) => e.ph === "X" && e.tid === names.get("layer")).length).toBe(layers.length);
  });

  it("can be cut to a window, and says how large it will be", () => {
    const [from, to] = [1000, 2000];
    const cut = parse({ from, to }).filter((e) => e.ph === "X" && e.tid !== 1);
    expect(cut.length).toBeGreaterThan(0);
    expect(cut.length).toBeLessThan(events.length);
    for (const e of cut) expect(e.ts! >= from && e.ts! < to).toBe(true);
    const bytes = [...chromeTrace(trace)].join("").length;
    expect(estimateChromeBytes(trace) / bytes).toBeGreaterThan(0.7);
    expect(estimateChromeBytes(trace) / bytes).toBeLessThan(1.5);
  });
});
