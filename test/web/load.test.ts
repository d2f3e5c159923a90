/** Reading traces: ours, Chrome's and Kanata's, held against the simulator's report; and files that mean harm. */
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { chromeTrace, encodeTrace, slicesOf } from "../../simulator/index.ts";
import { firstLook } from "../../web/load/bitloom.ts";
import { load } from "../../web/load/load.ts";
import { rangeBlame, rangeTotals } from "../../web/mix.ts";
import type { Loaded, Model } from "../../web/model.ts";
import { sliceAt } from "../../web/slices.ts";
import { cause, effect } from "../../web/walk.ts";
import { simulated } from "./traces.ts";

const SIMULATION = simulated();
const REPORT = SIMULATION.report.results[0]!;
const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const ourBytes = (): Uint8Array => encodeTrace(SIMULATION.trace!);
const chromeBytes = (): Uint8Array => text([...chromeTrace(SIMULATION.trace!)].join(""));

async function modelFrom(bytes: Uint8Array): Promise<Model> {
  const loaded = await load(bytes);
  if (loaded.kind !== "model") throw new Error(loaded.kind === "error" ? loaded.message : "runs without a trace");
  return loaded.model;
}

/** Totals by unit and state as the simulator's report has them. */
function reported(): Record<string, Record<string, number>> {
  return Object.fromEntries(
    Object.entries(REPORT.totals.units).map(([unit, table]) => {
      const states: Record<string, number> = {};
      for (const [kind, cycles] of Object.entries(table.busy)) states[`busy:${kind}`] = cycles;
      for (const [cause, cycles] of Object.entries(table.stall)) states[`stall:${cause}`] = cycles;
      if (table.idle > 0) states.idle = table.idle;
      return [unit, states];
    }),
  );
}

function totalsOf(model: Model): Record<string, Record<string, number>> {
  return Object.fromEntries(
    model.lanes.map(({ name }, lane) => {
      const totals = rangeTotals(model, lane, 0, model.cycles);
      const named = model.states.map((s, i) => [s.name, totals[i]!] as const).filter(([, cycles]) => cycles > 0);
      return [name, Object.fromEntries(named)];
    }),
  );
}

function culpritsOf(model: Model, lane: number): Record<string, number> {
  const culprits: Record<string, number> = {};
  for (const { culprit, cycles } of rangeBlame(model, lane, 0, model.cycles)) {
    if (culprit < 0) continue;
    const name = model.lanes[culprit]!.name;
    culprits[name] = (culprits[name] ?? 0) + cycles;
  }
  return culprits;
}

describe("our trace", () => {
  it("has the totals of the simulator's report, by unit, state and culprit", async () => {
    const model = await modelFrom(ourBytes());
    expect(model.cycles).toBe(REPORT.totals.cycles);
    expect(totalsOf(model)).toEqual(reported());
    for (const lane of model.lanes.keys())
      expect(culpritsOf(model, lane)).toEqual(REPORT.totals.units[model.lanes[lane]!.name]!.culprits);
  });

  it("gives a first look at its first layers, and reads as if it had not been looked at", async () => {
    const bytes = ourBytes();
    const first = firstLook(bytes);
    if (first?.kind !== "model") throw new Error("no first look");
    const whole = await modelFrom(bytes);
    const { cycles, layers } = first.model;
    expect(layers.length).toBeGreaterThan(0);
    expect(cycles).toBeLessThan(whole.cycles);
    expect(layers).toEqual(whole.layers.slice(0, layers.length));
    for (const lane of whole.lanes.keys())
      expect(rangeTotals(first.model, lane, 0, cycles)).toEqual(rangeTotals(whole, lane, 0, cycles));
    expect(totalsOf(whole)).toEqual(reported());
  });

  it("has each layer's totals in the layer's range", async () => {
    const model = await modelFrom(ourBytes());
    const pe = model.lanes.findIndex((l) => l.name === "pe");
    const contract = model.states.findIndex((s) => s.name === "busy:contract");
    for (const [i, layer] of REPORT.layers.entries()) {
      const { start, end } = model.layers[i]!;
      expect(rangeTotals(model, pe, start, end)[contract]).toBe(layer.units.pe!.busy.contract);
    }
  });

  it("has every slice where the simulator's reader has it", async () => {
    const model = await modelFrom(ourBytes());
    for (const lane of model.lanes.keys())
      for (const slice of slicesOf(SIMULATION.trace!, lane)) {
        const found = sliceAt(model, lane, slice.start)!;
        expect([found.start, found.end, model.states[found.state]!.name, model.lanes[found.culprit]?.name]).toEqual([
          slice.start,
          slice.start + slice.cycles,
          slice.state,
          slice.culprit,
        ]);
      }
  });

  it("is read from gzip", async () => {
    expect(totalsOf(await modelFrom(gzipSync(ourBytes())))).toEqual(reported());
  });

  it("puts units of one kind together", async () => {
    const model = await modelFrom(ourBytes());
    expect(Object.fromEntries(model.lanes.map((l) => [l.name, l.group]))).toMatchObject({
      dram: "Memory",
      "dma-o": "Memory",
      pe: "Compute",
    });
  });
});

