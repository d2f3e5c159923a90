/** The built trace viewer: finding its page, and putting a trace into it so that one file shows it. */
import { existsSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

/** Where the page lies from a bundled command, from a part of it that is a file of its own, and from the sources. */
const PLACES = ["../web/index.html", "../../web/index.html", "../../dist/web/index.html"] as const;

/** The text of the built page; undefined where it was not built. */
export function viewerPage(): string | undefined {
  for (const place of PLACES) {
    const url = new URL(place, import.meta.url);
    if (!existsSync(url)) continue;
    const text = readFileSync(url, "utf8");
    // The sources have the page's frame in a folder of the same name.
    if (!text.includes("%CSP%")) return text;
  }
  return undefined;
}

const HOLDER = "<!--TRACE-->";
const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;
const escaped = (text: string): string =>
  text.replace(/[&"<>]/g, (c) => ({ "&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;" })[c] ?? c);

/** The page with a trace inside: it asks nobody for anything, and its policy says so. */
export function embedTrace(page: string, name: string, trace: Uint8Array): string {
  const base64 = Buffer.from(isGzip(trace) ? trace : gzipSync(trace, { level: 9 })).toString("base64");
  const holder = `<script type="application/octet-stream" id="bitloom-trace" data-name="${escaped(name)}">${base64}</script>`;
  return page.replace("connect-src 'self'", "connect-src 'none'").replace(HOLDER, () => holder);
}
