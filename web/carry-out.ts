/** What each command does. */
import { COMMANDS, type CommandId } from "./commands.ts";
import { paletteDialog } from "./panels/palette.ts";
import { neighbour } from "./slices.ts";
import { PANELS, panBy, windowAround, zoomAt } from "./view-spec.ts";
import {
  cursorTime,
  select,
  selectedSlice,
  selectLane,
  showLane,
  toggleGroup,
  togglePin,
  type Viewer,
} from "./viewer.ts";
import { cause, effect } from "./walk.ts";

function zoom(viewer: Viewer, factor: number): void {
  const { from, to } = zoomAt(viewer.spec, cursorTime(viewer), factor, viewer.model.cycles);
  viewer.update({ from, to });
}

function pan(viewer: Viewer, share: number): void {
  const { from, to } = panBy(viewer.spec, share * (viewer.spec.to - viewer.spec.from), viewer.model.cycles);
  viewer.update({ from, to });
}

function fit(viewer: Viewer): void {
  const around = viewer.spec.range ?? selectedSlice(viewer);
  if (around === undefined) return;
  const [from, to] = "from" in around ? [around.from, around.to] : [around.start, around.end];
  viewer.update(windowAround(from, to, viewer.model.cycles), "push");
}

/** Moves the selected cycle; the window follows where it would leave. */
function step(viewer: Viewer, cycles: number): void {
  if (viewer.spec.summary && viewer.spec.panel === "array") {
    viewer.deck?.array.step(cycles);
    return;
  }
  const { selected, from, to } = viewer.spec;
  const at = selected === undefined ? Math.floor(cursorTime(viewer)) : selected.at + cycles;
  if (at < 0 || at >= viewer.model.cycles) return;
  const window = at < from || at >= to ? panBy(viewer.spec, at - (from + to) / 2, viewer.model.cycles) : viewer.spec;
  viewer.update({ selected: { lane: selected?.lane ?? 0, at }, from: window.from, to: window.to });
}

function stepLane(viewer: Viewer, by: 1 | -1): void {
  const lanes = (viewer.shown?.rows ?? []).flatMap((r) => (r.kind === "lane" ? [r.lane] : []));
  const { selected } = viewer.spec;
  const place = selected === undefined ? -1 : lanes.indexOf(selected.lane);
  const lane = lanes[Math.min(lanes.length - 1, Math.max(0, place + by))];
  if (lane === undefined) return;
  if (selected === undefined) selectLane(viewer, lane);
  else viewer.update({ selected: { lane, at: selected.at } });
  showLane(viewer, lane);
}

function stepSlice(viewer: Viewer, direction: 1 | -1): void {
  const slice = selectedSlice(viewer);
  const next = slice && neighbour(viewer.model, slice, direction);
  if (next !== undefined) select(viewer, next);
}

/** Goes to what the selected slice waited for, or to what waited for it. */
export function walk(viewer: Viewer, to: "cause" | "effect"): void {
  const slice = selectedSlice(viewer);
  const next = slice && (to === "cause" ? cause(viewer.model, slice) : effect(viewer.model, slice));
  if (next !== undefined) select(viewer, next);
}

/** Goes to a cycle, as near as it can be seen. */
export function goToCycle(viewer: Viewer, cycle: number): void {
  const { cycles } = viewer.model;
  const at = Math.min(cycles - 1, Math.max(0, cycle));
  const length = Math.min(viewer.spec.to - viewer.spec.from, 2000);
  const lane = viewer.spec.selected?.lane ?? 0;
  viewer.update({ selected: { lane, at }, ...windowAround(at - length / 2, at + length / 2, cycles) }, "push");
}

function mark(viewer: Viewer): void {
  const slice = selectedSlice(viewer);
  if (slice !== undefined) viewer.update({ range: { from: slice.start, to: slice.end } });
}

/** Takes back the last thing that was put over the timeline. */
function stepBack(viewer: Viewer): void {
  viewer.deck?.array.stop();
  if (viewer.spec.range !== undefined) viewer.update({ range: undefined });
  else if (viewer.spec.selected !== undefined) viewer.update({ selected: undefined });
  else if (viewer.spec.focus !== "") viewer.update({ focus: "" });
}