describe("Chrome JSON", () => {
  it("that we wrote says the same as our own trace", async () => {
    const model = await modelFrom(chromeBytes());
    expect(model.unit).toBe("cycle");
    expect(totalsOf(model)).toEqual(
      Object.fromEntries(Object.entries(reported()).filter(([, s]) => Object.keys(s).some((n) => n !== "idle"))),
    );
    const pe = model.lanes.findIndex((l) => l.name === "pe");
    expect(culpritsOf(model, pe)).toEqual(REPORT.totals.units.pe!.culprits);
    expect(model.layers).toHaveLength(REPORT.layers.length);
  });

  const events = (list: readonly object[]): Uint8Array => text(JSON.stringify({ traceEvents: list }));

  it("spreads overlapping slices over lanes and keeps every nanosecond", async () => {
    const model = await modelFrom(
      events([
        { ph: "M", pid: 1, name: "process_name", args: { name: "gpu" } },
        { ph: "X", pid: 1, tid: 1, ts: 1000, dur: 10, name: "outer" },
        { ph: "X", pid: 1, tid: 1, ts: 1002.5, dur: 3, name: "inner" },
        { ph: "B", pid: 1, tid: 2, ts: 1001, name: "open" },
        { ph: "E", pid: 1, tid: 2, ts: 1004 },
      ]),
    );
    expect(model.unit).toBe("ns");
    expect(model.cycles).toBe(10_000);
    expect(model.lanes.map((l) => `${l.group}/${l.name}`)).toEqual(["gpu/1.0", "gpu/1.1", "gpu/2"]);
    expect(totalsOf(model)).toEqual({
      "1.0": { "busy:outer": 10_000 },
      "1.1": { "busy:inner": 3000, idle: 7000 },
      "2": { "busy:open": 3000, idle: 7000 },
    });
    expect(sliceAt(model, 1, 2500)).toMatchObject({ start: 2500, end: 5500 });
  });

  it("accepts an array that is not closed", async () => {
    const model = await modelFrom(text('[{"ph":"X","pid":1,"tid":1,"ts":0,"dur":5,"name":"a"},\n'));
    expect(model.cycles).toBe(5000);
  });

  it("turns flows into dependencies that can be walked", async () => {
    const model = await modelFrom(
      events([
        { ph: "X", pid: 1, tid: 1, ts: 0, dur: 4, name: "load" },
        { ph: "s", pid: 1, tid: 1, ts: 3, id: 1, name: "raw", cat: "dep" },
        { ph: "X", pid: 1, tid: 2, ts: 6, dur: 4, name: "mma" },
        { ph: "f", bp: "e", pid: 1, tid: 2, ts: 6, id: 1, name: "raw", cat: "dep" },
      ]),
    );
    const mma = sliceAt(model, 1, 7000)!;
    const producer = cause(model, mma)!;
    expect([producer.lane, producer.start]).toEqual([0, 0]);
    expect(effect(model, producer)).toEqual(mma);
  });
});

