/** Draws the array: a cell a PE, strips for what enters and leaves, as a list of runs of cells for canvas and SVG alike. */
import { type ArrayInfo, type Entry, peStatesAt, type Wave, waveAt } from "../array.ts";
import type { Paint } from "../draw.ts";
import type { Model } from "../model.ts";
import { blend, CHROME, COLOURS, type Meaning, type Theme } from "../palette.ts";
import { sliceAt } from "../slices.ts";
import type { ChartStyle } from "./style.ts";
import { drawing, label } from "./svg.ts";

/** A row of cells in one colour. */
export interface CellRun {
  readonly row: number;
  readonly column: number;
  readonly length: number;
  readonly colour: string;
}

export interface ArrayDrawing {
  readonly rows: number;
  readonly columns: number;
  readonly cells: readonly CellRun[];
  /** What enters from the left, row by row, and from above, column by column; what leaves below. */
  readonly left: readonly string[];
  readonly top: readonly string[];
  readonly bottom: readonly string[];
  /** PEs that get operands at once: lines are drawn between them. */
  readonly tile: { readonly rows: number; readonly columns: number };
  /** Words on tiles, row by row; empty where there is none. */
  readonly words: readonly string[];
}

const UNUSED = { light: "#f7f8fa", dark: "#171a20" } as const;
const ODD_FOLD = 0.42;
/** PEs that wait step back behind those that work. */
const BUBBLE = 0.55;

export interface CellColours {
  readonly contract: readonly [even: string, odd: string];
  readonly unused: string;
  readonly state: readonly string[];
}

export function cellColours(info: ArrayInfo, paint: Paint): CellColours {
  const works = paint.colours[info.contract]!;
  return {
    contract: [works, blend(works, CHROME[paint.theme].ground, ODD_FOLD)],
    unused: UNUSED[paint.theme],
    state: paint.colours.map((c) => blend(c, CHROME[paint.theme].ground, BUBBLE)),
  };
}

/** Colours of cells that are no states, by name. */
export const cellSwatches = (theme: Theme): readonly (readonly [name: string, colour: string])[] => [
  ["unused", UNUSED[theme]],
  ["next", blend(COLOURS[theme].compute, CHROME[theme].ground, ODD_FOLD)],
];

/** Runs of equal cells, from a colour for each. */
function runsOf(rows: number, columns: number, colourOf: (row: number, column: number) => string): readonly CellRun[] {
  const runs: CellRun[] = [];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; ) {
      const colour = colourOf(row, column);
      let end = column + 1;
      while (end < columns && colourOf(row, end) === colour) end++;
      runs.push({ row, column, length: end - column, colour });
      column = end;
    }
  return runs;
}

/** The array in one cycle. */
export function cycleDrawing(
  model: Model,
  info: ArrayInfo,
  paint: Paint,
  time: number,
  words: (wave: Wave, row: number, column: number) => string,
): { readonly drawing: ArrayDrawing; readonly wave: Wave } {
  const { rows, columns, contract } = info;
  const colours = cellColours(info, paint);
  const wave = waveAt(model, info, time);
  const { hops, entries } = wave;
  const ground = CHROME[paint.theme].ground;
  const colourOf = (row: number, column: number): string => {
    const entry = entries[Math.floor(row / hops.rows) + Math.floor(column / hops.columns)];
    if (entry === undefined) return colours.unused;
    if (row >= entry.rows || column >= entry.columns) return colours.unused;
    return entry.state === contract ? colours.contract[entry.fold & 1 ? 1 : 0] : colours.state[entry.state]!;
  };
  const borders = bordersOf(model, info, paint, wave, time);
  const across = Math.ceil(columns / hops.columns);
  const tiled = hops.rows > 1 || hops.columns > 1;
  const tiles = tiled ? Math.ceil(rows / hops.rows) * across : 0;
  return {
    wave,
    drawing: {
      rows,
      columns,
      cells: runsOf(rows, columns, colourOf).filter((c) => c.colour !== ground),
      ...borders,
      tile: hops,
      words: Array.from({ length: tiles }, (_, i) => words(wave, Math.floor(i / across), i % across)),
    },
  };
}

