/** How charts look: colours of one theme, and a colour for each thing that they tell apart. */
import type { AcceleratorModel, UnitSpec } from "../../hw-models/schema.ts";
import { CHROME, COLOURS, type Meaning, type Theme } from "../palette.ts";

export interface ChartStyle {
  readonly theme: Theme;
  readonly ground: string;
  readonly ink: string;
  readonly soft: string;
  readonly faint: string;
  readonly line: string;
  readonly accent: string;
}

const LINES = { light: "#dfe3e9", dark: "#2b313b" } as const;
const SOFT = { light: "#4a5564", dark: "#b3bccb" } as const;
const FAINT = { light: "#626d7c", dark: "#929dae" } as const;

export const styleOf = (theme: Theme): ChartStyle => ({
  theme,
  ground: CHROME[theme].ground,
  ink: CHROME[theme].ink,
  soft: SOFT[theme],
  faint: FAINT[theme],
  line: LINES[theme],
  accent: CHROME[theme].accent,
});

const BUFFERS = { weight: "operand-weight", activation: "operand-activation", result: "buffer-full" } as const;

function meaningOf(unit: UnitSpec): Meaning {
  switch (unit.kind) {
    case "dram":
      return "memory-in";
    case "sram":
      return BUFFERS[unit.holds[0] ?? "result"];
    case "dma":
      return "memory-out";
    case "feeder":
      return unit.feeds === "weight" ? "decode" : "feed";
    case "systolic":
      return "compute";
    case "vector":
      return "map";
    default:
      return "control";
  }
}

/** Colours of things without a meaning of their own, in turn. */
const TURN: readonly Meaning[] = [
  "compute",
  "operand-weight",
  "memory-in",
  "buffer-full",
  "map",
  "accumulator",
  "feed",
  "operand-activation",
  "dram-latency",
  "decode",
  "memory-out",
  "operand-result",
];

/** The colour of the n-th of several things. */
export const turnColour = (theme: Theme, n: number): string => COLOURS[theme][TURN[n % TURN.length]!];

/** Colours of components in a theme. */
export function componentColours(
  components: readonly string[],
  machine: AcceleratorModel | undefined,
  theme: Theme,
): ReadonlyMap<string, string> {
  return new Map([...componentMeanings(components, machine)].map(([name, m]) => [name, COLOURS[theme][m]]));
}

/** What components are coloured by: what the unit is, where the machine is known; each colour once. */
export function componentMeanings(
  components: readonly string[],
  machine: AcceleratorModel | undefined,
): ReadonlyMap<string, Meaning> {
  const taken = new Set<Meaning>();
  const colours = new Map<string, Meaning>();
  const take = (name: string, meaning: Meaning | undefined): void => {
    const free =
      meaning !== undefined && !taken.has(meaning) ? meaning : (TURN.find((m) => !taken.has(m)) ?? "control");
    taken.add(free);
    colours.set(name, free);
  };
  const known = (name: string): UnitSpec | undefined => machine?.units.find((u) => u.name === name);
  for (const name of components) {
    const unit = known(name);
    if (unit !== undefined) take(name, meaningOf(unit));
  }
  for (const name of components) if (known(name) === undefined) take(name, undefined);
  return colours;
}
