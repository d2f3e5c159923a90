/** The server of `bitloom view`: on loopback, for those who know the token, the page and the named traces only. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { basename } from "node:path";

const HEADERS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "x-frame-options": "DENY",
} as const;

/** A server that runs, and addresses: of all traces side by side, then of each; a secret in them lets a reader in. */
export interface Serving {
  readonly kind: "serving";
  readonly urls: readonly string[];
  readonly server: Server;
}

/** Serves a page with traces by their paths, or without any; `port` 0 takes any that is free. */
export async function serveTraces(
  page: string,
  paths: readonly string[],
  port: number,
): Promise<Serving | { readonly kind: "failed"; readonly why: string }> {
  const token = randomBytes(16).toString("hex");
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? "default-src 'none'";
  const server = createServer((request, response) => answer(request, response, token, page, policy, paths));
  const why = await listen(server, port);
  if (why !== undefined) return { kind: "failed", why };
  const { port: actual } = server.address() as AddressInfo;
  const place = (path: string, i: number): string => `trace=trace/${i}/${encodeURIComponent(basename(path))}`;
  const base = `http://127.0.0.1:${actual}/${token}/`;
  const all = paths.length > 1 ? [`${base}?${paths.map(place).join("&")}`] : [];
  // Without a trace the page stands alone.
  const alone = paths.length === 0 ? [base] : [];
  const urls = [...alone, ...all, ...paths.map((path, i) => `${base}?${place(path, i)}`)];
  return { kind: "serving", urls, server };
}

function listen(server: Server, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code === "EADDRINUSE" ? "it is in use" : (error.code ?? error.message)),
    );
    server.listen(port, "127.0.0.1", () => resolve(undefined));
  });
}

/** The page and the traces that were named, for those who know the token, under this machine's own name only. */
function answer(
  request: IncomingMessage,
  response: ServerResponse,
  token: string,
  page: string,
  policy: string,
  paths: readonly string[],
): void {
  const refuse = (status: number): void => {
    response.writeHead(status, HEADERS).end();
  };
  // A page of the outside that had its name point here would still send its own name.
  const host = request.headers.host ?? "";
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host)) {
    refuse(403);
    return;
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    refuse(405);
    return;
  }
  const { pathname } = new URL(request.url ?? "/", "http://127.0.0.1");
  if (pathname === `/${token}/`) {
    const headers = { ...HEADERS, "content-type": "text/html; charset=utf-8" };
    response.writeHead(200, { ...headers, "content-security-policy": `${policy}; frame-ancestors 'none'` }).end(page);
    return;
  }
  const index = new RegExp(`^/${token}/trace/(\\d{1,6})/`).exec(pathname)?.[1];
  const path = index === undefined ? undefined : paths[Number(index)];
  if (path === undefined) {
    refuse(404);
    return;
  }
  try {
    const bytes = readFileSync(path);
    response.writeHead(200, { ...HEADERS, "content-type": "application/octet-stream" }).end(bytes);
  } catch {
    refuse(410);
  }
}