/** States of stepped PEs as colours; what is not listed has the ground of idle ones. */
const PE_MEANINGS: Readonly<Record<string, Meaning>> = {
  multiply: "compute",
  padding: "map",
  rescale: "operand-weight",
  drain: "drain",
};

/** The states that a trace of depth `pe` has, with their colours. */
export const peColours = (model: Model, theme: Theme): readonly string[] =>
  model.peStates.map((name) => {
    const meaning = PE_MEANINGS[name];
    return meaning === undefined ? UNUSED[theme] : COLOURS[theme][meaning];
  });

/** The array of stepped PEs in one cycle: nothing here is inferred. */
export function steppedDrawing(
  model: Model,
  info: ArrayInfo,
  paint: Paint,
  time: number,
): { readonly drawing: ArrayDrawing; readonly states: Uint8Array } | undefined {
  const found = peStatesAt(model, info, time);
  if (found === undefined) return undefined;
  const { states, rows, columns } = found;
  const colours = peColours(model, paint.theme);
  const wave = waveAt(model, info, time);
  return {
    states,
    drawing: {
      rows,
      columns,
      cells: runsOf(rows, columns, (r, c) => colours[states[r * columns + c]!] ?? UNUSED[paint.theme]),
      ...bordersOf(model, info, paint, wave, time),
      tile: wave.hops,
      words: [],
    },
  };
}

/** Operands at the border in this cycle: decoders work where the operand that enters was a code. */
function bordersOf(
  model: Model,
  info: ArrayInfo,
  paint: Paint,
  { hops, entries }: Wave,
  time: number,
): Pick<ArrayDrawing, "left" | "top" | "bottom"> {
  const { spec, rows, columns, contract, feeders } = info;
  const idle = CHROME[paint.theme].ground;
  const streams = (hop: number): Entry | undefined => {
    const entry = entries[hop];
    return entry?.state === contract ? entry : undefined;
  };
  const colourOf = (feeds: "weight" | "activation"): string => {
    const feeder = feeders.find((f) => f.feeds === feeds);
    const decodes =
      spec.pairCodes === true || (feeder !== undefined && slotsOf(model, feeder.lane).includes("busy:decode"));
    const state = model.states.findIndex((s) => s.name === (decodes ? "busy:decode" : "busy:feed"));
    return paint.colours[state] ?? paint.colours[contract]!;
  };
  /** A stationary operand enters while its feeder works; one that streams follows the wave. */
  const stationary = { ws: "weight", is: "activation", os: undefined }[spec.dataflow];
  const feeding = feeders.find((f) => f.feeds === stationary);
  const state = feeding === undefined ? undefined : sliceAt(model, feeding.lane, time)?.state;
  const loads = state !== undefined && model.states[state]!.family === "busy";
  const [down, right] =
    spec.dataflow === "is" ? (["activation", "weight"] as const) : (["weight", "activation"] as const);
  const top = Array.from({ length: columns }, (_, c) => {
    const enters = stationary === undefined ? (streams(Math.floor(c / hops.columns))?.columns ?? 0) > c : loads;
    return enters ? colourOf(down) : idle;
  });
  const left = Array.from({ length: rows }, (_, r) =>
    (streams(Math.floor(r / hops.rows))?.rows ?? 0) > r ? colourOf(right) : idle,
  );
  const lastRow = Math.ceil(rows / hops.rows) - 1;
  const sums = paint.colours[contract]!;
  const bottom = Array.from({ length: columns }, (_, c) => {
    const hop = lastRow + Math.floor(c / hops.columns);
    const leaves = stationary === undefined ? drains(model, entries[hop]?.state) : (streams(hop)?.columns ?? 0) > c;
    return leaves ? sums : idle;
  });
  return { left, top, bottom };
}

