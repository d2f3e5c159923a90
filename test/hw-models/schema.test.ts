/** Hardware models: what is shipped is complete and sourced; what is wrong is refused at its line. */
import { describe, expect, it } from "vitest";
import { dramBytesPerSecond, partsOf, peakMacsPerSecond, peakOf } from "../../hw-models/derive.ts";
import { DRAM_PARTS } from "../../hw-models/dram-part.ts";
import { energyTable } from "../../hw-models/energy-table.ts";
import { ACCELERATORS, GPUS, gpuFor, HARDWARE, hardwareNamed } from "../../hw-models/index.ts";
import { parseJson } from "../../hw-models/json.ts";
import { type AcceleratorModel, numericFields, sourceOf, validateHardware } from "../../hw-models/schema.ts";
import systolic128 from "../../hw-models/systolic-128.json" with { type: "json" };
import { withMemory } from "../../hw-models/with-memory.ts";
import { Diagnostics } from "../../ir/diagnostics.ts";

function problems(text: string): readonly string[] {
  const sink = new Diagnostics();
  const model = validateHardware(text, 0, sink);
  if (sink.failed) expect(model).toBeUndefined();
  return sink.list.map((d) => {
    const line = text.slice(0, d.span.start).split("\n").length;
    return `${line}: ${d.code}: ${d.message}`;
  });
}

const good = JSON.stringify(systolic128, null, 1);

describe("memory by its timing", () => {
  const with_ = (dram: object): string =>
    JSON.stringify({ ...systolic128, units: systolic128.units.map((u) => (u.kind === "dram" ? dram : u)) }, null, 1);
  const named = { kind: "dram", name: "dram", part: "ddr4-3200", channels: 2 };

  it("is a part by its name, or written out, and so many channels of it: rates follow from them", () => {
    const [ddr4] = DRAM_PARTS;
    for (const part of ["ddr4-3200", ddr4]) {
      const model = validateHardware(with_({ ...named, part }), 0, new Diagnostics());
      if (model?.kind !== "accelerator") throw new Error("no accelerator");
      const { dram } = partsOf(model);
      // Two channels of 25.6 GB/s at 1 GHz; 22 + 22 + 4 clocks of 1600 MHz.
      expect([dram.bytesPerCycle, dram.latencyCycles, dram.timed?.page]).toEqual([51.2, 30, "open"]);
      expect(dramBytesPerSecond(model)).toBe(51.2e9);
      expect(energyTable(model).filter((row) => row.component === "dram")).toMatchObject([
        { action: "read", nominalPJ: 43.5, source: expect.stringContaining("IDD4R") },
        { action: "write", nominalPJ: 36.75 },
        { action: "activate", per: "row", nominalPJ: 4200 },
        { action: "refresh", nominalPJ: 665280 },
      ]);
      expect(withMemory(hardwareNamed("systolic-128") as AcceleratorModel, ddr4!, 2)).toMatchObject({
        name: "systolic-128+ddr4-3200x2",
        units: model.units,
      });
    }
  });

  it("is refused where it is not one", () => {
    const [ddr4] = DRAM_PARTS;
    const timing = { ...ddr4!.timing, REFI: 600 };
    expect(problems(with_({ ...named, part: "ddr9" })).join()).toMatch(
      /hardware\/type: `units\[0\].part` must be one of "ddr4-3200"/,
    );
    expect(problems(with_({ ...named, channels: 0 })).join()).toMatch(/hardware\/range: `units\[0\].channels`/);
    expect(problems(with_({ ...named, bytesPerCycle: 4 })).join()).toMatch(
      /hardware\/unknown-field: `units\[0\].bytesPerCycle`/,
    );
    expect(problems(with_({ ...named, page: "half" })).join()).toMatch(
      /`units\[0\].page` must be one of "open", "closed"/,
    );
    expect(problems(with_({ ...named, part: { ...ddr4, timing } })).join()).toMatch(
      /every 600 clocks leave no time for data/,
    );
    expect(problems(with_({ ...named, part: { ...ddr4, rowBytes: 100 } })).join()).toMatch(/do not hold whole bursts/);
  });
});

describe("built-in models", () => {
  it.each(HARDWARE.map((m) => ({ name: m.name, model: m })))("$name has a source for every number", ({ model }) => {
    expect(numericFields(model).length).toBeGreaterThan(5);
    expect(numericFields(model).filter((f) => sourceOf(model, f) === undefined)).toEqual([]);
  });

  it.each(HARDWARE.map((m) => ({ name: m.name, model: m })))("$name uses every source it names", ({ model }) => {
    const used = new Set(numericFields(model).map((f) => sourceOf(model, f)));
    expect(model.sources.filter((s) => !used.has(s)).map((s) => s.field)).toEqual([]);
  });

  it("are found by name, and a GPU by its target", () => {
    expect(ACCELERATORS.map((m) => m.name)).toEqual([
      ...["systolic-128", "systolic-32-os", "systolic-32-is"],
      ...["fp16-baseline", "ant-fp16", "olive-fp16", "bitmod"],
      ...["olive", "ant", "gobo", "bitfusion", "olaccel", "adaptivfloat", "biscaled", "int8"],
      ...["tpu-v3", "edge-16", "systolic-128-hbm2"],
    ]);
    expect(GPUS.map((m) => m.name)).toEqual(["h100-sxm", "a100-sxm"]);
    expect(hardwareNamed("systolic-32-is")?.kind).toBe("accelerator");
    expect(hardwareNamed("nothing")).toBeUndefined();
    expect(gpuFor("cuda.sm90a")?.name).toBe("h100-sxm");
  });

  it("derive peaks: 128 × 128 at 1 GHz, 64 bytes a cycle; measured rates go first", () => {
    const machine = ACCELERATORS[0]!;
    expect(peakMacsPerSecond(machine)).toBe(16_384e9);
    expect(dramBytesPerSecond(machine)).toBe(64e9);
    expect(partsOf(machine).buffers.activation.name).toBe("ibuf");
    expect(peakOf(GPUS[0]!, "b1", "matrix")?.opsPerSecond).toBe(15_328e12);
    expect(peakOf(GPUS[0]!, "i8", "matrix")?.evidence).toBe("measured");
  });
});

