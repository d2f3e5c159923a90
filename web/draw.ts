/** Paints a drawing list on a canvas: the only code that touches one. States go through ImageData, never through paths. */
import type { Box, CounterBody, Drawing, MixBody } from "./layout.ts";
import type { StateInfo } from "./model.ts";
import { blend, CHROME, COLOURS, inkOn, packed, stateColours, type Theme } from "./palette.ts";

/** The colours of states in the forms that drawing needs. */
export interface Paint {
  readonly theme: Theme;
  readonly colours: readonly string[];
  /** As words of ImageData; `hatch` is the second colour of a stall's pattern. */
  readonly words: Uint32Array;
  readonly hatch: Uint32Array;
  readonly inks: readonly string[];
  readonly stalls: readonly boolean[];
}

const HATCH = { light: "#ffffff", dark: "#000000", share: 0.34 } as const;

/** The colours of a file's states in one theme. */
export function paintOf(states: readonly StateInfo[], theme: Theme): Paint {
  const colours = stateColours(states, theme);
  return {
    theme,
    colours,
    words: Uint32Array.from(colours, packed),
    hatch: Uint32Array.from(colours, (c) => packed(blend(c, HATCH[theme], HATCH.share))),
    inks: colours.map(inkOn),
    stalls: states.map((s) => s.family === "stall"),
  };
}

/** Pixels of a canvas that live as long as it has its size. */
interface Frame {
  readonly image: ImageData;
  readonly words: Uint32Array;
}

const frames = new WeakMap<CanvasRenderingContext2D, Frame>();

function frameOf(context: CanvasRenderingContext2D, width: number, height: number): Frame {
  const known = frames.get(context);
  if (known !== undefined && known.image.width === width && known.image.height === height) return known;
  const image = context.createImageData(width, height);
  const frame = { image, words: new Uint32Array(image.data.buffer) };
  frames.set(context, frame);
  return frame;
}

/** Writes stacked columns; rows above and below the canvas are cut off. */
function writeMix({ image, words: pixels }: Frame, body: MixBody, words: Uint32Array): void {
  const { width, height } = image;
  const { states, heights, top } = body;
  const count = states.length;
  const colours = Uint32Array.from(states, (s) => words[s]!);
  const columns = Math.min(width, heights.length / count);
  const bottom = top + body.height;
  if (top < 0 || bottom > height) {
    writeCut(pixels, width, height, body, colours, columns);
    return;
  }
  for (let c = 0, h = 0; c < columns; c++) {
    let at = (bottom - 1) * width + c;
    for (let s = 0; s < count; s++, h++) {
      const word = colours[s]!;
      for (let n = heights[h]!; n > 0; n--, at -= width) pixels[at] = word;
    }
  }
}

/** A counter's parts are like states; what is free above them has the ground of idle lanes. */
function writeCounter(frame: Frame, { colours, heights, top, height }: CounterBody, theme: Theme): void {
  const parts = colours.length;
  const full = new Uint8Array((heights.length / parts) * (parts + 1));
  for (let c = 0; c * parts < heights.length; c++) {
    let free = height;
    for (let p = 0; p < parts; p++) {
      const part = heights[c * parts + p]!;
      full[c * (parts + 1) + p] = part;
      free -= part;
    }
    full[c * (parts + 1) + parts] = free;
  }
  const words = Uint32Array.from([...colours, "idle" as const], (m) => packed(COLOURS[theme][m]));
  writeMix(frame, { top, height, states: [...words.keys()], heights: full }, words);
}

/** As above, for a row that is partly outside. */
function writeCut(
  pixels: Uint32Array,
  width: number,
  height: number,
  body: MixBody,
  colours: Uint32Array,
  columns: number,
): void {
  for (let c = 0, h = 0; c < columns; c++) {
    let row = body.top + body.height - 1;
    for (let s = 0; s < colours.length; s++, h++)
      for (let n = body.heights[h]!; n > 0; n--, row--)
        if (row >= 0 && row < height) pixels[row * width + c] = colours[s]!;
  }
}

const FONT = '"SF Mono", "JetBrains Mono", ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';
const FONT_SIZE = 10.5;
const CHARACTER = 6.4;
const LABEL_INDENT = 4;
const HATCH_PERIOD = 6;
const HATCH_LINE = 2;

/** Parts neighbouring slices, and hatches stalls, which so are not told by colour alone; the states are there already. */
function writeBoxes({ image, words: pixels }: Frame, boxes: readonly Box[], paint: Paint, pixelRatio: number): void {
  const { width, height } = image;
  const gap = Math.max(1, Math.round(pixelRatio));
  const ground = packed(CHROME[paint.theme].ground);
  const period = HATCH_PERIOD * Math.round(pixelRatio);
  const line = HATCH_LINE * Math.round(pixelRatio);
  for (const box of boxes) {
    const top = Math.max(0, box.top);
    const bottom = Math.min(height, box.top + box.height);
    const right = Math.min(width, box.x + box.width) - gap;
    const hatched = paint.stalls[box.state]! && box.width >= 2 * period;
    // Text is not read through a pattern.
    const left = box.x + (box.label === "" ? 0 : Math.ceil(labelWidth(box.label) * pixelRatio));
    const word = paint.hatch[box.state]!;
    for (let y = top; y < bottom; y++) {
      const row = y * width;
      for (let i = right; i < right + gap; i++) pixels[row + i] = ground;
      if (!hatched) continue;
      const shift = (left + y) % period;
      for (let x = left - shift; x < right; x += period)
        for (let i = Math.max(x, left), end = Math.min(x + line, right); i < end; i++) pixels[row + i] = word;
    }
  }
}

