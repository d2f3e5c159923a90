/** The built pages: finding them, and putting into them what they show, so that one file is all there is. */
import { existsSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

/** Where pages lie from a bundled command, from a part of it that is a file of its own, and from the sources. */
const PLACES = ["../web/", "../../web/", "../../dist/web/"] as const;

/** The text of a built page; undefined where it was not built. */
export function builtPage(name: "index.html" | "playground.html"): string | undefined {
  for (const place of PLACES) {
    const url = new URL(`${place}${name}`, import.meta.url);
    if (!existsSync(url)) continue;
    const text = readFileSync(url, "utf8");
    // The sources have the page's frame in a folder of the same name.
    if (!text.includes("%CSP%")) return text;
  }
  return undefined;
}

/** The trace viewer. */
export const viewerPage = (): string | undefined => builtPage("index.html");

const HOLDER = "<!--TRACE-->";
const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;
const escaped = (text: string): string =>
  text.replace(/[&"<>]/g, (c) => ({ "&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;" })[c] ?? c);

/** A file that goes into a page. */
export interface EmbeddedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The page with traces or reports inside: it asks nobody for anything, and its policy says so. */
export function embedFiles(page: string, files: readonly EmbeddedFile[]): string {
  const holders = files.map(({ name, bytes }, i) => {
    const base64 = Buffer.from(isGzip(bytes) ? bytes : gzipSync(bytes, { level: 9 })).toString("base64");
    const id = i === 0 ? "bitloom-trace" : `bitloom-trace-${i}`;
    return `<script type="application/octet-stream" id="${id}" data-name="${escaped(name)}">${base64}</script>`;
  });
  return page.replace("connect-src 'self'", "connect-src 'none'").replace(HOLDER, () => holders.join("\n"));
}

/** The playground with a text to begin with. */
export function embedStart(page: string, name: string, text: string): string {
  const base64 = Buffer.from(text).toString("base64");
  const holder = `<script type="application/octet-stream" id="bitloom-start" data-name="${escaped(name)}">${base64}</script>`;
  return page.replace("<!--START-->", () => holder);
}
