/** Lowering of tile ops: tiles become lanes and registers through the layouts of what they touch. */
import { internal } from "../../ir/diagnostics.ts";
import type { Expr, ExprId, Op } from "../../ir/expr.ts";
import { foldInt } from "../../ir/expr-fold.ts";
import { ADDRESS, BIT } from "../../ir/layout.ts";
import { compileAddress } from "../../ir/layout-apply.ts";
import { print } from "../../ir/layout-print.ts";
import type { Region, TileOp } from "../../ir/program.ts";
import { findRow } from "../../ir/row-catalogue.ts";
import { bitsOf } from "../../ir/scalar.ts";
import { isLaneAxis } from "../tile/plan.ts";
import type { LaunchContext } from "./context.ts";
import { extract, insert } from "./fields.ts";
import { type Coordinate, probes, type RegisterTensor, type Slot, valueType } from "./registers.ts";

/** Where an op stands: a coordinate for every axis of its domain. */
type Point = ReadonlyMap<string, Coordinate>;
type MapOp = Extract<TileOp, { kind: "map" }>;
type Copy = Extract<TileOp, { kind: "copy" }>;
type Contract = Extract<TileOp, { kind: "contract" }>;

export class OpLowerer {
  readonly #ctx: LaunchContext;
  readonly #lanes: readonly number[];

  constructor(context: LaunchContext) {
    this.#ctx = context;
    this.#lanes = probes(context.target.lanes);
  }

  lower(op: TileOp): void {
    switch (op.kind) {
      case "fill":
        this.#fill(op);
        break;
      case "copy":
        this.#copy(op);
        break;
      case "map":
        this.#map(op);
        break;
      case "contract":
        if (op.by === "mma") this.#matrix(op);
        else this.#contract(op);
        break;
      default:
        internal(`lower does not know ${op.kind}`);
    }
  }

  /** A condition of the program, over loop variables alone. */
  condition(root: ExprId): ExprId {
    return this.#value(root, new Map(), []);
  }

  #constant(value: number): Coordinate {
    return { expr: this.#ctx.build.constant(value), lanes: this.#lanes.map(() => value) };
  }

  #laneCoordinate(): Coordinate {
    return { expr: this.#ctx.lane, lanes: this.#lanes };
  }

