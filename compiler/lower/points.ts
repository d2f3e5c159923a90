/** Reading a program at a point: its expressions, its regions' elements, and where they are in memory. */
import { internal } from "../../ir/diagnostics.ts";
import type { Expr, ExprId } from "../../ir/expr.ts";
import { foldInt } from "../../ir/expr-fold.ts";
import { compileAddress } from "../../ir/layout/apply.ts";
import { ADDRESS, BIT } from "../../ir/layout/layout.ts";
import { print } from "../../ir/layout/print.ts";
import type { Region } from "../../ir/program.ts";
import { bitsOf, isInt, rangeOf, type Scalar } from "../../ir/scalar.ts";
import type { LaunchContext } from "./context.ts";
import { extract } from "./fields.ts";
import { type Coordinate, probes, type RegisterTensor, type Slot, valueType } from "./registers.ts";

/** Where an op stands: a coordinate for every axis of its domain. */
export type Point = ReadonlyMap<string, Coordinate>;

/** Bits `from` … `from` + `count` − 1 of an element. */
interface BitRun {
  readonly from: number;
  readonly count: number;
}

export class PointReader {
  readonly #ctx: LaunchContext;
  readonly #lanes: readonly number[];
  readonly #runs = new Map<string, readonly BitRun[]>();

  constructor(context: LaunchContext) {
    this.#ctx = context;
    this.#lanes = probes(context.target.lanes);
  }

  /** A condition of the program, over loop variables alone. */
  condition(root: ExprId): ExprId {
    return this.value(root, new Map(), []);
  }

