/** `simulate --report FILE`: one page with every run's results and traces, that opens without a network. */
import type { AcceleratorModel } from "../../hw-models/schema.ts";
import { SIMULATE_SCHEMA, type Simulation } from "../../simulator/simulate.ts";
import { encodeTrace } from "../../simulator/trace.ts";
import type { OutputFile } from "./files.ts";
import { formatBytes } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { type EmbeddedFile, embedFiles, viewerPage } from "./trace-page.ts";

/** A browser holds so much of unpacked traces at once with ease; runs beyond it go in with their results alone. */
const MAX_TRACE_BYTES = 256 * 2 ** 20;

/** What a run leaves in the page: its trace, or where that is too large its results with the machine. */
export function embeddedRun(
  { report, trace }: Simulation,
  machines: readonly AcceleratorModel[],
  room: number,
): EmbeddedFile {
  const [result] = report.results;
  const name = [result?.workload, result?.hardware, result?.phase].join(" ");
  const bytes = trace === undefined ? undefined : encodeTrace(trace);
  if (bytes !== undefined && bytes.length <= room) return { name: `${name}.trace`, bytes };
  const own = machines.filter((m) => m.name === result?.hardware);
  const document = { schema: SIMULATE_SCHEMA, results: report.results, machines: own };
  const unlimited = (_: string, value: unknown): unknown => (value === Number.POSITIVE_INFINITY ? "unlimited" : value);
  return { name: `${name}.json`, bytes: new TextEncoder().encode(JSON.stringify(document, unlimited)) };
}

/** The page of all runs, in their order; undefined where the page was not built, which the reader has been told. */
export function reportPage(
  terminal: Terminal,
  path: string,
  simulations: readonly Simulation[],
  machines: readonly AcceleratorModel[],
): OutputFile | undefined {
  const page = viewerPage();
  if (page === undefined) {
    terminal.say(`${terminal.accent("red", "error:")} the page is not built; \`npm run build\` builds it`);
    return undefined;
  }
  let room = MAX_TRACE_BYTES;
  let left = 0;
  const files = simulations.map((simulation) => {
    const file = embeddedRun(simulation, machines, room);
    if (file.name.endsWith(".trace")) room -= file.bytes.length;
    else left++;
    return file;
  });
  if (left > 0)
    terminal.say(
      `${left} of ${files.length} runs are in the report without a timeline: traces of more than ${formatBytes(MAX_TRACE_BYTES)} in all`,
    );
  return { path, content: embedFiles(page, files) };
}
