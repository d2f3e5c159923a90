/** The program verifier: names, types, scopes, bounds and launches; what it reports is certainly wrong. */
import type { Format } from "../format.ts";
import { fromOf, toOf } from "../layout/basic.ts";
import { BIT, type Extents } from "../layout/layout.ts";
import {
  children,
  isTileOp,
  type Program,
  type Region,
  reads,
  type Step,
  type Tensor,
  type TileOp,
  writes,
} from "../program.ts";
import { at, type Verifying, verifySymbols } from "./context.ts";
import { type Bounds, verifyExprs } from "./expr.ts";
import { verifyOp } from "./ops.ts";
import { verifyRings } from "./rings.ts";

/** All that is certainly wrong with a program; empty where nothing is. */
export function verifyProgram(program: Program): string[] {
  const errors: string[] = [];
  const v: Verifying = {
    program,
    tensors: new Map(program.tensors.map((tensor) => [tensor.id, tensor])),
    formats: new Map(program.formats.map((format) => [format.name, format])),
    names: new Map(),
    guarded: false,
    path: [],
    errors,
    report: (message) => errors.push(message),
  };
  verifyNames(v);
  for (const [id, message] of verifyExprs(program.exprs, program.tables)) v.report(`expression ${id}: ${message}`);
  for (const format of program.formats) verifyFormat(v, format);
  for (const tensor of program.tensors) verifyTensor(v, tensor);
  // Steps are read only where their expressions can be.
  if (errors.length > 0) return errors;
  for (const step of program.body) verifyStep(v, step);
  verifyLaunches(v);
  verifyRoles(v, program.body);
  verifyRings(v);
  return errors;
}

function verifyNames(v: Verifying): void {
  const { tensors, formats, tables, rings } = v.program;
  const unique = (what: string, names: readonly string[]): void => {
    const twice = new Set(names.filter((name, i) => names.indexOf(name) !== i));
    for (const name of twice) v.report(`two ${what} are called ${name}`);
  };
  unique("tensors or tables", [...tensors.map((tensor) => tensor.id), ...tables.map((table) => table.name)]);
  unique(
    "formats",
    formats.map((format) => format.name),
  );
  unique(
    "rings",
    rings.map((ring) => ring.id),
  );
  for (const ring of rings)
    if (!(Number.isInteger(ring.depth) && ring.depth > 0)) v.report(`ring ${ring.id} has depth ${ring.depth}`);
}

function verifyFormat(v: Verifying, format: Format): void {
  const say = (message: string): void => v.report(`format ${format.name}: ${message}`);
  const fields = new Map(format.fields.map((field) => [field.name, field]));
  if (fields.size !== format.fields.length) say("two fields have one name");
  for (const [id, message] of verifyExprs(format.exprs, format.tables)) say(`expression ${id}: ${message}`);
  for (const { field } of format.uses) if (!fields.has(field)) say(`its value uses ${field}, which is no field`);
  for (const expr of format.exprs.exprs) {
    if (expr.kind === "symbol" && expr.name !== "i") say(`its value uses ${expr.name}, which is not the index i`);
    if (expr.kind !== "input") continue;
    const use = format.uses[expr.index];
    const type = fields.get(use?.field ?? "")?.type;
    if (use === undefined) say(`its value reads use ${expr.index} of ${format.uses.length}`);
    else if (type !== undefined && type !== expr.type) say(`its value reads ${use.field} as ${expr.type}, not ${type}`);
  }
  if (format.exprs.exprs[format.value] === undefined) say("its value is missing");
  const { encoder } = format;
  for (const name of encoder === undefined ? [] : [encoder.scale, encoder.code])
    if (!fields.has(name)) say(`its encoder fills ${name}, which is no field`);
}

const sameExtents = (a: Extents, b: Extents): boolean => {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
};

function verifyTensor(v: Verifying, tensor: Tensor): void {
  const say = (message: string): void => v.report(`tensor ${tensor.id}: ${message}`);
  const { axes, shape, layout, ring } = tensor;
  if (axes.length !== shape.length) say(`${axes.length} axes, ${shape.length} extents`);
  if (new Set(axes).size !== axes.length) say("two axes have one name");
  if (!shape.every((extent) => Number.isInteger(extent) && extent > 0)) say(`its shape is [${shape.join(", ")}]`);
  if (tensor.role !== "local" && tensor.place !== "global")
    say(`${tensor.role} tensors are global, not ${tensor.place}`);
  if (ring !== undefined && !v.program.rings.some((known) => known.id === ring)) say(`there is no ring ${ring}`);
  if (ring !== undefined && tensor.role !== "local") say(`${tensor.role} tensors are in no ring`);
  if (layout === undefined || axes.length !== shape.length) return;
  const own = Object.fromEntries(axes.map((axis, i) => [axis, shape[i]!]));
  const logical = tensor.place === "register" ? toOf(layout) : withoutBit(fromOf(layout));
  if (!sameExtents(logical, own)) say(`its layout is over ${boxText(logical)}, not ${boxText(own)}`);
}

