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

export function seconds(value: number): string {
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

/** An amount with a prefix that leaves three digits: `1.09 J`. */
function prefixed(value: number, units: readonly string[]): string {
  if (value === 0) return `0${THIN}${units[0]}`;
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.abs(value)) / 3 + 1e-9)));
  const scaled = value / 1000 ** step;
  const digits = Math.abs(scaled) >= 999.5 ? scaled.toFixed(0) : scaled.toPrecision(3);
  return `${digits.replace("-", "−")}${THIN}${units[step]}`;
}

/** Energy from picojoules. */
export const joules = (picojoules: number): string => prefixed(picojoules, ["pJ", "nJ", "µJ", "mJ", "J", "kJ"]);

/** Power from picojoules a cycle at a clock. */
export const watts = (picojoulesPerCycle: number, clockMHz: number): string =>
  prefixed(picojoulesPerCycle * clockMHz * 1e3, ["nW", "µW", "mW", "W", "kW"]);

/** Area from square micrometres. */
export const area = (squareMicrometres: number): string =>
  squareMicrometres >= 1e4
    ? `${(squareMicrometres / 1e6).toPrecision(3)}${THIN}mm²`
    : `${squareMicrometres.toPrecision(3)}${THIN}µm²`;

/** Bytes in powers of 1024. */
export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;
  const step = Math.min(units.length - 1, value < 1 ? 0 : Math.floor(Math.log2(value) / 10));
  const scaled = value / 1024 ** step;
  return `${step === 0 || scaled >= 999.5 ? Number(scaled.toFixed(1)) : scaled.toPrecision(3)}${THIN}${units[step]}`;
}

/** Bytes a second, in powers of 1000. */
export const byteRate = (bytesPerSecond: number): string =>
  prefixed(bytesPerSecond, ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"]);
