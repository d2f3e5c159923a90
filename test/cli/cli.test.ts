/** The command line as a user meets it: help, versions, mistakes, streams and exit codes. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { type Bitloom, buildBitloom } from "./bitloom.ts";

describe("bitloom", () => {
  let bitloom: Bitloom;
  beforeAll(async () => {
    bitloom = await buildBitloom();
  });
  afterAll(() => bitloom.dispose());

  it("prints the package's version", () => {
    expect(bitloom.run(["--version"])).toEqual({ exit: 0, stdout: `${packageJson.version}\n`, stderr: "" });
  });

  it("lists its commands on stdout with --help", () => {
    const { exit, stdout, stderr } = bitloom.run(["--help"]);
    expect([exit, stderr]).toEqual([0, ""]);
    for (const name of ["doctor", "view"]) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, "m"));
  });

  it("suggests the command that was meant, exit 2, nothing on stdout", () => {
    const { exit, stdout, stderr } = bitloom.run(["doctr"]);
    expect([exit, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("Did you mean doctor?");
  });

  it("suggests the option that was meant, exit 2", () => {
    const { exit, stderr } = bitloom.run(["doctor", "--jsn"]);
    expect(exit).toBe(2);
    expect(stderr).toContain("Did you mean --json?");
  });

  it("says that an argument is missing, exit 2", () => {
    const { exit, stderr } = bitloom.run(["view"]);
    expect(exit).toBe(2);
    expect(stderr).toContain("missing required argument 'trace'");
  });

  it("says why a file cannot be read, exit 3, no stack trace", () => {
    const { exit, stdout, stderr } = bitloom.run(["view", "nothing.json"]);
    expect({ exit, stdout, stderr }).toEqual({
      exit: 3,
      stdout: "",
      stderr: "error: cannot read nothing.json: no such file or folder\n",
    });
    expect(bitloom.run(["view", "."]).stderr).toBe("error: cannot read .: it is a folder\n");
  });

  it("reads text only", () => {
    writeFileSync(join(bitloom.cwd, "binary"), Uint8Array.of(0xff, 0xfe, 0x80));
    expect(bitloom.run(["check", "binary"])).toMatchObject({
      exit: 3,
      stderr: "error: cannot read binary: it is not UTF-8 text\n",
    });
  });

  it("knows a Chrome trace and refuses what is no trace", () => {
    writeFileSync(join(bitloom.cwd, "a.json"), '{"traceEvents":[]}');
    writeFileSync(join(bitloom.cwd, "b.json"), "{}");
    expect(bitloom.run(["view", "a.json", "--info"])).toMatchObject({
      exit: 0,
      stdout: expect.stringContaining("Chrome"),
    });
    expect(bitloom.run(["view", "b.json"])).toMatchObject({ exit: 1, stdout: "" });
  });

  it("doctor prints a versioned document", () => {
    const { exit, stdout } = bitloom.run(["doctor", "--json"]);
    const document = JSON.parse(stdout);
    expect([exit, document.schema]).toEqual([0, "bitloom.doctor/1"]);
    expect(document.findings).toContainEqual(expect.objectContaining({ what: "Node", found: process.versions.node }));
  });

  it("colours on request only", () => {
    expect(bitloom.run(["doctor"], { env: { NO_COLOR: "1" } }).stdout).not.toContain("\u001b[");
    expect(bitloom.run(["doctor"], { env: { FORCE_COLOR: "1" } }).stdout).toContain("\u001b[1m");
    expect(bitloom.run(["doctor"], { env: { FORCE_COLOR: "1", NO_COLOR: "1" } }).stdout).not.toContain("\u001b[");
  });
});
