/** Programs as text: readable, stable, complete; `parseProgram` reads it back. */
import type { ExprId, Exprs } from "../expr.ts";
import {
  type Dim,
  isTileOp,
  type Mapping,
  type Place,
  type Program,
  type Region,
  type Ring,
  type Role,
  type Step,
  type Tensor,
  type TileOp,
} from "../program.ts";
import { type ExprNames, type ExprPrinter, exprPrinter, inputsOf, nameText } from "./expr.ts";
import { formatLines, layoutText, tableText } from "./layout.ts";

/** The version of both texts; raised when an older parser could misread a newer text. */
export const TEXT_VERSION = 1;

const indent = (lines: readonly string[]): readonly string[] => lines.map((line) => (line === "" ? "" : `  ${line}`));

/** The whole program: formats, tables, rings and tensors it refers to, then its steps. */
export function printProgram(program: Program): string {
  const lines = [
    `bitloom program ${TEXT_VERSION}`,
    `program ${nameText(program.name)} {`,
    ...indent(program.formats.flatMap(formatLines)),
    ...indent(program.tables.map(tableText)),
    ...indent(program.rings.map(ringText)),
    ...indent(program.tensors.flatMap(tensorLines)),
    "",
    ...indent(program.body.flatMap((step) => stepLines(program, step))),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}

function ringText(ring: Ring): string {
  const to = ring.consumers.map((name) => nameText(name)).join(", ");
  return `ring ${nameText(ring.id)} depth ${ring.depth} from ${nameText(ring.producer)} to ${to}`;
}

function placeText(place: Place): string {
  return place.startsWith("unit:") ? `unit ${nameText(place.slice("unit:".length))}` : place;
}

function tensorLines(tensor: Tensor): readonly string[] {
  const axes = tensor.axes.map((axis, i) => `${nameText(axis)} ${tensor.shape[i]}`).join(", ");
  const ring = tensor.ring === undefined ? "" : ` ring ${nameText(tensor.ring)}`;
  const { origin } = tensor;
  const from =
    origin === undefined
      ? ""
      : ` origin ${nameText(origin.operand)} ${nameText(origin.format)} ${nameText(origin.field)}`;
  const head = `${tensor.role} ${nameText(tensor.id)}: ${tensor.type}[${axes}] ${placeText(tensor.place)}${ring}${from}`;
  return tensor.layout === undefined ? [head] : [head, `  layout ${layoutText(tensor.layout)}`];
}

function block(head: string, body: readonly string[]): readonly string[] {
  return [`${head} {`, ...indent(body), "}"];
}

function stepLines(program: Program, step: Step): readonly string[] {
  if (isTileOp(step)) return opLines(program, step);
  const inside = (body: readonly Step[]): readonly string[] => body.flatMap((inner) => stepLines(program, inner));
  switch (step.kind) {
    case "loop": {
      const by = step.step === 1 ? "" : ` step ${step.step}`;
      const map = step.map.kind === "serial" ? "" : ` : ${mappingText(step.map)}`;
      return block(`loop ${nameText(step.name)} 0..${step.extent}${by}${map}`, inside(step.body));
    }
    case "launch":
      return block(`launch ${nameText(step.name)}`, inside(step.body));
    case "roles":
      return block(
        "roles",
        step.roles.flatMap((role) => block(roleText(role), inside(role.body))),
      );
    case "signal":
      return [`signal ${nameText(step.ring)} ${step.what}`];
    case "when": {
      const printer = exprPrinter(program.exprs, [step.cond], plainNames);
      const cond = printer.text(step.cond);
      return [...printer.definitions, ...block(`when ${cond}`, inside(step.body))];
    }
  }
}

function mappingText(map: Mapping): string {
  switch (map.kind) {
    case "grid":
      return `grid.${"xyz"[map.dim]}`;
    case "array":
      return `array ${nameText(map.unit)} ${map.dim}`;
    default:
      return map.kind;
  }
}

function roleText(role: Role): string {
  const warps = role.warps === null ? "" : ` warps ${role.warps[0]}..${role.warps[0] + role.warps[1]}`;
  const unit = role.unit === undefined ? "" : ` unit ${nameText(role.unit)}`;
  return `role ${nameText(role.name)}${warps}${unit}`;
}

const plainNames: ExprNames = {
  symbol: (name, type) => (type === "i32" ? nameText(name) : `${nameText(name)}:${type}`),
};

/** All expressions that an op holds, in an order that its text determines. */
function rootsOf(op: TileOp, exprs: Exprs): readonly ExprId[] {
  const of = (region: Region): readonly ExprId[] =>
    region.bit === undefined ? region.index : [...region.index, region.bit];
  switch (op.kind) {
    case "fill":
      return [...of(op.to), op.value];
    case "copy":
      return [...of(op.to), ...of(op.from)];
    case "decode":
      return [...of(op.to), ...op.fields.flatMap(of), op.at];
    case "contract":
      return [...of(op.to), ...of(op.a), ...of(op.b)];
    case "map": {
      const used = new Set<number>();
      const use = (root: ExprId): void => {
        for (const n of inputsOf(exprs, root).map((m) => sameInput(op.inputs, m))) {
          const region = op.inputs[n];
          if (used.has(n) || region === undefined) continue;
          for (const index of of(region)) use(index);
          used.add(n);
        }
      };
      use(op.value);
      return [...of(op.to), ...[...used].flatMap((n) => of(op.inputs[n] ?? op.to)), op.value];
    }
    case "quantize":
      return [...op.to.flatMap(of), ...of(op.from)];
  }
}

function sameInput(inputs: readonly Region[], n: number): number {
  const key = JSON.stringify(inputs[n]);
  const first = inputs.findIndex((region) => JSON.stringify(region) === key);
  return first < 0 ? n : first;
}

function opLines(program: Program, op: TileOp): readonly string[] {
  const inputs = op.kind === "map" ? op.inputs : [];
  const printer = exprPrinter(program.exprs, rootsOf(op, program.exprs), {
    symbol: plainNames.symbol,
    input: (n, text) => (inputs[n] === undefined ? `$input${n}` : regionText(inputs[n], text)),
    sameInput: (n) => sameInput(inputs, n),
  });
  const targets = (op.kind === "quantize" ? op.to : [op.to]).map((to) => regionText(to, printer.text, "start"));
  const assign = op.kind === "contract" ? "+=" : "=";
  const text = `${targets.join(", ")} ${assign} ${opText(op, printer)}${domainText(op.domain)}`;
  return [...printer.definitions, text];
}

/** "x[m0 + m, k]", with `?` where the outside is masked and `.bit(b)` where one bit of the element is meant. */
function regionText(region: Region, text: (id: ExprId) => string, position: "start" | "inside" = "inside"): string {
  const index = region.index.map(text).join(", ");
  const mask = region.tail === "mask" ? "?" : "";
  const bit = region.bit === undefined ? "" : `.bit(${text(region.bit)})`;
  return `${nameText(region.tensor, position)}[${index}]${mask}${bit}`;
}

function overText(over: readonly string[]): string {
  return over.length === 0 ? "" : ` over ${over.map((axis) => nameText(axis)).join(", ")}`;
}

function domainText(domain: readonly Dim[]): string {
  return domain.length === 0 ? "" : ` for ${domain.map((dim) => `${nameText(dim.axis)} ${dim.extent}`).join(", ")}`;
}

function optional(word: string, value: string | undefined): string {
  return value === undefined ? "" : ` ${word} ${nameText(value)}`;
}

function opText(op: TileOp, printer: ExprPrinter): string {
  const region = (r: Region): string => regionText(r, printer.text);
  switch (op.kind) {
    case "fill":
      return `fill ${printer.text(op.value)}`;
    case "copy":
      return `copy ${region(op.from)}${optional("engine", op.engine)}${optional("cache", op.cache)}`;
    case "decode": {
      const fields = op.fields.map(region).join(", ");
      return `decode ${nameText(op.format)}(${fields}) at ${printer.text(op.at)}${optional("method", op.method)}`;
    }
    case "contract": {
      const how = `${optional("by", op.by)}${optional("row", op.row)}`;
      return `contract ${region(op.a)} * ${region(op.b)}${overText(op.over)}${how}`;
    }
    case "map":
      return `map ${printer.text(op.value)}${overText(op.over)}${optional("reduce", op.reduce)}`;
    case "quantize":
      return `quantize ${nameText(op.format)}(${region(op.from)})${overText([op.over])}`;
  }
}
