/** The grammar as a picture: railroad diagrams drawn from what the parser recorded of itself. */
import { internal } from "../../ir/diagnostics.ts";
import { makeValidatedParser } from "./parser.ts";

const GAP = 14;
const CURVE = 9;
const BOX = 24;
const ROW = 10;
const CHARACTER = 7.25;
const MARGIN = 24;

/** A rule of the grammar or a part of one, as chevrotain serialises it. */
interface Gast {
  readonly type: string;
  readonly name?: string;
  readonly label?: string;
  readonly definition?: readonly Gast[];
  readonly separator?: Gast;
}

/** A piece of a diagram: the rail enters at (x, y) and leaves at (x + width, y); it reaches `up` above and `down` below. */
interface Piece {
  readonly width: number;
  readonly up: number;
  readonly down: number;
  readonly draw: (x: number, y: number) => string;
}

const rail = (x: number, y: number, to: number): string => (to > x ? `<path d="M${x} ${y}H${to}"/>` : "");
const escaped = (text: string): string => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function box(text: string, kind: "word" | "kind" | "rule"): Piece {
  const width = Math.ceil(text.length * CHARACTER) + 18;
  const draw = (x: number, y: number): string => {
    const round = kind === "word" ? BOX / 2 : 3;
    const rect = `<rect class="${kind}" x="${x}" y="${y - BOX / 2}" width="${width}" height="${BOX}" rx="${round}"/>`;
    return `${rect}<text x="${x + width / 2}" y="${y + 4}">${escaped(text)}</text>`;
  };
  return { width, up: BOX / 2, down: BOX / 2, draw };
}

const skip: Piece = { width: 0, up: 0, down: 0, draw: () => "" };

function sequence(parts: readonly Piece[]): Piece {
  const [only, second] = parts;
  if (only === undefined || second === undefined) return only ?? skip;
  const width = parts.reduce((sum, part) => sum + part.width, 0) + GAP * (parts.length - 1);
  const draw = (x: number, y: number): string => {
    let at = x;
    return parts
      .map((part, n) => {
        const lead = n === 0 ? "" : rail(at, y, at + GAP);
        at += n === 0 ? 0 : GAP;
        const svg = lead + part.draw(at, y);
        at += part.width;
        return svg;
      })
      .join("");
  };
  return { width, up: Math.max(...parts.map((p) => p.up)), down: Math.max(...parts.map((p) => p.down)), draw };
}

/** The first alternative on the line, the others below it. */
function choice(parts: readonly Piece[]): Piece {
  const [first, second] = parts;
  if (first === undefined || second === undefined) return first ?? skip;
  const side = 2 * CURVE + 2;
  const inner = Math.max(...parts.map((part) => part.width));
  const offsets: number[] = [0];
  for (let n = 1; n < parts.length; n++) {
    const space = Math.max(2 * CURVE, parts[n - 1]!.down + ROW + parts[n]!.up);
    offsets.push(offsets[n - 1]! + space);
  }
  const draw = (x: number, y: number): string =>
    parts
      .map((part, n) => {
        const [left, right, at] = [x + side, x + side + inner, y + offsets[n]!] as const;
        const body = part.draw(left, at) + rail(left + part.width, at, right);
        if (n === 0) return rail(x, y, left) + body + rail(right, y, right + side);
        const into = `M${x} ${y}q${CURVE} 0 ${CURVE} ${CURVE}V${at - CURVE}q0 ${CURVE} ${CURVE} ${CURVE}H${left}`;
        const out = `M${right} ${at}h${side - 2 * CURVE}q${CURVE} 0 ${CURVE} ${-CURVE}V${y + CURVE}q0 ${-CURVE} ${CURVE} ${-CURVE}`;
        return `<path d="${into}"/>${body}<path d="${out}"/>`;
      })
      .join("");
  const last = parts.length - 1;
  return { width: inner + 2 * side, up: first.up, down: offsets[last]! + parts[last]!.down, draw };
}

/** Once or more; `between` stands on the way back. */
function loop(part: Piece, between: Piece): Piece {
  const side = 2 * CURVE;
  const inner = Math.max(part.width, between.width);
  const back = part.down + ROW + between.up;
  const draw = (x: number, y: number): string => {
    const [left, right, low] = [x + side, x + side + inner, y + back] as const;
    const start = left + (inner - between.width) / 2;
    const turn = `M${right} ${y}q${CURVE} 0 ${CURVE} ${CURVE}V${low - CURVE}q0 ${CURVE} ${-CURVE} ${CURVE}`;
    const home = `M${left} ${low}q${-CURVE} 0 ${-CURVE} ${-CURVE}V${y + CURVE}q0 ${-CURVE} ${CURVE} ${-CURVE}`;
    const way = rail(left, low, start) + between.draw(start, low) + rail(start + between.width, low, right);
    const forth = rail(x, y, left) + part.draw(left, y) + rail(left + part.width, y, right + side);
    return `${forth}<path d="${turn}"/>${way}<path d="${home}"/>`;
  };
  return { width: inner + 2 * side, up: part.up, down: back + Math.max(CURVE, between.down), draw };
}

