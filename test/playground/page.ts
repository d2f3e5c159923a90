/** The built playground in one headless Chromium with WebGPU on SwiftShader: served as `bitloom play` does, or as a file. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium, type Locator, type Page } from "playwright-core";
import { serveTraces } from "../../compiler/cli/view-server.ts";
import { playgroundPage } from "../../scripts/build-web.mjs";
import type { PlayState } from "../../web/playground/state.ts";
import { ROOT } from "../meta/sources.ts";
import { toolPath } from "../tools.ts";

const FLAGS = [
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-unsafe-swiftshader",
  "--disable-background-networking",
  "--disable-component-update",
];

export interface PlayLab {
  /** The page's text. */
  readonly text: string;
  /** Opens the page from the server, with a fragment. */
  served(fragment: string, options?: { readonly theme?: "light" | "dark" }): Promise<Page>;
  /** Opens it from a file. */
  file(fragment: string): Promise<Page>;
  /** Everything that went wrong in any page since the last call. */
  complaints(): readonly string[];
  close(): Promise<void>;
}

/** Builds the page, starts the server and the browser once. */
export async function openPlayLab(): Promise<PlayLab> {
  const text = await playgroundPage();
  mkdirSync(join(ROOT, "out"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, "out", "play-test-"));
  const path = join(folder, "playground.html");
  writeFileSync(path, text);
  const serving = await serveTraces(text, [], 0);
  if (serving.kind === "failed") throw new Error(serving.why);
  const browser = await chromium.launch({ executablePath: toolPath("chromium"), headless: true, args: FLAGS });
  const wrong: string[] = [];
  const open = async (url: string, theme: "light" | "dark"): Promise<Page> => {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 720 },
      colorScheme: theme,
      permissions: ["clipboard-read", "clipboard-write"],
    });
    const tab = await context.newPage();
    tab.setDefaultTimeout(20_000);
    tab.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
    tab.on("console", (message) => wrong.push(`${message.type()}: ${message.text()}`));
    tab.on("request", (request) => {
      if (/^https?:/.test(request.url()) && !request.url().startsWith(serving.urls[0]!)) wrong.push(request.url());
    });
    await tab.goto(url);
    await compiled(tab);
    return tab;
  };
  return {
    text,
    served: (fragment, { theme = "light" } = {}) => open(`${serving.urls[0]}${fragment}`, theme),
    file: (fragment) => open(`${pathToFileURL(path).href}${fragment}`, "light"),
    complaints: () => wrong.splice(0),
    async close() {
      await browser.close();
      serving.server.closeAllConnections();
      serving.server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until the newest text has been compiled, or found wrong. */
export async function compiled(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const { busy } = (globalThis as unknown as { bitloom: { busy(): boolean } }).bitloom ?? { busy: () => true };
    return !busy();
  });
}

/** The page's state. */
export const stateOf = (page: Page): Promise<PlayState> =>
  page.evaluate(() => (globalThis as unknown as { bitloom: { state(): PlayState } }).bitloom.state());

/** The editor of the source, and the viewer of a target's code. */
export const source = (page: Page): Locator => page.locator(".source .cm-content").first();
export const column = (page: Page, target: string): Locator =>
  page.locator(`.column[aria-label="${target}"]`).locator(".cm-content");

/** Replaces the source as somebody who pastes. */
export async function write(page: Page, text: string): Promise<void> {
  await source(page).click();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(text);
  await compiled(page);
}