const KANATA = [
  "Kanata\t0004",
  "C=\t0",
  "C\t100",
  "I\t0\t1000\t0",
  "L\t0\t0\tdma W",
  "S\t0\t0\tLd",
  "S\t0\t1\tstl.dram",
  "C\t7",
  "E\t0\t1\tstl.dram",
  "S\t0\t0\tX",
  "C\t4",
  "I\t1\t1001\t0",
  "L\t1\t0\tmma tile",
  "S\t1\t0\tIq",
  "W\t1\t0\t0",
  "C\t1",
  "S\t1\t0\tX",
  "E\t0\t0\tX",
  "R\t0\t0\t0",
  "C\t16",
  "E\t1\t0\tX",
  "R\t1\t1\t0",
  "",
].join("\n");

describe("Kanata", () => {
  it("gives each stage a lane, stalls one of their own, and waits their edges", async () => {
    const model = await modelFrom(text(KANATA));
    expect(totalsOf(model)).toEqual({
      Ld: { "busy:Ld": 7, idle: 121 },
      stalls: { "stall:dram": 7, idle: 121 },
      X: { "busy:X": 21, idle: 107 },
      Iq: { "busy:Iq": 1, idle: 127 },
    });
    const x = model.lanes.findIndex((l) => l.name === "X");
    const consumer = sliceAt(model, x, 120)!;
    expect(cause(model, consumer)).toMatchObject({ lane: x, start: 107, end: 112 });
  });
});

