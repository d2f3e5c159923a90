/** Drawing lists of a small run as goldens, and rows: what is folded, pinned, scrolled away. */
import { describe, expect, it } from "vitest";
import { type Drawing, layout, planRows, type Row, type Viewport } from "../../web/layout.ts";
import type { Model } from "../../web/model.ts";
import { type ViewSpec, wholeRun } from "../../web/view-spec.ts";
import { smallModel } from "./models.ts";

const MODEL = smallModel();
const VIEWPORT: Viewport = { width: 400, height: 200, scroll: 0, pixelRatio: 1 };
const view = (change: Partial<ViewSpec> = {}): ViewSpec => ({ ...wholeRun(MODEL.cycles), ...change });

function drawn(spec: ViewSpec, viewport = VIEWPORT): Drawing {
  return layout(MODEL, spec, planRows(MODEL, spec, viewport.height), viewport);
}

/** Runs of equal columns: `12× contract 18, idle 12`. */
function mixText(model: Model, mix: Drawing["mixes"][number]): readonly string[] {
  const count = mix.states.length;
  const columns = Array.from({ length: mix.heights.length / count }, (_, c) =>
    mix.states
      .flatMap((state, s) => {
        const height = mix.heights[c * count + s]!;
        return height === 0 ? [] : [`${model.states[state]!.label} ${height}`];
      })
      .join(", "),
  );
  const lines: { text: string; count: number }[] = [];
  for (const text of columns) {
    const last = lines.at(-1);
    if (last?.text === text) last.count++;
    else lines.push({ text, count: 1 });
  }
  return [`mix at ${mix.top}, ${mix.height} high`, ...lines.map((l) => `  ${l.count}× ${l.text}`)];
}

const rounded = (value: unknown): string =>
  JSON.stringify(value, (_key, v) => (typeof v === "number" ? Math.round(v * 1000) / 1000 : v));

function drawingText(drawing: Drawing): string {
  return [
    `${drawing.width} × ${drawing.height}`,
    ...drawing.mixes.flatMap((m) => mixText(MODEL, m)),
    ...drawing.boxes.map(
      (b) => `box ${b.x}+${b.width} at ${b.top}, ${MODEL.states[b.state]!.name}${b.label === "" ? "" : `: ${b.label}`}`,
    ),
    ...drawing.bands.map((b) => `band ${rounded(b)}`),
    ...drawing.ticks.map((t) => `tick ${rounded(t)}`),
    `range ${rounded(drawing.range)}`,
    `selected ${rounded(drawing.selected)}`,
    `arrow ${rounded(drawing.arrow)}`,
    "",
  ].join("\n");
}

const rowText = (row: Row): string => {
  if (row.kind === "counter") return `${row.y} counter ${row.counter}`;
  return row.kind === "group"
    ? `${row.y} ${row.name}${row.folded ? " folded" : ""}`
    : `${row.y} ${MODEL.lanes[row.lane]!.name}${row.pinned ? " pinned" : ""}`;
};

describe("layout", () => {
  it("of a whole run", async () => {
    await expect(drawingText(drawn(view()))).toMatchFileSnapshot("expected/layout-whole.txt");
  });

  it("of a window with a range, a selected stall and its culprit", async () => {
    const spec = view({ from: 20, to: 100, range: { from: 40, to: 60 }, selected: { lane: 2, at: 0 } });
    await expect(drawingText(drawn(spec))).toMatchFileSnapshot("expected/layout-window.txt");
  });

  it("of a folded group, on a screen of two pixels a point", async () => {
    const spec = view({ folded: ["Memory"] });
    await expect(drawingText(drawn(spec, { ...VIEWPORT, width: 60, pixelRatio: 2 }))).toMatchFileSnapshot(
      "expected/layout-folded.txt",
    );
  });

  it("puts pinned lanes above all groups", () => {
    expect(planRows(MODEL, view({ pinned: [2], folded: ["Memory"], laneHeight: 20 }), 200).map(rowText)).toEqual([
      "0 pe pinned",
      "20 Memory folded",
      "40 Compute",
      "60 pe",
    ]);
  });

  it("makes lanes as high as there is room for, within bounds", () => {
    const heights = (height: number): readonly number[] =>
      planRows(MODEL, view(), height).flatMap((r) => (r.kind === "lane" ? [r.height] : []));
    expect(heights(40)).toEqual([16, 16, 16]);
    expect(heights(115)).toEqual([25, 25, 25]);
    expect(heights(900)).toEqual([44, 44, 44]);
  });

  it("lays out only rows that are in view", () => {
    const spec = view({ laneHeight: 100 });
    expect(drawn(spec, { ...VIEWPORT, height: 90 }).mixes).toHaveLength(1);
    expect(drawn(spec, { ...VIEWPORT, height: 90, scroll: 130 }).mixes[0]!.top).toBe(-9);
  });
});
