/** Small multiples: for each model the runs' speed and energy against one of them, on shared scales. */
import { scaleLinear } from "d3";
import type { Facet } from "../compare.ts";
import { type ChartStyle, turnColour } from "./style.ts";
import { clipped, type Drawing, drawing, label, textWidth } from "./svg.ts";

const MAX_PLOT = 130;
const MIN_PLOT = 54;
const TOP = 44;
const BETWEEN = 24;
const LEFT = 34;
const MIN_BAR = 14;
const FACET_GAP = 18;

interface Measure {
  readonly key: "speedup" | "energy";
  readonly title: string;
}
const MEASURES: readonly Measure[] = [
  { key: "speedup", title: "speed-up" },
  { key: "energy", title: "energy" },
];

/** The order in which series got their colours. */
export const seriesNames = (facets: readonly Facet[]): readonly string[] => [
  ...new Set(facets.flatMap((f) => f.multiples.map((m) => m.series))),
];

/** Draws the chart as wide as its box; facets that do not fit go into further lines. */
export function drawMultiples(
  body: HTMLElement,
  facets: readonly Facet[],
  baseline: string,
  style: ChartStyle,
  width: number,
  height: number,
): void {
  const series = seriesNames(facets);
  const measures = MEASURES.filter(({ key }) => facets.some((f) => f.multiples.some((m) => m[key] !== undefined)));
  const bars = Math.max(...facets.map((f) => f.multiples.length));
  const facetWidth = Math.max(92, bars * (MIN_BAR + 5) + 10);
  const perLine = Math.max(1, Math.min(facets.length, Math.floor((width - LEFT) / (facetWidth + FACET_GAP))));
  const lines = Math.ceil(facets.length / perLine);
  const room = Math.min(210, (width - LEFT) / perLine - FACET_GAP);
  const legend = legendLines(series, width - LEFT);
  const free = (height - legend.length * 18 - 8) / lines - TOP - measures.length * BETWEEN;
  const plot = Math.min(MAX_PLOT, Math.max(MIN_PLOT, Math.floor(free / Math.max(1, measures.length))));
  const lineHeight = TOP + measures.length * (plot + BETWEEN);
  const words = facets
    .map((f) => `${f.name}: ${f.multiples.map((m) => `${m.series} ${m.speedup?.toPrecision(3) ?? "?"} ×`).join(", ")}`)
    .join("; ");
  const svg = drawing(body, width, lines * lineHeight + legend.length * 18 + 6, `Against ${baseline}. ${words}`);
  facets.forEach((facet, i) => {
    const left = LEFT + (i % perLine) * (room + FACET_GAP);
    const top = Math.floor(i / perLine) * lineHeight;
    const [model = "", phase = ""] = facet.name.split(" · ");
    label(svg, left, top + 8, clipped(model.split("/").at(-1) ?? model, room + FACET_GAP - 4, 11), style.ink)
      .attr("font-weight", 600)
      .append("title")
      .text(facet.name);
    label(svg, left, top + 22, phase, style.soft);
    measures.forEach((measure, row) => {
      const y = top + TOP + row * (plot + BETWEEN);
      drawFacet(svg, facet, measure, facets, series, style, {
        left,
        top: y,
        width: room,
        plot,
        first: i % perLine === 0,
      });
    });
  });
  drawLegend(svg, legend, series, style, lines * lineHeight + 8);
}

interface FacetPlace {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly plot: number;
  readonly first: boolean;
}

function drawFacet(
  svg: Drawing,
  facet: Facet,
  { key, title }: Measure,
  all: readonly Facet[],
  series: readonly string[],
  style: ChartStyle,
  { left, top, width, plot, first }: FacetPlace,
): void {
  const most = Math.max(1, ...all.flatMap((f) => f.multiples.map((m) => m[key] ?? 0)));
  const y = scaleLinear()
    .domain([0, most * 1.08])
    .range([top + plot, top]);
  for (const tick of y.ticks(3)) {
    svg
      .append("path")
      .attr("d", `M${left},${y(tick)}h${width}`)
      .attr("stroke", tick === 1 ? style.faint : style.line)
      .attr("stroke-width", 1)
      .attr("stroke-dasharray", tick === 1 ? "3 3" : null);
    if (first) label(svg, left - 6, y(tick), `${tick}×`, style.faint, "end").attr("font-size", 10);
  }
  if (first) label(svg, 0, top - 9, title, style.soft).attr("font-size", 10.5);
  const step = width / facet.multiples.length;
  facet.multiples.forEach((m, i) => {
    const value = m[key];
    if (value === undefined) return;
    const size = Math.min(30, step - 5);
    const x = left + i * step + (step - size) / 2;
    svg
      .append("rect")
      .attr("x", x)
      .attr("y", y(value))
      .attr("width", size)
      .attr("height", y(0) - y(value))
      .attr("fill", turnColour(style.theme, series.indexOf(m.series)))
      .append("title")
      .text(`${m.series}: ${value.toPrecision(4)} ×`);
    label(svg, x + size / 2, y(value) - 7, value.toPrecision(3), style.ink, "middle").attr("font-size", 10);
  });
}

const itemWidth = (name: string): number => textWidth(name) + 28;

function legendLines(series: readonly string[], width: number): readonly (readonly string[])[] {
  const lines: string[][] = [[]];
  let used = 0;
  for (const name of series) {
    if (used + itemWidth(name) > width && lines.at(-1)!.length > 0) {
      lines.push([]);
      used = 0;
    }
    lines.at(-1)!.push(name);
    used += itemWidth(name);
  }
  return lines;
}

function drawLegend(
  svg: Drawing,
  lines: readonly (readonly string[])[],
  series: readonly string[],
  style: ChartStyle,
  top: number,
): void {
  lines.forEach((line, i) => {
    let x = LEFT;
    for (const name of line) {
      svg
        .append("rect")
        .attr("x", x)
        .attr("y", top + i * 18 - 5)
        .attr("width", 10)
        .attr("height", 10)
        .attr("rx", 2)
        .attr("fill", turnColour(style.theme, series.indexOf(name)));
      label(svg, x + 15, top + i * 18, name, style.soft);
      x += itemWidth(name);
    }
  });
}
