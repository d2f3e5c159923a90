/** The built page in headless Chromium: served from loopback as `bitloom view` would, or opened as a file. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { type EmbeddedFile, embedFiles } from "../../compiler/cli/trace-page.ts";
import { serveTraces } from "../../compiler/cli/view-server.ts";
import { webPage } from "../../scripts/build-web.mjs";
import { ROOT } from "../meta/sources.ts";
import { toolPath } from "../tools.ts";

export interface OpenOptions {
  readonly width?: number;
  readonly height?: number;
  readonly theme?: "light" | "dark";
  readonly hash?: string;
}

export interface Lab {
  /** The page with nothing open, from a file. */
  empty(options?: OpenOptions): Promise<Page>;
  /** A trace through the server of `bitloom view`. */
  served(name: string, trace: Uint8Array, options?: OpenOptions): Promise<Page>;
  /** A trace inside the page, opened from a file. */
  embedded(name: string, trace: Uint8Array, options?: OpenOptions): Promise<Page>;
  /** Several traces inside the page. */
  embeddedAll(files: readonly EmbeddedFile[], options?: OpenOptions): Promise<Page>;
  /** Everything that went wrong in any page since the last call. */
  complaints(): readonly string[];
  close(): Promise<void>;
}

/** Starts the browser and builds the page once. */
export async function openLab(): Promise<Lab> {
  const page = await webPage();
  mkdirSync(join(ROOT, "out"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, "out", "web-test-"));
  const browser: Browser = await chromium.launch({
    executablePath: toolPath("chromium"),
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
  });
  const wrong: string[] = [];
  const closers: (() => void)[] = [];
  const newPage = async ({ width = 1280, height = 720, theme = "light" }: OpenOptions): Promise<Page> => {
    const tab = await browser.newPage({ viewport: { width, height }, colorScheme: theme });
    tab.setDefaultTimeout(15_000);
    tab.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
    tab.on("console", (message) => wrong.push(`${message.type()}: ${message.text()}`));
    tab.on("request", (request) => {
      if (/^https?:/.test(request.url()) && !request.url().startsWith("http://127.0.0.1:"))
        wrong.push(`request: ${request.url()}`);
    });
    return tab;
  };
  const openFile = async (name: string, text: string, options: OpenOptions): Promise<Page> => {
    const path = join(folder, name);
    writeFileSync(path, text);
    const tab = await newPage(options);
    await tab.goto(`${pathToFileURL(path).href}${options.hash === undefined ? "" : `#${options.hash}`}`);
    return tab;
  };
  const lab: Lab = {
    empty: (options = {}) => openFile("empty.html", page, options),
    async served(name, trace, options = {}) {
      const path = join(folder, name);
      writeFileSync(path, trace);
      const serving = await serveTraces(page, [path], 0);
      if (serving.kind === "failed") throw new Error(serving.why);
      closers.push(() => {
        serving.server.closeAllConnections();
        serving.server.close();
      });
      const tab = await newPage(options);
      await tab.goto(`${serving.urls[0]}${options.hash === undefined ? "" : `#${options.hash}`}`);
      return tab;
    },
    embedded: (name, trace, options = {}) =>
      openFile("embedded.html", embedFiles(page, [{ name, bytes: trace }]), options),
    embeddedAll: (files, options = {}) => openFile("embedded-all.html", embedFiles(page, files), options),
    complaints: () => wrong.splice(0),
    async close() {
      await browser.close();
      for (const close of closers) close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return lab;
}
