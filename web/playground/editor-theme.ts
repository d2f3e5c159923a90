/** The look of every text on the page: colours are variables of the page's style, so both themes are one. */
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const THEME = EditorView.theme({
  "&": { height: "100%", color: "var(--ink)", backgroundColor: "var(--ground)", fontSize: "12px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55", overflow: "auto" },
  ".cm-content": { padding: "6px 0 40px", caretColor: "var(--accent)" },
  ".cm-line": { padding: "0 10px 0 8px" },
  ".cm-cursor": { borderLeftColor: "var(--accent)", borderLeftWidth: "2px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--select)",
  },
  ".cm-gutters": { backgroundColor: "var(--ground)", color: "var(--dim)", border: "0" },
  ".cm-lineNumbers .cm-gutterElement": { minWidth: "30px", padding: "0 6px 0 8px" },
  ".cm-activeLine": { backgroundColor: "var(--line-soft)" },
  ".cm-activeLineGutter": { backgroundColor: "transparent", color: "var(--ink)" },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": {
    backgroundColor: "var(--accent-soft)",
    outline: "1px solid var(--accent)",
  },
  ".cm-foldPlaceholder": { background: "var(--panel)", border: "1px solid var(--line)", color: "var(--faint)" },
  ".cm-tooltip": {
    border: "1px solid var(--line)",
    borderRadius: "7px",
    backgroundColor: "var(--raised)",
    color: "var(--ink)",
    boxShadow: "var(--shadow)",
    fontFamily: "var(--sans)",
    maxWidth: "min(560px, 92vw)",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "14em" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "2px 8px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": {
    backgroundColor: "var(--accent)",
    color: "var(--on-accent)",
  },
  ".cm-completionDetail": { color: "inherit", opacity: "0.75", fontStyle: "normal" },
  ".cm-completionIcon": { display: "none" },
  ".cm-diagnostic": { padding: "7px 10px", borderLeftWidth: "3px" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--bad)" },
  ".cm-diagnostic-warning": { borderLeftColor: "var(--warn)" },
  ".cm-diagnosticAction": {
    display: "inline-block",
    margin: "6px 8px 0 0",
    padding: "3px 9px",
    borderRadius: "5px",
    backgroundColor: "var(--accent)",
    color: "var(--on-accent)",
    font: "inherit",
    cursor: "pointer",
  },
  ".cm-lintRange": { backgroundPosition: "left bottom", backgroundImage: "none", paddingBottom: "1px" },
  ".cm-lintRange-error": { textDecoration: "underline wavy var(--bad) 1px", textUnderlineOffset: "3px" },
  ".cm-lintRange-warning": { textDecoration: "underline wavy var(--warn) 1px", textUnderlineOffset: "3px" },
  ".cm-lintPoint::after": { borderBottomColor: "var(--bad)" },
  ".cm-panels": { backgroundColor: "var(--panel)", color: "var(--ink)", borderColor: "var(--line)" },
  ".cm-panel.cm-search": { padding: "6px 8px", fontFamily: "var(--sans)", fontSize: "12px" },
  ".cm-textfield": {
    border: "1px solid var(--line)",
    borderRadius: "5px",
    backgroundColor: "var(--ground)",
    color: "var(--ink)",
  },
  ".cm-button": {
    border: "1px solid var(--line)",
    borderRadius: "5px",
    backgroundImage: "none",
    backgroundColor: "var(--raised)",
    color: "var(--ink)",
  },
  ".cm-searchMatch": { backgroundColor: "var(--find)" },
  ".cm-searchMatch-selected": { backgroundColor: "var(--find-strong)" },
  // What a line stems from: a stripe in the colour of its source line, and a ground where it is looked at.
  ".map": { boxShadow: "inset 3px 0 0 0 var(--stripe)" },
  ".map-0": { "--stripe": "var(--map-0)" },
  ".map-1": { "--stripe": "var(--map-1)" },
  ".map-2": { "--stripe": "var(--map-2)" },
  ".map-3": { "--stripe": "var(--map-3)" },
  ".map-4": { "--stripe": "var(--map-4)" },
  ".map-5": { "--stripe": "var(--map-5)" },
  ".linked": { backgroundColor: "var(--linked)" },
  ".linked-text": { backgroundColor: "var(--linked-strong)", borderRadius: "2px" },
  // Words of .loom files.
  ".w-comment": { color: "var(--code-comment)", fontStyle: "italic" },
  ".w-keyword": { color: "var(--code-keyword)", fontWeight: "600" },
  ".w-number": { color: "var(--code-number)" },
  ".w-text": { color: "var(--code-text)" },
  ".w-operator, .w-punctuation": { color: "var(--soft)" },
  ".w-type": { color: "var(--code-type)" },
  ".w-declaration": { color: "var(--code-declaration)", fontWeight: "600" },
  ".w-function": { color: "var(--code-function)" },
  ".w-field": { color: "var(--code-field)" },
  ".w-tensor": { color: "var(--ink)" },
  ".w-size": { color: "var(--code-number)" },
  ".w-axis": { color: "var(--code-axis)" },
  // Differences between passes.
  ".cm-changedLine": { backgroundColor: "var(--added)", boxShadow: "inset 3px 0 0 0 var(--good)" },
  ".cm-deletedChunk": {
    padding: "0 0 0 8px",
    backgroundColor: "var(--removed)",
    boxShadow: "inset 3px 0 0 0 var(--bad)",
    whiteSpace: "pre",
  },
  ".cm-collapsedLines": {
    cursor: "pointer",
    background: "var(--panel)",
    color: "var(--faint)",
    fontFamily: "var(--sans)",
    fontSize: "11px",
    padding: "1px 8px",
  },
  // What stands under the pointer.
  ".hover-card": { padding: "8px 11px", lineHeight: "1.45", fontSize: "12.5px" },
  ".hover-title": { display: "block", fontFamily: "var(--mono)", fontSize: "12px", fontWeight: "600" },
  ".hover-fact": { color: "var(--soft)", marginTop: "2px", overflowWrap: "anywhere" },
  ".hover-comment": { marginTop: "5px", color: "var(--faint)" },
  ".hover-jump": {
    marginTop: "6px",
    padding: "0",
    border: "0",
    background: "none",
    color: "var(--accent)",
    font: "inherit",
    cursor: "pointer",
  },
  ".cm-link-target": { textDecoration: "underline", cursor: "pointer" },
});

const WORDS = HighlightStyle.define([
  { tag: tags.comment, color: "var(--code-comment)", fontStyle: "italic" },
  { tag: [tags.keyword, tags.modifier], color: "var(--code-keyword)" },
  { tag: tags.number, color: "var(--code-number)" },
  { tag: tags.string, color: "var(--code-text)" },
  { tag: tags.typeName, color: "var(--code-type)" },
  { tag: [tags.function(tags.variableName), tags.standard(tags.variableName)], color: "var(--code-function)" },
  { tag: [tags.meta, tags.processingInstruction, tags.annotation], color: "var(--code-axis)" },
  { tag: tags.operator, color: "var(--soft)" },
]);

/** Theme and colours, for any editor. */
export const look: Extension = [THEME, syntaxHighlighting(WORDS)];

/** A box whose styles are its own sheet: the page's policy allows no other styles than its own. */
export function shadowBox(): { readonly box: HTMLElement; readonly root: ShadowRoot } {
  const box = document.createElement("div");
  box.className = "editor-box";
  return { box, root: box.attachShadow({ mode: "open" }) };
}
