/** Reads SCALE-Sim's configuration files (`.cfg`), of its second and of its third version. */
import type { Diagnostics, Span } from "../../ir/diagnostics.ts";
import { SCALESIM_DATAFLOWS, type ScalesimDataflow, type ScalesimVersion } from "./scalesim.ts";
import type { PerOperand } from "./scalesim-stalls.ts";
import { linesOf, type Piece, trimPiece } from "./text-lines.ts";

/** A machine as SCALE-Sim configures it. */
export interface ScalesimMachine {
  readonly name: string;
  readonly version: ScalesimVersion;
  readonly dataflow: ScalesimDataflow;
  readonly rows: number;
  readonly columns: number;
  readonly sramKB: PerOperand;
  /** USER mode: words a cycle of each operand's channel; absent in CALC mode, which never stalls. */
  readonly wordsPerCycle?: PerOperand;
}

interface Entry {
  readonly value: Piece;
}

/** Keys in lower case, by section in lower case. */
type Sections = ReadonlyMap<string, ReadonlyMap<string, Entry>>;

/**
 * The machine of a configuration. A file with a `[layout]` section is one of the third version, where the words a cycle
 * of reads are `IfmapSRAMBankBandwidth` and `FilterSRAMBankBandwidth`; `Bandwidth` is for writes there and for all three
 * in the second version. Keys that do not change what is computed here may be missing, though SCALE-Sim asks for every
 * one. Reports `scalesim/*` at the place in the file: `syntax`, `missing`, `value`, and `unsupported` for what is not
 * reproduced (sparsity; in USER mode custom layouts and latencies from Ramulator). Undefined after an error.
 */
export function readScalesimConfig(text: string, file: number, sink: Diagnostics): ScalesimMachine | undefined {
  const errors = (): number => sink.list.filter((d) => d.severity === "error").length;
  const before = errors();
  const sections = readSections(text, file, sink);
  const reader = new ConfigReader(sections, { file, start: 0, end: Math.min(text.length, 1) }, sink);
  const user = isUser(reader);
  refuseUnsupported(reader, user);
  const architecture = "architecture_presets";
  const sram = (operand: string): number => reader.integer(architecture, `${operand}SramSzkB`);
  const version = sections.has("layout") ? "v3" : "v2";
  const machine: ScalesimMachine = {
    name: reader.text("general", "run_name") ?? "scalesim",
    version,
    dataflow: reader.dataflow(architecture, "Dataflow"),
    rows: reader.integer(architecture, "ArrayHeight"),
    columns: reader.integer(architecture, "ArrayWidth"),
    sramKB: { ifmap: sram("Ifmap"), filter: sram("Filter"), ofmap: sram("Ofmap") },
    ...(user ? { wordsPerCycle: wordsPerCycle(reader, version) } : {}),
  };
  return errors() > before ? undefined : machine;
}

function isUser(reader: ConfigReader): boolean {
  const mode = reader.text("run_presets", "InterfaceBandwidth");
  if (mode !== undefined && mode !== "USER" && mode !== "CALC")
    reader.wrong("run_presets", "InterfaceBandwidth", "must be USER or CALC");
  return mode === "USER";
}

function wordsPerCycle(reader: ConfigReader, version: ScalesimVersion): PerOperand {
  const [first, second, third] = reader.integers("architecture_presets", "Bandwidth");
  if (version === "v2") return { ifmap: first, filter: second ?? first, ofmap: third ?? first };
  return {
    ifmap: reader.integer("layout", "IfmapSRAMBankBandwidth"),
    filter: reader.integer("layout", "FilterSRAMBankBandwidth"),
    ofmap: first,
  };
}

