/** Pieces that charts share: a figure with a title and save buttons, axes, texts of known width. */
import { type Axis, type Selection, select } from "d3";
import { el } from "../dom.ts";
import { saveButtons } from "./save.ts";
import type { ChartStyle } from "./style.ts";

export type Drawing = Selection<SVGSVGElement, unknown, null, undefined>;
export type Part = Selection<SVGGElement, unknown, null, undefined>;

/** A chart's place on the page. */
export interface Figure {
  readonly root: HTMLElement;
  /** The box that the chart fills. */
  readonly body: HTMLElement;
  /** What stands beside the title: choices. */
  readonly tools: HTMLElement;
}

/** A figure with a title, and buttons that save its chart. */
export function figure(title: string, name: () => string, ground: () => string): Figure {
  const body = el("div", { class: "chart-body" });
  const tools = el("span", { class: "chart-tools" });
  const head = el("figcaption", {}, el("b", {}, title), tools);
  head.append(saveButtons(name, () => body.querySelector("svg"), ground));
  return { root: el("figure", { class: "chart" }, head, body), body, tools };
}

/** An empty drawing of a size, in place of what was in the box; `words` say what a reader would see. */
export function drawing(body: HTMLElement, width: number, height: number, words: string): Drawing {
  body.replaceChildren();
  return select(body)
    .append("svg")
    .attr("width", width)
    .attr("height", height)
    .attr("role", "img")
    .attr("aria-label", words)
    .attr("font-size", 11);
}

const CHARACTER = 0.58;
/** About how wide a text is: measuring would cost a layout. */
export const textWidth = (text: string, size = 11): number => text.length * size * CHARACTER;

/** The text cut to a width. */
export function clipped(text: string, width: number, size = 11): string {
  const most = Math.floor(width / (size * CHARACTER));
  return text.length <= most ? text : most < 2 ? "" : `${text.slice(0, most - 1)}…`;
}

/** Draws an axis with the look of all charts; attributes rather than classes, so that it looks the same in a file. */
export function drawAxis<D extends number>(part: Part, axis: Axis<D>, style: ChartStyle): void {
  part.call(axis as never);
  part.attr("font-family", null).attr("font-size", 10.5);
  part.selectAll(".domain").attr("stroke", style.line);
  part.selectAll(".tick line").attr("stroke", style.line);
  part.selectAll(".tick text").attr("fill", style.faint).attr("stroke", "none");
}

/** Text with the look of labels. */
export function label(
  part: Part | Drawing,
  x: number,
  y: number,
  text: string,
  fill: string,
  anchor: "start" | "middle" | "end" = "start",
): Selection<SVGTextElement, unknown, null, undefined> {
  return (part as Part)
    .append("text")
    .attr("x", x)
    .attr("y", y)
    .attr("dy", "0.35em")
    .attr("fill", fill)
    .attr("stroke", "none")
    .attr("text-anchor", anchor)
    .text(text);
}

/** Makes a part of a drawing do something on a click, Enter or Space; the drawing is then no single image any more. */
export function pressable<E extends SVGElement>(
  svg: Drawing | undefined,
  part: Selection<E, unknown, null, undefined>,
  name: string,
  act: () => void,
): void {
  svg?.attr("role", "group");
  part
    .attr("cursor", "pointer")
    .attr("tabindex", 0)
    .attr("role", "button")
    .attr("aria-label", name)
    .on("click", act)
    .on("keydown", (event) => {
      if (!(event instanceof KeyboardEvent)) return;
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      act();
    });
}
