/** The roofline: operations by how much they compute for each byte and each cycle, under what the machine can do. */
import { axisBottom, axisLeft, scaleLog, symbol, symbolCircle, symbolDiamond, symbolSquare, symbolTriangle } from "d3";
import { exact, percent, short } from "../format.ts";
import { boundOf, type Dot, intensityOf, type Roofs, rateOf } from "../roofs.ts";
import type { Run } from "../run.ts";
import { type ChartStyle, turnColour } from "./style.ts";
import { type Drawing, drawAxis, drawing, label, pressable, textWidth } from "./svg.ts";

export interface RooflineChart {
  readonly run: Run;
  readonly roofs: Roofs | undefined;
  readonly dots: readonly Dot[];
  /** The brushed range, or the whole run. */
  readonly range: Dot | undefined;
  readonly focus: string;
  /** Where the selection or the playhead is. */
  readonly here: string | undefined;
  readonly pick: (key: string) => void;
}

const MARGIN = { left: 56, right: 16, top: 14, bottom: 38 } as const;
/** Below this width names would cover dots. */
const NARROW = 420;
const SHAPES = [symbolCircle, symbolSquare, symbolTriangle, symbolDiamond] as const;
type Scale = ReturnType<typeof scaleLog<number, number>>;

function domains({
  roofs,
  dots,
  range,
}: RooflineChart): readonly [readonly [number, number], readonly [number, number]] {
  const all = range === undefined ? dots : [...dots, range];
  const xs = all.map(intensityOf);
  const ys = all.map(rateOf);
  if (roofs !== undefined && Number.isFinite(roofs.bytesPerCycle)) xs.push(roofs.macsPerCycle / roofs.bytesPerCycle);
  if (roofs !== undefined) ys.push(roofs.macsPerCycle);
  return [
    [Math.min(...xs) / 2.5, Math.max(...xs) * 2.5],
    [Math.min(...ys) / 2.5, Math.max(...ys) * 1.8],
  ];
}

/** Draws the chart into its box. */
export function drawRoofline(
  body: HTMLElement,
  chart: RooflineChart,
  style: ChartStyle,
  width: number,
  height: number,
): void {
  const words = chart.dots.map(
    (d) =>
      `${d.name}: ${intensityOf(d).toPrecision(3)} multiply–accumulates a byte, ${rateOf(d).toPrecision(3)} a cycle`,
  );
  const svg = drawing(body, width, height, `Roofline. ${words.slice(0, 12).join("; ")}`);
  const [xDomain, yDomain] = domains(chart);
  const x = scaleLog()
    .domain(xDomain)
    .range([MARGIN.left, width - MARGIN.right]);
  const y = scaleLog()
    .domain(yDomain)
    .range([height - MARGIN.bottom, MARGIN.top]);
  drawAxes(svg, x, y, style, width, height);
  if (chart.roofs !== undefined) drawRoofs(svg, chart.roofs, x, y, style);
  const kinds = [...new Set(chart.dots.map((d) => d.kind))];
  drawKinds(svg, kinds, style, width, height);
  drawDots(svg, chart, kinds, x, y, style);
  if (chart.range !== undefined) drawRangeDot(svg, chart.range, x, y, style, width);
}

function drawAxes(svg: Drawing, x: Scale, y: Scale, style: ChartStyle, width: number, height: number): void {
  const bottom = height - MARGIN.bottom;
  const format = (v: number): string => (v >= 1 ? short(v) : String(Number(v.toPrecision(2))));
  const every = (scale: Scale, pixels: number): number[] => {
    const [a = 1, b = 10] = scale.domain();
    const decades = Math.log10(b / a);
    const steps = decades * 3 * 44 < pixels ? [1, 2, 5] : [1];
    const first = Math.floor(Math.log10(a));
    return Array.from({ length: Math.ceil(decades) + 2 }, (_, i) => steps.map((s) => s * 10 ** (first + i)))
      .flat()
      .filter((v) => v >= a && v <= b);
  };
  const below = axisBottom<number>(x as never)
    .tickValues(every(x, width))
    .tickFormat((v) => format(Number(v)))
    .tickSizeOuter(0)
    .tickSizeInner(-(bottom - MARGIN.top));
  const left = axisLeft<number>(y as never)
    .tickValues(every(y, height))
    .tickFormat((v) => format(Number(v)))
    .tickSizeOuter(0)
    .tickSizeInner(-(width - MARGIN.left - MARGIN.right));
  drawAxis(svg.append("g").attr("transform", `translate(0,${bottom})`), below, style);
  drawAxis(svg.append("g").attr("transform", `translate(${MARGIN.left},0)`), left, style);
  label(
    svg,
    (MARGIN.left + width - MARGIN.right) / 2,
    height - 8,
    "multiply–accumulates a byte off chip",
    style.soft,
    "middle",
  );
  label(svg, 0, 0, "multiply–accumulates a cycle", style.soft, "middle").attr(
    "transform",
    `translate(10,${(MARGIN.top + bottom) / 2}) rotate(-90)`,
  );
}

