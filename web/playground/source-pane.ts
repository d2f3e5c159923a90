/** The left side: the editor, library files that were jumped into, and the list of problems with their fixes. */
import { EditorState } from "@codemirror/state";
import { EditorView, lineNumbers } from "@codemirror/view";
import { explain } from "../../compiler/explain/explain.ts";
import { STD_FILES } from "../../compiler/std-text.ts";
import { format } from "../../compiler/syntax/fmt.ts";
import { type Diagnostic, Diagnostics, type Span } from "../../ir/diagnostics.ts";
import { positionOf } from "../../ir/source-text.ts";
import { button, el, fill, icon } from "../dom.ts";
import { assistance, hovers, jumps } from "./assist.ts";
import type { Client } from "./client.ts";
import { look, shadowBox } from "./editor-theme.ts";
import type { Page } from "./page.ts";
import { loomWords, makeSourceEditor, type SourceEditor } from "./source-editor.ts";
import { isOwn } from "./source-map.ts";

export interface SourcePane {
  readonly root: HTMLElement;
  readonly editor: SourceEditor;
  diagnose(list: readonly Diagnostic[]): void;
  goTo(span: Span): void;
}

const CROSS = "M4 4l8 8M12 4l-8 8";

/** A library file, to be read. */
function makeLibraryView(client: Client, goTo: (span: Span) => void) {
  const { box, root } = shadowBox();
  const state = { file: 1 };
  const extensions = [
    EditorState.readOnly.of(true),
    EditorView.contentAttributes.of({
      "aria-label": "A file of the standard library",
      "aria-readonly": "true",
      tabindex: "0",
    }),
    lineNumbers(),
    loomWords,
    hovers(client, () => state.file, goTo),
    jumps(client, () => state.file, goTo),
    look,
  ];
  const view = new EditorView({ parent: root, root, state: EditorState.create({ extensions }) });
  return {
    box,
    show({ file, start, end }: Span): string {
      state.file = file;
      const source = STD_FILES[file - 1];
      view.setState(
        EditorState.create({ doc: source?.text ?? "", extensions, selection: { anchor: start, head: end } }),
      );
      view.dispatch({ effects: EditorView.scrollIntoView(start, { y: "center" }) });
      view.focus();
      return source?.name ?? "";
    },
  };
}

function problemItem(d: Diagnostic, page: Page, editor: SourceEditor): HTMLElement {
  const { line, column } = positionOf(editor.text(), isOwn(d.span) ? d.span.start : 0);
  const item = el("li", { class: `problem is-${d.severity}` });
  const go = button({ class: "problem-text" }, d.message, () => page.goTo(d.span));
  const place = el("span", { class: "problem-place" }, isOwn(d.span) ? `${line}:${column}` : "library");
  const essay = explain(d.code);
  const details = el("pre", { class: "essay" }, essay ?? "");
  details.hidden = true;
  const code = button({ class: "problem-code", "aria-expanded": "false", title: "What this means" }, d.code, () => {
    details.hidden = !details.hidden;
    code.setAttribute("aria-expanded", String(!details.hidden));
  });
  const row = el("div", { class: "problem-row" }, place, go, code);
  item.append(row, ...d.notes.map((n) => el("div", { class: "problem-note" }, n.message)));
  const { fix } = d;
  if (fix !== undefined && isOwn(fix.span)) {
    const mend = button({ class: "fix" }, fix.message, () =>
      editor.view.dispatch({ changes: { from: fix.span.start, to: fix.span.end, insert: fix.text } }),
    );
    item.append(mend);
  }
  if (essay !== undefined) item.append(details);
  return item;
}

/** The pane; `changed` is told of every edit. */
export function makeSourcePane(page: Page, client: Client, changed: () => void): SourcePane {
  const own = button({ class: "file-tab", "aria-pressed": "true" }, "playground.loom", () => showOwn());
  const libraryName = el("span", {});
  const libraryTab = el("span", { class: "file-tab library" }, libraryName);
  const close = button({ class: "ghost", "aria-label": "Close the library file" }, icon(CROSS), () => showOwn());
  libraryTab.append(close);
  libraryTab.hidden = true;
  const problems = el("ul", { class: "problems", "aria-label": "Problems", tabindex: 0 });
  problems.hidden = true;

  const save = (): void => {
    const formatted = format(0, editor.text(), new Diagnostics());
    if (formatted === undefined) page.say("not formatted: it has a syntax mistake", "bad");
    else {
      editor.replace(formatted);
      page.say("formatted");
    }
  };
  const goTo = (span: Span): void => page.goTo(span);
  const editor = makeSourceEditor({
    label: "Source, in Bitloom's language",
    text: page.state.text,
    extensions: [assistance, hovers(client, () => 0, goTo), jumps(client, () => 0, goTo)],
    changed,
    moved(offset) {
      const line = editor.view.state.doc.lineAt(offset);
      if (line.from < line.to) page.look({ kind: "source", span: { file: 0, start: line.from, end: line.to } });
    },
    save,
  });
  const library = makeLibraryView(client, goTo);
  library.box.hidden = true;

  const showOwn = (): void => {
    libraryTab.hidden = true;
    library.box.hidden = true;
    editor.box.hidden = false;
    own.setAttribute("aria-pressed", "true");
    editor.view.requestMeasure();
  };
  const showLibrary = (span: Span): void => {
    editor.box.hidden = true;
    library.box.hidden = false;
    libraryTab.hidden = false;
    own.setAttribute("aria-pressed", "false");
    libraryName.textContent = library.show(span);
  };

  const root = el(
    "section",
    { class: "source", "aria-label": "Source" },
    el(
      "div",
      { class: "file-tabs" },
      own,
      libraryTab,
      el("span", { class: "grow" }),
      button({ class: "quiet-tool", title: "Format (Ctrl+S)" }, "Format", save),
    ),
    editor.box,
    library.box,
    problems,
  );
  return {
    root,
    editor,
    diagnose(list) {
      editor.diagnose(list);
      problems.hidden = list.length === 0;
      fill(problems, ...list.slice(0, 50).map((d) => problemItem(d, page, editor)));
    },
    goTo(span) {
      if (span.file < 0) return;
      if (!isOwn(span)) {
        showLibrary(span);
        page.look({ kind: "source", span });
        return;
      }
      showOwn();
      const { length } = editor.view.state.doc;
      const [anchor, head] = [Math.min(span.start, length), Math.min(span.end, length)];
      editor.view.dispatch({
        selection: { anchor, head },
        effects: EditorView.scrollIntoView(anchor, { y: "center" }),
      });
      editor.view.focus();
    },
  };
}
