/** Reads the text of a program back: `parseProgram(printProgram(p))` means what p means. */
import type { Diagnostics } from "../diagnostics.ts";
import type { ExprId, Table } from "../expr.ts";
import type { Format } from "../format.ts";
import type {
  Dim,
  Engine,
  Mapping,
  Place,
  Program,
  Region,
  Ring,
  Role,
  Step,
  Strategy,
  Tensor,
  TileOp,
} from "../program.ts";
import type { Scalar } from "../scalar.ts";
import { type Cursor, readText, type Token } from "./cursor.ts";
import { addExpr, type ExprReader, frozen, type Meaning, makeReader, readDefinitions, readExpr } from "./parse-expr.ts";
import { readFormat, readLayout, readTable } from "./parse-layout.ts";
import { TEXT_VERSION } from "./print.ts";

/** Reads a program; undefined where a mistake was reported. Spans point into `text`, as file `file` of the run. */
export function parseProgram(text: string, diagnostics: Diagnostics, file = -1): Program | undefined {
  return readText(text, diagnostics, file, readProgram);
}

/** "bitloom program 1", and the word that opens the body. */
export function readHeader(cursor: Cursor, kind: "program" | "kernel"): void {
  cursor.expect("bitloom");
  cursor.expect(kind);
  const at = cursor.ahead;
  const version = cursor.integer();
  if (version !== TEXT_VERSION) cursor.fail(`version ${version} of the text, this reader knows ${TEXT_VERSION}`, at);
  cursor.expect(kind);
}

/** What is declared before the steps. */
interface Declared {
  readonly formats: Format[];
  readonly tables: Table[];
  readonly rings: Ring[];
  readonly tensors: Map<string, Tensor>;
}

interface Reading extends Declared {
  readonly cursor: Cursor;
  readonly reader: ExprReader;
  /** Loop variables and domain axes in scope. */
  readonly names: ReadonlySet<string>;
}

function readProgram(cursor: Cursor): Program {
  readHeader(cursor, "program");
  const name = cursor.name("a name");
  cursor.expect("{");
  const declared: Declared = { formats: [], tables: [], rings: [], tensors: new Map() };
  while (readDeclaration(cursor, declared));
  const reading = { ...declared, cursor, reader: makeReader(cursor), names: new Set<string>() };
  const body = readSteps(reading);
  return {
    name,
    tensors: [...declared.tensors.values()],
    formats: declared.formats,
    tables: declared.tables,
    rings: declared.rings,
    exprs: frozen(reading.reader),
    body,
  };
}

const ROLES = ["input", "output", "workspace", "local"] as const;

function readDeclaration(cursor: Cursor, declared: Declared): boolean {
  if (cursor.accept("format")) declared.formats.push(readFormat(cursor));
  else if (cursor.accept("table")) declared.tables.push(readTable(cursor));
  else if (cursor.accept("ring")) declared.rings.push(readRing(cursor));
  else if (ROLES.some((role) => cursor.sees(role))) {
    const at = cursor.ahead;
    const tensor = readTensor(cursor);
    if (declared.tensors.has(tensor.id)) cursor.fail(`tensor ${tensor.id} is declared twice`, at);
    declared.tensors.set(tensor.id, tensor);
  } else return false;
  return true;
}

function readRing(cursor: Cursor): Ring {
  const id = cursor.name("a name");
  cursor.expect("depth");
  const depth = cursor.integer(1);
  cursor.expect("from");
  const producer = cursor.name("a role");
  cursor.expect("to");
  const consumers = cursor.ahead.kind === "name" ? cursor.list(() => cursor.name("a role")) : [];
  return { id, depth, producer, consumers };
}

function readDims(cursor: Cursor): Dim[] {
  return cursor.list(() => ({ axis: cursor.name("an axis"), extent: cursor.integer(0) }));
}

function readPlace(cursor: Cursor): Place {
  const place = cursor.word(["global", "shared", "register", "unit"]);
  return place === "unit" ? `unit:${cursor.name("a memory")}` : place;
}

function readTensor(cursor: Cursor): Tensor {
  const start = cursor.ahead.start;
  const role = cursor.word(ROLES);
  const id = cursor.name("a name");
  cursor.expect(":");
  const type = cursor.scalar();
  cursor.expect("[");
  const dims = cursor.sees("]") ? [] : readDims(cursor);
  cursor.expect("]");
  const place = readPlace(cursor);
  const ring = cursor.accept("ring") ? { ring: cursor.name("a ring") } : {};
  const name = (): string => cursor.name("a name");
  const origin = cursor.accept("origin") ? { origin: { operand: name(), format: name(), field: name() } } : {};
  const layout = cursor.accept("layout") ? { layout: readLayout(cursor) } : {};
  const span = cursor.spanFrom(start);
  const [axes, shape] = [dims.map((dim) => dim.axis), dims.map((dim) => dim.extent)];
  return { id, type, axes, shape, place, role, ...ring, ...origin, ...layout, span };
}

