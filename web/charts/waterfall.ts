/** The waterfall: from one run's total over the differences to the other's. */
import { axisTop, scaleLinear } from "d3";
import type { StepValue } from "../compare.ts";
import { COLOURS } from "../palette.ts";
import type { ChartStyle } from "./style.ts";
import { clipped, type Drawing, drawAxis, drawing, label, pressable, textWidth } from "./svg.ts";

export interface WaterfallChart {
  readonly from: string;
  readonly to: string;
  readonly totals: readonly [number, number];
  readonly steps: readonly StepValue[];
  readonly format: (value: number) => string;
  readonly pick: ((name: string) => void) | undefined;
  readonly focus: string;
}

const MAX_ROW = 25;
const MIN_ROW = 18;
const HEAD = 22;
const FOOT = 12;
/** Below this share of the totals differences are too thin to be seen from zero. */
const THIN = 0.12;

/** More and less, whatever they are of: blue is less of what it costs. */
export const changeColours = (style: ChartStyle): { readonly more: string; readonly less: string } => ({
  more: COLOURS[style.theme]["operand-weight"],
  less: COLOURS[style.theme].compute,
});

interface Place {
  readonly names: number;
  readonly width: number;
  readonly row: number;
  /** Where the axis begins. */
  readonly start: number;
  readonly x: (value: number) => number;
}

/** Draws the chart into its box: rows as high as there is room for. */
export function drawWaterfall(
  body: HTMLElement,
  chart: WaterfallChart,
  style: ChartStyle,
  width: number,
  room: number,
): void {
  const { steps, totals, format } = chart;
  const rows = steps.length + 2;
  const row = Math.min(MAX_ROW, Math.max(MIN_ROW, Math.floor((room - HEAD - FOOT) / rows)));
  const words = `${chart.from} ${format(totals[0])}, ${chart.to} ${format(totals[1])}`;
  const svg = drawing(body, width, HEAD + rows * row + FOOT, words);
  const longest = (texts: readonly string[]): number => Math.max(...texts.map((t) => textWidth(t)));
  const names = Math.min(0.36 * width, 12 + longest([chart.from, chart.to, ...steps.map((s) => s.name)]));
  const values = 14 + longest([...totals.map(format), ...steps.map((s) => signed(s.b - s.a, format))]);
  const running = [totals[0]];
  for (const { a, b } of steps) running.push(running.at(-1)! + (b - a));
  const [low, high] = [Math.min(...running, totals[1]), Math.max(...running, totals[1])];
  const cut = high > 0 && high - low < THIN * high;
  const start = cut ? Math.max(0, low - 0.4 * (high - low || high)) : Math.min(0, low);
  const x = scaleLinear()
    .domain([start, high === start ? start + 1 : high])
    .range([names, width - values]);
  const axis = axisTop<number>(x as never)
    .ticks(Math.max(2, Math.floor((width - names - values) / 90)))
    .tickFormat((v) => (Number(v) === 0 ? "0" : format(Number(v))))
    .tickSizeOuter(0)
    .tickSizeInner(-(rows * row));
  drawAxis(svg.append("g").attr("transform", `translate(0,${HEAD - 2})`), axis, style);
  const place = { names, width, row, start, x };
  drawTotal(svg, chart.from, totals[0], 0, format, style, place);
  steps.forEach((step, n) => {
    drawStep(svg, step, n + 1, [running[n]!, running[n + 1]!], chart, style, place);
  });
  drawTotal(svg, chart.to, totals[1], rows - 1, format, style, place);
  if (start > 0)
    label(svg, names, HEAD + rows * row + 6, `the axis begins at ${format(start)}`, style.faint).attr("font-size", 9.5);
}

function drawBar(svg: Drawing, i: number, from: number, to: number, colour: string, { row, x }: Place): void {
  const [a, b] = [x(Math.min(from, to)), x(Math.max(from, to))];
  svg
    .append("rect")
    .attr("x", a)
    .attr("y", HEAD + i * row + 3)
    .attr("width", Math.max(1, b - a))
    .attr("height", row - 6)
    .attr("fill", colour);
}

function drawTotal(
  svg: Drawing,
  name: string,
  value: number,
  i: number,
  format: (value: number) => string,
  style: ChartStyle,
  place: Place,
): void {
  const middle = HEAD + (i + 0.5) * place.row;
  drawBar(svg, i, place.start, value, style.faint, place);
  const end = place.names - 8;
  label(svg, end, middle, clipped(name, end), style.ink, "end").attr("font-weight", 600);
  label(svg, place.x(value) + 6, middle, format(value), style.ink).attr("font-weight", 600);
}

function drawStep(
  svg: Drawing,
  step: StepValue,
  i: number,
  [from, to]: readonly [number, number],
  { format, focus, pick }: WaterfallChart,
  style: ChartStyle,
  place: Place,
): void {
  const { names, row, width, x } = place;
  const colours = changeColours(style);
  const top = HEAD + i * row;
  drawBar(svg, i, from, to, to > from ? colours.more : colours.less, place);
  svg
    .append("path")
    .attr("d", `M${x(from)},${top - 3}v6M${x(to)},${top + row - 3}v6`)
    .attr("stroke", style.faint)
    .attr("stroke-width", 1);
  const focused = step.name === focus;
  const end = names - 8;
  label(svg, end, top + row / 2, clipped(step.name, end), focused ? style.accent : style.soft, "end").attr(
    "font-weight",
    focused ? 600 : 400,
  );
  label(svg, x(Math.max(from, to)) + 6, top + row / 2, signed(step.b - step.a, format), style.ink);
  const whole = svg
    .append("rect")
    .attr("y", top)
    .attr("width", width)
    .attr("height", row)
    .attr("fill", "transparent")
    .attr("data-step", step.name);
  const words = `${step.name}: ${format(step.a)} → ${format(step.b)}`;
  whole.append("title").text(words);
  if (pick !== undefined) pressable(svg, whole, words, () => pick(step.name));
}

export const signed = (value: number, format: (value: number) => string): string =>
  value === 0 ? "±0" : `${value > 0 ? "+" : "−"}${format(Math.abs(value))}`;