function drawRoofs(svg: Drawing, roofs: Roofs, x: Scale, y: Scale, style: ChartStyle): void {
  const [x0 = 1, x1 = 10] = x.domain();
  const [y0 = 1] = y.domain();
  const ridge = roofs.macsPerCycle / roofs.bytesPerCycle;
  const g = svg.append("g").attr("stroke", style.ink).attr("stroke-width", 1.75).attr("fill", "none");
  const from = Math.max(x0, y0 / roofs.bytesPerCycle);
  if (Number.isFinite(roofs.bytesPerCycle) && from < ridge) {
    g.append("path").attr(
      "d",
      `M${x(from)},${y(from * roofs.bytesPerCycle)}L${x(ridge)},${y(roofs.macsPerCycle)}H${x(x1)}`,
    );
    const middle = Math.sqrt(from * ridge);
    const [px, py] = [x(middle), y(middle * roofs.bytesPerCycle)];
    const angle = (Math.atan2(y(roofs.macsPerCycle) - py, x(ridge) - px) * 180) / Math.PI;
    label(svg, 0, -9, `${short(Number(roofs.bytesPerCycle.toPrecision(4)))} bytes a cycle`, style.soft, "middle").attr(
      "transform",
      `translate(${px},${py}) rotate(${angle})`,
    );
  } else g.append("path").attr("d", `M${x(x0)},${y(roofs.macsPerCycle)}H${x(x1)}`);
  label(svg, x(x1), y(roofs.macsPerCycle) - 8, `${exact(roofs.macsPerCycle)} a cycle at most`, style.soft, "end");
  let last = y(roofs.macsPerCycle);
  for (const { name, macsPerCycle } of [...roofs.ceilings].sort((a, b) => b.macsPerCycle - a.macsPerCycle)) {
    if (macsPerCycle <= y0) continue;
    const start = Math.max(x0, macsPerCycle / roofs.bytesPerCycle);
    if (start >= x1) continue;
    g.append("path")
      .attr("d", `M${x(start)},${y(macsPerCycle)}H${x(x1)}`)
      .attr("stroke", style.faint)
      .attr("stroke-width", 1)
      .attr("stroke-dasharray", "4 3");
    if (y(macsPerCycle) - last < 12) continue;
    last = y(macsPerCycle);
    label(svg, x(x1), last + 8, name, style.faint, "end");
  }
}

/** What the shapes mean, in a corner where no roof lets a dot be. */
function drawKinds(svg: Drawing, kinds: readonly string[], style: ChartStyle, width: number, height: number): void {
  const w = Math.max(0, ...kinds.map((k) => textWidth(k)));
  kinds.slice(0, 8).forEach((kind, i) => {
    const y = height - MARGIN.bottom - 12 - 16 * (Math.min(8, kinds.length) - 1 - i);
    const x = width - MARGIN.right - w - 8;
    shape(svg, kinds, kind, 52, style).attr("transform", `translate(${x - 10},${y})`);
    label(svg, x, y, kind, style.soft);
  });
}

const shape = (svg: Drawing, kinds: readonly string[], kind: string, size: number, style: ChartStyle) => {
  const n = Math.max(0, kinds.indexOf(kind));
  return svg
    .append("path")
    .attr("d", symbol(SHAPES[n % SHAPES.length], size)())
    .attr("fill", turnColour(style.theme, n))
    .attr("stroke", style.ground)
    .attr("stroke-width", 1);
};