/** Everything that can be done or gone to, by name. */
function openPalette(viewer: Viewer): void {
  const { model } = viewer;
  const commands = COMMANDS.filter((c, i) => c.id !== "palette" && COMMANDS.findIndex((d) => d.id === c.id) === i);
  const entries = [
    ...commands
      .filter((c) => c.id !== "bookmark")
      .map((c) => ({ name: c.about, hint: c.shown, act: () => carryOut(viewer, c.id) })),
    ...PANELS.map((panel) => ({
      name: `panel: ${panel}`,
      hint: "V",
      act: () => viewer.update({ panel, summary: true }),
    })),
    ...model.lanes.map(({ name }, lane) => ({ name: `lane: ${name}`, hint: "", act: () => selectLane(viewer, lane) })),
    ...model.layers.slice(0, MAX_PALETTE_LAYERS).map(({ name, start, end }) => ({
      name: `layer: ${name}`,
      hint: "",
      act: () => viewer.update(windowAround(start, end, model.cycles), "push"),
    })),
  ];
  const dialog = paletteDialog(entries);
  viewer.shell.main.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}

const MAX_PALETTE_LAYERS = 5000;

const withLane = (viewer: Viewer, act: (lane: number) => void): void => {
  if (viewer.spec.selected !== undefined) act(viewer.spec.selected.lane);
};

/** Goes to the mark of a digit, or sets it where the cursor is. */
function bookmark(viewer: Viewer, set: boolean, code: string): void {
  const digit = code.slice("Digit".length);
  const { marks, from, to } = viewer.spec;
  if (set) {
    const at = Math.min(viewer.model.cycles - 1, Math.max(0, Math.floor(cursorTime(viewer))));
    const { [digit]: before, ...others } = marks;
    viewer.update({ marks: before === at ? others : { ...others, [digit]: at } });
    return;
  }
  const at = marks[digit];
  if (at === undefined) return;
  const moved = panBy(viewer.spec, at - (from + to) / 2, viewer.model.cycles);
  viewer.update({ from: moved.from, to: moved.to }, "push");
}

const ACTIONS: Readonly<Record<CommandId, (viewer: Viewer, fast: boolean, code: string) => void>> = {
  "zoom-in": (v) => zoom(v, 0.8),
  "zoom-out": (v) => zoom(v, 1.25),
  "pan-left": (v, fast) => pan(v, fast ? -0.3 : -0.1),
  "pan-right": (v, fast) => pan(v, fast ? 0.3 : 0.1),
  "page-left": (v) => pan(v, -1),
  "page-right": (v) => pan(v, 1),
  fit,
  whole: (v) => v.update({ from: 0, to: v.model.cycles }, "push"),
  "step-left": (v, fast) => step(v, fast ? -10 : -1),
  "step-right": (v, fast) => step(v, fast ? 10 : 1),
  "lane-up": (v) => stepLane(v, -1),
  "lane-down": (v) => stepLane(v, 1),
  previous: (v) => stepSlice(v, -1),
  next: (v) => stepSlice(v, 1),
  cause: (v) => walk(v, "cause"),
  effect: (v) => walk(v, "effect"),
  mark,
  pin: (v) => withLane(v, (lane) => togglePin(v, lane)),
  fold: (v) => withLane(v, (lane) => toggleGroup(v, v.model.lanes[lane]!.group)),
  "go-to": (v) => v.goTo.showModal(),
  search: (v) => {
    v.shell.search.focus();
    v.shell.search.select();
  },
  summary: (v) => v.update({ summary: !v.spec.summary }),
  play: (v) => {
    v.update({ panel: "array", summary: true });
    v.deck?.array.play();
  },
  bookmark,
  palette: (v) => openPalette(v),
  panel: (v, back) => {
    const place = PANELS.indexOf(v.spec.panel) + (back ? PANELS.length - 1 : 1);
    v.update({ panel: PANELS[place % PANELS.length]!, summary: true });
  },
  theme: (v) => v.shell.command("theme"),
  open: (v) => v.shell.command("open"),
  help: (v) => v.shell.command("help"),
  escape: stepBack,
};

/** Carries out a command; `fast` is Shift, `code` the key where several have one command. */
export function carryOut(viewer: Viewer, id: CommandId, fast = false, code = ""): void {
  ACTIONS[id](viewer, fast, code);
}

/** Moves by what a held key does in some milliseconds. */
export function moveHeld(viewer: Viewer, id: CommandId, fast: boolean, ms: number): void {
  const speed = (fast ? 4 : 1) * (ms / 1000);
  if (id === "zoom-in" || id === "zoom-out") zoom(viewer, Math.exp((id === "zoom-in" ? -3 : 3) * speed));
  else if (COMMANDS.some((c) => c.id === id && c.held)) pan(viewer, (id === "pan-left" ? -1 : 1) * speed);
}
