/** `node scripts/build-web.mjs`: the trace viewer and the playground, each one file that needs no network, in dist/web. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { ROOT } from "./setup.mjs";

/** The viewer's styles; later ones may change what earlier ones say. */
const STYLES = ["web/style.css", "web/panels.css"];

/** @param {string} text */
const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/**
 * The policy of a page: its own script and style by their hashes, a worker that it makes itself, what it may ask
 * whom for, and nothing else.
 * @param {string} script
 * @param {string} style
 * @param {string} asks
 */
function policy(script, style, asks) {
  return [
    "default-src 'none'",
    `script-src ${hash(script)} blob:`,
    `style-src ${hash(style)}`,
    "worker-src blob:",
    `connect-src ${asks}`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

/**
 * What the playground leaves out, by file: verifiers, which find bugs of ours and are not asked while somebody types,
 * and essays on what only the command can meet.
 * @type {Readonly<Record<string, string>>}
 */
const LEFT_OUT = {
  "ir/verify/program.ts": "export const verifyProgram = () => [];",
  "ir/verify/kernel.ts": "export const verifyKernel = () => [];",
  "compiler/explain/simulator-essays.ts": "export const SIMULATOR_ESSAYS = {};",
  "compiler/explain/file-essays.ts": "export const FILE_ESSAYS = {};",
};

/** @type {import("esbuild").Plugin} */
const leaveOut = {
  name: "leave-out",
  setup(build) {
    build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const contents = LEFT_OUT[relative(ROOT, path).replaceAll("\\", "/")];
      return contents === undefined ? undefined : { contents, loader: "ts" };
    });
    // Citations of machines' numbers are half of their text; `bitloom hw NAME` lists them.
    build.onLoad({ filter: /hw-models[\\/].*\.json$/ }, ({ path }) => {
      const short = (/** @type {string} */ key, /** @type {unknown} */ value) =>
        key === "cite" && typeof value === "string" && value.length > 40 ? "listed by `bitloom hw`" : value;
      return { contents: JSON.stringify(JSON.parse(readFileSync(path, "utf8"), short)), loader: "json" };
    });
  },
};

/**
 * A script of ours for a browser, minified.
 * @param {string} entry @param {Record<string, string>} define @param {readonly import("esbuild").Plugin[]} plugins
 */
async function bundle(entry, define, plugins = []) {
  // Loaded here, because a fresh clone has no packages when the build begins.
  const { build } = await import("esbuild");
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
    plugins: [...plugins],
    logLevel: "warning",
  });
  return result.outputFiles[0]?.text.trim() ?? "";
}

/**
 * A page from its frame, its script and its style sheets; `asks` are the sources it may fetch from.
 * @param {string} frame @param {string} bundled @param {readonly string[]} sheets @param {string} asks
 */
async function pageOf(frame, bundled, sheets, asks) {
  const { transform } = await import("esbuild");
  // An HTML parser ends a script at its closing tag wherever it stands; `<!--` would change how it reads on.
  const script = bundled.replace(/<\/(script)/gi, "<\\/$1").replaceAll("<!--", "<\\!--");
  const css = sheets.map((sheet) => readFileSync(join(ROOT, sheet), "utf8")).join("\n");
  const style = (await transform(css, { loader: "css", minify: true })).code.trim();
  const template = readFileSync(join(ROOT, frame), "utf8");
  return template
    .replace("%CSP%", () => policy(script, style, asks))
    .replace("/*STYLE*/", () => style)
    .replace("/*SCRIPT*/", () => script);
}

/** The viewer's text. */
export async function webPage() {
  const worker = await bundle("web/load/worker.ts", {});
  const bundled = await bundle("web/main.ts", { BITLOOM_WORKER: JSON.stringify(worker) });
  return pageOf("web/index.html", bundled, STYLES, "'self'");
}

/** What lies under examples/, for the gallery: the quickstart first, then by path. The first comment is the title. */
export function examples() {
  const folder = join(ROOT, "examples");
  const first = (/** @type {string} */ name) => (name === "quickstart.loom" ? 0 : name.includes("/") ? 2 : 1);
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".loom"))
    .map((name) => name.replaceAll("\\", "/"))
    .sort((a, b) => first(a) - first(b) || (a < b ? -1 : 1))
    .map((name) => {
      const text = readFileSync(join(folder, name), "utf8");
      const comment = [];
      for (const line of text.split("\n")) {
        if (!line.startsWith("//")) break;
        comment.push(line.replace(/^\/\/ ?/, ""));
      }
      return { name, about: comment.join(" "), text };
    });
}

/** The playground's text. */
export async function playgroundPage() {
  const bundled = await bundle("web/playground/main.ts", { BITLOOM_EXAMPLES: JSON.stringify(examples()) }, [leaveOut]);
  return pageOf("web/playground/index.html", bundled, [...STYLES, "web/playground/playground.css"], "'none'");
}

/**
 * Writes the viewer, index.html, and the playground, playground.html, into `folder`; their texts by name.
 * @param {string} folder
 */
export async function bundleWeb(folder) {
  const pages = { "index.html": await webPage(), "playground.html": await playgroundPage() };
  mkdirSync(folder, { recursive: true });
  for (const [name, page] of Object.entries(pages)) writeFileSync(join(folder, name), page);
  return pages;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const pages = await bundleWeb(join(ROOT, "dist/web"));
  const kB = (/** @type {number} */ bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  for (const [name, page] of Object.entries(pages))
    console.log(`dist/web/${name}: ${kB(Buffer.byteLength(page))}, ${kB(gzipSync(page, { level: 9 }).length)} gzipped`);
}