  /** The point of the op's domain that writes a slot of its result. */
  #pointOf(region: Region, registers: RegisterTensor, slot: Slot): Map<string, Coordinate> {
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
  #points(base: Point, axes: readonly { readonly axis: string; readonly extent: number }[]): readonly Point[] {
    return axes.reduce<readonly Point[]>(
      (points, { axis, extent }) =>
        points.flatMap((p) => Array.from({ length: extent }, (_, v) => new Map([...p, [axis, this.#constant(v)]]))),
      [base],
    );
  }

  /** An expression of the program at a point. */
  #value(root: ExprId, point: Point, inputs: readonly ExprId[]): ExprId {
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
  #inside(region: Region, index: readonly ExprId[]): ExprId | undefined {
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

  #indexOf(region: Region, point: Point): readonly ExprId[] {
    return region.index.map((e) => this.#value(e, point, []));
  }

  /** The bit address of an element (or of one bit of it) in its tensor's memory. */
  #address(region: Region, index: readonly ExprId[], bit: ExprId): ExprId {
    const tensor = this.#ctx.tensor(region.tensor);
    const layout = tensor.layout ?? internal(`${tensor.id} has no layout`);
    const at = Object.fromEntries(tensor.axes.map((axis, i) => [axis, index[i]!]));
    return print(layout, this.#ctx.build, { ...at, [BIT]: bit })[ADDRESS] ?? internal(`${tensor.id} has no address`);
  }

  /** One element of a region, wherever it lives, in the type that kernels compute with. */
  #element(region: Region, point: Point): ExprId {
    const { build } = this.#ctx;
    const tensor = this.#ctx.tensor(region.tensor);
    if (tensor.place === "register") {
      const registers = this.#ctx.registers(region.tensor);
      const slot = registers.find(this.#coordinates(region, point));
      const local = this.#ctx.local(registers, slot.reg);
      if (registers.elems === 1 && bitsOf(tensor.type) !== 1) return local;
      return extract(build, local, build.constant(slot.elem * bitsOf(tensor.type)), tensor.type);
    }
    const index = this.#indexOf(region, point);
    const when = this.#inside(region, index);
    const bit = region.bit === undefined ? build.constant(0) : this.#value(region.bit, point, []);
    return this.#load(region, this.#address(region, index, bit), when);
  }

  #coordinates(region: Region, point: Point): readonly Coordinate[] {
    return region.index.map((e) => {
      const expr = this.#ctx.program.exprs.exprs[e];
      if (expr?.kind === "const") return this.#constant(expr.value);
      if (expr?.kind !== "symbol") internal(`${region.tensor} is not indexed by plain axes`);
      return point.get(expr.name) ?? internal(`${expr.name} is not in scope`);
    });
  }

  #load(region: Region, address: ExprId, when: ExprId | undefined): ExprId {
    const { build } = this.#ctx;
    const tensor = this.#ctx.tensor(region.tensor);
    const buffer = this.#ctx.buffer(tensor, "read");
    const bits = bitsOf(buffer.type);
    const type = region.bit === undefined ? tensor.type : "u1";
    const unit = build.op("div", address, build.constant(bits));
    const [word] = this.#ctx.read(buffer, unit, 1, when, tensor.id);
    if (buffer.type !== "u32" || tensor.type === "u32") return word!;
    const shift = build.op("mod", address, build.constant(32));
    if (32 % bitsOf(type) === 0) return extract(build, word!, shift, type);
    return this.#straddling(buffer, unit, word!, shift, when, type);
  }

  /** A field that may cross into the next word. */
  #straddling(
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

  #fill(op: Extract<TileOp, { kind: "fill" }>): void {
    const registers = this.#ctx.registers(op.to.tensor);
    const value = this.#value(op.value, new Map(), []);
    for (let reg = 0; reg < registers.regs; reg++) this.#ctx.define(op.to.tensor, reg, value);
  }

  #copy(op: Copy): void {
    const from = this.#ctx.tensor(op.from.tensor).place;
    const to = this.#ctx.tensor(op.to.tensor).place;
    if (from === "global" && to === "register") this.#loadTile(op);
    else if (from === "register" && to === "global") this.#storeTile(op);
    else internal(`lower does not copy from ${from} to ${to}`);
  }

  /** Whole words where registers hold whole words of memory, as wide as addresses prove aligned; else element by element. */
  #loadTile(op: Copy): void {
    const registers = this.#ctx.registers(op.to.tensor);
    if (registers.elems === 1) {
      for (const slot of registers.slots()) {
        this.#ctx.define(op.to.tensor, slot.reg, this.#element(op.from, this.#pointOf(op.to, registers, slot)));
      }
      return;
    }
    const buffer = this.#ctx.buffer(this.#ctx.tensor(op.from.tensor), "read");
    const words = Array.from({ length: registers.regs }, (_, reg) => ({ reg, ...this.#wordOf(op, registers, reg) }));
    const at = new Map(words.map((w) => [w.index, w]));
    const done = new Set<number>();
    for (const word of words) {
      if (done.has(word.reg)) continue;
      const run = this.#run(word, at, done);
      for (const w of run) done.add(w.reg);
      this.#ctx.readInto(
        run.map((w) => registers.names[w.reg]!),
        buffer,
        word.index,
        word.when,
        op.cache,
      );
    }
  }

  /** The memory word that a register of a packed tile holds. */
  #wordOf(
    op: Copy,
    registers: RegisterTensor,
    reg: number,
  ): { readonly index: ExprId; readonly when: ExprId | undefined } {
    const { build } = this.#ctx;
    const point = this.#pointOf(op.to, registers, { reg, elem: 0 });
    const at = this.#indexOf(op.from, point);
    const bit = op.from.bit === undefined ? build.constant(0) : this.#value(op.from.bit, point, []);
    const address = this.#address(op.from, at, bit);
    const shift = build.get(build.op("mod", address, build.constant(32)));
    if (shift.kind !== "const" || shift.value !== 0) internal(`words of ${op.from.tensor} are not provably aligned`);
    return { index: build.op("div", address, build.constant(32)), when: this.#inside(op.from, at) };
  }

  /** The longest vector of words in memory that starts at `first`, is provably aligned, and belongs to this tile. */
  #run(first: TileWord, at: ReadonlyMap<ExprId, TileWord>, done: ReadonlySet<number>): readonly TileWord[] {
    const { build, target } = this.#ctx;
    for (const width of [4, 2] as const) {
      if (width > target.vectorWords) continue;
      const aligned = build.get(build.op("mod", first.index, build.constant(width)));
      if (aligned.kind !== "const" || aligned.value !== 0) continue;
      // Rows are whole words, so an aligned vector that starts inside a row of whole vectors ends in it: one test serves.
      const run = Array.from({ length: width }, (_, i) => at.get(build.add(first.index, build.constant(i))));
      if (run.every((w) => w !== undefined && !done.has(w.reg))) return run as TileWord[];
    }
    return [first];
  }

