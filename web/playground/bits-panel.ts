/** The tab "Bits": the record of one block bit by bit; a value's bits, how they leave their words, and what they mean. */
import {
  type BitMap,
  type BlockBits,
  bitMap,
  decodeBlock,
  type Element,
  piecesOf,
  sampleBlock,
  storedNumber,
} from "../../compiler/language/bit-map.ts";
import { bitsPerValue, type Field, type Format } from "../../ir/format.ts";
import { bitsOf } from "../../ir/scalar.ts";
import { button, el, fill } from "../dom.ts";
import { currentOp, type Page, type Panel } from "./page.ts";

const WORD = 32;
/** Words and values that are drawn; larger blocks say how many more there are. */
const MAX_WORDS = 96;
const MAX_VALUES = 512;
/** Longest record that is mapped. */
const MAX_BITS = 2 ** 16;
const ROW = 4096;
const COLOURS = 6;

/** A generator of uniform numbers in [0, 1), the same every time (mulberry32). */
function seeded(): () => number {
  const state = Uint32Array.of(7);
  return () => {
    state[0] = state[0]! + 0x6d2b79f5;
    let t = Math.imul(state[0]! ^ (state[0]! >>> 15), 1 | state[0]!);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Shown {
  readonly format: Format;
  readonly map: BitMap;
  readonly block: BlockBits;
  readonly values: readonly number[];
}

function readingOf(format: Format): Shown {
  const block = sampleBlock(format, seeded());
  const stored = (name: string, index: number): number => {
    const field = format.fields.find((f) => f.name === name)!;
    return storedNumber(field, block.get(name)?.[index] ?? 0);
  };
  return { format, map: bitMap(format, stored), block, values: decodeBlock(format, block) };
}

const number = (value: number): string =>
  Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(5)));
const hex = (value: number): string => `0x${value.toString(16)}`;

/** `(word 3 >> 12) & 0xf`, or its parts where an element lies in several places. */
function extraction(places: readonly number[]): string {
  const pieces = piecesOf(places);
  const part = ({ word, shift, bits, to }: (typeof pieces)[number]): string => {
    const moved = shift === 0 ? `w[${word}]` : `(w[${word}] >> ${shift})`;
    const masked = bits === WORD ? moved : `${moved} & ${hex(2 ** bits - 1)}`;
    return to === 0 ? masked : `(${masked}) << ${to}`;
  };
  return pieces.map(part).join(" | ");
}

function stepOf(field: Field, { index, places }: Element, block: BlockBits): HTMLElement {
  const raw = block.get(field.name)?.[index] ?? 0;
  const bits = bitsOf(field.type);
  const name = field.count > 1 ? `${field.name}[${index}]` : field.name;
  const where =
    places.length === 0
      ? `stored once a ${field.scope}, outside the block`
      : `${extraction(places)} → 0b${raw.toString(2).padStart(bits, "0")}`;
  return el(
    "li",
    { class: "bit-step" },
    el("code", { class: "bit-name" }, `${name}: ${field.type}`),
    el("code", {}, where),
    el("b", {}, `= ${number(storedNumber(field, raw))}`),
  );
}

