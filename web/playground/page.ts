/** What the parts of the playground share: the state, what the worker said of it, and how they change it. */
import type { CompileReport } from "../../compiler/compile-report.ts";
import type { Span } from "../../ir/diagnostics.ts";
import type { Theme } from "../palette.ts";
import type { Checked, OpInfo, TargetResult } from "./protocol.ts";
import { defaultSize, type PlayState } from "./state.ts";

/** What is looked at: a stretch of the source or a line of a generated text; the other side shows what belongs to it. */
export type Focus =
  | { readonly kind: "source"; readonly span: Span }
  | { readonly kind: "output"; readonly target: string; readonly origins: readonly Span[] };

export interface Page {
  state: PlayState;
  checked: Checked | undefined;
  /** By target, of the newest text that could be compiled. */
  readonly results: Map<string, TargetResult>;
  focus: Focus | undefined;
  /** The text has changed since the results were made. */
  stale: boolean;
  /** The newest text is being compiled. */
  busy: boolean;
  theme: Theme;
  /** Changes the state; compiles anew where that is needed. */
  update(change: Partial<PlayState>): void;
  /** Looks at something. */
  look(focus: Focus): void;
  /** Shows a stretch of the source or of a library file in the editor. */
  goTo(span: Span): void;
  /** Text of a file that spans point into: the source, or one of the library's. */
  textOf(file: number): string | undefined;
  /** Says something in the status line. */
  say(text: string, kind?: "plain" | "bad"): void;
}

/** One of the tabs beside the editor. */
export interface Panel {
  readonly root: HTMLElement;
  /** Shows what the page's state and results are now. */
  show(): void;
}

/** The operator that is looked at. */
export function currentOp({ checked, state }: Page): OpInfo | undefined {
  return checked?.ops.find((op) => op.name === state.op) ?? checked?.ops[0];
}

/** The operator's sizes with their values. */
export function currentSizes(page: Page): Readonly<Record<string, number>> {
  const names = currentOp(page)?.sizes ?? [];
  return Object.fromEntries(names.map((name) => [name, page.state.sizes[name] ?? defaultSize(name)]));
}

/** One line about an output: how it is carried out and what limits it. */
export function reportLine({ schedule, expected, accumulator, launches }: CompileReport): string {
  const how = schedule.row ?? schedule.strategy;
  const floor = expected.floorMicroseconds;
  const time =
    floor === null ? "" : ` · ≥ ${floor < 10 ? floor.toFixed(2) : floor.toFixed(0)} µs, ${expected.limiter}-bound`;
  const live = Math.max(...launches.map((l) => l.liveValues));
  return `${how} · ${accumulator.type} sums${time} · ${live} live`;
}
