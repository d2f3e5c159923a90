/** `bitloom compare A B`: two reports or traces, aligned by operation; exit 1 where a limit of --fail-on is breached. */
import { Diagnostics } from "../../ir/diagnostics.ts";
import {
  breaches,
  type ComparedResult,
  compareReports,
  type Difference,
  type Limit,
  METRICS,
  type PairDifference,
  parseLimit,
} from "../../simulator/differences.ts";
import { SIMULATE_SCHEMA } from "../../simulator/simulate.ts";
import { decodeTrace, type Trace } from "../../simulator/trace.ts";
import { readBytes } from "./files.ts";
import { sayDiagnostics } from "./report.ts";
import { markdownOf, printSections, type Section } from "./sections.ts";
import { joules, right } from "./simulate-report.ts";
import { formatBytes, formatCount, formatSeconds } from "./table.ts";
import { EXIT, type Exit, printJson, type Terminal, usageError } from "./terminal.ts";

export interface CompareOptions {
  readonly failOn?: string;
  readonly all?: boolean;
  readonly json?: boolean;
  readonly markdown?: boolean;
}

/** Layers whose tables are shown; `--all` shows the rest. */
const MAX_LAYERS = 20;

type Read = { readonly results: readonly ComparedResult[] } | { readonly exit: Exit };

/** The results in a file: a report of any depth, or a trace. */
function readResults(terminal: Terminal, path: string): Read {
  const bytes = readBytes(terminal, path);
  if (bytes === undefined) return { exit: EXIT.unreadable };
  const refuse = (why: string): Read => {
    terminal.say(`${terminal.accent("red", "error:")} ${path} is ${why}`);
    return { exit: EXIT.failed };
  };
  if (bytes[0] === 0x42 && bytes[1] === 0x4c) {
    const sink = new Diagnostics();
    const trace = decodeTrace(bytes, 0, sink);
    sayDiagnostics(terminal, sink.list, [{ name: path, text: "" }]);
    if (trace === undefined) return { exit: EXIT.failed };
    const result = resultOf(trace);
    return result === undefined ? refuse("a trace without figures: write it again") : { results: [result] };
  }
  const report = parseReport(new TextDecoder().decode(bytes));
  if (report === undefined) return refuse(`neither a report of \`simulate --json\` (${SIMULATE_SCHEMA}) nor a trace`);
  return { results: report };
}

const isResult = (value: unknown): value is ComparedResult => {
  const result = value as Partial<ComparedResult> | null;
  const cycles = result?.totals?.cycles;
  return typeof result === "object" && typeof cycles === "number" && Array.isArray(result?.layers);
};

function parseReport(text: string): readonly ComparedResult[] | undefined {
  try {
    const report = JSON.parse(text) as { readonly schema?: unknown; readonly results?: unknown } | null;
    const { schema, results } = report ?? {};
    return schema === SIMULATE_SCHEMA && Array.isArray(results) && results.every(isResult) ? results : undefined;
  } catch {
    return undefined;
  }
}

/** A trace's layers with the figures of their segments; undefined where it has none. */
function resultOf({ header }: Trace): ComparedResult | undefined {
  const { run, layers, segments } = header;
  if (run === undefined) return undefined;
  const found = layers.flatMap((layer) => {
    const figures = segments[layer.segment]?.figures;
    return figures === undefined ? [] : [{ ...figures, name: layer.name }];
  });
  if (found.length < layers.length) return undefined;
  const sum = (of: (f: (typeof found)[number]) => number): number => found.reduce((s, f) => s + of(f), 0);
  const dram = { read: sum((f) => f.bytes.dram?.read ?? 0), write: sum((f) => f.bytes.dram?.write ?? 0) };
  const cycles = sum((f) => f.cycles);
  const totals = {
    cycles,
    timeSeconds: sum((f) => f.timeSeconds),
    energyPJ: { total: sum((f) => f.energyPJ.total) },
    bytes: { dram },
    utilisation: cycles === 0 ? 0 : sum((f) => f.utilisation * f.cycles) / cycles,
  };
  return { ...run.result, totals, layers: found };
}

const SHOWN = {
  cycles: formatCount,
  time: formatSeconds,
  energy: joules,
  dram: formatBytes,
  utilisation: (value: number) => `${(100 * value).toFixed(1)} %`,
} as const;

const signed = (value: number, show: (value: number) => string): string =>
  value === 0 ? "0" : `${value < 0 ? "−" : "+"}${show(Math.abs(value))}`;