const slotsOf = (model: Model, lane: number): readonly string[] => model.slots[lane]!.map((s) => model.states[s]!.name);
const drains = (model: Model, state: number | undefined): boolean =>
  state !== undefined && model.states[state]!.name === "stall:drain";

/** How much each PE worked, as a drawing: the more, the darker (in the dark theme, the lighter). */
export function usageDrawing(info: ArrayInfo, paint: Paint, shares: Float64Array): ArrayDrawing {
  const { rows, columns } = info;
  const { ground } = CHROME[paint.theme];
  const works = paint.colours[info.contract]!;
  const STEPS = 64;
  const ramp = Array.from({ length: STEPS + 1 }, (_, i) => blend(UNUSED[paint.theme], works, i / STEPS));
  return {
    rows,
    columns,
    cells: runsOf(rows, columns, (r, c) => ramp[Math.round(shares[r * columns + c]! * STEPS)] ?? ground),
    left: [],
    top: [],
    bottom: [],
    tile: { rows: 1, columns: 1 },
    words: [],
  };
}

/** Where cells lie: sizes in pixels. */
export interface ArrayPlace {
  readonly cell: number;
  readonly x: number;
  readonly y: number;
  readonly strip: number;
}

const STRIP = 9;
const STRIP_GAP = 4;
const CAPTION = 15;

/** Square cells that fill the box. */
export function placeArray(rows: number, columns: number, width: number, height: number): ArrayPlace {
  const border = STRIP + STRIP_GAP;
  const free = Math.min((width - 2 * border) / columns, (height - 2 * border - 2 * CAPTION) / rows);
  const cell = Math.max(1, Math.floor(free));
  return { cell, x: border, y: border + CAPTION, strip: STRIP };
}

export const sizeOf = (place: ArrayPlace, rows: number, columns: number) => ({
  width: place.x * 2 + place.cell * columns,
  height: place.y * 2 + place.cell * rows,
});

/** A rectangle of a drawing, for any surface. */
type Rectangle = (x: number, y: number, width: number, height: number, colour: string) => void;

function rectangles(array: ArrayDrawing, place: ArrayPlace, rectangle: Rectangle): void {
  const { cell, x, y, strip } = place;
  const gap = cell >= 5 ? 1 : 0;
  for (const { row, column, length, colour } of array.cells)
    if (gap === 0) rectangle(x + column * cell, y + row * cell, length * cell, cell, colour);
    else
      for (let i = 0; i < length; i++)
        rectangle(x + (column + i) * cell, y + row * cell, cell - gap, cell - gap, colour);
  const thick = strip - 1;
  array.left.forEach((colour, r) => {
    rectangle(x - STRIP_GAP - thick, y + r * cell, thick, cell - gap, colour);
  });
  array.top.forEach((colour, c) => {
    rectangle(x + c * cell, y - STRIP_GAP - thick, cell - gap, thick, colour);
  });
  const below = y + array.rows * cell + STRIP_GAP;
  array.bottom.forEach((colour, c) => {
    rectangle(x + c * cell, below, cell - gap, thick, colour);
  });
}

const FONT = '10.5px "SF Mono", "JetBrains Mono", ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';

export interface Captions {
  readonly top: string;
  readonly bottom: string;
}

