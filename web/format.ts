/** Numbers as text: exact where there is room, short where there is none. */
import type { Model } from "./model.ts";

const THIN = "\u202f";

/** All digits, in groups of three. */
export function exact(value: number): string {
  const whole = Math.floor(Math.abs(value));
  const digits = String(whole).replace(/\B(?=(\d{3})+$)/g, THIN);
  const rest = Math.abs(value) - whole;
  const fraction = rest > 0.0005 ? rest.toFixed(3).slice(1).replace(/0+$/, "") : "";
  return `${value < 0 ? "−" : ""}${digits}${fraction}`;
}

const PREFIXES = ["", "k", "M", "G", "T", "P"] as const;

/** Three digits and a decimal prefix: `1.18 G`. */
export function short(value: number): string {
  if (Math.abs(value) < 1000) return Number.isInteger(value) ? String(value) : value.toPrecision(3);
  const power = Math.min(PREFIXES.length - 1, Math.floor(Math.log10(Math.abs(value)) / 3));
  const digits = value / 1000 ** power;
  return `${digits >= 100 ? digits.toFixed(0) : digits >= 10 ? digits.toFixed(1) : digits.toFixed(2)}${THIN}${PREFIXES[power]}`;
}

export function percent(part: number, whole: number): string {
  if (whole === 0) return "–";
  const share = (100 * part) / whole;
  if (share === 0) return `0${THIN}%`;
  if (share < 0.05) return `<${THIN}0.1${THIN}%`;
  return share >= 99.95 && part < whole ? `>${THIN}99.9${THIN}%` : `${share.toFixed(1)}${THIN}%`;
}

function seconds(value: number): string {
  for (const [unit, size] of [
    ["s", 1],
    ["ms", 1e-3],
    ["µs", 1e-6],
  ] as const)
    if (value >= size) return `${(value / size).toPrecision(4)} ${unit}`;
  return `${Number((value * 1e9).toPrecision(4))} ns`;
}

/** The time that a number of cycles takes; undefined where the file has no clock. */
export function duration(model: Pick<Model, "unit" | "clockMHz">, cycles: number): string | undefined {
  if (model.unit === "ns") return seconds(cycles * 1e-9);
  return model.clockMHz === undefined ? undefined : seconds(cycles / (model.clockMHz * 1e6));
}

export const unitWord = (model: Pick<Model, "unit">, count: number): string =>
  model.unit === "ns" ? "ns" : count === 1 ? "cycle" : "cycles";