function refuseUnsupported(reader: ConfigReader, user: boolean): void {
  reader.refuseTrue("sparsity", "SparsitySupport", "sparse weights are not reproduced");
  if (!user) return;
  const layouts = "bank conflicts of a custom layout are not reproduced";
  reader.refuseTrue("layout", "IfmapCustomLayout", layouts);
  reader.refuseTrue("layout", "FilterCustomLayout", layouts);
  reader.refuseTrue("run_presets", "UseRamulatorTrace", "latencies from a run of Ramulator are not reproduced");
}

/** Python's configparser, as far as these files go: sections, `key = value` or `key : value`, comment lines. */
function readSections(text: string, file: number, sink: Diagnostics): Sections {
  const sections = new Map<string, Map<string, Entry>>();
  let section: Map<string, Entry> | undefined;
  for (const line of linesOf(text, file)) {
    const trimmed = trimPiece(line);
    if (trimmed.text === "" || /^[#;]/.test(trimmed.text)) continue;
    const heading = /^\[([^\]]+)\]$/.exec(trimmed.text)?.[1];
    if (heading !== undefined) {
      const name = heading.trim().toLowerCase();
      section = sections.get(name) ?? new Map<string, Entry>();
      sections.set(name, section);
      continue;
    }
    const separator = trimmed.text.search(/[=:]/);
    if (separator < 1 || section === undefined) {
      const wanted = section === undefined ? "a section such as [general]" : "a key and its value";
      sink.error("scalesim/syntax", trimmed.span, `expected ${wanted}, found "${trimmed.text}"`);
      continue;
    }
    const { file: _, start, end } = trimmed.span;
    const value = { text: trimmed.text.slice(separator + 1), span: { file, start: start + separator + 1, end } };
    section.set(trimmed.text.slice(0, separator).trim().toLowerCase(), { value: trimPiece(value) });
  }
  return sections;
}

/** Values by section and key; what is wrong is reported, and a stand-in returned. */
class ConfigReader {
  readonly #sections: Sections;
  readonly #whole: Span;
  readonly #sink: Diagnostics;

  constructor(sections: Sections, whole: Span, sink: Diagnostics) {
    this.#sections = sections;
    this.#whole = whole;
    this.#sink = sink;
  }

  text(section: string, key: string): string | undefined {
    return this.#find(section, key)?.text;
  }

  integer(section: string, key: string): number {
    return this.integers(section, key)[0];
  }

  /** One or more integers from 1 up, separated by commas. */
  integers(section: string, key: string): readonly [number, ...number[]] {
    const found = this.#required(section, key);
    if (found === undefined) return [1];
    const [first, ...others] = found.text.split(",").map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : 0));
    if (first !== undefined && [first, ...others].every((v) => v >= 1 && v <= 1e9)) return [first, ...others];
    this.wrong(section, key, "must be an integer from 1 to 10^9");
    return [1];
  }

  dataflow(section: string, key: string): ScalesimDataflow {
    const found = this.#required(section, key);
    const dataflow = SCALESIM_DATAFLOWS.find((d) => d === found?.text);
    if (found !== undefined && dataflow === undefined)
      this.wrong(section, key, `must be ${SCALESIM_DATAFLOWS.join(", ")}`);
    return dataflow ?? "os";
  }

  refuseTrue(section: string, key: string, message: string): void {
    const found = this.#find(section, key);
    if (found !== undefined && /^(true|yes|on|1)$/i.test(found.text))
      this.#sink.error("scalesim/unsupported", found.span, message);
  }

  wrong(section: string, key: string, wanted: string): void {
    const found = this.#find(section, key);
    this.#sink.error("scalesim/value", found?.span ?? this.#whole, `\`${key}\` ${wanted}, not "${found?.text ?? ""}"`);
  }

  #find(section: string, key: string): Piece | undefined {
    return this.#sections.get(section)?.get(key.toLowerCase())?.value;
  }

  #required(section: string, key: string): Piece | undefined {
    const found = this.#find(section, key);
    if (found === undefined) this.#sink.error("scalesim/missing", this.#whole, `\`${key}\` is missing in [${section}]`);
    return found;
  }
}