function withoutBit(extents: Extents): Extents {
  return Object.fromEntries(Object.entries(extents).filter(([axis]) => axis !== BIT));
}

const boxText = (extents: Extents): string =>
  `[${Object.entries(extents)
    .map(([axis, extent]) => `${axis} ${extent}`)
    .join(", ")}]`;

/** Bounds of the values 0, step, 2·step … below extent. */
function loopBounds(extent: number, step: number): Bounds {
  return { low: 0, high: Math.floor((extent - 1) / step) * step, exact: true };
}

function verifyStep(v: Verifying, step: Step): void {
  if (isTileOp(step)) {
    verifyOp(at(v, opName(step)), step);
    return;
  }
  switch (step.kind) {
    case "loop": {
      const inner = at(v, `loop ${step.name}`);
      const sound = [step.extent, step.step].every((n) => Number.isInteger(n) && n > 0);
      if (!sound) inner.report(`it runs 0..${step.extent} step ${step.step}`);
      if (v.names.has(step.name)) inner.report("the name is taken by an enclosing loop");
      const names = new Map(v.names).set(step.name, loopBounds(step.extent, step.step));
      for (const child of step.body) verifyStep({ ...inner, names }, child);
      return;
    }
    case "when": {
      const inner = { ...at(v, "when"), guarded: true };
      const cond = v.program.exprs.exprs[step.cond];
      if (cond?.type !== "bool") inner.report(`its condition is ${cond?.type ?? "missing"}`);
      verifySymbols(inner, step.cond);
      for (const child of step.body) verifyStep(inner, child);
      return;
    }
    case "launch":
      for (const child of step.body) verifyStep(at(v, `launch ${step.name}`), child);
      return;
    case "roles": {
      const names = step.roles.map((role) => role.name);
      if (new Set(names).size !== names.length) v.report(`two roles have one name: ${names.join(", ")}`);
      for (const role of step.roles) for (const child of role.body) verifyStep(at(v, `role ${role.name}`), child);
      return;
    }
    case "signal":
      if (!v.program.rings.some((ring) => ring.id === step.ring)) v.report(`there is no ring ${step.ring}`);
  }
}

/** "map y", the way messages name an op. */
export function opName(op: TileOp): string {
  return `${op.kind} ${writes(op)
    .map((region) => region.tensor)
    .join(", ")}`;
}

function verifyLaunches(v: Verifying): void {
  const launched = new Map<string, string>();
  const visit = (step: Step, launch: string | undefined): void => {
    if (step.kind === "launch") {
      if (launch !== undefined) v.report(`launch ${step.name} stands inside launch ${launch}`);
      for (const child of step.body) visit(child, step.name);
      return;
    }
    if (isTileOp(step) && launch !== undefined)
      for (const region of regionsOf(step)) {
        const tensor = v.tensors.get(region.tensor);
        if (tensor === undefined || tensor.place === "global") continue;
        const first: string = launched.get(tensor.id) ?? launch;
        launched.set(tensor.id, first);
        if (first !== launch)
          v.report(`${tensor.id} is ${tensor.place} and is used in launches ${first} and ${launch}`);
      }
    for (const body of children(step)) for (const child of body) visit(child, launch);
  };
  for (const step of v.program.body) visit(step, undefined);
}

const regionsOf = (op: TileOp): readonly Region[] => [...reads(op), ...writes(op)];

/** What one role writes and another reads must pass through a ring. */
function verifyRoles(v: Verifying, body: readonly Step[]): void {
  for (const step of body) {
    for (const inner of children(step)) verifyRoles(v, inner);
    if (step.kind !== "roles") continue;
    const uses = step.roles.map((role) => ({ name: role.name, ...touched(role.body) }));
    for (const writer of uses)
      for (const reader of uses) {
        if (writer === reader) continue;
        for (const id of writer.written)
          if (reader.read.has(id) && v.tensors.get(id)?.ring === undefined)
            v.report(`${id} is written by role ${writer.name} and read by role ${reader.name}, but is in no ring`);
      }
  }
}

function touched(body: readonly Step[]): { readonly written: Set<string>; readonly read: Set<string> } {
  const written = new Set<string>();
  const read = new Set<string>();
  const visit = (step: Step): void => {
    if (isTileOp(step)) {
      for (const region of writes(step)) written.add(region.tensor);
      for (const region of step.kind === "contract" ? regionsOf(step) : reads(step)) read.add(region.tensor);
    } else for (const inner of children(step)) inner.forEach(visit);
  };
  body.forEach(visit);
  return { written, read };
}
