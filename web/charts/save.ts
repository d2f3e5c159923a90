/** Saving what is shown: charts as SVG and PNG, tables as CSV; nothing leaves the browser but as a file. */
import { button, el } from "../dom.ts";

const FONT = 'Inter, "Segoe UI", system-ui, "Helvetica Neue", "DejaVu Sans", sans-serif';
const PNG_SCALE = 2;

/** Hands a file to the reader. */
function download(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = el("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A chart as a file of its own: its size, font and ground are in it. */
export function svgText(svg: SVGSVGElement, ground: string): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const { width, height } = sizeOf(svg);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("viewBox", `0 0 ${width} ${height}`);
  copy.setAttribute("font-family", FONT);
  for (const name of ["class", "style", "role", "aria-label", "tabindex"]) copy.removeAttribute(name);
  const back = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of Object.entries({ width, height, fill: ground })) back.setAttribute(name, String(value));
  copy.prepend(back);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(copy)}\n`;
}

const sizeOf = (svg: SVGSVGElement): { readonly width: number; readonly height: number } => ({
  width: Number(svg.getAttribute("width")),
  height: Number(svg.getAttribute("height")),
});

/** The chart as pixels, at twice its size. */
async function pngBlob(svg: SVGSVGElement, ground: string): Promise<Blob | null> {
  const { width, height } = sizeOf(svg);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(svg, ground))}`;
  await image.decode();
  const canvas = el("canvas", { width: width * PNG_SCALE, height: height * PNG_SCALE });
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Buttons that save a chart; `svg` gives the chart as it is shown. */
export function saveButtons(name: () => string, svg: () => SVGSVGElement | null, ground: () => string): HTMLElement {
  const save = (kind: "svg" | "png"): void => {
    const chart = svg();
    if (chart === null) return;
    const file = `${name()}.${kind}`;
    if (kind === "svg") download(file, new Blob([svgText(chart, ground())], { type: "image/svg+xml" }));
    else void pngBlob(chart, ground()).then((blob) => blob !== null && download(file, blob));
  };
  return el(
    "span",
    { class: "save" },
    button({ class: "quiet-button", title: "Save this chart as SVG" }, "SVG", () => save("svg")),
    button({ class: "quiet-button", title: "Save this chart as PNG" }, "PNG", () => save("png")),
  );
}

/** One cell of CSV: quoted where it must be, and never read as a formula by a spreadsheet. */
function csvCell(value: string | number): string {
  if (typeof value === "number") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export const csvText = (rows: readonly (readonly (string | number)[])[]): string =>
  `${rows.map((r) => r.map(csvCell).join(",")).join("\n")}\n`;

/** A button that saves a table. */
export const csvButton = (name: () => string, rows: () => readonly (readonly (string | number)[])[]): HTMLElement =>
  button({ class: "quiet-button", title: "Save this table as CSV" }, "CSV", () =>
    download(`${name()}.csv`, new Blob([csvText(rows())], { type: "text/csv" })),
  );

/** A name as part of a file's name. */
export const fileName = (text: string): string =>
  text
    .replace(/[^\p{L}\p{N}._-]+/gu, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 80) || "bitloom";