const wordOf = (terminal: Gast): string => (terminal.label ?? terminal.name ?? "").replace(/`/g, "");

function terminal(node: Gast): Piece {
  const label = node.label ?? node.name ?? "";
  return box(wordOf(node), label.startsWith("`") ? "word" : "kind");
}

function piece(node: Gast): Piece {
  const parts = node.definition ?? [];
  const inside = (): Piece => sequence(parts.map(piece));
  switch (node.type) {
    case "Terminal":
      return terminal(node);
    case "NonTerminal":
      return box(node.name ?? "", "rule");
    case "Alternative":
      return inside();
    case "Alternation": {
      const words = parts.flatMap(({ definition: [only, second] = [] }) =>
        only?.type === "Terminal" && second === undefined ? [only] : [],
      );
      // A long list of single words is one box: its words stand for themselves.
      if (words.length > 6 && words.length === parts.length) return box(words.map(wordOf).join("   "), "word");
      return choice(parts.map(piece));
    }
    case "Option":
      return choice([skip, inside()]);
    case "Repetition":
      return choice([skip, loop(inside(), skip)]);
    case "RepetitionMandatory":
      return loop(inside(), skip);
    case "RepetitionWithSeparator":
      return choice([skip, loop(inside(), separatorOf(node))]);
    case "RepetitionMandatoryWithSeparator":
      return loop(inside(), separatorOf(node));
    default:
      return internal(`no diagram for ${node.type}`);
  }
}

const separatorOf = (node: Gast): Piece => (node.separator === undefined ? skip : terminal(node.separator));

/** The rules in the order in which a reader meets them. */
function inReadingOrder(rules: readonly Gast[]): readonly Gast[] {
  const order: Gast[] = [];
  const named = (node: Gast): readonly string[] =>
    node.type === "NonTerminal" ? [node.name ?? ""] : (node.definition ?? []).flatMap(named);
  const pending = ["item"];
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    const rule = rules.find((r) => r.name === name);
    if (rule === undefined || order.includes(rule)) continue;
    order.push(rule);
    pending.push(...(rule.definition ?? []).flatMap(named));
  }
  return order;
}

/** The grammar as one SVG picture: rules from the outermost inwards, words round, other tokens yellow, rules angular. */
export function grammarDiagram(): string {
  // The serialised grammar is plain data of this shape; its own type names every kind of node apart.
  const rules = inReadingOrder(makeValidatedParser().getSerializedGastProductions() as readonly Gast[]);
  const rows: string[] = [];
  let y = MARGIN;
  let width = 0;
  for (const rule of rules) {
    const body = sequence((rule.definition ?? []).map(piece));
    const line = y + 26 + body.up;
    const start = MARGIN + 16;
    const ends = `<path d="M${MARGIN} ${line - 6}v12M${MARGIN} ${line}h16M${start + body.width} ${line}h16m0 -6v12"/>`;
    rows.push(
      `<text class="name" x="${MARGIN}" y="${y + 10}">${rule.name ?? ""}</text>${ends}${body.draw(start, line)}`,
    );
    y = line + body.down + 26;
    width = Math.max(width, start + body.width + 16 + MARGIN);
  }
  const style = [
    "path{fill:none;stroke:#57606a;stroke-width:1.5}",
    "rect{stroke:#57606a;stroke-width:1.2}",
    ".word{fill:#ddf4ff}.kind{fill:#fff8c5}.rule{fill:#f6f8fa}",
    "text{font:12px ui-monospace,SFMono-Regular,Menlo,monospace;text-anchor:middle;fill:#1f2328;white-space:pre}",
    ".name{text-anchor:start;font-weight:bold;font-size:13px}",
  ].join("");
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" role="img">`,
    "<title>The grammar of .loom files as railroad diagrams</title>",
    `<style>${style}</style>`,
    `<rect width="${width}" height="${y}" fill="#ffffff" style="stroke:none"/>`,
    ...rows,
    "</svg>\n",
  ].join("\n");
}
