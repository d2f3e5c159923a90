/** A compile report for people: what was chosen and why, what it moves and computes, what limits it, how exact it is. */
import type { CompileReport } from "../compile-report.ts";
import { formatBytes, formatCount, formatSeconds, layOutTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

function expectation({ expected, operations, bytes }: CompileReport): string {
  if (expected.floorMicroseconds === null) return "unknown: no hardware model stands for this target";
  const arithmetic = operations.count / (bytes.read + bytes.written);
  const time = formatSeconds(expected.floorMicroseconds * 1e-6);
  return `at least ${time} on ${expected.model}, limited by ${expected.limiter} (${formatCount(arithmetic)} operations per byte)`;
}

function schedule({ schedule: s }: CompileReport): string {
  const row = s.row === undefined ? "" : ` ${s.row}`;
  return `${s.strategy}${row}, tile ${s.tileM} × ${s.tileN}, ${s.chunk} values a step, ${s.warps} warps`;
}

/** Prints one report, a few lines under a title. */
export function printCompileReport(terminal: Terminal, report: CompileReport): void {
  const sizes = Object.entries(report.sizes)
    .map(([name, size]) => `${name}=${size}`)
    .join(" ");
  terminal.out(`${terminal.style("bold", report.op)}  ${sizes}  ${terminal.style("cyan", report.target)}`);
  const { bytes, operations, accumulator } = report;
  const lines: readonly (readonly [string, string])[] = [
    ["strategy", schedule(report)],
    ...report.schedule.reasons.map((reason) => ["", reason] as const),
    ["moves", `${formatBytes(bytes.read)} read, ${formatBytes(bytes.written)} written`],
    ["computes", `${formatCount(operations.count)} ${operations.unit}s`],
    ["expected", expectation(report)],
    ["accumulator", `${accumulator.type}: ${accumulator.because}`],
  ];
  for (const [name, text] of lines) terminal.out(`  ${terminal.style("dim", name.padEnd(11))}  ${text}`);
  const launches = layOutTable(
    [
      { title: "launch" },
      { title: "grid", align: "right" },
      { title: "threads", align: "right" },
      { title: "shared", align: "right" },
      { title: "live values", align: "right" },
    ],
    report.launches.map((l) => [
      l.name,
      l.grid.join("×"),
      `${l.threads}`,
      formatBytes(l.sharedBytes),
      `${l.liveValues}`,
    ]),
    terminal.width,
  );
  launches.forEach((line, i) => {
    terminal.out(`  ${i === 0 ? terminal.style("dim", line) : line}`);
  });
}
