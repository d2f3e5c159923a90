/** What `bitloom quantize` did, as a table or as JSON. */
import type { PackedTensor } from "../io/packed.ts";
import { countOf } from "../io/tensor-file.ts";
import type { Job, OutputPlan } from "./quantize-plan.ts";
import { formatBytes, formatSeconds, printTable, withoutControls } from "./table.ts";
import type { OpenTensors } from "./tensor-files.ts";
import { printJson, type Terminal } from "./terminal.ts";

/** A ratio of signal to noise; "exact" where there is no noise. */
export function formatSqnr(sqnrDb: number | null): string {
  return sqnrDb === null ? "exact" : `${sqnrDb.toFixed(2)} dB`;
}

/** Prints figures by tensor, and how long it took. */
export function reportQuantized(
  terminal: Terminal,
  { path, source }: OpenTensors,
  format: string,
  jobs: readonly Job[],
  entries: Readonly<Record<string, PackedTensor>>,
  plan: OutputPlan,
  { out, seconds, threads }: { readonly out: string; readonly seconds: number; readonly threads: number },
  json: boolean | undefined,
): void {
  const rows = jobs.flatMap(({ tensor, packed }, n) => {
    if (!packed) return [];
    const { bytes } = plan.places[n]!;
    const { shape, error, rule, settings, outliers } = entries[tensor.name]!;
    const bitsPerValue = (8 * bytes) / (countOf(shape) ?? 1);
    return [{ name: tensor.name, shape, bytes, bitsPerValue, rule, ...(settings && { settings }), ...(outliers !== undefined && { outliers }), ...error }]; // biome-ignore format: one line
  });
  const copied = jobs.filter((j) => !j.packed).map((j) => j.tensor.name);
  const rule = [...new Set(rows.map((r) => r.rule))].join(", ");
  if (json === true) {
    printJson(terminal, "bitloom.quantize/1", {
      ok: true,
      format,
      rule,
      in: path,
      out,
      bytes: plan.size,
      tensors: rows,
      copied,
    });
    return;
  }
  printTable(
    terminal,
    [
      { title: "Tensor" },
      { title: "Shape", drop: 2 },
      { title: "Bits/value", align: "right" },
      { title: "SQNR", align: "right" },
      { title: "Max error", align: "right", drop: 1 },
      { title: "Beyond 3σ", align: "right", drop: 3 },
    ],
    rows.map((r) => [
      withoutControls(r.name),
      r.shape.join(" × "),
      r.bitsPerValue.toFixed(3),
      formatSqnr(r.sqnrDb),
      r.maxError.toExponential(2),
      formatShare(r.beyond3Sigma),
    ]),
  );
  const rest = copied.length === 0 ? "" : `; ${copied.length} copied as they are`;
  terminal.out(`${rows.length} tensors as ${format} (${rule})${rest}`);
  const many = threads === 1 ? "" : ` on ${threads} threads`;
  terminal.say(`${formatBytes(source.size)} → ${formatBytes(plan.size)} in ${formatSeconds(seconds)}${many}: ${out}`);
}

/** A part as a percentage; empty where it is not known. */
export function formatShare(part: number | undefined): string {
  return part === undefined ? "" : `${(100 * part).toFixed(3)} %`;
}
