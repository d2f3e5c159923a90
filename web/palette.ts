/**
 * Colours by meaning, for light and dark pages: work is cool (compute blue, memory green, feeding violet), every stall
 * cause has a warm or neutral colour of its own, idle is the page's ground. Any two differ by at least 0.08 in OKLab for
 * normal sight, protanopia and deuteranopia (Machado, Oliveira and Fernandes 2009), which a test holds them to.
 */
import type { StateInfo } from "./model.ts";

export type Theme = "light" | "dark";

export type Meaning =
  | "compute"
  | "map"
  | "memory-in"
  | "memory-out"
  | "feed"
  | "decode"
  | "operand-weight"
  | "operand-activation"
  | "operand-result"
  | "accumulator"
  | "buffer-full"
  | "dram-bandwidth"
  | "dram-latency"
  | "drain"
  | "control"
  | "rescale"
  | "idle";

export const COLOURS: Readonly<Record<Theme, Readonly<Record<Meaning, string>>>> = {
  light: {
    compute: "#2659ce",
    map: "#6fc9fe",
    "memory-in": "#64afa0",
    "memory-out": "#9eef9a",
    feed: "#857eec",
    decode: "#977aa2",
    "operand-weight": "#fe9d11",
    "operand-activation": "#fdde05",
    "operand-result": "#ad4601",
    accumulator: "#fe5214",
    "buffer-full": "#a12091",
    "dram-bandwidth": "#920c05",
    "dram-latency": "#c66565",
    drain: "#bdc084",
    control: "#585453",
    rescale: "#6e066b",
    idle: "#eceef1",
  },
  dark: {
    compute: "#144dc0",
    map: "#3ab7ff",
    "memory-in": "#6ca684",
    "memory-out": "#99ffe4",
    feed: "#8270dd",
    decode: "#752f85",
    "operand-weight": "#d19818",
    "operand-activation": "#d0ce0e",
    "operand-result": "#8e755a",
    accumulator: "#e9350c",
    "buffer-full": "#ff75ca",
    "dram-bandwidth": "#a80305",
    "dram-latency": "#fab3ac",
    drain: "#fee891",
    control: "#525350",
    rescale: "#975994",
    idle: "#20242c",
  },
};

const BY_NAME: Readonly<Record<string, Meaning>> = {
  "busy:contract": "compute",
  "busy:map": "map",
  "busy:load": "memory-in",
  "busy:read": "memory-in",
  "busy:store": "memory-out",
  "busy:write": "memory-out",
  "busy:feed": "feed",
  "busy:decode": "decode",
  // What keeps data from passing once they are asked for shares a colour.
  "stall:dram-row": "dram-latency",
  "stall:dram-refresh": "dram-latency",
  "stall:dram-turn": "dram-latency",
};

/** Kinds of work of files that are not ours take these in turn, in the order in which they occur. */
const WORK: readonly Meaning[] = ["compute", "memory-in", "feed", "map", "decode", "memory-out"];
const STALLS: readonly Meaning[] = [
  "operand-weight",
  "accumulator",
  "dram-bandwidth",
  "buffer-full",
  "dram-latency",
  "operand-activation",
  "operand-result",
  "drain",
  "control",
  "rescale",
];

/** What each state of a file means as a colour. */
export function meanings(states: readonly StateInfo[]): readonly Meaning[] {
  const turn = { work: 0, stall: 0 };
  return states.map(({ name, family, label }) => {
    if (family === "idle") return "idle";
    const known = BY_NAME[name] ?? (family === "stall" ? STALLS.find((s) => s === label) : undefined);
    if (known !== undefined) return known;
    return family === "stall" ? STALLS[turn.stall++ % STALLS.length]! : WORK[turn.work++ % WORK.length]!;
  });
}

/** The colour of each state, as CSS. */
export const stateColours = (states: readonly StateInfo[], theme: Theme): readonly string[] =>
  meanings(states).map((m) => COLOURS[theme][m]);

export function channels(colour: string): readonly [number, number, number] {
  const value = Number.parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** A colour with a share of another over it. */
export function blend(colour: string, over: string, share: number): string {
  const other = channels(over);
  return `#${channels(colour)
    .map((c, i) => Math.round(c + (other[i]! - c) * share))
    .map((c) => c.toString(16).padStart(2, "0"))
    .join("")}`;
}

/** A colour as a little-endian RGBA word of ImageData. */
export function packed(colour: string): number {
  const [r, g, b] = channels(colour);
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** Black or white, whichever is easier to read on a colour (WCAG 2 relative luminance). */
export function inkOn(colour: string): string {
  const linear = channels(colour).map((c) =>
    c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
  );
  const luminance = 0.2126 * linear[0]! + 0.7152 * linear[1]! + 0.0722 * linear[2]!;
  return luminance > 0.179 ? "#000000" : "#ffffff";
}

/** Colours of the page that canvases need; the rest is in style.css. */
export const CHROME: Readonly<
  Record<
    Theme,
    {
      readonly ground: string;
      readonly grid: string;
      readonly ink: string;
      readonly faint: string;
      readonly accent: string;
      readonly bands: readonly string[];
    }
  >
> = {
  light: {
    ground: "#ffffff",
    grid: "rgba(20, 28, 40, 0.10)",
    ink: "#1a2029",
    faint: "#8b95a3",
    accent: "#0a63e0",
    bands: ["#dfe5ee", "#d3dfe0", "#e6ddeb", "#ece3d5", "#dbe6d6", "#e9dada"],
  },
  dark: {
    ground: "#12151b",
    grid: "rgba(220, 230, 245, 0.09)",
    ink: "#e3e8f0",
    faint: "#6c7686",
    accent: "#6ba7ff",
    bands: ["#2b3442", "#243b3c", "#392f45", "#40382a", "#2c3b29", "#442e30"],
  },
};
