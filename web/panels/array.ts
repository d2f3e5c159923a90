/** The array at the playhead: play, step, scrub; or how much each PE worked over the range. */
import { type ArrayInfo, arrayOf, feederAt, type Progress, progressAt, usage, type Wave } from "../array.ts";
import {
  type ArrayDrawing,
  arraySvg,
  type Captions,
  cycleDrawing,
  paintArray,
  peColours,
  placeArray,
  sizeOf,
  steppedDrawing,
  usageDrawing,
} from "../charts/array.ts";
import { fileName, saveButtons } from "../charts/save.ts";
import { styleOf } from "../charts/style.ts";
import { button, el, fill, icon } from "../dom.ts";
import { paintOf } from "../draw.ts";
import { exact, percent } from "../format.ts";
import { layerAt } from "../layout.ts";
import type { Model } from "../model.ts";
import type { Theme } from "../palette.ts";
import { runTitle } from "../run.ts";
import { pixelRatioOf } from "../stage.ts";
import { clampWindow } from "../view-spec.ts";
import { onChange, type Panel, type PanelContext } from "./panel.ts";

const SPEEDS = [1, 2, 4, 16, 64, 256, 1024] as const;
const CAPTION_CHARACTER = 6.4;
const NAMES = { ws: "weight stationary", os: "output stationary", is: "input stationary" } as const;

export interface ArrayPanel extends Panel {
  /** Starts or stops the playhead. */
  play(): void;
  stop(): void;
  /** Moves the playhead by cycles. */
  step(cycles: number): void;
}

/** The cycle that the array is shown at. */
export function playheadOf(context: Pick<PanelContext, "spec">, cycles: number): number {
  const { playhead, selected, from, to } = context.spec();
  const middle = Math.floor((from + to) / 2);
  return Math.min(cycles - 1, Math.max(0, playhead ?? selected?.at ?? middle));
}

/** The panel; without a machine in the file, what is missing. */
export function arrayPanel(context: PanelContext): ArrayPanel {
  const { model } = context;
  const info = model && arrayOf(model);
  if (model === undefined || info === undefined) {
    const why = "This file does not hold its machine. Traces of `bitloom simulate … --trace` do.";
    const root = el("div", { class: "deck-empty" }, el("p", { class: "quiet" }, why));
    return { root, draw: () => {}, play: () => {}, stop: () => {}, step: () => {} };
  }
  return build(context, model, info);
}

interface Parts {
  readonly canvas: HTMLCanvasElement;
  readonly box: HTMLElement;
  readonly facts: HTMLElement;
  readonly play: HTMLButtonElement;
  readonly scrub: HTMLInputElement;
  readonly speed: HTMLSelectElement;
  readonly mode: HTMLButtonElement;
}

const PLAY = "M5 3l8 5-8 5z";
const PAUSE = "M5 3v10M11 3v10";

