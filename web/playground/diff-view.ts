/** A text, and what of it is new against another: new lines marked, old ones between them, what stayed folded away. */
import { StreamLanguage } from "@codemirror/language";
import { search, searchKeymap } from "@codemirror/search";
import { EditorState, type Range, StateEffect, StateField } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, keymap, lineNumbers, WidgetType } from "@codemirror/view";
import { el } from "../dom.ts";
import { languageOf } from "./code-language.ts";
import { look, shadowBox } from "./editor-theme.ts";
import { changesOf } from "./line-diff.ts";

/** Unchanged lines that stay in sight around a change; longer stretches are folded. */
const MARGIN = 3;
const MIN_FOLDED = 6;

export interface DiffView {
  readonly box: HTMLElement;
  show(before: string | undefined, after: string): void;
}

class Removed extends WidgetType {
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super();
    this.lines = lines;
  }

  override eq(other: Removed): boolean {
    return other.lines.join("\n") === this.lines.join("\n");
  }

  toDOM(): HTMLElement {
    return el("div", { class: "cm-deletedChunk" }, ...this.lines.map((line) => el("div", {}, line || " ")));
  }
}

const unfold = StateEffect.define<number>();

class Folded extends WidgetType {
  readonly count: number;

  constructor(count: number) {
    super();
    this.count = count;
  }

  override eq(other: Folded): boolean {
    return other.count === this.count;
  }

  toDOM(view: EditorView): HTMLElement {
    const bar = el("div", { class: "cm-collapsedLines" }, `⋯ ${this.count} unchanged lines ⋯`);
    bar.addEventListener("click", () => view.dispatch({ effects: unfold.of(view.posAtDOM(bar)) }));
    return bar;
  }
}

const CHANGED = Decoration.line({ class: "cm-changedLine" });

function decorate(state: EditorState, before: string): DecorationSet {
  const { doc } = state;
  const old = before.split("\n");
  const changes = changesOf(old, doc.toString().split("\n"));
  const ranges: Range<Decoration>[] = [];
  const fold = (from: number, to: number): void => {
    if (to - from < MIN_FOLDED) return;
    const block = Decoration.replace({ widget: new Folded(to - from), block: true });
    ranges.push(block.range(doc.line(from + 1).from, doc.line(to).to));
  };
  let last = 0;
  for (const { oldFrom, oldTo, from, to } of changes) {
    fold(last === 0 ? 0 : last + MARGIN, from - MARGIN);
    const place = from < doc.lines ? doc.line(from + 1).from : doc.length;
    if (oldTo > oldFrom) {
      const widget = new Removed(old.slice(oldFrom, oldTo));
      ranges.push(Decoration.widget({ widget, block: true, side: from < doc.lines ? -1 : 1 }).range(place));
    }
    for (let line = from; line < to; line++) ranges.push(CHANGED.range(doc.line(line + 1).from));
    last = to;
  }
  if (changes.length > 0) fold(last + MARGIN, doc.lines);
  return Decoration.set(ranges, true);
}

const setBefore = StateEffect.define<string | undefined>();

const difference = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(value, transaction) {
    let next = transaction.docChanged ? Decoration.none : value;
    for (const effect of transaction.effects) {
      if (effect.is(setBefore))
        next = effect.value === undefined ? Decoration.none : decorate(transaction.state, effect.value);
      if (effect.is(unfold))
        next = next.update({
          filter: (from, to, { spec }) =>
            !(spec.widget instanceof Folded && from <= effect.value && effect.value <= to),
        });
    }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** The view, empty. */
export function makeDiffView(label: string): DiffView {
  const { box, root } = shadowBox();
  const attributes = { "aria-label": label, role: "textbox", "aria-multiline": "true", "aria-readonly": "true" };
  const view = new EditorView({
    parent: root,
    root,
    state: EditorState.create({
      extensions: [
        EditorState.readOnly.of(true),
        EditorView.editable.of(false),
        EditorView.contentAttributes.of({ ...attributes, tabindex: "0" }),
        lineNumbers(),
        search({ top: true }),
        keymap.of(searchKeymap),
        StreamLanguage.define(languageOf(".ir")),
        difference,
        look,
      ],
    }),
  });
  return {
    box,
    show(before, after) {
      view.dispatch({
        changes: { from: 0, to: view.state.doc.length, insert: after },
        effects: setBefore.of(before),
      });
      view.scrollDOM.scrollTop = 0;
    },
  };
}
