/** The title line: gallery, operator and sizes, what the compiler says, link, theme. */
import { button, el, fill, icon } from "../dom.ts";
import { currentOp, currentSizes, type Page } from "./page.ts";

/** The sign: a woven square. */
function mark(): SVGSVGElement {
  const svg = icon("M2 5h3M8 5h6M2 11h6M11 11h3M5 2v6M5 11v3M11 2v3M11 8v6");
  svg.classList.add("sign");
  return svg;
}

export interface HeaderActions {
  examples(): void;
  link(): void;
  theme(): void;
}

export interface Header {
  readonly root: HTMLElement;
  show(): void;
}

export function makeHeader(page: Page, status: HTMLElement, actions: HeaderActions): Header {
  const op = el("select", { class: "op-select", "aria-label": "Operator" });
  op.addEventListener("change", () => page.update({ op: op.value }));
  const sizes = el("div", { class: "sizes", role: "group", "aria-label": "Sizes" });

  const sizeInput = (name: string): HTMLElement => {
    const input = el("input", { type: "number", min: 1, max: 2 ** 24, "data-size": name });
    input.addEventListener("change", () => {
      const value = Number(input.value);
      if (Number.isSafeInteger(value) && value > 0) page.update({ sizes: { ...page.state.sizes, [name]: value } });
    });
    return el("label", { class: "size" }, el("span", {}, name), input);
  };

  const root = el(
    "header",
    { class: "top play-top" },
    el("h1", { class: "brand" }, mark(), "bitloom", el("span", { class: "quiet" }, "playground")),
    button({ class: "tool" }, "Examples", actions.examples),
    op,
    sizes,
    el("span", { class: "grow" }),
    status,
    button({ class: "tool", title: "Copy a link that holds all of this" }, "Link", actions.link),
    button(
      { class: "tool icon", title: "Light or dark", "aria-label": "Light or dark" },
      icon("M8 2a6 6 0 1 0 6 6 4.5 4.5 0 0 1-6-6z"),
      actions.theme,
    ),
  );
  return {
    root,
    show() {
      const now = currentOp(page);
      const names = page.checked?.ops.map((o) => o.name) ?? [];
      if (op.dataset.names !== names.join()) {
        op.dataset.names = names.join();
        fill(op, ...names.map((name) => el("option", { value: name }, name)));
      }
      if (now !== undefined) op.value = now.name;
      const key = now?.sizes.join() ?? "";
      if (sizes.dataset.key !== key) {
        sizes.dataset.key = key;
        fill(sizes, ...(now?.sizes ?? []).map(sizeInput));
      }
      const values = currentSizes(page);
      for (const input of sizes.querySelectorAll("input"))
        if (document.activeElement !== input) input.value = String(values[input.dataset.size ?? ""] ?? "");
    },
  };
}
