/** A generated text that is looked at, not written: coloured words, stripes for where lines stem from, linked lines. */
import { StreamLanguage } from "@codemirror/language";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, RangeSetBuilder, StateEffect, StateField } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, keymap, lineNumbers } from "@codemirror/view";
import type { Span } from "../../ir/diagnostics.ts";
import { languageOf } from "./code-language.ts";
import { look, shadowBox } from "./editor-theme.ts";

export interface CodeView {
  readonly box: HTMLElement;
  readonly view: EditorView;
  /** Shows a text; `stripes[i]` is the colour of line i. */
  show(text: string, extension: string, stripes: readonly (number | undefined)[]): void;
  /** Puts a line (from 0) at the top. */
  scrollTo(line: number): void;
  /** Marks lines (from 0); scrolls to the first of them where none is in sight and `reveal` says so. */
  link(lines: readonly number[], reveal: boolean): void;
}

const setStripes = StateEffect.define<readonly (number | undefined)[]>();
const setLinked = StateEffect.define<readonly number[]>();

function lineDecorations(state: EditorState, classOf: ReadonlyMap<number, string>): DecorationSet {
  const builder = new RangeSetBuilder<Decoration>();
  for (const [line, name] of [...classOf].sort((a, b) => a[0] - b[0])) {
    if (line >= state.doc.lines) continue;
    const { from } = state.doc.line(line + 1);
    builder.add(from, from, Decoration.line({ class: name }));
  }
  return builder.finish();
}

const stripes = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(value, transaction) {
    let next = transaction.docChanged ? Decoration.none : value;
    for (const effect of transaction.effects)
      if (effect.is(setStripes)) {
        const named = effect.value.flatMap((colour, line): [number, string][] =>
          colour === undefined ? [] : [[line, `map map-${colour}`]],
        );
        next = lineDecorations(transaction.state, new Map(named));
      }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

const linked = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(value, transaction) {
    let next = transaction.docChanged ? Decoration.none : value;
    for (const effect of transaction.effects)
      if (effect.is(setLinked))
        next = lineDecorations(transaction.state, new Map(effect.value.map((line) => [line, "linked"])));
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

export interface CodeViewOptions {
  readonly label: string;
  /** A line (from 0) was clicked or came under the keyboard's cursor. */
  pick?(line: number): void;
}

/** An empty view. */
export function makeCodeView({ label, pick }: CodeViewOptions): CodeView {
  const { box, root } = shadowBox();
  const language = new Compartment();
  const current = { extension: "" };
  const view = new EditorView({
    parent: root,
    root,
    state: EditorState.create({
      extensions: [
        EditorState.readOnly.of(true),
        EditorView.contentAttributes.of({ "aria-label": label, "aria-readonly": "true", tabindex: "0" }),
        lineNumbers(),
        search({ top: true }),
        highlightSelectionMatches(),
        keymap.of(searchKeymap),
        language.of([]),
        stripes,
        linked,
        look,
        EditorView.updateListener.of((update) => {
          if (pick === undefined || !update.selectionSet || update.docChanged) return;
          if (!update.transactions.some((t) => t.isUserEvent("select"))) return;
          pick(update.state.doc.lineAt(update.state.selection.main.head).number - 1);
        }),
      ],
    }),
  });
  return {
    box,
    view,
    show(text, extension, colours) {
      const effects: StateEffect<unknown>[] = [];
      if (current.extension !== extension) {
        current.extension = extension;
        effects.push(language.reconfigure(StreamLanguage.define(languageOf(extension))));
      }
      const { doc } = view.state;
      if (doc.toString() !== text) view.dispatch({ changes: { from: 0, to: doc.length, insert: text }, effects });
      else if (effects.length > 0) view.dispatch({ effects });
      view.dispatch({ effects: setStripes.of(colours) });
    },
    scrollTo(line) {
      scrollToLine(view, line, 0);
    },
    link(lines, reveal) {
      view.dispatch({ effects: setLinked.of(lines) });
      const [first] = lines;
      if (!reveal || first === undefined || first >= view.state.doc.lines) return;
      const { from, to } = view.viewport;
      const seen = lines.some((line) => {
        if (line >= view.state.doc.lines) return false;
        const place = view.state.doc.line(line + 1).from;
        return place >= from && place <= to && isInSight(view, place);
      });
      if (!seen) scrollToLine(view, first, 0.4);
    },
  };
}

/** Puts a line at a share of the height; lines do not wrap, so places are known before they are drawn. Nothing else moves. */
function scrollToLine(view: EditorView, line: number, share: number): void {
  if (line >= view.state.doc.lines) return;
  const { top } = view.lineBlockAt(view.state.doc.line(line + 1).from);
  view.scrollDOM.scrollTop = Math.max(0, top - share * view.scrollDOM.clientHeight);
}

function isInSight(view: EditorView, place: number): boolean {
  const block = view.lineBlockAt(place);
  const { scrollTop, clientHeight } = view.scrollDOM;
  return block.top >= scrollTop && block.bottom <= scrollTop + clientHeight;
}

/** Lines whose origins overlap a stretch of source. */
export function linesOf(lines: readonly (readonly Span[])[], wanted: (span: Span) => boolean): readonly number[] {
  return lines.flatMap((origins, line) => (origins.some(wanted) ? [line] : []));
}
