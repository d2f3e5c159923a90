/** Every command with its keys: the keyboard handler and the help are made from this table. */

export type CommandId =
  | "zoom-in"
  | "zoom-out"
  | "pan-left"
  | "pan-right"
  | "fit"
  | "whole"
  | "step-left"
  | "step-right"
  | "page-left"
  | "page-right"
  | "lane-up"
  | "lane-down"
  | "previous"
  | "next"
  | "cause"
  | "effect"
  | "mark"
  | "pin"
  | "fold"
  | "go-to"
  | "search"
  | "summary"
  | "play"
  | "bookmark"
  | "palette"
  | "panel"
  | "theme"
  | "open"
  | "help"
  | "escape";

export interface Command {
  readonly id: CommandId;
  readonly section: "Move" | "Select" | "Understand" | "Page";
  /** `KeyboardEvent.code`s: places on the keyboard, the same on every layout. */
  readonly codes: readonly string[];
  /** Characters, for keys whose place differs between layouts. */
  readonly keys: readonly string[];
  readonly shown: string;
  readonly about: string;
  /** Works for as long as the key is down. */
  readonly held?: boolean;
  /** With Ctrl or Cmd, and Shift where it says so. */
  readonly control?: "ctrl" | "ctrl-shift";
}

export const COMMANDS: readonly Command[] = [
  {
    id: "zoom-in",
    section: "Move",
    codes: ["KeyW"],
    keys: ["+"],
    shown: "W",
    about: "zoom in at the cursor",
    held: true,
  },
  { id: "zoom-out", section: "Move", codes: ["KeyS"], keys: ["-"], shown: "S", about: "zoom out", held: true },
  {
    id: "pan-left",
    section: "Move",
    codes: ["KeyA"],
    keys: [],
    shown: "A",
    about: "earlier (Shift: faster)",
    held: true,
  },
  {
    id: "pan-right",
    section: "Move",
    codes: ["KeyD"],
    keys: [],
    shown: "D",
    about: "later (Shift: faster)",
    held: true,
  },
  { id: "page-left", section: "Move", codes: ["PageUp"], keys: [], shown: "PgUp", about: "one screen earlier" },
  { id: "page-right", section: "Move", codes: ["PageDown"], keys: [], shown: "PgDn", about: "one screen later" },
  { id: "fit", section: "Move", codes: ["KeyF"], keys: [], shown: "F", about: "fit the range or the selected slice" },
  { id: "whole", section: "Move", codes: ["Digit0", "Home"], keys: [], shown: "0", about: "the whole run" },
  { id: "go-to", section: "Move", codes: ["KeyG"], keys: [], shown: "G", about: "go to a cycle" },
  {
    id: "bookmark",
    section: "Move",
    codes: ["Digit1", "Digit2", "Digit3", "Digit4", "Digit5", "Digit6", "Digit7", "Digit8", "Digit9"],
    keys: [],
    shown: "1–9",
    about: "go to a mark (Shift: set it at the cursor)",
  },
  { id: "next", section: "Select", codes: [], keys: ["."], shown: ".", about: "next slice of the lane" },
  { id: "previous", section: "Select", codes: [], keys: [","], shown: ",", about: "slice before" },
  { id: "lane-up", section: "Select", codes: ["ArrowUp"], keys: [], shown: "↑", about: "same cycle, lane above" },
  { id: "lane-down", section: "Select", codes: ["ArrowDown"], keys: [], shown: "↓", about: "same cycle, lane below" },
  {
    id: "step-left",
    section: "Select",
    codes: ["ArrowLeft"],
    keys: [],
    shown: "←",
    about: "one cycle earlier (Shift: ten); of the playhead in the array's panel",
  },
  {
    id: "step-right",
    section: "Select",
    codes: ["ArrowRight"],
    keys: [],
    shown: "→",
    about: "one cycle later (Shift: ten)",
  },
  { id: "play", section: "Select", codes: ["KeyP"], keys: [], shown: "P", about: "play the array; Esc stops" },
  { id: "mark", section: "Select", codes: ["KeyM"], keys: [], shown: "M", about: "make the slice the range" },
  { id: "cause", section: "Understand", codes: [], keys: ["["], shown: "[", about: "what the slice waited for" },
  { id: "effect", section: "Understand", codes: [], keys: ["]"], shown: "]", about: "what waited for the slice" },
  {
    id: "search",
    section: "Understand",
    codes: [],
    keys: ["/"],
    shown: "/",
    about: "search the whole trace; Enter: next",
  },
  { id: "pin", section: "Page", codes: ["KeyL"], keys: [], shown: "L", about: "pin the lane above all others" },
  { id: "fold", section: "Page", codes: ["KeyC"], keys: [], shown: "C", about: "fold the lane's group" },
  { id: "summary", section: "Page", codes: ["KeyI"], keys: [], shown: "I", about: "show or hide the panel" },
  {
    id: "panel",
    section: "Page",
    codes: ["KeyV"],
    keys: [],
    shown: "V",
    about: "the next panel (Shift: the one before)",
  },
  {
    id: "palette",
    section: "Page",
    codes: ["KeyP"],
    keys: [],
    shown: "Ctrl Shift P",
    about: "every command, lane and layer by name",
    control: "ctrl-shift",
  },
  { id: "palette", section: "Page", codes: ["F1"], keys: [], shown: "F1", about: "the same" },
  { id: "theme", section: "Page", codes: ["KeyT"], keys: [], shown: "T", about: "light or dark" },
  { id: "open", section: "Page", codes: ["KeyO"], keys: [], shown: "O", about: "open a trace" },
  { id: "help", section: "Page", codes: [], keys: ["?"], shown: "?", about: "this help" },
  {
    id: "escape",
    section: "Page",
    codes: ["Escape"],
    keys: [],
    shown: "Esc",
    about: "one step back: range, selection, search",
  },
];

export const MOUSE: readonly (readonly [gesture: string, about: string])[] = [
  ["click", "select a slice; click a layer to fit it"],
  ["drag", "brush a range: exact totals (Alt: do not snap to slices); drag its edges to adjust"],
  ["right drag", "measure: cycles, time, bytes, energy"],
  ["drag on the ruler", "move the playhead of the array"],
  ["Ctrl + wheel, pinch", "zoom at the cursor"],
  ["Shift or Space + drag, wheel →", "pan"],
  ["wheel", "scroll lanes; over the ruler: zoom"],
  ["double-click", "fit the slice"],
  ["Alt + wheel", "height of lanes"],
];

/** The command of a key press; other letters with Ctrl, Alt or Meta belong to the browser. */
export function commandOf(
  event: Pick<KeyboardEvent, "code" | "key" | "ctrlKey" | "metaKey" | "altKey"> & { readonly shiftKey?: boolean },
): Command | undefined {
  if (event.altKey) return undefined;
  const control = !(event.ctrlKey || event.metaKey) ? undefined : event.shiftKey ? "ctrl-shift" : "ctrl";
  return COMMANDS.find((c) => c.control === control && (c.codes.includes(event.code) || c.keys.includes(event.key)));
}