function build(context: PanelContext, model: Model, info: ArrayInfo): ArrayPanel {
  const state: { frame: number; whole: boolean; shown: ArrayDrawing | undefined; captions: Captions } = {
    frame: 0,
    whole: false,
    shown: undefined,
    captions: { top: "", bottom: "" },
  };
  const set = (cycle: number): void => {
    const at = Math.min(model.cycles - 1, Math.max(0, Math.round(cycle)));
    const { from, to } = context.spec();
    // The window follows a playhead that leaves it.
    const moved =
      at < from || at >= to ? clampWindow(at - (to - from) * 0.1, at + (to - from) * 0.9, model.cycles) : {};
    context.update({ playhead: at, ...moved });
  };
  const step = (cycles: number): void => set(playheadOf(context, model.cycles) + cycles);
  const stop = (): void => {
    cancelAnimationFrame(state.frame);
    state.frame = 0;
    fill(parts.play, icon(PLAY));
    parts.play.setAttribute("aria-label", "Play");
  };
  const tick = (): void => {
    const before = playheadOf(context, model.cycles);
    if (!parts.canvas.isConnected || before >= model.cycles - 1) {
      stop();
      return;
    }
    step(Number(parts.speed.value));
    state.frame = requestAnimationFrame(tick);
  };
  const play = (): void => {
    if (state.frame !== 0) {
      stop();
      return;
    }
    state.whole = false;
    fill(parts.play, icon(PAUSE));
    parts.play.setAttribute("aria-label", "Pause");
    state.frame = requestAnimationFrame(tick);
  };
  const parts = makeParts({ play, step, set, flip: () => flip() });
  const flip = (): void => {
    stop();
    state.whole = !state.whole;
    parts.mode.setAttribute("aria-pressed", String(state.whole));
    context.update({});
  };
  const svg = (): SVGSVGElement | null => {
    const { shown } = state;
    if (shown === undefined) return null;
    const place = placeArray(shown.rows, shown.columns, parts.box.clientWidth, parts.box.clientHeight);
    return arraySvg(shown, place, state.captions, styleOf(context.theme()));
  };
  const save = saveButtons(
    () => fileName(`array ${runTitle(context.run)}`),
    svg,
    () => styleOf(context.theme()).ground,
  );
  const root = layOut(parts, save, step);
  const redraw = onChange(() => {
    const paint = paintOf(model.states, context.theme());
    const time = playheadOf(context, model.cycles);
    const { range } = context.spec();
    if (state.whole) {
      const [from, to] = range === undefined ? [0, model.cycles] : [range.from, range.to];
      const shares = usage(model, info, from, to);
      state.shown = usageDrawing(info, paint, shares);
      state.captions = captionsOf(info, `${exact(from)} … ${exact(to)}`);
      showUsage(parts.facts, shares, info, to - from);
    } else {
      const progress = progressAt(model, info, time);
      const { drawing, wave } = cycleDrawing(model, info, paint, time, wordsOf(model, info, time));
      const stepped = steppedDrawing(model, info, paint, time);
      state.shown = stepped === undefined ? drawing : { ...stepped.drawing, words: drawing.words };
      state.captions = captionsOf(
        info,
        `cycle ${exact(time)}${stepped === undefined ? "" : ", every PE as it was stepped"}`,
      );
      const key = stepped === undefined ? keyOf(model, info, wave) : tallyOf(model, stepped.states, context.theme());
      showCycle(parts.facts, model, info, time, wave, progress, key);
    }
    const place = placeArray(state.shown.rows, state.shown.columns, parts.box.clientWidth, parts.box.clientHeight);
    paintOn(parts.canvas, state.shown, place, state.captions, context);
    placeScrub(parts.scrub, context, time);
  });
  return {
    root,
    play,
    stop,
    step,
    draw: () => {
      const { from, to, range } = context.spec();
      const time = playheadOf(context, model.cycles);
      const { clientWidth, clientHeight } = parts.box;
      const ranged = state.whole ? `${range?.from},${range?.to}` : "";
      redraw(context.theme(), time, from, to, ranged, state.whole, clientWidth, clientHeight);
    },
  };
}

interface PartActions {
  play(): void;
  step(cycles: number): void;
  set(cycle: number): void;
  flip(): void;
}

function makeParts({ play, set, flip }: PartActions): Parts {
  const canvas = el("canvas", { class: "array-canvas", role: "img", "aria-label": "The array of processing elements" });
  const scrub = el("input", { type: "range", class: "array-scrub", min: 0, max: 1, step: 1, "aria-label": "Playhead" });
  scrub.addEventListener("input", () => set(Number(scrub.value)));
  const speed = el(
    "select",
    { "aria-label": "Cycles a frame", title: "Cycles a frame" },
    ...SPEEDS.map((s) => el("option", { value: s }, `${s} ×`)),
  );
  return {
    canvas,
    box: el("div", { class: "array-box" }, canvas),
    facts: el("div", { class: "array-facts" }),
    play: button({ class: "tool icon", "aria-label": "Play", title: "Play (P)" }, icon(PLAY), play),
    scrub,
    speed,
    mode: button(
      { class: "quiet-button", "aria-pressed": "false", title: "How much each PE worked over the range" },
      "utilisation",
      flip,
    ),
  };
}

