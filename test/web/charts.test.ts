/** What charts say: amounts, waterfalls, array and counters against the report, brute force and closed forms. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeTrace } from "../../simulator/index.ts";
import { arrayOf, progressAt, serialAt, usage, waveAt } from "../../web/array.ts";
import { csvText } from "../../web/charts/save.ts";
import { align, facetsOf, largest, meanFacet, STEPS_OF, stepsOf, totalOf } from "../../web/compare.ts";
import { countersOf } from "../../web/counters.ts";
import { load } from "../../web/load/load.ts";
import { rangeTotals } from "../../web/mix.ts";
import type { Model } from "../../web/model.ts";
import { layerRows, sorted } from "../../web/panels/layers.ts";
import { findEntries } from "../../web/panels/palette.ts";
import { amountsIn, quantitiesOf } from "../../web/quantities.ts";
import { boundOf, dotOf, roofsOf } from "../../web/roofs.ts";
import { groupName, type Operation, type Run, shortNames } from "../../web/run.ts";
import { METRICS } from "../../web/view-spec.ts";
import { simulated } from "./traces.ts";

async function modelOf(machine: string): Promise<{ model: Model; simulation: ReturnType<typeof simulated> }> {
  const simulation = simulated(machine);
  const loaded = await load(encodeTrace(simulation.trace!));
  if (loaded.kind !== "model") throw new Error("no trace");
  return { model: loaded.model, simulation };
}

const plain = await modelOf("systolic-32-os");
const serial = await modelOf("bitmod");

const close = (a: number, b: number): void =>
  expect(Math.abs(a - b)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(b)));

describe("amounts over time", () => {
  it("are the report's: of the run, and of each layer in the layer's range", () => {
    for (const { model, simulation } of [plain, serial]) {
      const { totals, layers } = simulation.report.results[0]!;
      const quantities = quantitiesOf(model);
      const expected = (figures: typeof totals): readonly number[] =>
        quantities.map((q) => {
          if (q.kind === "macs") return figures.macs;
          if (q.kind === "bytes") return figures.bytes[q.name]!.read + figures.bytes[q.name]!.write;
          return figures.energyPJ[q.name] ?? 0;
        });
      expect(quantities.filter((q) => q.kind === "energy").length).toBeGreaterThan(3);
      const same = (from: number, to: number, figures: typeof totals): void => {
        for (const [i, v] of amountsIn(model, quantities, from, to).entries()) close(v, expected(figures)[i]!);
      };
      same(0, model.cycles, totals);
      for (const layer of layers) same(layer.startCycle, layer.startCycle + layer.cycles, layer);
    }
  });

  it("of neighbouring ranges add up to that of both, and never fall", () => {
    const { model } = plain;
    const quantities = quantitiesOf(model);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: model.cycles }), { minLength: 3, maxLength: 3 }), (cuts) => {
        const [a = 0, b = 0, c = 0] = [...cuts].sort((x, y) => x - y);
        const whole = amountsIn(model, quantities, a, c);
        const first = amountsIn(model, quantities, a, b);
        const second = amountsIn(model, quantities, b, c);
        whole.forEach((v, i) => {
          close(first[i]! + second[i]!, v);
          expect(v).toBeGreaterThanOrEqual(-1e-6);
        });
      }),
      { numRuns: 60 },
    );
  });

  it("counters are their means: columns of any window sum to its amounts", () => {
    const { model } = plain;
    const counters = countersOf(model);
    expect(counters.map((c) => c.name)).toEqual(["bandwidth", "array use", "power", "wbuf", "ibuf", "obuf"]);
    const power = counters[2]!;
    const energy = quantitiesOf(model).filter((q) => q.kind === "energy");
    for (const [from, to, count] of [
      [0, model.cycles, 37],
      [1234, 5678, 10],
      [100, 103, 3],
    ] as const) {
      const { values } = power.columns({ from, to, count });
      const width = (to - from) / count;
      const sums = energy.map((_, p) => {
        let sum = 0;
        for (let c = 0; c < count; c++) sum += values[c * energy.length + p]! * width;
        return sum;
      });
      for (const [i, v] of amountsIn(model, energy, from, to).entries()) close(sums[i]!, v);
    }
  });

  it("a buffer's counter is the mean of its samples, cycle by cycle", () => {
    const { model } = plain;
    const { placements, segments } = model;
    const bytesAt = (buffer: number, cycle: number): number => {
      const p = placements.findLast((q) => q.start <= cycle)!;
      const { at, value } = segments[p.segment]!.samples![buffer]!;
      let i = 0;
      while (i + 1 < at.length && at[i + 1]! <= cycle - p.start) i++;
      return value[i]!;
    };
    const end = placements[1]!.start;
    const buffers = countersOf(model).slice(3);
    expect(buffers).toHaveLength(3);
    for (const [buffer, counter] of buffers.entries())
      for (const from of [0, end - 40]) {
        const { values } = counter.columns({ from, to: from + 80, count: 4 });
        for (let c = 0; c < 4; c++) {
          let sum = 0;
          for (let t = 0; t < 20; t++) sum += bytesAt(buffer, from + 20 * c + t);
          close(values[c]!, sum / 20);
        }
      }
  });
});

describe("array", () => {
  it("multiplies in every cycle what the report counts in all", () => {
    const { model, simulation } = plain;
    const info = arrayOf(model)!;
    const { macs, cycles } = simulation.report.results[0]!.layers[0]!;
    let working = 0;
    for (let t = 0; t < cycles; t++) working += waveAt(model, info, t).working;
    expect(working).toBe(macs);
  });

  it("its utilisation over a range is the mean of its cycles", () => {
    for (const { model } of [plain, serial]) {
      const info = arrayOf(model)!;
      const { rows, columns } = info;
      const [from, to] = [model.placements[1]!.start - 150, model.placements[1]!.start + 700];
      const shares = usage(model, info, from, to);
      const counted = new Float64Array(rows * columns);
      for (let t = from; t < to; t++) {
        const { hops, entries } = waveAt(model, info, t);
        for (let r = 0; r < rows; r++)
          for (let c = 0; c < columns; c++) {
            const e = entries[Math.floor(r / hops.rows) + Math.floor(c / hops.columns)];
            if (e !== undefined && e.state === info.contract && r < e.rows && c < e.columns)
              counted[r * columns + c]! += 1 / (to - from);
          }
      }
      expect(Math.max(...shares)).toBeGreaterThan(0);
      shares.forEach((share, i) => {
        if (Math.abs(share - counted[i]!) > 1e-9) expect([i, share]).toEqual([i, counted[i]]);
      });
    }
  });

  it("counts terms, groups and rescaling as the stream goes on: the last cycle of a fold ends its last group", () => {
    const { model } = serial;
    const info = arrayOf(model)!;
    const { lanes, terms: widths, rescaleCycles } = info.spec.bitSerial!;
    const segment = model.segments[0]!;
    const { bits, group } = segment.codes!;
    const terms = widths.find((t) => t.bits === bits)!.cycles;
    const { end, time } = segment.folds!;
    for (const fold of [0, 1, end.length - 1]) {
      const first = fold === 0 ? 0 : end[fold - 1]!;
      const streamed = rangeTotals(model, info.lane, first, end[fold]!)[info.contract]!;
      expect(streamed).toBe(Math.ceil(time[fold]! / lanes) * terms);
      const last = progressAt(model, info, end[fold]! - 1)!;
      expect([last.fold, last.entered, last.time]).toEqual([fold, time[fold], time[fold]]);
      expect([last.serial!.term, last.serial!.group]).toEqual([terms, last.serial!.groups]);
    }
    const period = (group! / lanes) * terms;
    const second = serialAt(info.spec, segment.codes!, period, 4 * group!)!;
    expect(second).toMatchObject({ term: 1, group: 2, weight: group! + lanes, groups: 4, waits: false });
    expect(second.rescale).toEqual({ cycle: 1, cycles: rescaleCycles });
    expect(serialAt(info.spec, segment.codes!, period + rescaleCycles, 4 * group!)!.rescale).toBeUndefined();
  });
});

const amount = fc.integer({ min: 0, max: 1e9 });
const operation: fc.Arbitrary<Operation> = fc
  .record({
    name: fc.constantFrom("0.q", "0.k", "1.q", "1.k", "head", "extra"),
    kind: fc.constantFrom("attention", "output"),
    parts: fc.tuple(amount, amount, amount),
    dram: fc.tuple(amount, amount),
    energy: fc.dictionary(fc.constantFrom("pe", "dram", "wbuf"), amount, { maxKeys: 3 }),
  })
  .map(({ name, kind, parts: [works, waits, idle], dram: [read, write], energy }) => ({
    name,
    kind,
    start: 0,
    cycles: works + waits + idle,
    energyPJ: energy,
    macs: works,
    bytes: { dram: { read, write } },
    units: { pe: { busy: { contract: works }, stall: { drain: waits }, idle } },
  }));
const run: fc.Arbitrary<Run> = fc.record({
  workload: fc.constant("w"),
  hardware: fc.constantFrom("a", "b"),
  phase: fc.constant("decode"),
  details: fc.constant([]),
  clockMHz: fc.constantFrom(1000, 500),
  machine: fc.constant(undefined),
  area: fc.constant(undefined),
  operations: fc.array(operation, { minLength: 1, maxLength: 8 }),
});

describe("comparison", () => {
  it("its steps sum exactly to both totals, by whatever they are taken, whatever is in one run only", () => {
    fc.assert(
      fc.property(run, run, (a, b) => {
        for (const metric of METRICS)
          for (const by of STEPS_OF[metric])
            for (const steps of [stepsOf(a, b, metric, by), largest(stepsOf(a, b, metric, by), 3)]) {
              const total = (side: "a" | "b"): number => steps.reduce((sum, s) => sum + s[side], 0);
              const change = steps.reduce((sum, s) => sum + (s.b - s.a), 0);
              const [before, after] = [totalOf(a, metric), totalOf(b, metric)];
              if (metric === "time") close(change, after - before);
              else expect(change).toBe(after - before);
              if (steps.length > 3 && metric !== "time") expect([total("a"), total("b")]).toEqual([before, after]);
            }
      }),
      { numRuns: 120 },
    );
  });

  it("aligns every operation once: the n-th of a name with the n-th", () => {
    fc.assert(
      fc.property(run, run, (a, b) => {
        const pairs = align(a, b);
        expect(pairs.flatMap((p) => p.a ?? [])).toEqual(a.operations);
        expect(new Set(pairs.flatMap((p) => p.b ?? []))).toEqual(new Set(b.operations));
        expect(pairs.flatMap((p) => p.b ?? [])).toHaveLength(b.operations.length);
        const seen = new Map<string, number>();
        for (const { name, a: own, b: other } of pairs) {
          expect(own?.name ?? name).toBe(other?.name ?? name);
          if (own === undefined || other === undefined) continue;
          const place = b.operations.indexOf(other);
          expect(place).toBeGreaterThan(seen.get(name) ?? -1);
          seen.set(name, place);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("gives each model a picture against the baseline's machine, and the geometric mean of all", () => {
    const make = (workload: string, hardware: string, cycles: number): Run => ({
      workload,
      hardware,
      phase: "decode",
      details: ["batch 1"],
      clockMHz: 1000,
      machine: undefined,
      area: undefined,
      operations: [
        { name: "x", kind: "k", start: 0, cycles, energyPJ: { pe: 2 * cycles }, macs: 1, bytes: {}, units: {} },
      ],
    });
    const runs = [make("small", "a", 100), make("small", "b", 50), make("large", "a", 800), make("large", "b", 100)];
    const facets = facetsOf(runs, 0);
    expect(facets.map((f) => f.multiples.map((m) => m.speedup!))).toEqual([
      [1, expect.closeTo(2)],
      [1, expect.closeTo(8)],
    ]);
    const mean = meanFacet(facets)!;
    expect(mean.multiples.map((m) => [m.series, m.speedup, m.energy])).toEqual([
      ["a", 1, 1],
      ["b", expect.closeTo(4), expect.closeTo(0.25)],
    ]);
  });
});

describe("roofline", () => {
  it("has no operation above its roof, and says which roof it is", () => {
    for (const { model } of [plain, serial]) {
      const roofs = roofsOf(model.run!.machine!);
      for (const o of model.run!.operations) {
        const dot = dotOf(o.name, o.name, model.run!, [o])!;
        const bound = boundOf(dot, roofs);
        expect(bound.cycles).toBeLessThanOrEqual(o.cycles);
        const ridge = roofs.macsPerCycle / roofs.bytesPerCycle;
        expect(bound.by).toBe(dot.macs / dot.bytes < ridge ? "memory" : "compute");
      }
    }
  });
});

describe("tables", () => {
  it("rows sum to the run, together and one by one; sorting keeps all", () => {
    const own = plain.model.run!;
    for (const grouped of [true, false]) {
      const rows = layerRows(own, grouped);
      expect(rows.reduce((sum, r) => sum + r.cycles, 0)).toBe(plain.model.cycles);
      const falling = sorted(rows, "-cycles").map((r) => r.cycles);
      expect(falling).toEqual([...rows.map((r) => r.cycles)].sort((a, b) => b - a));
      expect(new Set(sorted(rows, "name"))).toEqual(new Set(rows));
      expect(sorted(rows, "")).toEqual(rows);
    }
  });

  it("CSV quotes what must be quoted, and makes no formulas", () => {
    expect(csvText([["a,b", 'say "x"', "=1+1", -2, "line\nbreak"]])).toBe(
      '"a,b","say ""x""",\'=1+1,-2,"line\nbreak"\n',
    );
  });

  it("names lose what all begin with, and numbers of blocks", () => {
    const names = ["model.layers.*.self_attn.q_proj", "model.layers.*.mlp.up_proj", "lm_head"];
    const short = shortNames(names);
    expect(names.map(short)).toEqual(["self_attn.q_proj", "mlp.up_proj", "lm_head"]);
    expect(groupName("model.layers.31.self_attn.q_proj")).toBe(names[0]);
  });

  it("the palette finds all words, what begins with the first one first", () => {
    const entries = ["lane: pe", "panel: layers", "show or hide the panel"].map((name) => ({
      name,
      hint: "",
      act: () => {},
    }));
    expect(findEntries(entries, "panel").map((e) => e.name)).toEqual(["panel: layers", "show or hide the panel"]);
    expect(findEntries(entries, "hide pan").map((e) => e.name)).toEqual(["show or hide the panel"]);
  });
});

describe("a report", () => {
  const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

  it("opens as its runs, with the totals of its layers", async () => {
    const { report } = plain.simulation;
    const machines = [plain.model.run!.machine];
    const loaded = await load(bytes({ ...report, machines }));
    if (loaded.kind !== "runs") throw new Error("not runs");
    const [own] = loaded.runs;
    expect(own!.operations).toEqual(plain.model.run!.operations);
    expect(totalOf(own!, "energy")).toBeCloseTo(report.results[0]!.totals.energyPJ.total, 3);
    expect(own!.clockMHz).toBe(plain.model.clockMHz);
  });

  it.each([
    ["no results", { results: [] }, /without results/],
    ["a result that is none", { results: [7] }, /result 0 is none/],
    ["a layer without cycles", { results: [{ layers: [{ name: "x" }] }] }, /does not say how many cycles/],
    ["cycles below zero", { results: [{ layers: [{ cycles: -1 }] }] }, /does not say how many cycles/],
  ])("%s: refused in words", async (_name, document, why) => {
    const loaded = await load(bytes({ schema: "bitloom.simulate/1", ...document }));
    expect(loaded).toMatchObject({ kind: "error", message: expect.stringMatching(why) });
  });
});