  constant(value: number): Coordinate {
    return { expr: this.#ctx.build.constant(value), lanes: this.#lanes.map(() => value) };
  }

  laneCoordinate(): Coordinate {
    return { expr: this.#ctx.lane, lanes: this.#lanes };
  }

  /** The point of the op's domain that writes a slot of its result. */
  pointOf(region: Region, registers: RegisterTensor, slot: Slot): Map<string, Coordinate> {
    const { build, program, lane } = this.#ctx;
    const at = registers.coordinates(slot, build, lane);
    const point = new Map<string, Coordinate>();
    region.index.forEach((e, i) => {
      const expr = program.exprs.exprs[e];
      if (expr?.kind !== "symbol") internal(`${region.tensor} is not indexed by plain axes`);
      point.set(expr.name, at[i]!);
    });
    return point;
  }

  /** All combinations of the values of some axes, added to a point; the last axis varies fastest. */
  points(base: Point, axes: readonly { readonly axis: string; readonly extent: number }[]): readonly Point[] {
    return axes.reduce<readonly Point[]>(
      (points, { axis, extent }) =>
        points.flatMap((p) => Array.from({ length: extent }, (_, v) => new Map([...p, [axis, this.constant(v)]]))),
      [base],
    );
  }

  /** An expression of the program at a point. */
  value(root: ExprId, point: Point, inputs: readonly ExprId[]): ExprId {
    const { build, program, symbols } = this.#ctx;
    const done = new Map<ExprId, ExprId>();
    const visit = (id: ExprId): ExprId => {
      const known = done.get(id);
      if (known !== undefined) return known;
      const expr: Expr = program.exprs.exprs[id] ?? internal(`no expression ${id}`);
      build.span = program.exprs.spans[id] ?? build.span;
      const made = ((): ExprId => {
        switch (expr.kind) {
          case "const":
            return build.constant(expr.value, expr.type === "bool" ? "bool" : valueType(expr.type));
          case "symbol":
            return point.get(expr.name)?.expr ?? symbols.get(expr.name) ?? internal(`${expr.name} is not in scope`);
          case "input":
            return inputs[expr.index] ?? internal(`no input ${expr.index}`);
          case "cast":
            return build.cast(visit(expr.of), valueType(expr.type));
          case "table":
            return this.#ctx.tableEntry(expr.table, visit(expr.index));
          case "op":
            return build.op(expr.op, ...expr.args.map(visit));
          default:
            return build.rebuild(expr, visit);
        }
      })();
      done.set(id, made);
      return made;
    };
    return visit(root);
  }

  /** True when every index of the region is inside its tensor; undefined when that is always so. */
  inside(region: Region, index: readonly ExprId[]): ExprId | undefined {
    if (region.tail === "exact") return undefined;
    const { build } = this.#ctx;
    const tensor = this.#ctx.tensor(region.tensor);
    let all: ExprId | undefined;
    index.forEach((e, i) => {
      const test = build.op("lt", e, build.constant(tensor.shape[i]!));
      const known = build.get(test);
      if (known.kind === "const" && known.value === 1) return;
      all = all === undefined ? test : build.op("and", all, test);
    });
    return all;
  }

  indexOf(region: Region, point: Point, inputs: readonly ExprId[] = []): readonly ExprId[] {
    return region.index.map((e) => this.value(e, point, inputs));
  }

  /** The bit address of an element (or of one bit of it) in its tensor's memory. */
  address(region: Region, index: readonly ExprId[], bit: ExprId): ExprId {
    const tensor = this.#ctx.tensor(region.tensor);
    const layout = tensor.layout ?? internal(`${tensor.id} has no layout`);
    const at = Object.fromEntries(tensor.axes.map((axis, i) => [axis, index[i]!]));
    return print(layout, this.#ctx.build, { ...at, [BIT]: bit })[ADDRESS] ?? internal(`${tensor.id} has no address`);
  }

  /**
   * One element of a region, wherever it lives, in the type that kernels compute with. `inputs`: the elements already
   * read, for a region whose place depends on them.
   */
  element(region: Region, point: Point, inputs: readonly ExprId[] = []): ExprId {
    const { build } = this.#ctx;
    const id = this.#element(region, point, inputs);
    // What a code can be is known from its type: places that are looked up by it may need that to be simple.
    const type = this.#typeOf(region);
    if (isInt(type) && bitsOf(type) < 32) build.ranges[id] ??= rangeOf(type);
    return id;
  }

  #element(region: Region, point: Point, inputs: readonly ExprId[]): ExprId {
    const { build } = this.#ctx;
    const tensor = this.#ctx.tensor(region.tensor);
    if (tensor.place === "register") {
      const registers = this.#ctx.registers(region.tensor);
      const slot = registers.find(this.coordinates(region, point));
      const local = this.#ctx.local(registers, slot.reg);
      if (registers.elems === 1) return local;
      return extract(build, local, build.constant(slot.elem * bitsOf(tensor.type)), tensor.type);
    }
    const index = this.indexOf(region, point, inputs);
    const when = this.inside(region, index);
    if (region.bit !== undefined)
      return this.load(region, this.address(region, index, this.value(region.bit, point, [])), when);
    const runs = this.runs(region.tensor);
    if (runs.length > 1) return this.assemble(region, index, runs, when);
    return this.load(region, this.address(region, index, build.constant(0)), when);
  }

  coordinates(region: Region, point: Point): readonly Coordinate[] {
    return region.index.map((e) => {
      const expr = this.#ctx.program.exprs.exprs[e];
      if (expr?.kind === "const") return this.constant(expr.value);
      if (expr?.kind !== "symbol") internal(`${region.tensor} is not indexed by plain axes`);
      return point.get(expr.name) ?? internal(`${expr.name} is not in scope`);
    });
  }

  /** The bits of an element that lie next to each other in memory, lowest first: one run unless bits are scattered. */
  runs(id: string): readonly BitRun[] {
    const known = this.#runs.get(id);
    if (known !== undefined) return known;
    const { type, axes, layout } = this.#ctx.tensor(id);
    const bits = bitsOf(type);
    const runs: BitRun[] = [];
    const address = compileAddress(layout ?? internal(`${id} has no layout`), [...axes, BIT]);
    const origin = axes.map(() => 0);
    for (let bit = 0; bit < bits; bit++) {
      const last = runs.at(-1);
      // Only of a sum of parts does one element tell about all.
      const joins = layout?.kind === "strided" && last !== undefined;
      if (joins && address(...origin, bit) === address(...origin, last.from) + last.count)
        runs[runs.length - 1] = { ...last, count: last.count + 1 };
      else runs.push({ from: bit, count: 1 });
    }
    this.#runs.set(id, runs);
    return runs;
  }

  /** An element whose bits are scattered, as in planes: put together from its runs. */
  assemble(region: Region, index: readonly ExprId[], runs: readonly BitRun[], when: ExprId | undefined): ExprId {
    const { build } = this.#ctx;
    const { type } = this.#ctx.tensor(region.tensor);
    const pieces = runs.map(({ from, count }) => {
      const address = this.address(region, index, build.constant(from));
      const piece = this.load(region, address, when, `u${count}`);
      const word = build.typeOf(piece) === "u32" ? piece : build.bits(piece, "u32");
      return from === 0 ? word : build.op("shl", word, build.constant(from, "u32"));
    });
    const word = pieces.reduce((all, piece) => build.op("or", all, piece));
    return extract(build, word, build.constant(0), type);
  }

  /** The element at a bit address, or as many bits of it as `type` has. */
  load(region: Region, address: ExprId, when: ExprId | undefined, type = this.#typeOf(region)): ExprId {
    const { build } = this.#ctx;
    const tensor = this.#ctx.tensor(region.tensor);
    const buffer = this.#ctx.buffer(tensor, "read");
    const bits = bitsOf(buffer.type);
    const unit = build.op("div", address, build.constant(bits));
    const [word] = this.#ctx.read(buffer, unit, 1, when, tensor.id);
    if (buffer.type !== "u32" || tensor.type === "u32") return word!;
    const shift = build.op("mod", address, build.constant(32));
    const aligned = build.get(build.op("mod", address, build.constant(bitsOf(type))));
    if (32 % bitsOf(type) === 0 && aligned.kind === "const" && aligned.value === 0)
      return extract(build, word!, shift, type);
    return this.straddling(buffer, unit, word!, shift, when, type);
  }

  #typeOf(region: Region): Scalar {
    return region.bit === undefined ? this.#ctx.tensor(region.tensor).type : "u1";
  }

  /** A field that may cross into the next word. */
  straddling(
    buffer: ReturnType<LaunchContext["buffer"]>,
    unit: ExprId,
    word: ExprId,
    shift: ExprId,
    when: ExprId | undefined,
    type: Parameters<typeof extract>[3],
  ): ExprId {
    const { build } = this.#ctx;
    const crosses = build.op("gt", shift, build.constant(32 - bitsOf(type)));
    const known = build.get(crosses);
    if (known.kind === "const" && known.value === 0) return extract(build, word, shift, type);
    const inside = when === undefined ? crosses : build.op("and", crosses, when);
    const [next] = this.#ctx.read(buffer, build.add(unit, build.constant(1)), 1, inside, `${buffer.id}_next`);
    const count = build.cast(shift, "u32");
    const low = build.op("shr", word, count);
    const back = build.op("and", build.op("sub", build.constant(32, "u32"), count), build.constant(31, "u32"));
    const high = build.op("select", crosses, build.op("shl", next!, back), build.constant(0, "u32"));
    return extract(build, build.op("or", low, high), build.constant(0), type);
  }

  /** An index expression as a number in lane 0 of the first block and step. */
  numeric(root: ExprId, point: Point): number {
    const expr: Expr = this.#ctx.program.exprs.exprs[root] ?? internal(`no expression ${root}`);
    switch (expr.kind) {
      case "const":
        return expr.value;
      case "symbol":
        return point.get(expr.name)?.lanes[0] ?? 0;
      case "op": {
        const [a, b] = expr.args.map((arg) => this.numeric(arg, point));
        return foldInt(expr.op, a!, b!, "i32") ?? internal(`index uses ${expr.op}`);
      }
      default:
        return internal(`index uses ${expr.kind}`);
    }
  }
}
