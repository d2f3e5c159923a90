/** `bitloom view`'s server and offline page: who is let in, what is given out, under which policy. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { embedFiles } from "../../compiler/cli/trace-page.ts";
import { type Serving, serveTraces } from "../../compiler/cli/view-server.ts";
import { webPage } from "../../scripts/build-web.mjs";

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** As a client that sends what it likes: no path is tidied up. */
function ask(
  url: URL,
  path: string,
  options: { readonly method?: string; readonly host?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = options.host === undefined ? {} : { host: options.host };
    const sent = request(
      { hostname: url.hostname, port: url.port, path, method: options.method ?? "GET", headers },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        );
      },
    );
    sent.on("error", reject);
    sent.end();
  });
}

describe("the server of view", () => {
  const folder = mkdtempSync(join(tmpdir(), "bitloom-view-"));
  let serving: Serving;
  let url: URL;
  let base: string;
  beforeAll(async () => {
    writeFileSync(join(folder, "a b.trace"), "first");
    writeFileSync(join(folder, "secret"), "not named");
    const started = await serveTraces(await webPage(), [join(folder, "a b.trace")], 0);
    if (started.kind === "failed") throw new Error(started.why);
    serving = started;
    url = new URL(serving.urls[0]!);
    base = url.pathname;
  });
  afterAll(() => {
    serving?.server.closeAllConnections();
    serving?.server.close();
    rmSync(folder, { recursive: true });
  });

  it("listens on this machine only, under a token that nobody guesses", () => {
    expect(url.hostname).toBe("127.0.0.1");
    expect(serving.server.address()).toMatchObject({ address: "127.0.0.1" });
    expect(base).toMatch(/^\/[0-9a-f]{32}\/$/);
  });

  it("gives the page under a strict policy, and the trace that was named", async () => {
    const page = await ask(url, base);
    expect(page.status).toBe(200);
    const policy = String(page.headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("connect-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(page.headers).toMatchObject({ "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" });
    const trace = await ask(url, `${base}${encodeURI(url.searchParams.get("trace")!)}`);
    expect([trace.status, trace.body.toString()]).toEqual([200, "first"]);
  });

  it.each<readonly [string, () => string, number]>([
    ["without the token", () => "/", 404],
    ["with another token", () => `/${"0".repeat(32)}/`, 404],
    ["for a file that was not named", () => `${base}trace/1/secret`, 404],
    ["for a path out of the folder", () => `${base}trace/0/../../../secret`, 404],
    ["for a path out of it in disguise", () => `${base}trace/%2e%2e%2fsecret`, 404],
    ["for a huge number", () => `${base}trace/99999999999/x`, 404],
  ])("refuses a request %s", async (_name, path, status) => {
    const answer = await ask(url, path());
    expect([answer.status, answer.body.length]).toEqual([status, 0]);
  });

  it("refuses names that point here, and methods that change things", async () => {
    expect((await ask(url, base, { host: "evil.example" })).status).toBe(403);
    expect((await ask(url, base, { host: `localhost:${url.port}` })).status).toBe(200);
    expect((await ask(url, base, { method: "POST" })).status).toBe(405);
  });

  it("says that a port is in use", async () => {
    expect(await serveTraces("", [], Number(url.port))).toEqual({ kind: "failed", why: "it is in use" });
  });
});

describe("the offline page", () => {
  it("holds the trace packed, asks nobody, and keeps names from becoming markup", async () => {
    const page = embedFiles(await webPage(), [
      { name: '"><script>alert(1)</script>', bytes: Buffer.from("the trace") },
    ]);
    expect(page).toContain("connect-src 'none'");
    expect(page).not.toContain("<script>alert");
    const data = /id="bitloom-trace" data-name="[^"]*">([A-Za-z0-9+/=]*)<\/script>/.exec(page)![1]!;
    expect(gunzipSync(Buffer.from(data, "base64")).toString()).toBe("the trace");
  });

  it("is one file: it names no other", async () => {
    const page = await webPage();
    const head = page.replace(/<script>[\s\S]*<\/script>/, "").replace(/<style>[\s\S]*<\/style>/, "");
    expect(head).not.toMatch(/src=|href="(?!data:)/);
  });

  it("stays below 250 kB gzipped", async () => {
    const { gzipSync } = await import("node:zlib");
    expect(gzipSync(await webPage()).length).toBeLessThan(250_000);
  });
});