export function makeBitsPanel(page: Page): Panel {
  const state: { shown: Shown | undefined; drawn: string } = { shown: undefined, drawn: "" };
  const choose = el("select", { "aria-label": "Format" });
  choose.addEventListener("change", () => page.update({ bits: { format: choose.value, value: 0 } }));
  const pick = el("input", {
    type: "number",
    min: 0,
    value: 0,
    class: "value-index",
    "aria-label": "Value of the block",
  });
  pick.addEventListener("input", () => {
    const value = Number(pick.value);
    if (state.shown !== undefined && Number.isInteger(value) && value >= 0 && value < state.shown.format.block)
      page.update({ bits: { ...page.state.bits, value } });
  });
  const caption = el("p", { class: "bits-caption" });
  const legend = el("ul", { class: "bits-legend" });
  const grid = el("div", { class: "bits-grid" });
  const steps = el("ol", { class: "bit-steps" });
  const result = el("p", { class: "bits-result", "aria-live": "polite" });
  const values = el("div", { class: "bit-values", role: "group", "aria-label": "Values of the block" });
  const root = el(
    "div",
    { class: "bits-panel" },
    el("div", { class: "bits-head" }, choose, el("label", { class: "size" }, el("span", {}, "value"), pick), caption),
    el(
      "div",
      { class: "bits-body" },
      el("div", { class: "bits-left", tabindex: 0, role: "region", "aria-label": "Bits of the block" }, legend, grid),
      el(
        "div",
        { class: "bits-right", tabindex: 0, role: "region", "aria-label": "How a value is decoded" },
        steps,
        result,
        el("h2", {}, "A block of sample codes, decoded"),
        values,
      ),
    ),
  );

  const currentFormat = (): Format | undefined => {
    const formats = page.checked?.formats ?? [];
    const named = (name: string): Format | undefined => formats.find((f) => f.name === name);
    const used = currentOp(page)?.operands.flatMap((o) => named(o.format) ?? []) ?? [];
    const isCoded = (f: Format): boolean => f.fields.length > 1 || f.block > 1;
    return named(page.state.bits.format) ?? used.find(isCoded) ?? formats.find(isCoded) ?? formats[0];
  };

  const drawGrid = ({ format, map }: Shown): void => {
    const words = Math.min(MAX_WORDS, Math.ceil(format.recordBits / WORD));
    const readers = new Map<string, number>();
    map.reads.forEach((elements, i) => {
      for (const e of elements) if (!readers.has(`${e.field}:${e.index}`)) readers.set(`${e.field}:${e.index}`, i);
    });
    const cells: HTMLElement[] = [];
    for (let word = 0; word < words; word++) {
      cells.push(el("span", { class: "word-name" }, `w[${word}]`));
      const end = Math.min(format.recordBits, (word + 1) * WORD);
      for (let bit = word * WORD; bit < end; ) {
        const owner = map.owners[bit];
        const same = (o: typeof owner): boolean => o?.field === owner?.field && o?.index === owner?.index;
        let next = bit + 1;
        while (next < end && same(map.owners[next])) next++;
        const field = owner === undefined ? undefined : format.fields[owner.field];
        const label =
          field === undefined || owner === undefined ? "" : field.count > 1 ? String(owner.index) : field.name;
        const cell = el(
          "span",
          {
            class: owner === undefined ? "bit-run free" : `bit-run field-${owner.field % COLOURS}`,
            "data-element": owner === undefined ? undefined : `${owner.field}:${owner.index}`,
            title:
              field === undefined || owner === undefined
                ? `bits ${bit} to ${next - 1}: nothing`
                : `${field.name}${field.count > 1 ? `[${owner.index}]` : ""}, bit ${owner.bit}${next - bit > 1 ? ` to ${owner.bit + next - bit - 1}` : ""}: byte ${Math.floor(bit / 8)}, word ${word}, shift ${bit % WORD}`,
          },
          label.length * 7 < (next - bit) * 13 ? label : "",
        );
        cell.style.gridColumn = `${(bit % WORD) + 2} / span ${next - bit}`;
        const reader = owner === undefined ? undefined : readers.get(`${owner.field}:${owner.index}`);
        if (reader !== undefined)
          cell.addEventListener("click", () => page.update({ bits: { ...page.state.bits, value: reader } }));
        cells.push(cell);
        bit = next;
      }
    }
    const more = Math.ceil(format.recordBits / WORD) - words;
    fill(grid, ...cells, ...(more > 0 ? [el("span", { class: "bits-more quiet" }, `… ${more} more words`)] : []));
  };

  const drawValues = ({ format, values: decoded }: Shown): void => {
    const count = Math.min(MAX_VALUES, format.block);
    fill(
      values,
      ...Array.from({ length: count }, (_, i) =>
        button({ class: "bit-value", "data-value": i, title: `value ${i}` }, number(decoded[i]!), () =>
          page.update({ bits: { ...page.state.bits, value: i } }),
        ),
      ),
      ...(format.block > count ? [el("span", { class: "quiet" }, `… ${format.block - count} more`)] : []),
    );
  };

  const drawValue = (shown: Shown): void => {
    const { format, map, block } = shown;
    const i = Math.min(page.state.bits.value, format.block - 1);
    pick.max = String(format.block - 1);
    if (document.activeElement !== pick) pick.value = String(i);
    const elements = map.reads[i] ?? [];
    fill(steps, ...elements.map((e) => stepOf(format.fields[e.field]!, e, block)));
    const { valueSpan: span } = format;
    const said =
      span === undefined ? "" : (page.textOf(span.file) ?? "").slice(span.start, span.end).replace(/\s+/g, " ");
    fill(result, el("code", {}, said || `value ${i}`), el("b", {}, ` = ${number(shown.values[i] ?? Number.NaN)}`));
    const picked = new Set(elements.map((e) => `${e.field}:${e.index}`));
    for (const cell of grid.querySelectorAll<HTMLElement>("[data-element]"))
      cell.classList.toggle("picked", picked.has(cell.dataset.element ?? ""));
    grid.setAttribute("aria-label", `Bits of a block of ${format.name}; those of value ${i} are marked`);
    for (const b of values.querySelectorAll<HTMLElement>("[data-value]"))
      b.setAttribute("aria-pressed", String(b.dataset.value === String(i)));
  };

  grid.setAttribute("role", "img");
  return {
    root,
    show() {
      const format = currentFormat();
      const names = (page.checked?.formats ?? []).filter((f) => f.recordBits <= MAX_BITS).map((f) => f.name);
      if (choose.dataset.names !== names.join()) {
        choose.dataset.names = names.join();
        fill(choose, ...names.map((name) => el("option", { value: name }, name)));
      }
      if (format === undefined || format.recordBits > MAX_BITS) return;
      choose.value = format.name;
      const key = JSON.stringify([format.name, page.state.text]);
      if (state.drawn !== key || state.shown === undefined) {
        state.drawn = key;
        state.shown = readingOf(format);
        const outside = format.fields.filter((f) => f.scope !== "block");
        fill(
          caption,
          el("b", {}, `${number(bitsPerValue(format, ROW, ROW))} bits a value`),
          ` · ${format.recordBits / 8} bytes for ${format.block} ${format.block === 1 ? "value" : "values"}`,
          outside.length === 0 ? "" : ` · ${outside.map((f) => `${f.name}: ${f.type} a ${f.scope}`).join(", ")}`,
        );
        fill(
          legend,
          ...format.fields.map((f, n) =>
            el(
              "li",
              {},
              el("i", { class: `bit-mark field-${n % COLOURS}` }),
              `${f.name}: ${f.type}${f.count > 1 ? `[${f.count}]` : ""}${f.scope === "block" ? "" : ` a ${f.scope}`}`,
            ),
          ),
        );
        drawGrid(state.shown);
        drawValues(state.shown);
      }
      drawValue(state.shown);
    },
  };
}