/** Steps up to the closing brace, which is taken. */
function readSteps(reading: Reading): Step[] {
  const { cursor } = reading;
  return cursor.nested(() => {
    const steps: Step[] = [];
    while (!cursor.accept("}")) steps.push(readStep(reading));
    return steps;
  });
}

function readStep(reading: Reading): Step {
  const { cursor } = reading;
  const { start } = cursor.ahead;
  if (cursor.accept("loop")) return readLoop(reading, start);
  if (cursor.accept("launch")) {
    const name = cursor.name("a name");
    cursor.expect("{");
    return { kind: "launch", name, body: readSteps(reading), span: cursor.spanFrom(start) };
  }
  if (cursor.accept("roles")) {
    cursor.expect("{");
    const roles: Role[] = [];
    while (cursor.accept("role")) roles.push(readRole(reading));
    cursor.expect("}");
    return { kind: "roles", roles, span: cursor.spanFrom(start) };
  }
  if (cursor.accept("signal")) {
    const ring = cursor.name("a ring");
    const what = cursor.word(["acquire", "commit", "wait", "release"]);
    return { kind: "signal", ring, what, span: cursor.spanFrom(start) };
  }
  return readStatement(reading, start);
}

/** A `when` or an op: what may have definitions before it. */
function readStatement(reading: Reading, start: number): Step {
  const { cursor } = reading;
  const op = openOp(reading);
  readDefinitions(reading.reader, op.meaning);
  if (cursor.accept("when")) {
    const cond = readExpr(reading.reader, op.meaning);
    closeScope(reading, op, []);
    cursor.expect("{");
    return { kind: "when", cond, body: readSteps(reading), span: cursor.spanFrom(start) };
  }
  return readOp(reading, op, start);
}

function readLoop(reading: Reading, start: number): Step {
  const { cursor } = reading;
  const name = cursor.name("a loop variable");
  if (cursor.integer() !== 0) cursor.fail("loops start at 0");
  cursor.expect("..");
  const extent = cursor.integer(0);
  const step = cursor.accept("step") ? cursor.integer(1) : 1;
  const map = cursor.accept(":") ? readMapping(cursor) : ({ kind: "serial" } as const);
  cursor.expect("{");
  const body = readSteps({ ...reading, names: new Set(reading.names).add(name) });
  return { kind: "loop", name, extent, step, map, body, span: cursor.spanFrom(start) };
}

function readMapping(cursor: Cursor): Mapping {
  const word = cursor.word(["serial", "unroll", "warp", "array", "grid.x", "grid.y", "grid.z"]);
  switch (word) {
    case "array":
      return { kind: "array", unit: cursor.name("a unit"), dim: cursor.word(["row", "column", "time"]) };
    case "grid.x":
      return { kind: "grid", dim: 0 };
    case "grid.y":
      return { kind: "grid", dim: 1 };
    case "grid.z":
      return { kind: "grid", dim: 2 };
    default:
      return { kind: word };
  }
}

function readRole(reading: Reading): Role {
  const { cursor } = reading;
  const name = cursor.name("a name");
  let warps: Role["warps"] = null;
  if (cursor.accept("warps")) {
    const first = cursor.integer(0);
    cursor.expect("..");
    warps = [first, cursor.integer(first) - first];
  }
  const unit = cursor.accept("unit") ? { unit: cursor.name("a unit") } : {};
  cursor.expect("{");
  return { name, warps, ...unit, body: readSteps(reading) };
}

/** An op being read: the names that its expressions may use, and the inputs met so far. */
interface OpReading {
  readonly meaning: Meaning;
  readonly inputs: Region[];
  /** Names that were met before the domain told whether they are its axes. */
  readonly pending: Map<string, Token>;
}

function openOp(reading: Reading): OpReading {
  const { reader, tensors, tables, names } = reading;
  const inputs: Region[] = [];
  const pending = new Map<string, Token>();
  const meaning: Meaning = {
    symbol: (name, at): Scalar | undefined => {
      if (!names.has(name) && !pending.has(name)) pending.set(name, at);
      return "i32";
    },
    table: (name) => tables.find((table) => table.name === name)?.type,
    builtins: false,
    input: (token): ExprId | undefined => {
      const tensor = tensors.get(token.text);
      if (tensor === undefined || !reading.cursor.sees("[")) return undefined;
      const region = readRegionAt(reading, meaning, token, meaning);
      const key = JSON.stringify(region);
      let index = inputs.findIndex((known) => JSON.stringify(known) === key);
      if (index < 0) index = inputs.push(region) - 1;
      const type = region.bit === undefined ? tensor.type : "u1";
      return addExpr(reader, { kind: "input", type, index }, token.start);
    },
  };
  return { meaning, inputs, pending };
}

