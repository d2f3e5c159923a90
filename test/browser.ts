/** Headless Chromium with WebGPU on SwiftShader: bundles a module of ours, serves it on loopback, calls its functions. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { toolPath } from "./tools.ts";

const FLAGS = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-unsafe-swiftshader",
  "--no-sandbox",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const PAGE = `<!doctype html><meta charset="utf-8"><title>test</title>
<script type="module">import * as entry from "/entry.js"; globalThis.entry = entry;</script>`;

/** A page that has loaded one module of ours. */
export interface TestPage {
  /** Calls an exported function of the module in the page; arguments and result must be serialisable. */
  call<Input, Output>(name: string, input: Input): Promise<Output>;
  close(): Promise<void>;
}

async function serve(script: string): Promise<Server> {
  const server = createServer((request, response) => {
    const isScript = request.url === "/entry.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : PAGE);
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  return server;
}

/** Bundles the module at `path` for a browser; fails where it imports something of Node's. */
export async function bundleForBrowser(path: string): Promise<string> {
  const result = await build({
    entryPoints: [path],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    logLevel: "silent",
  });
  return result.outputFiles[0]!.text;
}

/** Opens a page (a secure context, so that `navigator.gpu` exists) with the module at `path` loaded. */
export async function openPage(path: string): Promise<TestPage> {
  const server = await serve(await bundleForBrowser(path));
  const browser = await chromium.launch({ executablePath: toolPath("chromium"), headless: true, args: FLAGS });
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
  await page.waitForFunction("globalThis.entry !== undefined", undefined, { timeout: 30_000 }).catch(() => {
    throw new Error(`the page did not load its module: ${errors.join("; ")}`);
  });
  return {
    call: <Input, Output>(name: string, input: Input) =>
      page.evaluate(
        ([f, value]) => (globalThis as unknown as { entry: Record<string, (x: unknown) => unknown> }).entry[f]!(value),
        [name, input] as const,
      ) as Promise<Output>,
    async close() {
      await browser.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
