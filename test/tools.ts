/** How tests ask for programs outside npm: without one they are skipped with the reason, with CI=true they fail. */
import { describe, it } from "vitest";
import { findTool, missingReason, type Tool } from "../scripts/tools.mjs";

export type { Tool };

/** Undefined when all tools are there, else why the tests concerned cannot run; throws where CI=true. */
export function requireTool(...tools: readonly Tool[]): string | undefined {
  const reasons = tools.map(missingReason).filter((reason) => reason !== undefined);
  if (reasons.length === 0) return undefined;
  if (process.env.CI === "true") throw new Error(reasons.join("; "));
  return reasons.join("; ");
}

/** Path of a tool that `requireTool` found. */
export function toolPath(tool: Tool): string {
  const path = findTool(tool);
  if (path === undefined) throw new Error(missingReason(tool));
  return path;
}

/** `describe` for tests that need tools: skipped with the reason in the title, or one failing test where CI=true. */
export function describeWith(tools: readonly Tool[], name: string, body: () => void): void {
  const reason = tools
    .map(missingReason)
    .filter((r) => r !== undefined)
    .join("; ");
  if (reason === "") describe(name, body);
  else if (process.env.CI !== "true") describe.skip(`${name} [skipped: ${reason}]`, body);
  else
    describe(name, () => {
      it("finds its tools", () => {
        throw new Error(reason);
      });
    });
}