function readRegion(reading: Reading, meaning: Meaning): Region {
  const token = reading.cursor.ahead;
  reading.cursor.name("a tensor");
  return readRegionAt(reading, meaning, token);
}

/** The rest of a region; its tensor's name is taken. `place`: what its index may use, by default no other tensor. */
function readRegionAt(
  reading: Reading,
  meaning: Meaning,
  token: Token,
  place: Meaning = { ...meaning, input: () => undefined },
): Region {
  const { cursor, tensors, reader } = reading;
  const tensor = tensors.get(token.text) ?? cursor.fail(`no tensor ${token.text}`, token);
  cursor.expect("[");
  const index = cursor.sees("]") ? [] : cursor.list(() => readExpr(reader, place));
  const close = cursor.expect("]");
  if (index.length !== tensor.axes.length)
    cursor.fail(`${tensor.id} has ${tensor.axes.length} axes, not ${index.length}`, close);
  const tail = cursor.accept("?") ? "mask" : "exact";
  if (!cursor.accept(".bit(")) return { tensor: tensor.id, index, tail };
  const bit = readExpr(reader, place);
  cursor.expect(")");
  return { tensor: tensor.id, index, tail, bit };
}

type Headless<T> = T extends unknown ? Omit<T, "domain" | "span"> : never;

function readOp(reading: Reading, open: OpReading, start: number): TileOp {
  const { cursor } = reading;
  const targets = cursor.list(() => readRegion(reading, open.meaning));
  const op = readOpBody(reading, open, targets);
  if (op.kind !== "map" && open.inputs.length > 0) cursor.fail("only the value of a map reads tensors");
  const domain = cursor.accept("for") ? readDims(cursor) : [];
  closeScope(reading, open, domain);
  return { ...op, domain, span: cursor.spanFrom(start) } as TileOp;
}

/** Every name used must be a loop variable or an axis of the domain. */
function closeScope({ cursor }: Reading, { pending }: OpReading, domain: readonly Dim[]): void {
  for (const [name, token] of pending)
    if (!domain.some((dim) => dim.axis === name)) cursor.fail(`${name} is not in scope here`, token);
}

const STRATEGIES: readonly Strategy[] = ["fma", "popc", "mma", "dot4", "lut", "array"];
const ENGINES: readonly Engine[] = ["lane", "cpAsync", "bulk", "tensorMap", "dma"];

function readOver(cursor: Cursor): string[] {
  return cursor.accept("over") ? cursor.list(() => cursor.name("an axis")) : [];
}

function readOpBody(reading: Reading, { meaning, inputs }: OpReading, targets: readonly Region[]): Headless<TileOp> {
  const { cursor, reader } = reading;
  const to = targets[0]!;
  const one = (): void => {
    if (targets.length !== 1) cursor.fail("only quantize writes several tensors");
  };
  const region = (): Region => readRegion(reading, meaning);
  if (cursor.accept("+=")) {
    one();
    cursor.expect("contract");
    const a = region();
    cursor.expect("*");
    const b = region();
    const over = readOver(cursor);
    const by = cursor.accept("by") ? { by: cursor.word(STRATEGIES) } : {};
    const row = cursor.accept("row") ? { row: cursor.name("a row") } : {};
    return { kind: "contract", a, b, to, over, ...by, ...row };
  }
  cursor.expect("=");
  const kind = cursor.word(["fill", "copy", "decode", "map", "quantize"]);
  if (kind !== "quantize") one();
  switch (kind) {
    case "fill":
      return { kind, to, value: readExpr(reader, meaning) };
    case "copy": {
      const from = region();
      const engine = cursor.accept("engine") ? { engine: cursor.word(ENGINES) } : {};
      const cache = cursor.accept("cache") ? { cache: cursor.word(["stream", "keep"]) } : {};
      return { kind, from, to, ...engine, ...cache };
    }
    case "decode": {
      const [format, fields] = [cursor.name("a format"), readRegions(cursor, region)];
      cursor.expect("at");
      const at = readExpr(reader, meaning);
      const method = cursor.accept("method") ? { method: cursor.word(["arithmetic", "table", "unit"]) } : {};
      return { kind, format, fields, to, at, ...method };
    }
    case "map": {
      const value = readExpr(reader, meaning);
      const over = readOver(cursor);
      const reduce = cursor.accept("reduce") ? { reduce: cursor.word(["sum", "max"]) } : {};
      return { kind, inputs, to, value, over, ...reduce };
    }
    case "quantize": {
      const format = cursor.name("a format");
      const [from, ...others] = readRegions(cursor, region);
      if (from === undefined || others.length > 0) return cursor.fail("quantize takes one region");
      cursor.expect("over");
      return { kind, format, from, to: targets, over: cursor.name("an axis") };
    }
  }
}

function readRegions(cursor: Cursor, region: () => Region): Region[] {
  cursor.expect("(");
  const regions = cursor.sees(")") ? [] : cursor.list(region);
  cursor.expect(")");
  return regions;
}
