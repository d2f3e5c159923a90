/** Lowering of tile ops: tiles become lanes and registers through the layouts of what they touch. */
import { internal } from "../../ir/diagnostics.ts";
import type { ExprId, Op } from "../../ir/expr.ts";
import { compileAddress } from "../../ir/layout/apply.ts";
import { BIT } from "../../ir/layout/layout.ts";
import type { Region, TileOp } from "../../ir/program.ts";
import { bitsOf, type Scalar } from "../../ir/scalar.ts";
import { isLaneAxis } from "../tile/plan.ts";
import type { LaunchContext } from "./context.ts";
import { lowerContract, lowerMatrix } from "./contract.ts";
import { halfBits, insert, upperHalf } from "./fields.ts";
import { type Point, PointReader } from "./points.ts";
import type { RegisterTensor, Slot } from "./registers.ts";

type MapOp = Extract<TileOp, { kind: "map" }>;
type Copy = Extract<TileOp, { kind: "copy" }>;

export class OpLowerer {
  readonly #ctx: LaunchContext;
  readonly #read: PointReader;

  constructor(context: LaunchContext) {
    this.#ctx = context;
    this.#read = new PointReader(context);
  }

  /** A condition of the program, over loop variables alone. */
  condition(root: ExprId): ExprId {
    return this.#read.condition(root);
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
        if (op.by === "mma") lowerMatrix(this.#ctx, op);
        else lowerContract(this.#ctx, this.#read, op);
        break;
      default:
        internal(`lower does not know ${op.kind}`);
    }
  }

  #fill(op: Extract<TileOp, { kind: "fill" }>): void {
    const registers = this.#ctx.registers(op.to.tensor);
    const value = this.#read.value(op.value, new Map(), []);
    for (let reg = 0; reg < registers.regs; reg++) this.#ctx.define(op.to.tensor, reg, value);
  }

