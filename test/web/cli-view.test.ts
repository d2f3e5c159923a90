/** `bitloom view` as a user runs it: what it writes and says without serving. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeTrace } from "../../simulator/index.ts";
import { type Bitloom, buildBitloom } from "../cli/bitloom.ts";
import { simulated } from "./traces.ts";

describe("bitloom view", () => {
  let bitloom: Bitloom;
  beforeAll(async () => {
    bitloom = await buildBitloom();
    writeFileSync(join(bitloom.cwd, "run.trace"), encodeTrace(simulated().trace!));
    writeFileSync(join(bitloom.cwd, "run.log"), "Kanata\t0004\n");
  });
  afterAll(() => bitloom?.dispose());

  it("writes one page that holds the trace", () => {
    expect(bitloom.run(["view", "run.trace", "--html", "run.html"])).toMatchObject({ exit: 0, stdout: "" });
    const page = readFileSync(join(bitloom.cwd, "run.html"), "utf8");
    expect(page).toContain('id="bitloom-trace" data-name="run.trace"');
    expect(page).toContain("connect-src 'none'");
  });

  it("says what a trace holds, as text and as a document", () => {
    expect(bitloom.run(["view", "run.log", "--info"]).stdout).toMatch(/^run\.log: a Kanata log, /);
    const { exit, stdout } = bitloom.run(["view", "run.trace", "--json"]);
    expect([exit, JSON.parse(stdout)]).toMatchObject([0, { schema: "bitloom.view/1", kind: "bitloom" }]);
  });

  it("refuses what makes no sense, exit 2", () => {
    expect(bitloom.run(["view", "run.trace", "--port", "99999"]).exit).toBe(2);
    expect(bitloom.run(["view", "run.trace", "run.log", "--html", "x.html"]).exit).toBe(2);
    expect(bitloom.run(["view", "run.log", "--chrome", "x.json"]).exit).toBe(2);
  });
});