  /** Codes back into words: every word that a lane completes is put together from its fields and written once. */
  #storeTile(op: Copy): void {
    const { build } = this.#ctx;
    const registers = this.#ctx.registers(op.from.tensor);
    const tensor = this.#ctx.tensor(op.to.tensor);
    const buffer = this.#ctx.buffer(tensor, "write");
    if (buffer.type !== "u32" || tensor.type === "u32") {
      for (const slot of registers.slots()) {
        const point = this.#pointOf(op.from, registers, slot);
        this.#storeElement(op.to, point, this.#element(op.from, point), registers);
      }
      return;
    }
    const bits = bitsOf(tensor.type);
    const place = compileAddress(tensor.layout ?? internal(`${tensor.id} has no layout`), [...tensor.axes, BIT]);
    const words = new Map<number, { point: Point; bit: number; pieces: ExprId[]; filled: number }>();
    for (const slot of registers.slots()) {
      const point = this.#pointOf(op.from, registers, slot);
      const at = op.to.index.map((e) => this.#numeric(e, point));
      const code = this.#element(op.from, point);
      for (let bit = 0; bit < bits; ) {
        const address = place(...at, bit);
        let run = 1;
        while (bit + run < bits && place(...at, bit + run) === address + run && (address + run) % 32 !== 0) run++;
        const word = Math.floor(address / 32);
        const entry = words.get(word) ?? { point, bit, pieces: [], filled: 0 };
        entry.pieces.push(insert(build, code, bit, run, address % 32));
        entry.filled += run;
        words.set(word, entry);
        bit += run;
      }
    }
    for (const { point, bit, pieces, filled } of words.values()) {
      if (filled !== 32) internal(`a lane holds only ${filled} bits of a word of ${tensor.id}`);
      const index = this.#indexOf(op.to, point);
      const address = this.#address(op.to, index, build.constant(bit));
      const when = this.#only(this.#inside(op.to, index), registers);
      const value = pieces.reduce((all, p) => build.op("or", all, p));
      const at = { buffer: buffer.id, index: build.op("div", address, build.constant(32)), width: 1 as const };
      this.#ctx.emit({ kind: "write", at, values: [value], ...(when === undefined ? {} : { when }), span: op.span });
    }
  }

  /** An index expression as a number in lane 0 of the first block and step. */
  #numeric(root: ExprId, point: Point): number {
    const expr: Expr = this.#ctx.program.exprs.exprs[root] ?? internal(`no expression ${root}`);
    switch (expr.kind) {
      case "const":
        return expr.value;
      case "symbol":
        return point.get(expr.name)?.lanes[0] ?? 0;
      case "op": {
        const [a, b] = expr.args.map((arg) => this.#numeric(arg, point));
        return foldInt(expr.op, a!, b!, "i32") ?? internal(`index uses ${expr.op}`);
      }
      default:
        return internal(`index uses ${expr.kind}`);
    }
  }

