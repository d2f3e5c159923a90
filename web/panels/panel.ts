/** What a panel above the timeline is, and what it may do to the view. */
import type { Model } from "../model.ts";
import type { Theme } from "../palette.ts";
import type { Run } from "../run.ts";
import type { ViewSpec } from "../view-spec.ts";

/** What panels know and may do. */
export interface PanelContext {
  /** All runs that are open, and which of them is looked at. */
  readonly runs: readonly Run[];
  readonly current: number;
  readonly run: Run;
  /** The trace of the run, where there is one. */
  readonly model: Model | undefined;
  spec(): ViewSpec;
  theme(): Theme;
  update(change: Partial<ViewSpec>, history?: "replace" | "push"): void;
  /** Shows a stretch of the run in the timeline. */
  show(from: number, to: number): void;
  /** Puts other files beside those that are open; undefined where nobody can. */
  readonly addRuns: (() => void) | undefined;
}

export interface Panel {
  readonly root: HTMLElement;
  /** Draws what the view says; called whenever it changed while the panel is seen. */
  draw(): void;
}

/** Calls `make` only where what it depends on is not what it was. */
export function onChange(make: () => void): (...depends: readonly unknown[]) => void {
  const last: { value: readonly unknown[] | undefined } = { value: undefined };
  return (...depends) => {
    const before = last.value;
    if (before !== undefined && before.length === depends.length && depends.every((d, i) => Object.is(d, before[i])))
      return;
    last.value = depends;
    make();
  };
}