  #copy(op: Copy): void {
    const from = this.#ctx.tensor(op.from.tensor).place;
    const to = this.#ctx.tensor(op.to.tensor).place;
    if (from === "global" && to === "register") this.#loadTile(op);
    else if (from === "register" && (to === "global" || to === "shared")) this.#storeTile(op);
    else internal(`lower does not copy from ${from} to ${to}`);
  }

  /** Whole words where registers hold whole words of memory, as wide as addresses prove aligned; else element by element. */
  #loadTile(op: Copy): void {
    const registers = this.#ctx.registers(op.to.tensor);
    if (registers.elems === 1) {
      for (const slot of registers.slots()) {
        this.#ctx.define(
          op.to.tensor,
          slot.reg,
          this.#read.element(op.from, this.#read.pointOf(op.to, registers, slot)),
        );
      }
      return;
    }
    const buffer = this.#ctx.buffer(this.#ctx.tensor(op.from.tensor), "read");
    const words = Array.from({ length: registers.regs }, (_, reg) => ({ reg, ...this.#wordOf(op, registers, reg) }));
    const at = new Map(words.map((w) => [placeKey(w.row, w.index), w]));
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
  #wordOf(op: Copy, registers: RegisterTensor, reg: number): Omit<TileWord, "reg"> {
    const { build } = this.#ctx;
    const point = this.#read.pointOf(op.to, registers, { reg, elem: 0 });
    const at = this.#read.indexOf(op.from, point);
    const bit = op.from.bit === undefined ? build.constant(0) : this.#read.value(op.from.bit, point, []);
    const address = this.#read.address(op.from, at, bit);
    const shift = build.get(build.op("mod", address, build.constant(32)));
    if (shift.kind !== "const" || shift.value !== 0) internal(`words of ${op.from.tensor} are not provably aligned`);
    const index = build.op("div", address, build.constant(32));
    const { shape, type } = this.#ctx.tensor(op.from.tensor);
    const rowWords = Math.ceil(((shape.at(-1) ?? 1) * (op.from.bit === undefined ? bitsOf(type) : 1)) / 32);
    return { row: at.slice(0, -1).join(), rowWords, index, when: this.#read.inside(op.from, at) };
  }

  /** The longest vector of words in memory that starts at `first`, is provably aligned, and belongs to this tile. */
  #run(first: TileWord, at: ReadonlyMap<string, TileWord>, done: ReadonlySet<number>): readonly TileWord[] {
    const { build, target } = this.#ctx;
    for (const width of [4, 2] as const) {
      if (width > target.vectorWords) continue;
      const aligned = build.get(build.op("mod", first.index, build.constant(width)));
      if (aligned.kind !== "const" || aligned.value !== 0) continue;
      // An aligned vector that starts inside a row of whole vectors ends in it; elsewhere all must stand under one test.
      const whole = first.rowWords % width === 0;
      const run = Array.from({ length: width }, (_, i) =>
        at.get(placeKey(first.row, build.add(first.index, build.constant(i)))),
      );
      if (run.every((w) => w !== undefined && !done.has(w.reg) && (whole || w.when === first.when)))
        return run as TileWord[];
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
        const point = this.#read.pointOf(op.from, registers, slot);
        this.#storeElement(op.to, point, this.#read.element(op.from, point), registers);
      }
      return;
    }
    const bits = bitsOf(tensor.type);
    const place = compileAddress(tensor.layout ?? internal(`${tensor.id} has no layout`), [...tensor.axes, BIT]);
    // Elements that share no word with others leave the rest of it unused.
    const { layout } = tensor;
    const alone = layout?.kind === "strided" && layout.terms.every((t) => t.from === BIT || t.stride % 32 === 0);
    const words = new Map<number, { point: Point; bit: number; pieces: ExprId[]; filled: number }>();
    for (const slot of registers.slots()) {
      const point = this.#read.pointOf(op.from, registers, slot);
      const at = op.to.index.map((e) => this.#read.numeric(e, point));
      const code = this.#encoded(this.#read.element(op.from, point), tensor.type);
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
      if (filled !== 32 && !alone) internal(`a lane holds only ${filled} bits of a word of ${tensor.id}`);
      const index = this.#read.indexOf(op.to, point);
      const address = this.#read.address(op.to, index, build.constant(bit));
      const when = this.#only(this.#read.inside(op.to, index), registers);
      const value = pieces.reduce((all, p) => build.op("or", all, p));
      const at = { buffer: buffer.id, index: build.op("div", address, build.constant(32)), width: 1 as const };
      this.#ctx.emit({ kind: "write", at, values: [value], ...(when === undefined ? {} : { when }), span: op.span });
    }
  }

  /** The bits of an element as it is stored, lowest first: numbers that kernels compute with as f32 are encoded. */
  #encoded(value: ExprId, type: Scalar): ExprId {
    if (type === "f16") return halfBits(this.#ctx.build, value);
    if (type === "bf16") return upperHalf(this.#ctx.build, value);
    return value;
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
    const index = this.#read.indexOf(region, point);
    const when = this.#only(this.#read.inside(region, index), registers);
    const address = this.#read.address(region, index, build.constant(0));
    // Numbers narrower than the words of their buffer have a word each.
    const encoded = buffer.type === "u32" && (tensor.type === "f16" || tensor.type === "bf16");
    const unit = build.op("div", address, build.constant(encoded ? 32 : bitsOf(tensor.type)));
    const at = { buffer: buffer.id, index: unit, width: 1 as const };
    const stored = encoded ? this.#encoded(value, tensor.type) : build.cast(value, buffer.type);
    this.#ctx.emit({ kind: "write", at, values: [stored], ...(when === undefined ? {} : { when }) });
  }

  #map(op: MapOp): void {
    const result = this.#ctx.tensor(op.to.tensor);
    const over = op.domain.filter((d) => op.over.includes(d.axis) && !isLaneAxis(d.axis));
    const lanes = op.over.some(isLaneAxis);
    if (result.place === "register") {
      const registers = this.#ctx.registers(op.to.tensor);
      const value = (slot: Slot): ExprId => this.#reduced(op, this.#read.pointOf(op.to, registers, slot), over);
      if (registers.elems > 1) {
        for (let reg = 0; reg < registers.regs; reg++)
          this.#ctx.define(op.to.tensor, reg, this.#pair(op, registers, reg, value));
        return;
      }
      const values = registers.slots().map((slot) => ({ slot, value: value(slot) }));
      for (const { slot, value: v } of values) this.#settle(op, slot, v, lanes);
      return;
    }
    const held = op.inputs.filter((r) => this.#ctx.tensor(r.tensor).place === "register");
    const driver = held.toSorted((a, b) => b.index.length - a.index.length)[0];
    if (driver === undefined) internal(`nothing says which lane computes ${op.to.tensor}`);
    const registers = this.#ctx.registers(driver.tensor);
    for (const slot of registers.slots()) {
      const known = this.#read.pointOf(driver, registers, slot);
      // Axes that no register has are those of operands read in place.
      const others = op.domain.filter((d) => !op.over.includes(d.axis) && !known.has(d.axis));
      for (const point of this.#read.points(known, others))
        this.#storeElement(op.to, point, this.#reduced(op, point, over), registers);
    }
  }

  /** The op's value at a point, reduced over the axes that stay in the lane; a balanced tree, so sums round least. */
  #reduced(op: MapOp, point: Point, over: readonly { readonly axis: string; readonly extent: number }[]): ExprId {
    const { build } = this.#ctx;
    const base = op.over.some(isLaneAxis)
      ? new Map([...point, [op.over.find(isLaneAxis)!, this.#read.laneCoordinate()]])
      : point;
    let terms = this.#read.points(base, over).map((p) => {
      const inputs: ExprId[] = [];
      for (const region of op.inputs) inputs.push(this.#read.element(region, p, inputs));
      return this.#read.value(op.value, p, inputs);
    });
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
}

/** Behind the end of a row its words are not read, and their places are those of the next row: words are told apart by both. */
const placeKey = (row: string, index: ExprId): string => `${row}:${index}`;

/** A register of a packed tile and the memory word it holds. */
interface TileWord {
  readonly reg: number;
  /** The indices of its row. */
  readonly row: string;
  readonly rowWords: number;
  readonly index: ExprId;
  readonly when: ExprId | undefined;
}
