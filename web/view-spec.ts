/** What is looked at, as one value: it is all that the page's address keeps, and all that a drawing depends on. */

export interface ViewSpec {
  /** The window in cycles, `from < to`. */
  readonly from: number;
  readonly to: number;
  /** The brushed range in whole cycles. */
  readonly range: { readonly from: number; readonly to: number } | undefined;
  /** The slice of a lane that holds a cycle. */
  readonly selected: { readonly lane: number; readonly at: number } | undefined;
  /** Names of groups that are folded. */
  readonly folded: readonly string[];
  /** Lanes that stand above all others. */
  readonly pinned: readonly number[];
  readonly query: string;
  /** Is the summary above the timeline open. */
  readonly summary: boolean;
  /** Height of a lane in CSS pixels; 0 lets the page choose. */
  readonly laneHeight: number;
}

export const MIN_WINDOW = 1;

export function wholeRun(cycles: number): ViewSpec {
  return {
    from: 0,
    to: cycles,
    range: undefined,
    selected: undefined,
    folded: [],
    pinned: [],
    query: "",
    summary: true,
    laneHeight: 0,
  };
}

/** The window moved and shortened so that it lies in the run and is at least one cycle long. */
export function clampWindow(from: number, to: number, cycles: number): { readonly from: number; readonly to: number } {
  const length = Math.min(cycles, Math.max(MIN_WINDOW, to - from));
  const first = Math.min(Math.max(0, from), cycles - length);
  return { from: first, to: first + length };
}

/** The window around [from, to) with some room on both sides. */
export function windowAround(from: number, to: number, cycles: number): { readonly from: number; readonly to: number } {
  const room = Math.max(1, (to - from) * 0.15);
  return clampWindow(from - room, to + room, cycles);
}

/** Zooms by `factor` (below 1: closer) and keeps the cycle under `at` where it is. */
export function zoomAt(spec: ViewSpec, at: number, factor: number, cycles: number): ViewSpec {
  const length = Math.min(cycles, Math.max(MIN_WINDOW, (spec.to - spec.from) * factor));
  const share = (at - spec.from) / (spec.to - spec.from);
  return { ...spec, ...clampWindow(at - share * length, at - share * length + length, cycles) };
}

export function panBy(spec: ViewSpec, cycles: number, end: number): ViewSpec {
  return { ...spec, ...clampWindow(spec.from + cycles, spec.to + cycles, end) };
}

const round = (value: number): string => String(Math.round(value * 1000) / 1000);

/** The part of the address after `#`; what is as in `wholeRun` is left out. */
export function toHash(spec: ViewSpec, cycles: number): string {
  const params = new URLSearchParams();
  if (spec.from !== 0 || spec.to !== cycles) params.set("t", `${round(spec.from)},${round(spec.to)}`);
  if (spec.range !== undefined) params.set("r", `${spec.range.from},${spec.range.to}`);
  if (spec.selected !== undefined) params.set("s", `${spec.selected.lane},${spec.selected.at}`);
  for (const name of spec.folded) params.append("f", name);
  if (spec.pinned.length > 0) params.set("p", spec.pinned.join(","));
  if (spec.query !== "") params.set("q", spec.query);
  if (!spec.summary) params.set("i", "0");
  if (spec.laneHeight > 0) params.set("h", String(spec.laneHeight));
  return params.toString();
}

function numbers(text: string | null): readonly number[] {
  return text === null || text === "" ? [] : text.split(",").map(Number);
}

/** The view of an address; parts that make no sense for this run are as in `wholeRun`. */
export function fromHash(hash: string, cycles: number, lanes: number): ViewSpec {
  const params = new URLSearchParams(hash.replace(/^#/, ""));
  const whole = wholeRun(cycles);
  const isLane = (n: number): boolean => Number.isInteger(n) && n >= 0 && n < lanes;
  const [from = Number.NaN, to = Number.NaN] = numbers(params.get("t"));
  const [a = Number.NaN, b = Number.NaN] = numbers(params.get("r"));
  const [lane = Number.NaN, at = Number.NaN] = numbers(params.get("s"));
  const height = Number(params.get("h") ?? 0);
  return {
    ...whole,
    ...(from < to ? clampWindow(from, to, cycles) : {}),
    range:
      Number.isInteger(a) && Number.isInteger(b) && a >= 0 && a < b && b <= cycles ? { from: a, to: b } : undefined,
    selected: isLane(lane) && at >= 0 && at < cycles ? { lane, at } : undefined,
    folded: params.getAll("f").slice(0, 1000),
    pinned: [...new Set(numbers(params.get("p")).filter(isLane))],
    query: (params.get("q") ?? "").slice(0, 200),
    summary: params.get("i") !== "0",
    laneHeight: height >= 6 && height <= 120 ? height : 0,
  };
}
