/** Allocation tables of `simulate`: formats layer by layer, as CSV or JSON. */
import { type JsonNode, parseJson } from "../../hw-models/json.ts";
import type { Diagnostics, Source, Span } from "../../ir/diagnostics.ts";
import { type AllocationRule, globPattern } from "../../simulator/workload/allocation.ts";
import { layersOfPass, type Network } from "../../simulator/workload/layers.ts";
import { readText } from "./files.ts";
import { type FormatSources, splitList } from "./simulate-formats.ts";
import { EXIT, type Exit, type Terminal } from "./terminal.ts";

const COLUMNS = ["layers", "weights", "activations", "kv"] as const;
type ColumnName = (typeof COLUMNS)[number];
type Line = Partial<Record<ColumnName, string>> & { readonly span: Span };

const KEYS = { weights: "weights", activations: "activations", kv: "keyValues" } as const;

/** Lines of a CSV whose header names its columns: `layers` and some of `weights`, `activations`, `kv`. */
function csvLines(text: string, file: number, sink: Diagnostics): readonly Line[] | undefined {
  let at = 0;
  const lines = text.split("\n").map((line) => {
    const start = at;
    at += line.length + 1;
    const fields = splitList(line.replace(/\r$/, "")).map((f) => f.replace(/^"(.*)"$/, "$1"));
    return { fields, span: { file, start, end: start + line.length } };
  });
  const [header, ...rest] = lines.filter(({ fields }) => fields.some((f) => f !== ""));
  const names = header?.fields.map((f) => f.toLowerCase()) ?? [];
  const unknown = names.find((n) => !(COLUMNS as readonly string[]).includes(n));
  if (header === undefined || unknown !== undefined || !names.includes("layers") || names.length < 2) {
    const span = header?.span ?? { file, start: 0, end: 0 };
    sink.error("allocation/columns", span, "the first line names the columns: layers, and weights, activations or kv");
    return undefined;
  }
  return rest.map(({ fields, span }) => {
    const line: Record<string, string> = {};
    names.forEach((name, i) => {
      if ((fields[i] ?? "") !== "") line[name] = fields[i]!;
    });
    return { ...line, span };
  });
}

/** An object from globs to a format, or to an object of them; or a list of objects with `layers`. */
function jsonLines(text: string, file: number, sink: Diagnostics): readonly Line[] | undefined {
  const root = parseJson(text, file, sink);
  if (root === undefined) return undefined;
  const refuse = (node: JsonNode): undefined => {
    const message = "a line is a format by its name or bits, or an object of weights, activations and kv";
    sink.error("allocation/line", node.span, message);
    return undefined;
  };
  const word = (node: JsonNode): string | undefined =>
    node.kind === "string" ? node.value : node.kind === "number" ? `${node.value}` : refuse(node);
  const line = (layers: string | undefined, node: JsonNode): Line | undefined => {
    if (node.kind !== "object") {
      const weights = word(node);
      return weights === undefined || layers === undefined ? undefined : { layers, weights, span: node.span };
    }
    const found: Record<string, string> = layers === undefined ? {} : { layers };
    for (const { key, value } of node.members) {
      const text = (COLUMNS as readonly string[]).includes(key) ? word(value) : refuse(value);
      if (text !== undefined) found[key] = text;
    }
    return found.layers === undefined ? refuse(node) : { ...found, span: node.span };
  };
  if (root.kind === "object") return root.members.flatMap(({ key, value }) => line(key, value) ?? []);
  if (root.kind === "array") return root.items.flatMap((item) => line(undefined, item) ?? []);
  return refuse(root);
}

/**
 * Reads an allocation table: CSV, or JSON where the file begins so. Reports `allocation/columns`, `allocation/line`, `/unused` and
 * what `check` says of the formats; the exit code where the file cannot be read or a format is not found.
 */
export function readAllocation(
  terminal: Terminal,
  path: string,
  formats: FormatSources,
  networks: readonly Network[],
  sources: Source[],
  sink: Diagnostics,
): readonly AllocationRule[] | Exit {
  const text = readText(terminal, path);
  if (text === undefined) return EXIT.unreadable;
  sources.push({ name: path, text });
  const file = sources.length - 1;
  const lines = /^\s*[[{]/.test(text) ? jsonLines(text, file, sink) : csvLines(text, file, sink);
  if (lines === undefined || sink.failed) return EXIT.failed;
  const pass = { phase: "prefill", batch: 1, context: 1 } as const;
  const names = networks.flatMap((network) => layersOfPass(network, pass).map((l) => l.name));
  const rules: AllocationRule[] = [];
  for (const line of lines) {
    if (line.layers === undefined) continue;
    if (!names.some((name) => globPattern(line.layers!).test(name)))
      sink.warn("allocation/unused", line.span, `no layer of these workloads is named "${line.layers}"`);
    const rule: { -readonly [K in keyof AllocationRule]: AllocationRule[K] } = { layers: line.layers };
    for (const column of ["weights", "activations", "kv"] as const) {
      const name = line[column];
      if (name === undefined) continue;
      const found = formats.lookUp(name, `${path}: ${column}`);
      if ("exit" in found) return found.exit;
      rule[KEYS[column]] = found.storage;
    }
    rules.push(rule);
  }
  return rules;
}
