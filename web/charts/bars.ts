/** Stacked horizontal bars: a row a thing, a colour a component, the amount at the end. */
import { axisTop, scaleLinear } from "d3";
import type { ChartStyle } from "./style.ts";
import { clipped, drawAxis, drawing, label, type Part, pressable, textWidth } from "./svg.ts";

export interface BarRow {
  readonly key: string;
  readonly name: string;
  /** By component, in the order of `BarChart.components`. */
  readonly parts: ReadonlyMap<string, number>;
  readonly total: string;
  /** Between what the total may lie. */
  readonly range?: readonly [number, number] | undefined;
  readonly strong?: boolean;
}

export interface BarChart {
  readonly words: string;
  readonly components: readonly string[];
  readonly colours: ReadonlyMap<string, string>;
  readonly rows: readonly BarRow[];
  /** Rows are all as long as each other and say shares. */
  readonly shares: boolean;
  readonly format: (value: number) => string;
  readonly focus: string;
  readonly pick?: (key: string) => void;
}

const MAX_ROW = 25;
const MIN_ROW = 17;
const AXIS = 24;
const LEGEND = 18;

const sumOf = (row: BarRow): number => [...row.parts.values()].reduce((a, b) => a + b, 0);

/** Draws the chart into its box: rows as high as there is room for. */
export function drawBars(body: HTMLElement, chart: BarChart, style: ChartStyle, width: number, room: number): void {
  const { rows, components, shares } = chart;
  const names = Math.min(0.34 * width, 14 + Math.max(...rows.map((r) => textWidth(r.name))));
  const totals = 12 + Math.max(...rows.map((r) => textWidth(r.total)));
  const legend = legendRows(components, width - names);
  const head = legend.length * LEGEND + AXIS;
  const row = Math.min(MAX_ROW, Math.max(MIN_ROW, Math.floor((room - head - 2) / rows.length)));
  const svg = drawing(body, width, head + rows.length * row + 2, chart.words);
  const most = shares ? 1 : Math.max(Number.MIN_VALUE, ...rows.map((r) => Math.max(sumOf(r), r.range?.[1] ?? 0)));
  const x = scaleLinear()
    .domain([0, most])
    .range([names, width - totals]);
  const axis = axisTop<number>(x as never)
    .ticks(Math.max(2, Math.floor((width - names - totals) / 90)))
    .tickFormat((v) => (shares ? `${Math.round(100 * Number(v))} %` : Number(v) === 0 ? "0" : chart.format(Number(v))))
    .tickSizeOuter(0)
    .tickSizeInner(-(rows.length * row));
  drawLegend(svg.append("g"), legend, chart, style, names);
  drawAxis(svg.append("g").attr("transform", `translate(0,${head - 3})`), axis, style);
  for (const [i, one] of rows.entries()) {
    const g = svg.append("g").attr("transform", `translate(0,${head + i * row})`);
    if (chart.pick !== undefined) svg.attr("role", "group");
    drawRow(g, one, chart, style, { names, width, height: row, x });
  }
}

interface RowPlace {
  readonly names: number;
  readonly width: number;
  readonly height: number;
  readonly x: (value: number) => number;
}

function drawRow(
  g: Part,
  row: BarRow,
  chart: BarChart,
  style: ChartStyle,
  { names, width, height, x }: RowPlace,
): void {
  const focused = row.key === chart.focus && row.key !== "";
  const { pick } = chart;
  if (pick !== undefined && row.key !== "") {
    // The row's ground takes keys; a press on a bar is a press on its row.
    const ground = g.append("rect").attr("width", width).attr("height", height).attr("fill", "transparent");
    pressable(undefined, ground.attr("data-row", row.key), `${row.name}, ${row.total}`, () => pick(row.key));
    ground.on("click", null);
    g.attr("cursor", "pointer").on("click", () => pick(row.key));
  }
  if (focused)
    g.append("rect").attr("width", width).attr("height", height).attr("fill", style.accent).attr("fill-opacity", 0.12);
  const weight = row.strong || focused ? 600 : 400;
  const ink = row.strong ? style.ink : style.soft;
  label(g, names - 8, height / 2, clipped(row.name, names - 8), ink, "end").attr("font-weight", weight);
  const whole = chart.shares ? Math.max(Number.MIN_VALUE, sumOf(row)) : 1;
  let at = 0;
  for (const component of chart.components) {
    const value = (row.parts.get(component) ?? 0) / whole;
    if (value <= 0) continue;
    const pixels = x(at + value) - x(at);
    g.append("rect")
      .attr("x", x(at))
      .attr("y", 3)
      .attr("width", Math.max(0, pixels - (pixels > 2 ? 0.75 : 0)))
      .attr("height", height - 6)
      .attr("fill", chart.colours.get(component) ?? style.faint)
      .append("title")
      .text(`${row.name}: ${component} ${chart.format(value * whole)}, ${percentOf(value * whole, sumOf(row))}`);
    at += value;
  }
  const { range } = row;
  const end = chart.shares || range === undefined ? x(at) : Math.max(x(at), x(range[1]));
  if (!chart.shares && range !== undefined)
    g.append("path")
      .attr(
        "d",
        `M${x(range[0])},${height / 2}H${x(range[1])}M${x(range[0])},${height / 2 - 4}v8M${x(range[1])},${height / 2 - 4}v8`,
      )
      .attr("stroke", style.ink)
      .attr("stroke-width", 1.25)
      .append("title")
      .text(`${row.name}: between ${chart.format(range[0])} and ${chart.format(range[1])}`);
  label(g, end + 6, height / 2, row.total, style.ink).attr("font-weight", row.strong ? 600 : 400);
}

const percentOf = (part: number, whole: number): string => (whole > 0 ? `${((100 * part) / whole).toFixed(1)} %` : "–");

const keyWidth = (component: string): number => textWidth(component) + 26;

/** Components in lines that fit. */
function legendRows(components: readonly string[], width: number): readonly (readonly string[])[] {
  const rows: string[][] = [[]];
  let used = 0;
  for (const component of components) {
    if (used + keyWidth(component) > width && rows.at(-1)!.length > 0) {
      rows.push([]);
      used = 0;
    }
    rows.at(-1)!.push(component);
    used += keyWidth(component);
  }
  return rows;
}

function drawLegend(
  g: Parameters<typeof drawAxis>[0],
  rows: readonly (readonly string[])[],
  chart: BarChart,
  style: ChartStyle,
  left: number,
): void {
  rows.forEach((row, i) => {
    let at = left;
    for (const component of row) {
      g.append("rect")
        .attr("x", at)
        .attr("y", i * LEGEND + 3)
        .attr("width", 10)
        .attr("height", 10)
        .attr("rx", 2)
        .attr("fill", chart.colours.get(component) ?? style.faint);
      label(g, at + 15, i * LEGEND + 8.5, component, style.soft);
      at += keyWidth(component);
    }
  });
}