function cells({ a, b, difference, ratio }: Difference, show: (value: number) => string): readonly string[] {
  return [
    a === null ? "" : show(a),
    b === null ? "" : show(b),
    difference === null ? "" : signed(difference, show),
    ratio === null ? "" : `${ratio.toFixed(3)}×`,
  ];
}

function pairSections(pair: PairDifference, all: boolean): readonly Section[] {
  const { totals, arrayStates, layers } = pair;
  const moved = layers.filter((l) => l.cycles.difference !== 0);
  const sorted = [...moved].sort((x, y) => Math.abs(y.cycles.difference ?? 0) - Math.abs(x.cycles.difference ?? 0));
  const shown = all ? sorted : sorted.slice(0, MAX_LAYERS);
  const rest = sorted.slice(shown.length).reduce((sum, l) => sum + (l.cycles.difference ?? 0), 0);
  const same = layers.length - moved.length;
  const states = Object.entries(arrayStates)
    .filter(([, d]) => d !== 0)
    .sort(([, x], [, y]) => Math.abs(y) - Math.abs(x));
  const sections: Section[] = [
    {
      title: `${pair.workload}, ${pair.phase}: ${pair.a} → ${pair.b}`,
      columns: [{ title: "" }, right("A"), right("B"), right("Difference"), right("B / A")],
      rows: METRICS.filter((m) => totals[m].a !== null || totals[m].b !== null).map((m) => [
        m,
        ...cells(totals[m], SHOWN[m]),
      ]),
    },
    {
      columns: [{ title: "The array" }, right("Cycles")],
      rows: states.map(([name, d]) => [name, signed(d, formatCount)]),
    },
    {
      columns: [
        { title: "Operation" },
        right("A"),
        right("B"),
        right("Difference"),
        right("B / A"),
        right("Energy", 2),
        { title: "In", drop: 1 },
      ],
      rows: [
        ...shown.map((l) => [
          l.name,
          ...cells(l.cycles, formatCount),
          l.energy.difference === null ? "" : signed(l.energy.difference, joules),
          l.in,
        ]),
        ...(rest === 0 && shown.length === sorted.length
          ? []
          : [[`${sorted.length - shown.length} others`, "", "", signed(rest, formatCount)]]),
      ],
      ...(same > 0 ? { notes: [`${same} operations take as many cycles as before`] } : {}),
    },
  ];
  return sections.filter((s) => s.rows.length > 0 || s.notes !== undefined);
}

export async function run(
  terminal: Terminal,
  [pathA = "", pathB = ""]: readonly string[],
  options: CompareOptions,
): Promise<Exit> {
  const limits: Limit[] = [];
  for (const text of options.failOn?.split(",") ?? []) {
    const limit = parseLimit(text);
    if (limit === undefined)
      return usageError(
        terminal,
        `--fail-on takes limits such as cycles>+2%, not ${text}`,
        `metrics are ${METRICS.join(", ")}`,
      );
    limits.push(limit);
  }
  const [a, b] = [readResults(terminal, pathA), readResults(terminal, pathB)];
  if ("exit" in a) return a.exit;
  if ("exit" in b) return b.exit;
  const { pairs, alone } = compareReports(a.results, b.results);
  if (pairs.length === 0) {
    terminal.say(`${terminal.accent("red", "error:")} nothing in ${pathA} and ${pathB} is comparable`);
    return EXIT.failed;
  }
  const breached = pairs.flatMap((pair) =>
    limits
      .filter((l) => breaches(l, pair.totals))
      .map((l) => ({ limit: l.text, configuration: pair.b, phase: pair.phase, ...pair.totals[l.metric] })),
  );
  if (options.json) printJson(terminal, "bitloom.compare/1", { a: pathA, b: pathB, pairs, alone, breached });
  else {
    const sections = pairs.flatMap((pair) => pairSections(pair, options.all === true));
    if (options.markdown) terminal.out(markdownOf(sections));
    else printSections(terminal, sections);
  }
  for (const name of alone) terminal.say(`only in one of them: ${name}`);
  for (const { limit, configuration, phase, ratio } of breached)
    terminal.say(
      `${terminal.accent("red", "breached:")} ${limit} by ${configuration}, ${phase}${ratio === null ? "" : `: ${ratio.toFixed(4)}×`}`,
    );
  return breached.length > 0 ? EXIT.failed : EXIT.ok;
}
