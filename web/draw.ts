/** Paints a drawing list on a canvas: the only code that touches one. States go through ImageData, never through paths. */
import type { Box, Drawing, MixBody } from "./layout.ts";
import type { StateInfo } from "./model.ts";
import { CHROME, inkOn, packed, stateColours, type Theme } from "./palette.ts";

export interface Paint {
  readonly theme: Theme;
  readonly colours: readonly string[];
  readonly words: Uint32Array;
  readonly inks: readonly string[];
  readonly stalls: readonly boolean[];
}

/** The colours of a file's states in one theme. */
export function paintOf(states: readonly StateInfo[], theme: Theme): Paint {
  const colours = stateColours(states, theme);
  return {
    theme,
    colours,
    words: Uint32Array.from(colours, packed),
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
function writeMix(frame: Frame, body: MixBody, words: Uint32Array): void {
  const { width, height } = frame.image;
  const { states, heights, top } = body;
  const count = states.length;
  const colours = Uint32Array.from(states, (s) => words[s]!);
  const columns = Math.min(width, heights.length / count);
  const bottom = top + body.height;
  for (let c = 0; c < columns; c++) {
    let y = bottom;
    for (let s = 0, from = c * count; s < count; s++) {
      const until = y - heights[from + s]!;
      if (until === y) continue;
      const word = colours[s]!;
      const last = Math.max(0, until);
      for (let row = Math.min(y, height) - 1, at = row * width + c; row >= last; row--, at -= width)
        frame.words[at] = word;
      y = until;
    }
  }
}

const FONT = '"SF Mono", "JetBrains Mono", ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';

function drawBoxes(context: CanvasRenderingContext2D, boxes: readonly Box[], paint: Paint, pixelRatio: number): void {
  const hatch = hatchOf(context, paint.theme, pixelRatio);
  const gap = Math.max(1, Math.round(pixelRatio));
  for (const { x, width, top, height, state } of boxes) {
    context.fillStyle = paint.colours[state]!;
    context.fillRect(x, top, width, height);
    if (paint.stalls[state] && hatch !== null) {
      context.fillStyle = hatch;
      context.fillRect(x, top, width, height);
    }
  }
  context.fillStyle = CHROME[paint.theme].ground;
  for (const { x, width, top, height } of boxes) context.fillRect(x + width - gap, top, gap, height);
  context.font = `${10.5 * pixelRatio}px ${FONT}`;
  context.textBaseline = "middle";
  for (const { x, top, height, state, label } of boxes) {
    if (label === "" || height < 11 * pixelRatio) continue;
    const middle = top + height / 2 + 0.5 * pixelRatio;
    if (paint.stalls[state]) {
      // Text is not read through a pattern.
      context.fillStyle = paint.colours[state]!;
      context.fillRect(x, top, (label.length * 6.4 + 7) * pixelRatio, height);
    }
    context.fillStyle = paint.inks[state]!;
    context.fillText(label, x + 4 * pixelRatio, middle);
  }
}

/** Stalls are hatched where there is room, so that they are not told by colour alone. */
function hatchOf(context: CanvasRenderingContext2D, theme: Theme, pixelRatio: number): CanvasPattern | null {
  const size = Math.round(6 * pixelRatio);
  const tile = new OffscreenCanvas(size, size);
  const pen = tile.getContext("2d");
  if (pen === null) return null;
  pen.strokeStyle = theme === "light" ? "rgba(255, 255, 255, 0.34)" : "rgba(0, 0, 0, 0.34)";
  pen.lineWidth = 1.4 * pixelRatio;
  for (const shift of [-size, 0, size]) {
    pen.beginPath();
    pen.moveTo(shift - 1, size + 1);
    pen.lineTo(shift + size + 1, -1);
    pen.stroke();
  }
  return context.createPattern(tile, "repeat");
}

/** Paints lanes, grid, range and selection. */
export function drawLanes(context: CanvasRenderingContext2D, drawing: Drawing, paint: Paint, pixelRatio: number): void {
  const { width, height } = drawing;
  const chrome = CHROME[paint.theme];
  const frame = frameOf(context, width, height);
  frame.words.fill(packed(chrome.ground));
  for (const mix of drawing.mixes) writeMix(frame, mix, paint.words);
  context.putImageData(frame.image, 0, 0);
  drawBoxes(context, drawing.boxes, paint, pixelRatio);
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
  context.font = `${10.5 * pixelRatio}px ${FONT}`;
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
