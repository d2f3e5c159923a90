/** outline: every op belongs to one launch; what one launch leaves for a later one is workspace. */
import { internal } from "../../ir/diagnostics.ts";
import {
  isTileOp,
  type Program,
  type Region,
  reads,
  type Step,
  type Tensor,
  type TileOp,
  writes,
} from "../../ir/program.ts";
import { bitsOf } from "../../ir/scalar.ts";
import { ProgramEditor, plainSymbol } from "../edit.ts";
import { rowMajorLayout } from "../instantiate/stream-layouts.ts";
import { applied, type Pass, type PassContext } from "../pass.ts";

type Contract = Extract<TileOp, { kind: "contract" }>;

/** Sums of at most so many terms are computed where they are used, by the lane that uses them. */
const FEW_TERMS = 16;

const termsOf = (op: TileOp): number =>
  op.kind === "contract" || op.kind === "map"
    ? op.domain.filter((d) => op.over.includes(d.axis)).reduce((n, d) => n * d.extent, 1)
    : 1;

/** The axis that the lanes of a launch walk along for an op: its longest reduced one; undefined where it has none. */
function walkOf(op: TileOp): string | undefined {
  if (op.kind === "quantize") return op.over;
  if (op.kind !== "contract" && op.kind !== "map") return undefined;
  const reduced = op.domain.filter((d) => op.over.includes(d.axis));
  return reduced.toSorted((a, b) => b.extent - a.extent)[0]?.axis;
}

/** What an op needs: definitions to repeat, and results of other ops, by tensor; false: read at a place that is no plain axis. */
interface Needs {
  readonly definitions: ReadonlySet<TileOp>;
  readonly results: ReadonlyMap<string, boolean>;
}

/** Decides which ops share a launch. */
class Outliner {
  readonly #editor: ProgramEditor;
  /** What is cheap enough to be repeated by each launch that reads it. */
  readonly #definitions = new Map<string, TileOp>();
  readonly #fills = new Map<string, TileOp>();
  /** Results of sums and quantizations, and the group that has them. */
  readonly #results = new Map<string, number>();
  readonly #groups: TileOp[][] = [[]];

  constructor(editor: ProgramEditor) {
    this.#editor = editor;
  }

