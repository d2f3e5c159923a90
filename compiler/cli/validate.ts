/** `bitloom hw validate`: everything published that the simulator can be held against, and whether it agrees. */
import {
  differenceOf,
  type EvidenceGroup,
  type EvidenceRow,
  evidence,
  verdictOf,
} from "../../simulator/evidence/index.ts";
import { tileMachine } from "../passes/tile-machine.ts";
import { printTable } from "./table.ts";
import { EXIT, type Exit, printJson, type Terminal } from "./terminal.ts";

/** Groups with more rows than this are counted, and only rows that differ are printed. */
const MAX_PRINTED = 40;

const weight = (rows: readonly EvidenceRow[]): number => rows.reduce((sum, r) => sum + (r.times ?? 1), 0);
const withVerdict = (rows: readonly EvidenceRow[], verdict: string): readonly EvidenceRow[] =>
  rows.filter((r) => verdictOf(r) === verdict);

function figure(value: number | undefined): string {
  if (value === undefined) return "–";
  return Number.isInteger(value)
    ? `${value}`
    : value.toPrecision(Math.max(4, Math.ceil(Math.log10(Math.abs(value))) + 2));
}

function difference(row: EvidenceRow): string {
  const found = differenceOf(row);
  if (found === undefined) return "";
  if (found === 0) return "0";
  const percent = 100 * found;
  return `${percent > 0 ? "+" : ""}${Math.abs(percent) < 0.01 ? percent.toExponential(0) : percent.toFixed(2)} %`;
}

/** One line that counts a group's rows by verdict. */
function summary({ rows }: EvidenceGroup): string {
  const [agree, differ, open] = (["agrees", "differs", "open"] as const).map((v) => weight(withVerdict(rows, v)));
  const parts = [`${agree} of ${weight(rows) - open!} figures agree`];
  if (differ! > 0) parts.push(`${differ} DIFFER`);
  if (open! > 0) parts.push(`${open} cannot be decided`);
  return parts.join(", ");
}

function printGroup(terminal: Terminal, group: EvidenceGroup): void {
  terminal.out(terminal.style("bold", group.title));
  terminal.out(`${summary(group)} (${group.source})`);
  const rows = group.rows.length <= MAX_PRINTED ? group.rows : withVerdict(group.rows, "differs");
  if (rows.length > 0)
    printTable(
      terminal,
      [
        { title: "Claim" },
        { title: "Published", align: "right" },
        { title: "Ours", align: "right" },
        { title: "Difference", align: "right" },
        { title: "", drop: 1 },
      ],
      rows.map((r) => [
        r.claim,
        `${r.published}`,
        figure(r.ours),
        difference(r),
        verdictOf(r) === "differs" ? "DIFFERS" : verdictOf(r),
      ]),
    );
  for (const note of new Set(rows.flatMap((r) => r.note ?? []))) terminal.out(terminal.style("dim", `note: ${note}`));
  terminal.out("");
}

/** Prints groups of evidence; exit 1 where a figure differs that should not. */
export function printEvidence(terminal: Terminal, groups: readonly EvidenceGroup[], json: boolean | undefined): Exit {
  const all = groups.flatMap((g) => g.rows);
  const differ = weight(withVerdict(all, "differs"));
  if (json === true)
    printJson(terminal, "bitloom.validate/1", {
      ok: differ === 0,
      groups: groups.map(({ rows, ...group }) => ({
        ...group,
        rows: rows.map(({ claim, published, ours, agreement, times, note }) => ({
          claim,
          published,
          ours: ours ?? null,
          difference: differenceOf({ claim, published, agreement, ...(ours === undefined ? {} : { ours }) }) ?? null,
          agreement,
          verdict: verdictOf({ claim, published, agreement, ...(ours === undefined ? {} : { ours }) }),
          times: times ?? 1,
          note: note ?? null,
        })),
      })),
    });
  else {
    for (const group of groups) printGroup(terminal, group);
    terminal.out(`In all ${summary({ name: "", title: "", source: "", rows: all })}. --json has every row.`);
  }
  return differ === 0 ? EXIT.ok : EXIT.failed;
}

/** The command. */
export function validate(terminal: Terminal, json: boolean | undefined): Exit {
  terminal.progress("running every published configuration");
  return printEvidence(terminal, evidence(tileMachine), json);
}
