/** `bitloom hw [NAME]`: the hardware models that come with Bitloom; of one, every number with its source; or their evidence. */
import { dramBytesPerSecond, peakMacsPerSecond } from "../../hw-models/derive.ts";
import { HARDWARE, hardwareNamed } from "../../hw-models/index.ts";
import { type HardwareModel, numericFields, sourceOf } from "../../hw-models/schema.ts";
import { nearest } from "../report.ts";
import { formatCount, printTable } from "./table.ts";
import { EXIT, type Exit, printJson, type Terminal, usageError } from "./terminal.ts";

interface Rates {
  /** Multiply–accumulates per second: of the array; of the fastest matrix or lane unit on f16. */
  readonly macsPerSecond: number;
  readonly memoryBytesPerSecond: number;
}

function ratesOf(model: HardwareModel): Rates {
  if (model.kind === "accelerator")
    return { macsPerSecond: peakMacsPerSecond(model), memoryBytesPerSecond: dramBytesPerSecond(model) };
  const f16 = model.peaks.filter((p) => p.type === "f16").map((p) => p.opsPerSecond / 2);
  return { macsPerSecond: Math.max(0, ...f16), memoryBytesPerSecond: model.memoryBytesPerSecond };
}

/** The value at a path like `units.pe.rows`, where list items go by their names. */
function valueAt(value: unknown, path: readonly string[]): unknown {
  const [head, ...rest] = path;
  if (head === undefined) return value;
  if (!Array.isArray(value)) return valueAt((value as Readonly<Record<string, unknown>>)[head], rest);
  const named = value.find((item: { name?: string; type?: string; evidence?: string }) =>
    [item.name, `${item.type}-${item.evidence}`].includes(head),
  );
  return valueAt(named ?? value[Number(head)], rest);
}

function printModel(terminal: Terminal, model: HardwareModel): void {
  terminal.out(terminal.style("bold", model.name));
  terminal.out(model.about);
  terminal.out("");
  const rows = numericFields(model).map((field) => {
    const source = sourceOf(model, field);
    const cite = source === undefined ? "no source" : source.assumed ? `assumed: ${source.cite}` : source.cite;
    return [field, String(valueAt(model, field.split("."))), cite];
  });
  printTable(terminal, [{ title: "Field" }, { title: "Value", align: "right" }, { title: "Source", drop: 1 }], rows);
}

function printModels(terminal: Terminal): void {
  const rows = HARDWARE.map((model) => {
    const rates = ratesOf(model);
    return [
      model.name,
      model.kind,
      formatCount(rates.macsPerSecond),
      `${formatCount(rates.memoryBytesPerSecond)}B`,
      model.about,
    ];
  });
  printTable(
    terminal,
    [
      { title: "Name" },
      { title: "Kind", drop: 2 },
      { title: "MAC/s", align: "right" },
      { title: "Memory/s", align: "right" },
      { title: "What it is", drop: 1 },
    ],
    rows,
  );
}

export async function run(
  terminal: Terminal,
  [name]: readonly string[],
  options: { readonly json?: boolean },
): Promise<Exit> {
  if (name === "validate") {
    const { validate } = await import("./validate.ts");
    return validate(terminal, options.json);
  }
  if (name === undefined) {
    if (options.json) printJson(terminal, "bitloom.hw/1", { models: HARDWARE });
    else printModels(terminal);
    return EXIT.ok;
  }
  const model = hardwareNamed(name);
  if (model === undefined) {
    const meant = nearest(
      name,
      HARDWARE.map((m) => m.name),
    );
    return usageError(
      terminal,
      `there is no hardware model \`${name}\``,
      meant === undefined ? "`bitloom hw` lists them" : `did you mean \`${meant}\`?`,
    );
  }
  if (options.json) printJson(terminal, "bitloom.hw/1", { models: [model] });
  else printModel(terminal, model);
  return EXIT.ok;
}
