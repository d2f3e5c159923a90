/** What is looked at, as one value: it is all that the page's address keeps, and all that a drawing depends on. */

/** Panels above the timeline. */
export const PANELS = ["overview", "array", "energy", "roofline", "layers", "compare"] as const;
export type PanelId = (typeof PANELS)[number];

/** What two runs are compared by, and what a step of the waterfall is. */
export const METRICS = ["cycles", "time", "energy", "bytes"] as const;
export type Metric = (typeof METRICS)[number];
export const STEPS = ["operation", "kind", "cause", "component"] as const;
export type StepBy = (typeof STEPS)[number];

export interface Comparison {
  /** Places of the runs in the list. */
  readonly a: number;
  readonly b: number;
  readonly metric: Metric;
  readonly by: StepBy;
}

export interface ViewSpec {
  /** Which of the open runs is looked at. */
  readonly run: number;
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
  /** Is the panel above the timeline open, and which. */
  readonly summary: boolean;
  readonly panel: PanelId;
  /** The cycle that the array is shown at; undefined: where the selection is. */
  readonly playhead: number | undefined;
  /** Operations of this name (blocks as `*`) are set apart in all charts; empty: none. */
  readonly focus: string;
  readonly comparison: Comparison;
  /** The column by which the table of layers is sorted, with `-` for falling; empty: the order of the run. */
  readonly sort: string;
  /** Cycles with a mark, by the digit that leads to them. */
  readonly marks: Readonly<Record<string, number>>;
  /** Height of a lane in CSS pixels; 0 lets the page choose. */
  readonly laneHeight: number;
}

export const MIN_WINDOW = 1;

export function wholeRun(cycles: number): ViewSpec {
  return {
    run: 0,
    from: 0,
    to: cycles,
    range: undefined,
    selected: undefined,
    folded: [],
    pinned: [],
    query: "",
    summary: true,
    panel: "overview",
    playhead: undefined,
    focus: "",
    comparison: { a: 0, b: 1, metric: "cycles", by: "operation" },
    sort: "",
    marks: {},
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
  if (spec.run !== 0) params.set("n", String(spec.run));
  if (spec.from !== 0 || spec.to !== cycles) params.set("t", `${round(spec.from)},${round(spec.to)}`);
  if (spec.range !== undefined) params.set("r", `${spec.range.from},${spec.range.to}`);
  if (spec.selected !== undefined) params.set("s", `${spec.selected.lane},${spec.selected.at}`);
  for (const name of spec.folded) params.append("f", name);
  if (spec.pinned.length > 0) params.set("p", spec.pinned.join(","));
  if (spec.query !== "") params.set("q", spec.query);
  if (!spec.summary) params.set("i", "0");
  if (spec.panel !== "overview") params.set("v", spec.panel);
  if (spec.playhead !== undefined) params.set("c", String(spec.playhead));
  if (spec.focus !== "") params.set("o", spec.focus);
  const { a, b, metric, by } = spec.comparison;
  const compared = `${a},${b},${metric},${by}`;
  if (compared !== "0,1,cycles,operation") params.set("x", compared);
  if (spec.sort !== "") params.set("l", spec.sort);
  const marks = Object.entries(spec.marks).map(([key, cycle]) => `${key}:${cycle}`);
  if (marks.length > 0) params.set("m", marks.join(","));
  if (spec.laneHeight > 0) params.set("h", String(spec.laneHeight));
  return params.toString();
}

function numbers(text: string | null): readonly number[] {
  return text === null || text === "" ? [] : text.split(",").map(Number);
}

function comparisonOf(text: string | null, otherwise: Comparison): Comparison {
  const [a = "", b = "", metric = "", by = ""] = (text ?? "").split(",");
  const isPlace = (n: string): boolean => /^\d{1,3}$/.test(n);
  const found = { metric: METRICS.find((m) => m === metric), by: STEPS.find((s) => s === by) };
  if (!isPlace(a) || !isPlace(b) || found.metric === undefined || found.by === undefined) return otherwise;
  return { a: Number(a), b: Number(b), metric: found.metric, by: found.by };
}

function marksOf(text: string | null, cycles: number): Readonly<Record<string, number>> {
  const marks: Record<string, number> = {};
  for (const part of (text ?? "").split(",")) {
    const match = /^([1-9]):(\d{1,16})$/.exec(part);
    if (match !== null && Number(match[2]) < cycles) marks[match[1]!] = Number(match[2]);
  }
  return marks;
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
  const playhead = Number(params.get("c") ?? Number.NaN);
  return {
    ...whole,
    run: /^\d{1,3}$/.test(params.get("n") ?? "") ? Number(params.get("n")) : 0,
    ...(from < to ? clampWindow(from, to, cycles) : {}),
    range:
      Number.isInteger(a) && Number.isInteger(b) && a >= 0 && a < b && b <= cycles ? { from: a, to: b } : undefined,
    selected: isLane(lane) && at >= 0 && at < cycles ? { lane, at } : undefined,
    folded: params.getAll("f").slice(0, 1000),
    pinned: [...new Set(numbers(params.get("p")).filter(isLane))],
    query: (params.get("q") ?? "").slice(0, 200),
    summary: params.get("i") !== "0",
    panel: PANELS.find((p) => p === params.get("v")) ?? whole.panel,
    playhead: Number.isInteger(playhead) && playhead >= 0 && playhead < cycles ? playhead : undefined,
    focus: (params.get("o") ?? "").slice(0, 200),
    comparison: comparisonOf(params.get("x"), whole.comparison),
    sort: /^-?[a-z]{1,20}$/i.test(params.get("l") ?? "") ? (params.get("l") ?? "") : "",
    marks: marksOf(params.get("m"), cycles),
    laneHeight: height >= 6 && height <= 120 ? height : 0,
  };
}