  /** Restricts a write to one of the lanes that hold the same value. */
  #only(inside: ExprId | undefined, registers: RegisterTensor): ExprId | undefined {
    const { build, lane, target, guard } = this.#ctx;
    const when = guard === undefined || inside === undefined ? (guard ?? inside) : build.op("and", guard, inside);
    const mask = registers.replicatedLanes();
    if (mask === 0) return when;
    const picked =
      mask === target.lanes - 1
        ? build.op("eq", lane, build.constant(0))
        : build.op("eq", build.op("and", lane, build.constant(mask)), build.constant(0));
    return when === undefined ? picked : build.op("and", picked, when);
  }

  #storeElement(region: Region, point: Point, value: ExprId, registers: RegisterTensor): void {
    const { build } = this.#ctx;
    const tensor = this.#ctx.tensor(region.tensor);
    const buffer = this.#ctx.buffer(tensor, "write");
    const index = this.#indexOf(region, point);
    const when = this.#only(this.#inside(region, index), registers);
    const address = this.#address(region, index, build.constant(0));
    const unit = build.op("div", address, build.constant(bitsOf(tensor.type)));
    const at = { buffer: buffer.id, index: unit, width: 1 as const };
    const stored = build.cast(value, buffer.type);
    this.#ctx.emit({ kind: "write", at, values: [stored], ...(when === undefined ? {} : { when }) });
  }

  #map(op: MapOp): void {
    const result = this.#ctx.tensor(op.to.tensor);
    const over = op.domain.filter((d) => op.over.includes(d.axis) && !isLaneAxis(d.axis));
    const lanes = op.over.some(isLaneAxis);
    if (result.place === "register") {
      const registers = this.#ctx.registers(op.to.tensor);
      const value = (slot: Slot): ExprId => this.#reduced(op, this.#pointOf(op.to, registers, slot), over);
      if (registers.elems > 1) {
        for (let reg = 0; reg < registers.regs; reg++)
          this.#ctx.define(op.to.tensor, reg, this.#pair(op, registers, reg, value));
        return;
      }
      const values = registers.slots().map((slot) => ({ slot, value: value(slot) }));
      for (const { slot, value: v } of values) this.#settle(op, slot, v, lanes);
      return;
    }
    const driver = op.inputs.find((r) => this.#ctx.tensor(r.tensor).place === "register");
    if (driver === undefined) internal(`nothing says which lane computes ${op.to.tensor}`);
    const registers = this.#ctx.registers(driver.tensor);
    for (const slot of registers.slots()) {
      const point = this.#pointOf(driver, registers, slot);
      this.#storeElement(op.to, point, this.#reduced(op, point, over), registers);
    }
  }

  /** The op's value at a point, reduced over the axes that stay in the lane; a balanced tree, so sums round least. */
  #reduced(op: MapOp, point: Point, over: readonly { readonly axis: string; readonly extent: number }[]): ExprId {
    const { build } = this.#ctx;
    const base = op.over.some(isLaneAxis)
      ? new Map([...point, [op.over.find(isLaneAxis)!, this.#laneCoordinate()]])
      : point;
    let terms = this.#points(base, over).map((p) =>
      this.#value(
        op.value,
        p,
        op.inputs.map((r) => this.#element(r, p)),
      ),
    );
    const combine: Op = op.reduce === "max" ? "max" : "add";
    while (terms.length > 1) {
      terms = Array.from({ length: Math.ceil(terms.length / 2) }, (_, i) => {
        const [a, b] = [terms[2 * i]!, terms[2 * i + 1]];
        return b === undefined ? a : build.op(combine, a, b);
      });
    }
    return terms[0]!;
  }

  /** Two computed halves as one register. */
  #pair(op: MapOp, registers: RegisterTensor, reg: number, value: (slot: Slot) => ExprId): ExprId {
    if (registers.elems !== 2 || registers.tensor.type !== "f16")
      internal(`${op.to.tensor} cannot be packed while computed`);
    return this.#ctx.build.op("packF16x2", value({ reg, elem: 0 }), value({ reg, elem: 1 }));
  }

  #settle(op: MapOp, slot: Slot, value: ExprId, lanes: boolean): void {
    if (!lanes) {
      this.#ctx.define(op.to.tensor, slot.reg, value);
      return;
    }
    const registers = this.#ctx.registers(op.to.tensor);
    const to = registers.names[slot.reg]!;
    const exchange = op.reduce === "max" ? "max" : "sum";
    const scope = this.#ctx.target.exchange;
    this.#ctx.emit({
      kind: "collective",
      scope,
      what: { family: "exchange", op: exchange, args: [value], to },
      span: op.span,
    });
  }

  #contract(op: Contract): void {
    const { build } = this.#ctx;
    const registers = this.#ctx.registers(op.to.tensor);
    const over = op.domain.filter((d) => op.over.includes(d.axis));
    const popc = op.by === "popc";
    for (const slot of registers.slots()) {
      const at = this.#pointOf(op.to, registers, slot);
      const points = this.#points(at, over).filter((p) => !popc || p.get(over.at(-1)!.axis)!.lanes[0]! % 32 === 0);
      for (const point of points) {
        const acc = this.#ctx.local(registers, slot.reg);
        const next = popc ? this.#popcount(op, point, acc) : this.#multiplyAdd(op, point, acc);
        this.#ctx.define(op.to.tensor, slot.reg, next);
      }
    }
    build.span = op.span;
  }

  #multiplyAdd(op: Contract, point: Point, acc: ExprId): ExprId {
    const { build } = this.#ctx;
    const type = build.typeOf(acc);
    const a = build.cast(this.#element(op.a, point), type);
    const b = build.cast(this.#element(op.b, point), type);
    return type === "f32" ? build.op("fma", a, b, acc) : build.add(acc, build.mul(a, b));
  }

  /** Both operands hold one-bit elements, 32 consecutive ones of the reduced axis a register. */
  #popcount(op: Contract, point: Point, acc: ExprId): ExprId {
    const { build } = this.#ctx;
    const word = (region: Region): ExprId => {
      const registers = this.#ctx.registers(region.tensor);
      const slot = registers.find(this.#coordinates(region, point));
      if (registers.elems !== 32 || slot.elem !== 0) internal(`${region.tensor} is not packed for popcounts`);
      return this.#ctx.local(registers, slot.reg);
    };
    return build.add(acc, build.op("popc", build.op("and", word(op.a), word(op.b))));
  }

  /** One matrix instruction for every pair of fragments. */
  #matrix(op: Contract): void {
    const row = findRow(op.row ?? internal("no row")) ?? internal(`no row ${op.row}`);
    const a = this.#ctx.registers(op.a.tensor);
    const b = this.#ctx.registers(op.b.tensor);
    const d = this.#ctx.registers(op.to.tensor);
    const words = (registers: RegisterTensor, first: number, count: number): readonly ExprId[] =>
      Array.from({ length: count }, (_, i) => this.#ctx.local(registers, first + i));
    const steps = op.domain.filter((dim) => op.over.includes(dim.axis)).reduce((n, dim) => n * dim.extent, 1) / row.k;
    const rows = a.regs / (row.a.regs * steps);
    const columns = b.regs / (row.b.regs * steps);
    for (let step = 0; step < steps; step++) {
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) {
          const first = (i * columns + j) * row.d.regs;
          const what = {
            family: "matrix" as const,
            row: row.id,
            a: words(a, (i * steps + step) * row.a.regs, row.a.regs),
            b: words(b, (j * steps + step) * row.b.regs, row.b.regs),
            d: d.names.slice(first, first + row.d.regs),
          };
          this.#ctx.emit({ kind: "collective", scope: row.scope, what, span: op.span });
        }
      }
    }
  }
}

/** A register of a packed tile and the memory word it holds. */
interface TileWord {
  readonly reg: number;
  readonly index: ExprId;
  readonly when: ExprId | undefined;
}