function layOut(parts: Parts, save: HTMLElement, step: (cycles: number) => void): HTMLElement {
  const by = (cycles: number, text: string, about: string): HTMLElement =>
    button({ class: "quiet-button", title: about, "aria-label": `${text}, ${about}` }, text, () => step(cycles));
  const controls = el(
    "div",
    { class: "array-controls" },
    by(-10, "−10", "Ten cycles back"),
    by(-1, "−1", "One cycle back (←)"),
    parts.play,
    by(1, "+1", "One cycle on (→)"),
    by(10, "+10", "Ten cycles on"),
    parts.scrub,
    parts.speed,
    parts.mode,
    save,
  );
  return el("div", { class: "deck-array" }, el("div", { class: "array-main" }, controls, parts.box), parts.facts);
}

const captionsOf = ({ spec, rows, columns }: ArrayInfo, when: string): Captions => ({
  top: `${spec.name}: ${rows} × ${columns}, ${NAMES[spec.dataflow]}${spec.pairCodes === true ? ", pair decoders at its borders" : ""}`,
  bottom: when,
});

function paintOn(
  canvas: HTMLCanvasElement,
  array: ArrayDrawing,
  place: ReturnType<typeof placeArray>,
  captions: Captions,
  context: PanelContext,
): void {
  const pixelRatio = pixelRatioOf();
  const { width, height } = sizeOf(place, array.rows, array.columns);
  // The caption may be wider than a small array.
  const words = place.x + captions.top.length * CAPTION_CHARACTER + 8;
  const [w, h] = [Math.max(width, Math.min(words, canvas.parentElement?.clientWidth ?? words)), height];
  if (canvas.width !== Math.round(w * pixelRatio)) canvas.width = Math.round(w * pixelRatio);
  if (canvas.height !== Math.round(h * pixelRatio)) canvas.height = Math.round(h * pixelRatio);
  canvas.style.width = `${w}px`;
  canvas.style.height = `${h}px`;
  const surface = canvas.getContext("2d", { alpha: false });
  if (surface !== null) paintArray(surface, array, place, captions, styleOf(context.theme()), pixelRatio);
}

function placeScrub(scrub: HTMLInputElement, context: PanelContext, time: number): void {
  const { from, to } = context.spec();
  scrub.min = String(Math.floor(from));
  scrub.max = String(Math.max(Math.floor(from) + 1, Math.ceil(to) - 1));
  scrub.value = String(time);
  scrub.setAttribute("aria-valuetext", `cycle ${exact(time)}`);
}

/** Counters on tiles of bit-serial PEs: each tile is a hop later than the one before. */
function wordsOf(model: Model, info: ArrayInfo, time: number): (wave: Wave, row: number, column: number) => string {
  const known = new Map<number, string>();
  return ({ hops, entries }, row, column) => {
    const hop = row + column;
    const text = known.get(hop);
    if (text !== undefined) return text;
    const at = time - hop * hops.cycles;
    const serial = entries[hop]?.state === info.contract ? progressAt(model, info, at)?.serial : undefined;
    const made = serial === undefined ? "" : `t${serial.term}${serial.group === undefined ? "" : ` g${serial.group}`}`;
    known.set(hop, made);
    return made;
  };
}

type Row = readonly [name: string, value: string | Node];

const list = (rows: readonly Row[]): HTMLElement =>
  el("dl", {}, ...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));

/** A counter as a bar: n of m. */
function counter(value: number, most: number, text: string): HTMLElement {
  const bar = el("span", { class: "counter-fill" });
  bar.style.width = `${(100 * value) / Math.max(1, most)}%`;
  return el("span", { class: "counter" }, el("span", { class: "counter-track" }, bar), text);
}