describe("validateHardware", () => {
  it("takes what is shipped", () => expect(problems(good)).toEqual([]));

  it("refuses a negative size at its line, with its path", () => {
    const text = good.replace('"capacityBytes": 262144', '"capacityBytes": -262144');
    const line = text.split("\n").findIndex((l) => l.includes("-262144")) + 1;
    expect(problems(text)).toEqual([
      `${line}: hardware/range: \`units[1].capacityBytes\` must be at least 1, not -262144`,
    ]);
  });

  it("refuses a missing unit", () => {
    const { units, ...rest } = systolic128;
    const text = JSON.stringify({ ...rest, units: units.filter((u) => u.kind !== "vector") });
    expect(problems(text)).toEqual(["1: hardware/missing-unit: `units` needs one `vector` unit"]);
    const deaf = JSON.stringify({ ...rest, units: units.filter((u) => u.name !== "dma-o") });
    expect(problems(deaf)).toEqual(['1: hardware/missing-unit: `units` needs one `dma` that moves "result"']);
  });

  it("refuses an unknown field, a missing field, a wrong type, an unknown kind, two units of one name", () => {
    expect(problems(good.replace('"rows": 128', '"row": 128'))).toEqual([
      expect.stringMatching(/hardware\/unknown-field: `units\[9\]\.row` is not a field here/),
      expect.stringMatching(/hardware\/missing: `units\[9\]\.rows` is missing/),
    ]);
    expect(problems(good.replace('"rows": 128', '"rows": "128"'))[0]).toMatch(
      /hardware\/type: .* an integer, not the text "128"/,
    );
    expect(problems(good.replace('"rows": 128', '"rows": 1.5'))[0]).toMatch(/hardware\/type/);
    expect(problems(good.replace('"kind": "vector"', '"kind": "victor"'))[0]).toMatch(
      /hardware\/type: `units\[10\]\.kind`/,
    );
    expect(problems(good.replace('"name": "ibuf"', '"name": "wbuf"'))[0]).toMatch(/hardware\/duplicate-unit/);
  });

  it("warns of a number without a source and still takes the model", () => {
    const sink = new Diagnostics();
    const model = validateHardware(good.replace('"field": "clockMHz"', '"field": "clockGHz"'), 0, sink);
    expect(model?.name).toBe("systolic-128");
    expect(sink.list.map((d) => `${d.severity} ${d.code} ${d.message}`)).toEqual([
      "warning hardware/source `clockMHz` has no source",
    ]);
  });

  it("reads `unlimited` as no limit", () => {
    const model = validateHardware(
      good.replace('"bytesPerCycle": 64', '"bytesPerCycle": "unlimited"'),
      0,
      new Diagnostics(),
    );
    expect(model?.kind === "accelerator" ? partsOf(model).dram.bytesPerCycle : 0).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("parseJson", () => {
  const messages = (text: string): readonly string[] => {
    const sink = new Diagnostics();
    expect(parseJson(text, 0, sink)).toBeUndefined();
    return sink.list.map((d) => `${d.span.start} ${d.code} ${d.message}`);
  };

  it("agrees with JSON.parse on what is JSON", () => {
    const texts = [
      '{"a":[1,-2.5e3,"x\\u0041\\n",true,false,null,{}]}',
      " [ ] ",
      "0",
      '"\\\\"',
      "[1,]",
      "{,}",
      "01",
      "1.",
      "'a'",
      '"a',
      "nul",
      "[1 2]",
      "",
      '{"a" 1}',
      '"\t"',
    ];
    for (const text of texts) {
      const accepted = ((): boolean => {
        try {
          JSON.parse(text);
          return true;
        } catch {
          return false;
        }
      })();
      const sink = new Diagnostics();
      expect([text, parseJson(text, 0, sink) !== undefined]).toEqual([text, accepted]);
      expect(sink.failed).toBe(!accepted);
    }
  });

  it("says where it stopped", () => {
    expect(messages('{"a": 1 "b": 2}')).toEqual(['8 json/syntax expected `,` or `}`, found `"`']);
    expect(messages('{"a": 1, "a": 2}')).toEqual(["9 json/duplicate `a` stands twice in this object"]);
    expect(messages("[".repeat(10_000))[0]).toMatch(/json\/syntax nested more than 200 deep/);
  });
});
