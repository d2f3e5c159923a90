/** `node scripts/build-web.mjs`: the trace viewer as one file that needs no network, dist/web/index.html. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { ROOT } from "./setup.mjs";

/** @param {string} text */
const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/**
 * The policy of the page: its own script and style by their hashes, a worker that it makes itself, traces from the
 * address that it came from, and nothing else.
 * @param {string} script
 * @param {string} style
 */
function policy(script, style) {
  return [
    "default-src 'none'",
    `script-src ${hash(script)} blob:`,
    `style-src ${hash(style)}`,
    "worker-src blob:",
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

/** The page's text. */
export async function webPage() {
  // Loaded here, because a fresh clone has no packages when the build begins.
  const { build, transform } = await import("esbuild");
  /** @param {string} entry @param {Record<string, string>} define */
  const bundle = async (entry, define) => {
    const result = await build({
      entryPoints: [join(ROOT, entry)],
      bundle: true,
      minify: true,
      write: false,
      format: "iife",
      platform: "browser",
      target: "es2022",
      charset: "utf8",
      define,
      logLevel: "warning",
    });
    return result.outputFiles[0]?.text.trim() ?? "";
  };
  const worker = await bundle("web/load/worker.ts", {});
  const bundled = await bundle("web/main.ts", { BITLOOM_WORKER: JSON.stringify(worker) });
  // An HTML parser ends a script at its closing tag wherever it stands; `<!--` would change how it reads on.
  const script = bundled.replace(/<\/(script)/gi, "<\\/$1").replaceAll("<!--", "<\\!--");
  const css = readFileSync(join(ROOT, "web/style.css"), "utf8");
  const style = (await transform(css, { loader: "css", minify: true })).code.trim();
  const template = readFileSync(join(ROOT, "web/index.html"), "utf8");
  return template
    .replace("%CSP%", () => policy(script, style))
    .replace("/*STYLE*/", () => style)
    .replace("/*SCRIPT*/", () => script);
}

/**
 * Writes index.html into `folder`.
 * @param {string} folder
 */
export async function bundleWeb(folder) {
  const page = await webPage();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "index.html"), page);
  return page;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const page = await bundleWeb(join(ROOT, "dist/web"));
  const kB = (/** @type {number} */ bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  console.log(
    `dist/web/index.html: ${kB(Buffer.byteLength(page))}, ${kB(gzipSync(page, { level: 9 }).length)} gzipped`,
  );
}
