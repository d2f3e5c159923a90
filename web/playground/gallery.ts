/** The gallery: every example with what it is, found by words, opened with a click. */
import { button, el, fill } from "../dom.ts";
import { EXAMPLES, type Example } from "./examples.ts";

/** `examples/gallery/olive.loom` → "OliVe": the first words of its comment, up to the colon. */
function titleOf({ name, about }: Example): string {
  const head = /^([^:(]{2,40}?) ?[:(]/.exec(about)?.[1];
  return head ?? name.replace(/^.*\//, "").replace(/\.loom$/, "");
}

function aboutOf(example: Example): string {
  const title = titleOf(example);
  const rest = example.about.startsWith(title) ? example.about.slice(title.length) : example.about;
  return rest.replace(/^[:\s]+/, "").replace(/^./, (c) => c.toUpperCase());
}

const opsOf = ({ text }: Example): readonly string[] => [...text.matchAll(/^op (\w+)/gm)].map((m) => m[1]!);

/** The dialog; `open` gets the example that was chosen. */
export function makeGallery(open: (example: Example) => void): HTMLDialogElement {
  const search = el("input", {
    type: "search",
    placeholder: "Search formats, papers, operators",
    "aria-label": "Search examples",
  });
  const list = el("ul", { class: "gallery-list" });
  const dialog = el("dialog", { class: "gallery-dialog", "aria-label": "Examples" });
  const draw = (): void => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = EXAMPLES.filter((e) =>
      words.every((w) => `${e.name} ${e.about} ${e.text}`.toLowerCase().includes(w)),
    );
    fill(
      list,
      ...found.map((example) => {
        const card = button(
          { class: "gallery-card", "data-example": example.name },
          el("b", {}, titleOf(example)),
          () => {
            dialog.close();
            open(example);
          },
        );
        card.append(
          el("span", { class: "gallery-about" }, aboutOf(example)),
          el("span", { class: "gallery-ops" }, opsOf(example).join(" · ")),
        );
        return el("li", {}, card);
      }),
      ...(found.length === 0 ? [el("li", { class: "quiet" }, "No example has all of these words.")] : []),
    );
  };
  search.addEventListener("input", draw);
  const close = button({ class: "tool" }, "Close", () => dialog.close());
  dialog.append(el("header", { class: "gallery-head" }, el("h2", {}, "Examples"), search, close), list);
  dialog.addEventListener("toggle", draw);
  draw();
  return dialog;
}
