/** `bitloom play [FILE]`: the playground, served to this machine or written as one file that needs no network. */
import { basename } from "node:path";
import { deflateRawSync } from "node:zlib";
import { readText, writeFiles } from "./files.ts";
import { formatBytes } from "./table.ts";
import { EXIT, type Exit, printJson, type Terminal, usageError } from "./terminal.ts";
import { builtPage, embedStart } from "./trace-page.ts";
import { serveTraces } from "./view-server.ts";

export interface PlayOptions {
  readonly out?: string;
  readonly port?: string;
  readonly json?: boolean;
}

const PLAY_SCHEMA = "bitloom.play/1";

/** The address's fragment that opens the playground with a text: what web/playground/state.ts reads. */
export function startFragment(text: string): string {
  const packed = deflateRawSync(Buffer.from(JSON.stringify({ text })), { level: 9 });
  return `#1.${packed.toString("base64url")}`;
}

async function serve(terminal: Terminal, page: string, port: number, fragment: string, json: boolean): Promise<Exit> {
  const serving = await serveTraces(page, [], port);
  if (serving.kind === "failed") {
    terminal.say(`${terminal.accent("red", "error:")} cannot listen on port ${port}: ${serving.why}`);
    return EXIT.failed;
  }
  const url = `${serving.urls[0]}${fragment}`;
  if (json) printJson(terminal, PLAY_SCHEMA, { url });
  else terminal.out(url);
  terminal.say("Open it in a browser on this machine; Ctrl-C ends it.");
  await new Promise((resolve) => serving.server.once("close", resolve));
  return EXIT.ok;
}

export async function run(terminal: Terminal, paths: readonly string[], options: PlayOptions): Promise<Exit> {
  const port = Number(options.port ?? "0");
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    return usageError(terminal, `--port takes a number up to 65535, not ${options.port}`);
  if (paths.length > 1) return usageError(terminal, "play opens one file");
  const [path] = paths;
  const text = path === undefined ? undefined : readText(terminal, path);
  if (path !== undefined && text === undefined) return EXIT.unreadable;
  const page = builtPage("playground.html");
  if (page === undefined) {
    terminal.say(`${terminal.accent("red", "error:")} the playground is not built; \`npm run build\` builds it`);
    return EXIT.failed;
  }
  if (options.out === undefined)
    return serve(terminal, page, port, text === undefined ? "" : startFragment(text), options.json === true);
  const content = path === undefined || text === undefined ? page : embedStart(page, basename(path), text);
  const exit = writeFiles(terminal, [{ path: options.out, content }]);
  if (exit !== EXIT.ok) return exit;
  const bytes = Buffer.byteLength(content);
  if (options.json) printJson(terminal, PLAY_SCHEMA, { path: options.out, bytes });
  else terminal.say(`wrote ${options.out} (${formatBytes(bytes)})`);
  return EXIT.ok;
}