function drawDots(
  svg: Drawing,
  { dots, range, focus, here, pick, roofs }: RooflineChart,
  kinds: readonly string[],
  x: Scale,
  y: Scale,
  style: ChartStyle,
): void {
  const all = dots.reduce((sum, d) => sum + d.cycles, 0);
  const wide = x.range()[1]! - x.range()[0]! > NARROW;
  const names = wide ? nameDots(dots, range, x, y) : [];
  for (const dot of [...dots].sort((a, b) => b.cycles - a.cycles)) {
    const size = 44 + 420 * (dot.cycles / all);
    const [px, py] = [x(intensityOf(dot)), y(rateOf(dot))];
    const dim = focus !== "" && focus !== dot.key;
    const mark = shape(svg, kinds, dot.kind, size, style)
      .attr("transform", `translate(${px},${py})`)
      .attr("fill-opacity", dim ? 0.3 : 0.92)
      .attr("data-dot", dot.key);
    pressable(svg, mark, dot.name, () => pick(dot.key));
    const bound = roofs && boundOf(dot, roofs);
    const reached = bound === undefined ? "" : `, ${percent(bound.cycles, dot.cycles)} of its ${bound.by} roof`;
    mark
      .append("title")
      .text(`${dot.name}: ${exact(dot.cycles)} cycles, ${percent(dot.cycles, all)} of the run${reached}`);
    if (dot.key === focus || dot.key === here)
      svg
        .append("circle")
        .attr("cx", px)
        .attr("cy", py)
        .attr("r", Math.sqrt(size / Math.PI) + 4)
        .attr("fill", "none")
        .attr("stroke", dot.key === focus ? style.accent : style.soft)
        .attr("stroke-width", dot.key === focus ? 2 : 1)
        .attr("pointer-events", "none");
  }
  for (const name of names) {
    // A name that had to go further away is led to.
    if (name.y - name.dotY > 20)
      svg
        .append("path")
        .attr(
          "d",
          `M${name.dotX},${name.dotY + 8}V${name.y - 1}H${name.x > name.dotX ? name.x - 2 : name.x + name.width + 2}`,
        )
        .attr("stroke", style.line)
        .attr("fill", "none")
        .attr("pointer-events", "none");
    const on = name.keys.includes(focus);
    label(svg, name.x, name.y, name.text, on ? style.accent : style.soft)
      .attr("font-size", 10.5)
      .attr("font-weight", on ? 600 : 400)
      .attr("pointer-events", "none");
  }
}

/** Names beside dots, largest first, where they cover no other name; dots of one place share a line. */
function nameDots(dots: readonly Dot[], range: Dot | undefined, x: Scale, y: Scale): readonly DotName[] {
  const places: { x: number; y: number; names: string[]; keys: string[] }[] = [];
  for (const dot of [...dots].sort((a, b) => b.cycles - a.cycles)) {
    const [px, py] = [x(intensityOf(dot)), y(rateOf(dot))];
    const near = places.find((p) => Math.abs(p.x - px) < 9 && Math.abs(p.y - py) < 9);
    if (near === undefined) places.push({ x: px, y: py, names: [dot.name], keys: [dot.key] });
    else {
      near.names.push(dot.name);
      near.keys.push(dot.key);
    }
  }
  const taken: { x: number; y: number; width: number }[] = [];
  if (range !== undefined)
    taken.push({ x: x(intensityOf(range)) - 8, y: y(rateOf(range)) + 6, width: textWidth(range.name) + 24 });
  return places.flatMap((p) => {
    const text = commonName(p.names);
    const width = textWidth(text, 10.5);
    const found = NAME_PLACES.map(([dx, dy]) => ({ x: dx < 0 ? p.x + dx - width : p.x + dx, y: p.y + dy, width })).find(
      (n) => !taken.some((t) => Math.abs(t.y - n.y) < 13 && n.x < t.x + t.width + 6 && t.x < n.x + n.width + 6),
    );
    if (found === undefined) return [];
    taken.push(found);
    return [{ ...found, dotX: p.x, dotY: p.y, text, keys: p.keys }];
  });
}

interface DotName {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly dotX: number;
  readonly dotY: number;
  readonly text: string;
  readonly keys: readonly string[];
}

const NAME_PLACES = [
  [12, 16],
  [-12, 16],
  [12, 32],
  [12, 48],
  [12, 64],
  [-12, 32],
  [-12, 48],
] as const;

/** Some names as one: what they share is said once. */
function commonName(names: readonly string[]): string {
  const [first = ""] = names;
  if (names.length === 1) return first;
  const stem = first.slice(0, first.lastIndexOf(".") + 1);
  const own = names.map((n) => (stem !== "" && n.startsWith(stem) ? n.slice(stem.length) : n));
  const shown = own.length > 4 ? [...own.slice(0, 3), `${own.length - 3} more`] : own;
  return `${stem}${shown.join(", ")}`;
}

/** The range as a cross with its name: it moves while the timeline is brushed. */
function drawRangeDot(svg: Drawing, dot: Dot, x: Scale, y: Scale, style: ChartStyle, width: number): void {
  const [px, py] = [x(intensityOf(dot)), y(rateOf(dot))];
  svg
    .append("path")
    .attr("class", "range-dot")
    .attr("d", `M${px - 7},${py}H${px + 7}M${px},${py - 7}V${py + 7}`)
    .attr("stroke", style.accent)
    .attr("stroke-width", 2.25)
    .attr("pointer-events", "none");
  const end = px > width - 150;
  label(svg, px + (end ? -11 : 11), py + 9, dot.name, style.accent, end ? "end" : "start").attr("font-weight", 600);
}
