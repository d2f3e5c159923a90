/** Kernels as text: readable, stable, complete; `parseKernel` reads it back. */
import type { ExprId } from "../expr.ts";
import type { Access, Buffer, Collective, Kernel, Stmt } from "../kernel.ts";
import type { Scalar } from "../scalar.ts";
import { type ExprPrinter, exprPrinter, nameText } from "./expr.ts";
import { tableText } from "./layout.ts";
import { TEXT_VERSION } from "./print.ts";

const name = (text: string): string => nameText(text, "kernel");
const indent = (lines: readonly string[]): readonly string[] => lines.map((line) => (line === "" ? "" : `  ${line}`));

/** Types of the names in scope; an inner block sees the outer one's. */
type Names = Map<string, Scalar>;

interface Printing {
  readonly kernel: Kernel;
  readonly types: Names;
}

/** The whole kernel: shape, buffers and tables, then its statements. */
export function printKernel(kernel: Kernel): string {
  const lines = [
    `bitloom kernel ${TEXT_VERSION}`,
    `kernel ${name(kernel.name)} lanes ${kernel.lanes} warps ${kernel.warps} grid ${kernel.grid.join(", ")} {`,
    ...indent(kernel.buffers.map(bufferText)),
    ...indent(kernel.tables.map(tableText)),
    "",
    ...indent(bodyLines({ kernel, types: new Map() }, kernel.body)),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}

function bufferText(buffer: Buffer): string {
  const of = buffer.tensor === undefined ? "" : ` tensor ${name(buffer.tensor)}`;
  return `${buffer.space} ${name(buffer.id)}: ${buffer.type}[${buffer.length}] ${buffer.access}${of}`;
}

/** A block: what it declares is forgotten at its end. */
function bodyLines(outer: Printing, body: readonly Stmt[]): readonly string[] {
  const printing = { kernel: outer.kernel, types: new Map(outer.types) };
  return body.flatMap((stmt) => stmtLines(printing, stmt));
}

/** The expressions of a statement, without those of nested blocks, in the order of its text. */
function rootsOf(stmt: Stmt): readonly ExprId[] {
  const maybe = (id: ExprId | undefined): readonly ExprId[] => (id === undefined ? [] : [id]);
  switch (stmt.kind) {
    case "let":
    case "var":
    case "assign":
      return [stmt.value];
    case "read":
      return [stmt.at.index, ...maybe(stmt.when)];
    case "write":
    case "atomicAdd":
      return [stmt.at.index, ...stmt.values, ...maybe(stmt.when)];
    case "for":
      return [stmt.from, stmt.to];
    case "if":
      return [stmt.cond];
    case "collective":
      return collectiveRoots(stmt.what);
  }
}

function collectiveRoots(what: Collective): readonly ExprId[] {
  const maybe = (id: ExprId | undefined): readonly ExprId[] => (id === undefined ? [] : [id]);
  const operand = (of: readonly ExprId[] | Access): readonly ExprId[] => ("buffer" in of ? [of.index] : of);
  switch (what.family) {
    case "exchange":
      return what.args;
    case "fragment":
      return [what.at.index, what.stride];
    case "matrix":
      return [...operand(what.a), ...operand(what.b)];
    case "transfer":
      return [what.to.index, what.from.index, ...maybe(what.done.kind === "mbarrier" ? what.done.at.index : undefined), ...maybe(what.when)]; // biome-ignore format: one list
    case "sync":
      return [...maybe(what.at?.index), ...maybe(what.count)];
  }
}

function stmtLines(printing: Printing, stmt: Stmt): readonly string[] {
  const { kernel, types } = printing;
  const printer = exprPrinter(kernel.exprs, rootsOf(stmt), {
    symbol: (text, type) => (types.get(text) === type ? name(text) : `${name(text)}:${type}`),
  });
  const lines = bodyOf(printing, stmt, printer);
  for (const [text, type] of declared(kernel, stmt)) types.set(text, type);
  return [...printer.definitions, ...lines];
}

/** The names that a statement makes, with their types. */
export function declared(
  kernel: Pick<Kernel, "exprs" | "buffers">,
  stmt: Stmt,
): readonly (readonly [string, Scalar])[] {
  const typeOf = (id: ExprId | undefined): Scalar => kernel.exprs.exprs[id ?? -1]?.type ?? "i32";
  if (stmt.kind === "let" || stmt.kind === "var") return [[stmt.name, typeOf(stmt.value)]];
  if (stmt.kind === "read") {
    const type = kernel.buffers.find((buffer) => buffer.id === stmt.at.buffer)?.type ?? "i32";
    return stmt.to.map((to) => [to, type] as const);
  }
  if (stmt.kind !== "collective" || stmt.what.family !== "exchange") return [];
  const { op, args, to } = stmt.what;
  if (op === "ballot") return [[to, "u32"]];
  return [[to, op === "any" || op === "elect" ? "bool" : typeOf(args[0])]];
}

/** "x[i]"; "x[i; 4]" moves four elements. */
function accessText(access: Access, printer: ExprPrinter): string {
  const width = access.width === 1 ? "" : `; ${access.width}`;
  return `${name(access.buffer)}[${printer.text(access.index)}${width}]`;
}

function bodyOf(printing: Printing, stmt: Stmt, printer: ExprPrinter): readonly string[] {
  const { text } = printer;
  const when = (id: ExprId | undefined): string => (id === undefined ? "" : ` when ${text(id)}`);
  switch (stmt.kind) {
    case "let":
    case "var": {
      const type = printing.kernel.exprs.exprs[stmt.value]?.type ?? "i32";
      return [`${stmt.kind} ${name(stmt.name)}: ${type} = ${text(stmt.value)}`];
    }
    case "assign":
      return [`${name(stmt.name)} = ${text(stmt.value)}`];
    case "read": {
      const cache = stmt.cache === undefined ? "" : ` cache ${stmt.cache}`;
      return [`read ${stmt.to.map(name).join(", ")} = ${accessText(stmt.at, printer)}${when(stmt.when)}${cache}`];
    }
    case "write":
      return [`${accessText(stmt.at, printer)} = ${stmt.values.map(text).join(", ")}${when(stmt.when)}`];
    case "atomicAdd":
      return [`atomic ${accessText(stmt.at, printer)} += ${stmt.values.map(text).join(", ")}${when(stmt.when)}`];
    case "for": {
      const step = stmt.step === 1 ? "" : ` step ${stmt.step}`;
      const inner = { kernel: printing.kernel, types: new Map(printing.types).set(stmt.name, "i32") };
      const head = `for ${name(stmt.name)} = ${text(stmt.from)}..${text(stmt.to)}${step}${stmt.unroll ? " unroll" : ""}`;
      return [`${head} {`, ...indent(bodyLines(inner, stmt.body)), "}"];
    }
    case "if": {
      const uniform = stmt.uniform === "none" ? "" : ` uniform ${stmt.uniform}`;
      const otherwise = stmt.else.length === 0 ? [] : ["} else {", ...indent(bodyLines(printing, stmt.else))];
      return [`if ${text(stmt.cond)}${uniform} {`, ...indent(bodyLines(printing, stmt.then)), ...otherwise, "}"];
    }
    case "collective":
      return [collectiveText(stmt.scope, stmt.what, printer)];
  }
}

function collectiveText(scope: string, what: Collective, printer: ExprPrinter): string {
  const access = (at: Access): string => accessText(at, printer);
  const { text } = printer;
  switch (what.family) {
    case "exchange":
      return `${name(what.to)} = ${scope}.${what.op}(${what.args.map(text).join(", ")})`;
    case "fragment": {
      const regs = what.regs.map(name).join(", ");
      return `${scope}.${what.dir} ${name(what.row)} ${what.operand} ${regs} at ${access(what.at)} stride ${text(what.stride)}`;
    }
    case "matrix": {
      const operand = (of: readonly ExprId[] | Access): string =>
        "buffer" in of ? access(of) : `(${of.map(text).join(", ")})`;
      return `${scope}.matrix ${name(what.row)} ${what.d.map(name).join(", ")} += ${operand(what.a)} * ${operand(what.b)}`;
    }
    case "transfer": {
      const done = what.done.kind === "group" ? "group" : access(what.done.at);
      const when = what.when === undefined ? "" : ` when ${text(what.when)}`;
      return `${scope}.${what.engine} ${access(what.to)} = ${access(what.from)} bytes ${what.bytes} done ${done}${when}`;
    }
    case "sync": {
      const at = what.at === undefined ? "" : ` at ${access(what.at)}`;
      const count = what.count === undefined ? "" : ` count ${text(what.count)}`;
      const proxy = what.proxy === undefined ? "" : ` proxy ${what.proxy}`;
      return `${scope}.${what.op}${at}${count}${proxy}`;
    }
  }
}
