/** The editor of `.loom` text: our own lexer's and parser's colours, diagnostics with their fixes, linked lines. */
import { closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, indentUnit } from "@codemirror/language";
import { type Action, lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState, type Extension, RangeSetBuilder, StateEffect, StateField, type Text } from "@codemirror/state";
import {
  Decoration,
  type DecorationSet,
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { highlight } from "../../compiler/language/highlight.ts";
import type { Diagnostic, Span } from "../../ir/diagnostics.ts";
import { look, shadowBox } from "./editor-theme.ts";

export interface SourceEditor {
  readonly box: HTMLElement;
  readonly view: EditorView;
  text(): string;
  /** Replaces the text, as an edit that can be undone. */
  replace(text: string): void;
  diagnose(list: readonly Diagnostic[]): void;
  /** Stripes by line (from 0), and stretches that are linked to what is looked at elsewhere. */
  stripe(colours: ReadonlyMap<number, number>): void;
  link(spans: readonly { readonly start: number; readonly end: number }[], reveal: boolean): void;
}

export interface SourceEditorOptions {
  readonly label: string;
  readonly text: string;
  readonly extensions: readonly Extension[];
  changed(): void;
  /** The cursor stands at an offset. */
  moved(offset: number): void;
  save(): void;
}

/** Longest text whose words are coloured at every change. */
const MAX_COLOURED = 100_000;

function wordDecorations(doc: Text): DecorationSet {
  const builder = new RangeSetBuilder<Decoration>();
  if (doc.length <= MAX_COLOURED)
    for (const { start, end, kind } of highlight(doc.toString()))
      builder.add(start, end, Decoration.mark({ class: `w-${kind}` }));
  return builder.finish();
}

/** Colours of the words of `.loom` text. */
export const loomWords: Extension = StateField.define<DecorationSet>({
  create: (state) => wordDecorations(state.doc),
  update: (value, transaction) => (transaction.docChanged ? wordDecorations(transaction.newDoc) : value),
  provide: (field) => EditorView.decorations.from(field),
});

/**
 * Text that replaces a selection goes in as an edit of ours. A browser that does it itself may keep the look of what was
 * there in a `style` attribute, which the page's policy forbids.
 */
const replaceHere: Extension = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { main } = view.state.selection;
    const text = event.data;
    if (main.empty || text === null || event.isComposing || !/^insert(Text|ReplacementText)$/.test(event.inputType))
      return false;
    event.preventDefault();
    const insert = () => view.state.update(view.state.replaceSelection(text), { userEvent: "input.type" });
    const handled = view.state
      .facet(EditorView.inputHandler)
      .some((handler) => handler(view, main.from, main.to, text, insert));
    if (!handled) view.dispatch(insert());
    return true;
  },
});

const setStripes = StateEffect.define<ReadonlyMap<number, number>>();
const setLinked = StateEffect.define<readonly { readonly start: number; readonly end: number }[]>();

const stripes = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(value, transaction) {
    let next = value.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (!effect.is(setStripes)) continue;
      const { doc } = transaction.state;
      const ranges = [...effect.value]
        .filter(([line]) => line >= 0 && line < doc.lines)
        .sort((a, b) => a[0] - b[0])
        .map(([line, colour]) => Decoration.line({ class: `map map-${colour}` }).range(doc.line(line + 1).from));
      next = Decoration.set(ranges);
    }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

const linked = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(value, transaction) {
    let next = value.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (!effect.is(setLinked)) continue;
      const { length } = transaction.state.doc;
      const ranges = effect.value
        .filter(({ start, end }) => start < end && end <= length)
        .map(({ start, end }) => Decoration.mark({ class: "linked-text" }).range(start, end));
      next = Decoration.set(ranges, true);
    }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** A diagnostic as the editor shows it: one whose place is in the library is shown where the source leads to it. */
function shown(list: readonly Diagnostic[], length: number) {
  return list.map(({ code, severity, message, span, notes, fix }) => {
    const place: Span | undefined = [span, ...notes.flatMap((n) => (n.span === undefined ? [] : [n.span]))].find(
      (s) => s.file === 0,
    );
    const from = Math.min(place?.start ?? 0, length);
    const to = Math.min(Math.max(place?.end ?? 0, from), length);
    const actions: Action[] =
      fix === undefined || fix.span.file !== 0
        ? []
        : [
            {
              name: fix.message,
              apply: (view) => view.dispatch({ changes: { from: fix.span.start, to: fix.span.end, insert: fix.text } }),
            },
          ];
    const about = notes.map((n) => n.message);
    return {
      from,
      to,
      severity: severity === "note" ? ("info" as const) : severity,
      message: [message, ...about].join("\n"),
      source: code,
      actions,
    };
  });
}

/** The editor, with its text. */
export function makeSourceEditor(options: SourceEditorOptions): SourceEditor {
  const { box, root } = shadowBox();
  const view = new EditorView({
    parent: root,
    root,
    state: EditorState.create({
      doc: options.text,
      extensions: [
        EditorView.contentAttributes.of({
          "aria-label": options.label,
          spellcheck: "false",
          autocapitalize: "off",
          tabindex: "0",
        }),
        lineNumbers(),
        EditorView.lineWrapping,
        highlightActiveLine(),
        highlightActiveLineGutter(),
        history(),
        drawSelection(),
        indentUnit.of("  "),
        bracketMatching(),
        closeBrackets(),
        search({ top: true }),
        highlightSelectionMatches(),
        lintGutter(),
        loomWords,
        replaceHere,
        stripes,
        linked,
        look,
        ...options.extensions,
        keymap.of([
          {
            key: "Mod-s",
            preventDefault: true,
            run() {
              options.save();
              return true;
            },
          },
          ...closeBracketsKeymap,
          ...defaultKeymap,
          ...searchKeymap,
          ...historyKeymap,
          ...completionKeymap,
          ...lintKeymap,
          indentWithTab,
        ]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) options.changed();
          if (update.selectionSet || update.docChanged) options.moved(update.state.selection.main.head);
        }),
      ],
    }),
  });
  return {
    box,
    view,
    text: () => view.state.doc.toString(),
    replace(text) {
      const { doc } = view.state;
      if (doc.toString() === text) return;
      // The cursor stays at its place as far as the text in front of it is as it was.
      const head = Math.min(view.state.selection.main.head, text.length);
      view.dispatch({ changes: { from: 0, to: doc.length, insert: text }, selection: { anchor: head } });
    },
    diagnose(list) {
      view.dispatch(setDiagnostics(view.state, shown(list, view.state.doc.length)));
    },
    stripe(colours) {
      view.dispatch({ effects: setStripes.of(colours) });
    },
    link(spans, reveal) {
      view.dispatch({ effects: setLinked.of(spans) });
      const [first] = spans;
      if (!reveal || first === undefined || first.end > view.state.doc.length) return;
      view.dispatch({ effects: EditorView.scrollIntoView(first.start, { y: "nearest", yMargin: 40 }) });
    },
  };
}