/** Paints the array on a canvas whose pixels are `pixelRatio` to one of the page. */
export function paintArray(
  context: CanvasRenderingContext2D,
  array: ArrayDrawing,
  place: ArrayPlace,
  captions: Captions,
  style: ChartStyle,
  pixelRatio: number,
): void {
  const { width, height } = context.canvas;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = style.ground;
  context.fillRect(0, 0, width, height);
  context.setTransform(pixelRatio, 0, 0, pixelRatio, 0, 0);
  outline(array, place, (x, y, w, h) => {
    context.fillStyle = style.line;
    context.fillRect(x, y, w, h);
  });
  let last = "";
  rectangles(array, place, (x, y, w, h, colour) => {
    if (colour !== last) {
      context.fillStyle = colour;
      last = colour;
    }
    context.fillRect(x, y, w, h);
  });
  context.font = FONT;
  context.textBaseline = "middle";
  context.textAlign = "center";
  writeWords(array, place, (x, y, text) => {
    context.fillStyle = style.ground;
    const half = context.measureText(text).width / 2 + 4;
    context.globalAlpha = 0.82;
    context.fillRect(x - half, y - 8, 2 * half, 16);
    context.globalAlpha = 1;
    context.fillStyle = style.ink;
    context.fillText(text, x, y + 0.5);
  });
  context.textAlign = "left";
  context.fillStyle = style.faint;
  const { y: bottom } = captionPlaces(array, place);
  context.fillText(captions.top, place.x, CAPTION / 2);
  context.fillText(captions.bottom, place.x, bottom);
}

const captionPlaces = (array: ArrayDrawing, place: ArrayPlace) => ({
  y: place.y * 2 + array.rows * place.cell - CAPTION / 2,
});

/** The frames of the array and of its strips, so that they are seen when nothing moves. */
function outline(
  array: ArrayDrawing,
  place: ArrayPlace,
  rectangle: (x: number, y: number, w: number, h: number) => void,
) {
  const { cell, x, y } = place;
  const [w, h] = [array.columns * cell, array.rows * cell];
  const frame = (fx: number, fy: number, fw: number, fh: number): void => {
    rectangle(fx - 1, fy - 1, fw + 2, 1);
    rectangle(fx - 1, fy + fh, fw + 2, 1);
    rectangle(fx - 1, fy, 1, fh);
    rectangle(fx + fw, fy, 1, fh);
  };
  frame(x, y, w, h);
  if (array.left.length === 0) return;
  const thick = place.strip - 1;
  frame(x - STRIP_GAP - thick, y, thick, h);
  frame(x, y - STRIP_GAP - thick, w, thick);
  frame(x, y + h + STRIP_GAP, w, thick);
}

function writeWords(array: ArrayDrawing, place: ArrayPlace, write: (x: number, y: number, text: string) => void): void {
  const { tile, words, columns } = array;
  const across = Math.ceil(columns / tile.columns);
  if (tile.columns * place.cell < 56 || tile.rows * place.cell < 20) return;
  words.forEach((text, i) => {
    if (text === "") return;
    const [row, column] = [Math.floor(i / across), i % across];
    write(place.x + (column + 0.5) * tile.columns * place.cell, place.y + (row + 0.5) * tile.rows * place.cell, text);
  });
}

/** The same as an SVG of its own. */
export function arraySvg(
  array: ArrayDrawing,
  place: ArrayPlace,
  captions: Captions,
  style: ChartStyle,
): SVGSVGElement | null {
  const { width, height } = sizeOf(place, array.rows, array.columns);
  const box = document.createElement("div");
  const svg = drawing(box, width, height, captions.top);
  const g = svg.append("g");
  outline(array, place, (x, y, w, h) => {
    g.append("rect").attr("x", x).attr("y", y).attr("width", w).attr("height", h).attr("fill", style.line);
  });
  rectangles(array, place, (x, y, w, h, colour) => {
    g.append("rect").attr("x", x).attr("y", y).attr("width", w).attr("height", h).attr("fill", colour);
  });
  writeWords(array, place, (x, y, text) => {
    label(svg, x, y, text, style.ink, "middle")
      .attr("stroke", style.ground)
      .attr("stroke-width", 3)
      .attr("paint-order", "stroke");
  });
  label(svg, place.x, CAPTION / 2, captions.top, style.faint);
  label(svg, place.x, captionPlaces(array, place).y, captions.bottom, style.faint);
  return box.querySelector("svg");
}
