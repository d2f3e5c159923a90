/** `npm test`: sets the clone up, checks types and style, runs the tests, and prints the totals on the last line. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT, setUp, vulkanEnvironment } from "./setup.mjs";

/**
 * Runs a package's program with this Node; true when it succeeds.
 * @param {string} script
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
function runNode(script, args, env = process.env) {
  const done = spawnSync(process.execPath, [join(ROOT, "node_modules", script), ...args], {
    cwd: ROOT,
    stdio: "inherit",
    env,
  });
  return done.status === 0;
}

/**
 * Counts of vitest's JSON report; a file that failed before its tests were known counts as one failure.
 * @param {string} path
 */
function readTotals(path) {
  /** @type {{ numPassedTests: number, numFailedTests: number, numPendingTests: number, numTodoTests: number, testResults: { status: string, assertionResults: { status: string, ancestorTitles: string[] }[] }[] }} */
  const report = JSON.parse(readFileSync(path, "utf8"));
  const broken = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  );
  const reasons = report.testResults.flatMap((file) =>
    file.assertionResults
      .filter((test) => test.status === "pending" || test.status === "skipped")
      .flatMap((test) => test.ancestorTitles.filter((title) => title.includes("[skipped: "))),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
    reasons: [...new Set(reasons)],
  };
}

/**
 * @param {readonly string[]} filters
 * @returns {{ passed: number, failed: number, skipped: number, reasons: string[], ok: boolean }}
 */
function runVitest(filters) {
  const folder = mkdtempSync(join(tmpdir(), "bitloom-test-"));
  const report = join(folder, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const ok = runNode("vitest/vitest.mjs", ["run", ...reporters, ...filters], vulkanEnvironment());
  try {
    return { ...readTotals(report), ok };
  } catch {
    return { passed: 0, failed: 1, skipped: 0, reasons: ["vitest left no report"], ok: false };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

setUp({ tools: true });
const checks = [runNode("typescript/bin/tsc", ["--noEmit"]), runNode("@biomejs/biome/bin/biome", ["check", "."])];
const tests = runVitest(process.argv.slice(2));
for (const reason of tests.reasons) console.log(reason);
const passed = tests.passed + checks.filter((ok) => ok).length;
// A run that vitest calls failed for a reason outside any test (an unhandled rejection) still fails.
const failed = Math.max(tests.failed, tests.ok ? 0 : 1) + checks.filter((ok) => !ok).length;
console.log(`${passed} passed, ${failed} failed, ${tests.skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
