/** What the editor knows of the language while one writes: hovers, jumps to declarations, completions. */
import { autocompletion, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import type { Extension } from "@codemirror/state";
import { EditorView, hoverTooltip, keymap } from "@codemirror/view";
import { completions, type Described } from "../../compiler/language/describe.ts";
import type { Span } from "../../ir/diagnostics.ts";
import { el } from "../dom.ts";
import type { Client } from "./client.ts";

const HOVER_MS = 250;

async function describe(client: Client, file: number, offset: number): Promise<Described | undefined> {
  const answer = await client.ask({ kind: "describe", file, offset });
  return answer.kind === "described" ? answer.described : undefined;
}

function card({ span, title, facts, comment, definition }: Described, goTo: (span: Span) => void): HTMLElement {
  const box = el(
    "div",
    { class: "hover-card" },
    el("code", { class: "hover-title" }, title),
    ...facts.filter((f) => f !== "").map((fact) => el("div", { class: "hover-fact" }, fact)),
    ...(comment === undefined ? [] : [el("div", { class: "hover-comment" }, comment)]),
  );
  if (definition !== undefined && (definition.file !== span.file || definition.start !== span.start)) {
    const jump = el("button", { type: "button", class: "hover-jump" }, "Go to declaration");
    jump.addEventListener("click", () => goTo(definition));
    box.append(jump);
  }
  return box;
}

/** Types under the pointer. */
export function hovers(client: Client, file: () => number, goTo: (span: Span) => void): Extension {
  return hoverTooltip(
    async (_, offset) => {
      const described = await describe(client, file(), offset).catch(() => undefined);
      if (described === undefined) return null;
      const { start, end } = described.span;
      return { pos: start, end, above: true, create: () => ({ dom: card(described, goTo) }) };
    },
    { hoverTime: HOVER_MS },
  );
}

/** F12 and Ctrl or Cmd + click go to the declaration. */
export function jumps(client: Client, file: () => number, goTo: (span: Span) => void): Extension {
  const jump = (offset: number): void => {
    void describe(client, file(), offset).then((described) => {
      if (described?.definition !== undefined) goTo(described.definition);
    });
  };
  return [
    keymap.of([
      {
        key: "F12",
        run(view) {
          jump(view.state.selection.main.head);
          return true;
        },
      },
    ]),
    EditorView.domEventHandlers({
      mousedown(event, view) {
        if (!(event.ctrlKey || event.metaKey) || event.button !== 0) return false;
        const offset = view.posAtCoords({ x: event.clientX, y: event.clientY });
        if (offset === null) return false;
        event.preventDefault();
        jump(offset);
        return true;
      },
    }),
  ];
}

const KINDS = {
  format: "type",
  codebook: "constant",
  function: "function",
  keyword: "keyword",
  name: "variable",
} as const;

function complete(context: CompletionContext): CompletionResult | null {
  const word = context.matchBefore(/[A-Za-z_]\w*/);
  if (word === null && !context.explicit) return null;
  const before = context.state.sliceDoc(0, context.pos);
  if (/\/\/[^\n]*$/.test(before)) return null;
  const options = completions(context.state.doc.toString()).map(({ label, kind, detail }) => ({
    label,
    type: KINDS[kind],
    detail,
    // What the text itself names comes before the library, keywords last.
    boost: kind === "name" ? 2 : kind === "keyword" ? -1 : 0,
  }));
  return { from: word?.from ?? context.pos, options, validFor: /^\w*$/ };
}

export const assistance: Extension = autocompletion({ override: [complete], icons: false, maxRenderedOptions: 40 });