describe("a file that means harm", () => {
  const refused = async (bytes: Uint8Array): Promise<string> => {
    const loaded: Loaded = await load(bytes);
    return loaded.kind === "error" ? loaded.message : "it was shown";
  };
  /** Our trace with a header of the attacker's. */
  function withHeader(change: (header: Record<string, unknown>) => void): Uint8Array {
    const bytes = ourBytes();
    const length = new DataView(bytes.buffer).getUint32(8, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(12, 12 + length)));
    change(header);
    const json = text(JSON.stringify(header));
    const padded = Math.ceil((12 + json.length) / 8) * 8 - 12;
    const file = new Uint8Array(12 + padded + bytes.length - 12 - length).fill(0x20);
    file.set(bytes.subarray(0, 12));
    new DataView(file.buffer).setUint32(8, padded, true);
    file.set(json, 12);
    file.set(bytes.subarray(12 + length), 12 + padded);
    return file;
  }
  type Segment = { counts: unknown[]; cycles: unknown; ops: unknown };
  const segmentsOf = (header: Record<string, unknown>): Segment[] => header.segments as Segment[];

  it.each<readonly [string, () => Uint8Array, RegExp]>([
    ["nothing", () => new Uint8Array(), /empty/],
    ["noise", () => Uint8Array.of(0x80, 0x81, 0xff), /neither/],
    ["another version", () => Uint8Array.from(ourBytes(), (b, i) => (i === 4 ? 99 : b)), /version is 99/],
    ["a header cut off", () => ourBytes().slice(0, 40), /cut off/],
    ["columns cut off", () => ourBytes().slice(0, -64), /cut off/],
    ["a huge count", () => withHeader((h) => segmentsOf(h)[0]!.counts.fill(2 ** 50)), /cut off|too many/],
    ["a count below zero", () => withHeader((h) => segmentsOf(h)[0]!.counts.fill(-1)), /how many slices|damaged/],
    ["a count that is none", () => withHeader((h) => segmentsOf(h)[0]!.counts.fill(null)), /how many slices|damaged/],
    [
      "text for a count",
      () => withHeader((h) => segmentsOf(h)[0]!.counts.fill("9")),
      /how many slices|damaged|cut off/,
    ],
    [
      "a length that is none",
      () => withHeader((h) => Object.assign(segmentsOf(h)[0]!, { cycles: "NaN" })),
      /no length/,
    ],
    [
      "lanes that do not add up",
      () => withHeader((h) => Object.assign(segmentsOf(h)[0]!, { cycles: 5 })),
      /cycles where|follow each other/,
    ],
    ["no segments", () => withHeader((h) => Object.assign(h, { segments: [] })), /not there/],
    ["null segments", () => withHeader((h) => Object.assign(h, { segments: [null] })), /damaged|no length/],
    ["layers out of order", () => withHeader((h) => (h.layers as unknown[]).reverse()), /follow each other/],
    ["ops that are none", () => withHeader((h) => Object.assign(segmentsOf(h)[0]!, { ops: 7 })), /no list of ops/],
    ["a thousand lanes", () => withHeader((h) => Object.assign(h, { lanes: Array(5000).fill("x") })), /lanes/],
    ["JSON that is none", () => text("{]"), /not JSON/],
    ["JSON without events", () => text("{}"), /no list of trace events/],
    ["null", () => text("[null]"), /event 0 is not an object/],
    ["a time that is none", () => text('[{"ph":"X","ts":"NaN","dur":1,"name":"a"}]'), /event 0 has no time/],
    ["an endless time", () => text('[{"ph":"X","ts":0,"dur":1e308,"name":"a"}]'), /event 0 has no time/],
    [
      "a time run backwards",
      () => text('[{"ph":"X","ts":0,"dur":1},{"ph":"X","ts":5,"dur":-2}]'),
      /ends before it begins/,
    ],
    ["an end without begin", () => text('[{"ph":"E","ts":0}]'), /did not begin/],
    ["no slice", () => text("[]"), /no slices/],
    [
      "too many threads",
      () =>
        text(
          JSON.stringify(
            Array.from({ length: 2000 }, (_, i) => ({ ph: "X", ts: 0, dur: 1, pid: 1, tid: i + 1, name: "a" })),
          ),
        ),
      /threads|lanes/,
    ],
    ["deep JSON", () => text("[".repeat(200_000)), /not JSON|cannot be read/],
    ["Kanata of another version", () => text("Kanata\t0005\n"), /not a Kanata 0004/],
    ["a cycle that is none", () => text("Kanata\t0004\nC\tNaN\n"), /line 2 has no number/],
    ["cycles without end", () => text(`Kanata\t0004\n${"C\t999999999999999\n".repeat(20)}`), /last cycle/],
    ["an op that is not there", () => text("Kanata\t0004\nS\t5\t0\tX\n"), /op 5/],
    ["a bomb", () => gzipSync(Buffer.alloc(1 << 20)), /neither/],
    ["gzip cut off", () => new Uint8Array(gzipSync(ourBytes()).subarray(0, 200)), /cannot be read/],
  ])("%s: refused in words", async (_name, bytes, why) => {
    expect(await refused(bytes())).toMatch(why);
  });

  it("random damage never throws and never makes lanes of unequal length", async () => {
    const bytes = ourBytes();
    let seed = 7;
    const random = (n: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed % n;
    };
    for (let round = 0; round < 150; round++) {
      const damaged = bytes.slice();
      for (let i = 0; i < 4; i++) damaged[12 + random(round % 2 === 0 ? 2000 : bytes.length - 12)] = random(256);
      const loaded = await load(damaged);
      if (loaded.kind !== "model") continue;
      for (const lane of loaded.model.lanes.keys()) {
        const sum = rangeTotals(loaded.model, lane, 0, loaded.model.cycles).reduce((a, b) => a + b, 0);
        expect(sum).toBe(loaded.model.cycles);
      }
    }
  });
});
