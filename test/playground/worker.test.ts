/** The worker without a browser: the newest edit wins, another target costs one compilation, questions are answered. */
import { describe, expect, it } from "vitest";
import type { FromWorker, Job, Reply, ToWorker } from "../../web/playground/protocol.ts";
import { histogramOf } from "../../web/playground/run-job.ts";
import { startWorker } from "../../web/playground/worker.ts";

const TEXT = "op own<M>(x: f16[M]) -> f16[M] {\n  y[m] = 2 * x[m]\n}\n";
const job = (text: string, targets = ["wgsl.p0", "metal.3"]): Job => ({ text, op: "", sizes: { M: 64 }, targets });

/** A worker, and everything that it says. */
function open() {
  const said: (FromWorker | Reply)[] = [];
  const waiting: (() => void)[] = [];
  const scope = {
    onmessage: null as ((event: MessageEvent<ToWorker>) => void) | null,
    postMessage(message: FromWorker | Reply) {
      said.push(message);
      for (const wake of waiting.splice(0)) wake();
    },
  };
  startWorker(scope);
  const send = (message: ToWorker): void => scope.onmessage!({ data: message } as MessageEvent<ToWorker>);
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  return { said, send, until };
}

const edits = (said: readonly (FromWorker | Reply)[], kind: FromWorker["kind"]): readonly number[] =>
  said.flatMap((m) => (m.kind === kind && "edit" in m ? [m.edit] : []));

describe("the worker", () => {
  it("drops an edit that a newer one has overtaken", async () => {
    const { said, send, until } = open();
    for (let edit = 1; edit <= 5; edit++) send({ kind: "edit", edit, job: job(`${TEXT}// ${edit}\n`) });
    await until(() => edits(said, "done").length > 0);
    // The first was taken up before the others came, and left at its first rest; those between were never begun.
    expect(edits(said, "checked")).toEqual([1, 5]);
    expect(edits(said, "compiled")).toEqual([5, 5]);
    expect(edits(said, "done")).toEqual([5]);
  });

  it("keeps what it has compiled for the same text", async () => {
    const { said, send, until } = open();
    send({ kind: "edit", edit: 1, job: job(TEXT, ["wgsl.p0"]) });
    await until(() => edits(said, "done").includes(1));
    send({ kind: "edit", edit: 2, job: job(TEXT, ["wgsl.p0", "metal.3"]) });
    await until(() => edits(said, "done").includes(2));
    const results = said.flatMap((m) => (m.kind === "compiled" ? [m.result] : []));
    expect(results.map((r) => r.target)).toEqual(["wgsl.p0", "wgsl.p0", "metal.3"]);
    expect(results[1]).toBe(results[0]);
  });

  it("survives text that is no program", async () => {
    const { said, send, until } = open();
    send({ kind: "edit", edit: 1, job: job("format {{{ \u0000 op op op") });
    await until(() => edits(said, "done").length > 0);
    expect(edits(said, "compiled")).toEqual([]);
    const [checked] = said.flatMap((m) => (m.kind === "checked" ? [m.checked] : []));
    expect(checked?.ok).toBe(false);
  });

  it("answers with the types of the newest text", async () => {
    const { said, send, until } = open();
    send({ kind: "edit", edit: 1, job: job(TEXT, []) });
    await until(() => edits(said, "done").length > 0);
    send({ kind: "ask", id: 7, question: { kind: "describe", file: 0, offset: TEXT.indexOf("x[m]") } });
    await until(() => said.some((m) => m.kind === "answer"));
    expect(said.at(-1)).toMatchObject({ kind: "answer", id: 7, answer: { described: { title: "x: f16[M]" } } });
  });

  it("refuses jobs that cannot be done, with the reason", async () => {
    const { said, send, until } = open();
    const what = { kind: "simulate", job: job(TEXT), machine: "h100-sxm", workload: "op" } as const;
    send({ kind: "do", id: 3, what });
    await until(() => said.length > 0);
    expect(said[0]).toEqual({ kind: "refused", id: 3, message: "h100-sxm is a GPU; accelerators are simulated" });
  });
});

describe("histograms", () => {
  it("count each element once, by its part of the bound and by its size", () => {
    const expected = [1, 1, 1, 1, 0, 2];
    const actual = [1, 1 + 2.2e-4, 1 - 0.5, Number.NaN, 0, 2 + 1e-6];
    const { ofBound, relative } = histogramOf(actual, expected, () => 4e-4);
    expect(ofBound.reduce((a, b) => a + b)).toBe(6);
    // Exact ones and 2.5e-3 of the bound first; half of the bound in the middle; two outside, of which one is no number.
    expect([ofBound[0], ofBound[11], ofBound[20]]).toEqual([3, 1, 2]);
    expect(relative.reduce((a, b) => a + b)).toBe(6);
    expect(relative[0]).toBe(2);
    // 2.2e-4 in the decade of 1e-4, 5e-7 in that of 1e-7, 0.5 in that of 1e-1.
    expect([relative[6], relative[3], relative[9]]).toEqual([1, 1, 1]);
  });
});