  add(op: TileOp): void {
    const [to] = writes(op);
    const local = this.#editor.tensor(to?.tensor ?? internal("an op writes nothing")).role === "local";
    if (op.kind === "fill") {
      this.#fills.set(op.to.tensor, op);
      return;
    }
    const few = op.kind !== "contract" && termsOf(op) <= FEW_TERMS;
    if (local && op.kind !== "quantize" && few) {
      this.#definitions.set(op.to.tensor, op);
      return;
    }
    if (this.#parts(op)) this.#groups.push([]);
    this.#groups.at(-1)!.push(op);
    for (const region of writes(op)) this.#results.set(region.tensor, this.#groups.length - 1);
    // A quantization needs whole rows before anything can use its codes, so it ends a launch.
    if (op.kind === "quantize") this.#groups.push([]);
  }

  /** True where an op cannot join the newest group. */
  #parts(op: TileOp): boolean {
    const group = this.#groups.at(-1)!;
    if (group.length === 0) return false;
    const needed = [...this.#needs(op).results].filter(([id]) => this.#results.get(id) === this.#groups.length - 1);
    const walk = walkOf(op);
    if (walk === undefined) return needed.length === 0 || needed.some(([, plain]) => !plain);
    if (op.kind === "quantize" || needed.length > 0) return true;
    return group.some((other) => walkOf(other) !== walk || !nested(this.#axesOf(op), this.#axesOf(other)));
  }

  #axesOf(op: TileOp): readonly string[] {
    return op.domain.flatMap((d) =>
      (op.kind === "contract" || op.kind === "map") && op.over.includes(d.axis) ? [] : [d.axis],
    );
  }

  #needs(op: TileOp): Needs {
    const definitions = new Set<TileOp>();
    const results = new Map<string, boolean>();
    const visit = (reader: TileOp, inPlace: boolean): void => {
      for (const region of reads(reader)) {
        const plain = inPlace && region.index.every((e) => plainSymbol(this.#editor.build, e) !== undefined);
        const definition = this.#definitions.get(region.tensor);
        if (definition !== undefined) {
          visit(definition, plain);
          definitions.add(definition);
        } else if (this.#results.has(region.tensor))
          results.set(region.tensor, plain && results.get(region.tensor) !== false);
      }
    };
    visit(op, true);
    return { definitions, results };
  }

  /** The ops of each launch in order, definitions before what reads them. */
  launches(): readonly (readonly TileOp[])[] {
    const whole = this.#groups.filter((g) => g.length > 0);
    const apart = whole.flatMap((group, i) => (i === whole.length - 1 ? [group] : this.#alike(group)));
    return apart.map((group) => {
      const ops = new Set<TileOp>();
      for (const op of group) {
        for (const definition of this.#needs(op).definitions) ops.add(definition);
        const fill = op.kind === "contract" ? this.#fills.get(op.to.tensor) : undefined;
        if (fill !== undefined) ops.add(fill);
        ops.add(op);
      }
      return [...ops];
    });
  }

  /** Results that are all written to memory have to have the same axes: a launch's grid covers them. */
  #alike(group: readonly TileOp[]): readonly (readonly TileOp[])[] {
    const byAxes = new Map<string, TileOp[]>();
    for (const op of group) {
      const key = this.#axesOf(op).join();
      byAxes.set(key, [...(byAxes.get(key) ?? []), op]);
    }
    return [...byAxes.values()];
  }
}

const nested = (a: readonly string[], b: readonly string[]): boolean =>
  a.every((axis) => b.includes(axis)) || b.every((axis) => a.includes(axis));

/** Short contractions beside a longer one are sums that the launch of their result computes in place. */
function shortSums(editor: ProgramEditor, ops: readonly TileOp[]): readonly TileOp[] {
  const longest = Math.max(0, ...ops.filter((op) => op.kind === "contract").map(termsOf));
  const short = new Set(
    ops.filter((op): op is Contract => op.kind === "contract" && termsOf(op) <= Math.min(FEW_TERMS, longest - 1)),
  );
  const { build } = editor;
  const number = (region: Region, n: number) => {
    const { type } = editor.tensor(region.tensor);
    const input = build.input(n, type);
    return build.cast(type.startsWith("i") || type.startsWith("u") ? build.cast(input, "i32") : input, "f32");
  };
  return ops.flatMap((op): readonly TileOp[] => {
    if (op.kind === "fill" && [...short].some((c) => c.to.tensor === op.to.tensor)) return [];
    if (op.kind !== "contract" || !short.has(op)) return [op];
    const { a, b, to, over, domain, span } = op;
    const value = build.mul(number(a, 0), number(b, 1));
    return [{ kind: "map", inputs: [a, b], to, value, over, reduce: "sum", domain, span }];
  });
}

function withRegions(op: TileOp, change: (region: Region) => Region): TileOp {
  switch (op.kind) {
    case "fill":
      return op;
    case "copy":
    case "quantize":
      return { ...op, from: change(op.from) };
    case "decode":
      return { ...op, fields: op.fields.map(change) };
    case "contract":
      return { ...op, a: change(op.a), b: change(op.b) };
    case "map":
      return { ...op, inputs: op.inputs.map(change) };
  }
}

/** Sums that a later launch reads are copied to memory where they are finished, and read from there. */
function keepSums(editor: ProgramEditor, groups: readonly (readonly TileOp[])[]): readonly (readonly TileOp[])[] {
  const kept = new Map<string, string>();
  return groups.map((group, i) => {
    const own = new Set(group.flatMap((op) => writes(op).map((r) => r.tensor)));
    const change = (region: Region): Region => {
      const tensor = own.has(region.tensor) ? undefined : kept.get(region.tensor);
      return tensor === undefined ? region : { ...region, tensor };
    };
    const later = new Set(groups.slice(i + 1).flatMap((g) => g.flatMap((op) => reads(op).map((r) => r.tensor))));
    return group.flatMap((old): readonly TileOp[] => {
      const op = withRegions(old, change);
      const sums = op.kind === "contract" || (op.kind === "map" && op.reduce !== undefined);
      if (!sums || !later.has(op.to.tensor) || termsOf(op) <= FEW_TERMS) return [op];
      const tensor = editor.tensor(op.to.tensor);
      const domain = op.domain.filter((d) => !op.over.includes(d.axis));
      const dims = tensor.axes.map((axis, n) => ({ axis, extent: tensor.shape[n]! }));
      const layout = rowMajorLayout(dims, bitsOf(tensor.type));
      const there = editor.add({ ...tensor, id: `${tensor.id}.kept`, role: "workspace", layout });
      kept.set(tensor.id, there.id);
      const value = editor.build.input(0, tensor.type);
      const to = { ...op.to, tensor: there.id };
      return [op, { kind: "map", inputs: [op.to], to, value, over: [], domain, span: op.span }];
    });
  });
}

/** Quantized tensors cross launches by their nature; where nothing reads a stream, it is not kept. */
function rolesOf(tensors: readonly Tensor[], groups: readonly (readonly TileOp[])[]): readonly Tensor[] {
  const crossing = new Set(
    groups.flatMap((group) => {
      const own = new Set(group.flatMap((op) => writes(op).map((r) => r.tensor)));
      return group.flatMap((op) => reads(op).flatMap((r) => (own.has(r.tensor) ? [] : [r.tensor])));
    }),
  );
  return tensors.map((t) => (t.role === "workspace" && !crossing.has(t.id) ? { ...t, role: "local" } : t));
}

function launchOf(program: Program, group: readonly TileOp[], i: number, last: boolean, context: PassContext): Step {
  const quantize = group.find((op) => op.kind === "quantize");
  const part = quantize === undefined ? "part" : "quantize";
  const name = last ? program.name : `${program.name}_${part}${i === 0 ? "" : i + 1}`;
  const why = last
    ? "nothing in it needs a finished result of the whole grid"
    : quantize === undefined
      ? "what is summed here is an operand, or at another place, in a later launch"
      : "a row is complete only when all of it was read: codes are used by the next launch";
  const rule = last ? "one-launch" : quantize === undefined ? "split-at-sum" : "split-at-quantize";
  applied(context, rule, group.at(-1)!.span, `${name}: ${why}`);
  return { kind: "launch", name, body: group, span: group[0]!.span };
}

function run(program: Program, context: PassContext): Program {
  if (program.body.some((s) => s.kind === "launch")) return program;
  const editor = new ProgramEditor(program);
  const ops = program.body.map((step) => (isTileOp(step) ? step : internal("outline expects an unscheduled program")));
  const outliner = new Outliner(editor);
  for (const op of shortSums(editor, ops)) outliner.add(op);
  const groups = keepSums(editor, outliner.launches());
  const body = groups.map((group, i) => launchOf(program, group, i, i === groups.length - 1, context));
  const done = editor.done(body);
  return { ...done, tensors: rolesOf(done.tensors, groups) };
}

export const outline: Pass<Program> = {
  name: "outline",
  about: "every op belongs to one launch; tensors that cross launches are workspace",
  run,
};