function showCycle(
  facts: HTMLElement,
  model: Model,
  info: ArrayInfo,
  time: number,
  wave: Wave,
  progress: Progress | undefined,
  key: HTMLElement,
): void {
  const { spec } = info;
  const all = info.rows * info.columns;
  const rows: Row[] = [["cycle", exact(time)]];
  const layer = layerAt(model, time);
  if (layer !== undefined) rows.push(["layer", layer.name]);
  const entry = wave.entries[0];
  if (entry !== undefined) rows.push(["border", stateWords(model, entry.state)]);
  rows.push(["working", counter(wave.working, all, `${exact(wave.working)} of ${exact(all)} PEs`)]);
  if (progress !== undefined) {
    rows.push(["fold", `${exact(progress.fold + 1)} of ${exact(progress.folds)}`]);
    rows.push([
      "fills",
      `${progress.rows} × ${progress.columns} PEs, ${percent(progress.rows * progress.columns, all)}`,
    ]);
    rows.push([
      "entered",
      counter(progress.entered, progress.time, `${exact(progress.entered)} of ${exact(progress.time)}`),
    ]);
  }
  const { serial } = progress ?? {};
  if (serial !== undefined) {
    rows.push(["term", counter(serial.term, serial.terms, `${serial.term} of ${serial.terms}`)]);
    if (serial.group !== undefined && serial.groups !== undefined)
      rows.push(["group", counter(serial.group, serial.groups, `${serial.group} of ${serial.groups}`)]);
    const { rescale } = serial;
    const scaling =
      rescale === undefined ? "–" : `bit ${rescale.cycle} of ${rescale.cycles}${serial.waits ? ", PEs wait" : ""}`;
    rows.push(["rescale", scaling]);
  }
  if (spec.pairCodes === true) {
    // The decoder of a row or column works in the cycle in which its operand enters the first PE.
    const at = (hop: number, of: "rows" | "columns"): number => {
      const e = wave.entries[hop];
      return e !== undefined && e.state === info.contract && e[of] > hop ? 1 : 0;
    };
    let decoding = 0;
    for (let r = 0; r < info.rows; r++) decoding += at(r, "rows");
    for (let c = 0; c < info.columns; c++) decoding += at(c, "columns");
    const decoders = info.rows + info.columns;
    rows.push(["decoders", counter(decoding, decoders, `${exact(decoding)} of ${exact(decoders)} at work`)]);
  }
  for (const { name, lane, feeds } of info.feeders) {
    const at = feederAt(model, lane, time);
    if (at === undefined) continue;
    const { family } = model.states[at.slice.state]!;
    const words = stateWords(model, at.slice.state);
    rows.push([name, family === "busy" ? counter(at.share, 1, `${feeds}s: ${words}`) : `${feeds}s: ${words}`]);
  }
  fill(facts, list(rows), key);
}

/** How many PEs are in each state. */
function tallyOf(model: Model, states: Uint8Array, theme: Theme): HTMLElement {
  const counts = new Float64Array(model.peStates.length);
  for (const state of states) counts[state]! += 1;
  const colours = peColours(model, theme);
  const items = model.peStates.map((name, i) => {
    const mark = el("span", { class: "mark" });
    mark.style.backgroundColor = colours[i] ?? "";
    return el("li", {}, mark, `${name} ${exact(counts[i]!)}`);
  });
  return el("ul", { class: "legend", "aria-label": "PEs by state" }, ...items);
}

function stateWords(model: Model, state: number): string {
  const { family, label } = model.states[state]!;
  return family === "stall" ? `waits: ${label}` : label;
}

/** What the colours of the cells mean. */
function keyOf(model: Model, info: ArrayInfo, { entries }: Wave): HTMLElement {
  const states = [...new Set(entries.flatMap((e) => (e === undefined || e.state === info.contract ? [] : [e.state])))];
  const mark = (index: number): HTMLElement => el("span", { class: `mark swatch-${index}` });
  const next = el("span", { class: "mark swatch-next" });
  return el(
    "ul",
    { class: "legend", "aria-label": "Colours of PEs" },
    el("li", {}, mark(info.contract), "multiplies"),
    el("li", {}, next, "the next fold"),
    ...states.map((s) => el("li", {}, mark(s), stateWords(model, s))),
    el("li", {}, el("span", { class: "mark swatch-unused" }), "not used by the fold"),
  );
}

function showUsage(facts: HTMLElement, shares: Float64Array, { rows, columns }: ArrayInfo, cycles: number): void {
  let [least, most, sum] = [1, 0, 0];
  for (const share of shares) {
    least = Math.min(least, share);
    most = Math.max(most, share);
    sum += share;
  }
  const share = (value: number): string => percent(value, 1);
  fill(
    facts,
    list([
      ["cycles", exact(cycles)],
      ["mean", share(sum / shares.length)],
      ["busiest PE", share(most)],
      ["least busy", share(least)],
      ["PEs", `${rows} × ${columns}`],
    ]),
    el("p", { class: "quiet" }, "The share of cycles in which each PE multiplies: of the range, or the whole run."),
  );
}