const labelWidth = (label: string): number => label.length * CHARACTER + LABEL_INDENT + 3;

function drawLabels(context: CanvasRenderingContext2D, boxes: readonly Box[], paint: Paint, pixelRatio: number): void {
  context.font = `${FONT_SIZE * pixelRatio}px ${FONT}`;
  context.textBaseline = "middle";
  for (const { x, top, height, state, label } of boxes) {
    if (label === "" || height < 11 * pixelRatio) continue;
    context.fillStyle = paint.inks[state]!;
    context.fillText(label, x + LABEL_INDENT * pixelRatio, top + height / 2 + 0.5 * pixelRatio);
  }
}

/** Paints lanes, grid, range and selection. */
export function drawLanes(context: CanvasRenderingContext2D, drawing: Drawing, paint: Paint, pixelRatio: number): void {
  const { width, height } = drawing;
  const chrome = CHROME[paint.theme];
  const frame = frameOf(context, width, height);
  frame.words.fill(packed(chrome.ground));
  for (const mix of drawing.mixes) writeMix(frame, mix, paint.words);
  for (const counter of drawing.counters) writeCounter(frame, counter, paint.theme);
  writeBoxes(frame, drawing.boxes, paint, pixelRatio);
  context.putImageData(frame.image, 0, 0);
  drawLabels(context, drawing.boxes, paint, pixelRatio);
  context.fillStyle = chrome.grid;
  for (const tick of drawing.ticks)
    context.fillRect(Math.round(tick.x), 0, Math.max(1, Math.round(pixelRatio)), height);
  if (drawing.range !== undefined) drawRange(context, drawing.range, height, chrome.accent, pixelRatio);
  if (drawing.arrow !== undefined) drawArrow(context, drawing.arrow, chrome.ink, chrome.ground, pixelRatio);
  if (drawing.selected !== undefined) {
    const { x, width: w, top, height: h } = drawing.selected;
    const line = 2 * pixelRatio;
    context.strokeStyle = chrome.ground;
    context.lineWidth = line * 2;
    context.strokeRect(x, top, Math.max(w, line), h);
    context.strokeStyle = chrome.ink;
    context.lineWidth = line;
    context.strokeRect(x, top, Math.max(w, line), h);
  }
}

function drawRange(
  context: CanvasRenderingContext2D,
  { x, width }: { readonly x: number; readonly width: number },
  height: number,
  accent: string,
  pixelRatio: number,
): void {
  context.globalAlpha = 0.14;
  context.fillStyle = accent;
  context.fillRect(x, 0, width, height);
  context.globalAlpha = 1;
  const line = Math.max(1, Math.round(pixelRatio));
  context.fillRect(Math.round(x), 0, line, height);
  context.fillRect(Math.round(x + width) - line, 0, line, height);
}

function drawArrow(
  context: CanvasRenderingContext2D,
  { from, to }: NonNullable<Drawing["arrow"]>,
  ink: string,
  ground: string,
  pixelRatio: number,
): void {
  const bend = 26 * pixelRatio;
  const head = 5 * pixelRatio;
  const down = to.y > from.y ? 1 : -1;
  const path = new Path2D();
  path.moveTo(from.x, from.y);
  path.bezierCurveTo(from.x + bend, from.y + down * bend * 0.4, to.x + bend, to.y - down * bend * 0.6, to.x, to.y);
  const tip = new Path2D();
  tip.moveTo(to.x, to.y);
  tip.lineTo(to.x + head * 1.3, to.y - down * head * 1.1);
  tip.lineTo(to.x + head * 0.1, to.y - down * head * 1.8);
  tip.closePath();
  for (const [colour, width] of [
    [ground, 5],
    [ink, 1.6],
  ] as const) {
    context.strokeStyle = colour;
    context.lineWidth = width * pixelRatio;
    context.stroke(path);
  }
  context.fillStyle = ink;
  context.fill(tip);
}

/** Paints the names of layers over the time that they take. */
export function drawBands(
  context: CanvasRenderingContext2D,
  drawing: Drawing,
  kinds: readonly string[],
  theme: Theme,
  pixelRatio: number,
): void {
  const { height } = context.canvas;
  const chrome = CHROME[theme];
  context.fillStyle = chrome.ground;
  context.fillRect(0, 0, drawing.width, height);
  context.font = `${FONT_SIZE * pixelRatio}px ${FONT}`;
  context.textBaseline = "middle";
  for (const { x, width, label, kind } of drawing.bands) {
    const colour = kind === "" ? chrome.bands[0]! : chrome.bands[kinds.indexOf(kind) % chrome.bands.length]!;
    context.fillStyle = colour;
    const from = Math.round(x);
    const gap = width > 3 * pixelRatio ? Math.max(1, Math.round(pixelRatio)) : 0;
    context.fillRect(from, 0, Math.max(1, Math.round(x + width) - from - gap), height);
    if (label === "") continue;
    context.fillStyle = chrome.ink;
    context.fillText(label, from + 4 * pixelRatio, height / 2 + 0.5 * pixelRatio);
  }
}

/** Paints one mix over the whole of a canvas: the overview. */
export function drawOverview(context: CanvasRenderingContext2D, body: MixBody, paint: Paint): void {
  const { width, height } = context.canvas;
  const frame = frameOf(context, width, height);
  frame.words.fill(packed(CHROME[paint.theme].ground));
  writeMix(frame, body, paint.words);
  context.putImageData(frame.image, 0, 0);
}
