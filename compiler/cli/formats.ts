/** `bitloom formats [FILE…]`: the formats of the standard library, or of some files, and what they cost. */
import { Diagnostics } from "../../ir/diagnostics.ts";
import { bitsPerValue, type Field, type Format } from "../../ir/format.ts";
import { check } from "../check/check.ts";
import { stdFiles } from "../std.ts";
import { readSources } from "./check.ts";
import { refuse } from "./request.ts";
import { printTable } from "./table.ts";
import { EXIT, type Exit, printJson, type Terminal } from "./terminal.ts";

/** Row and tensor fields are spread over a square tensor of this size. */
const ROW = 4096;

function fieldText(field: Field): string {
  const scope = field.scope === "block" ? "" : ` a ${field.scope}`;
  return `${field.name}: ${field.type}${field.count > 1 ? `[${field.count}]` : ""}${scope}`;
}

function describe(format: Format) {
  const { name, block, fields, encoder } = format;
  return {
    name,
    block,
    bitsPerValue: bitsPerValue(format, ROW, ROW),
    fields: fields.map(fieldText),
    encodes: encoder !== undefined,
  };
}

export async function run(
  terminal: Terminal,
  paths: readonly string[],
  options: { readonly json?: boolean },
): Promise<Exit> {
  const sources = paths.length === 0 ? stdFiles().map((f) => f.source) : readSources(terminal, paths);
  if (sources === undefined) return EXIT.unreadable;
  const diagnostics = new Diagnostics();
  const module = check(sources, diagnostics);
  if (diagnostics.failed) return refuse(terminal, "formats", diagnostics, module.sources, options.json);
  // A format with parameters is listed under the names that were given to it.
  const formats = module.formats.filter((format) => !format.name.includes("<")).map(describe);
  if (options.json) printJson(terminal, "bitloom.formats/1", { spreadOver: [ROW, ROW], formats });
  else
    printTable(
      terminal,
      [
        { title: "Name" },
        { title: "Block", align: "right" },
        { title: "Bits/value", align: "right" },
        { title: "Encodes", drop: 2 },
        { title: "Fields", drop: 1 },
      ],
      formats.map((f) => [
        f.name,
        `${f.block}`,
        f.bitsPerValue.toFixed(3).replace(/\.?0+$/, ""),
        f.encodes ? "yes" : "",
        f.fields.join(", "),
      ]),
    );
  return EXIT.ok;
}
