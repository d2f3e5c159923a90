/** tile-machine: cuts a product into blocks and folds and gives them to a machine's units as roles with rings between. */
import { foldShape, type Parts, partsOf } from "../../hw-models/derive.ts";
import type { AcceleratorModel, Dataflow } from "../../hw-models/schema.ts";
import type { Diagnostics } from "../../ir/diagnostics.ts";
import type {
  Dim,
  Mapping as LoopMap,
  Place,
  Program,
  Region,
  Ring,
  Role,
  Step,
  Tensor,
  TileOp,
} from "../../ir/program.ts";
import {
  axisOf,
  type Blocks,
  blockSizes,
  chooseBlocks,
  levelOf,
  MAPPINGS,
  type Mapping,
  type Path,
  type ProductAxis,
  tileShape,
} from "../machine/blocks.ts";
import { Coordinates, SIDES, type SideName } from "../machine/coordinates.ts";
import { findProduct, type Product, type Side, type Stored } from "../machine/product.ts";

/**
 * The program that the machine's units play: channels load blocks, feeders decode them and shift them in, the array
 * contracts fold by fold, the vector unit ends the sums, a channel stores them. It computes what `program` computes.
 * Reports `machine/unsupported` or `simulate/capacity` and returns undefined where it cannot.
 */
export function tileMachine(
  program: Program,
  machine: AcceleratorModel,
  dataflow: Dataflow,
  sink: Diagnostics,
): Program | undefined {
  const product = findProduct(program, sink);
  if (product === undefined) return undefined;
  const parts = partsOf(machine);
  const blocks = chooseBlocks(program.exprs, product, parts, dataflow, program.name, sink);
  return blocks === undefined
    ? undefined
    : new MachineBuilder(program, product, parts, MAPPINGS[dataflow], blocks).done();
}

/** Assembles the machine program of one product for one blocking. */
class MachineBuilder {
  readonly #program: Program;
  readonly #product: Product;
  readonly #parts: Parts;
  readonly #mapping: Mapping;
  readonly #blocks: Blocks;
  readonly #c: Coordinates;
  readonly #tensors: Tensor[] = [];
  readonly #tiles: Record<SideName, Tensor[]> = { weight: [], activation: [] };
  readonly #fed: Partial<Record<SideName, Tensor>> = {};

  constructor(program: Program, product: Product, parts: Parts, mapping: Mapping, blocks: Blocks) {
    this.#program = program;
    this.#product = product;
    this.#parts = parts;
    this.#mapping = mapping;
    this.#blocks = blocks;
    this.#c = new Coordinates(program, product, blocks, mapping, foldShape(parts.array));
  }

  done(): Program {
    const { accumulator, result, contract } = this.#product;
    this.#tensors.push(...this.#program.tensors.filter((t) => t.role !== "local"));
    const obuf: Place = `unit:${this.#parts.buffers.result.name}`;
    for (const side of SIDES) this.#placeSide(this.#product[side]);
    const [m, n] = [this.#blocks.sizes.m, this.#blocks.sizes.n];
    const acc = this.#tensor("acc.tile", accumulator, this.#resultAxes(m, n), obuf, "accumulator");
    const out = this.#tensor(`${result.id}.tile`, result, this.#resultAxes(m, n), obuf, "result");
    const roles: readonly Role[] = [
      ...SIDES.map((side) => this.#channel(side)),
      ...SIDES.filter((side) => this.#c.paths[side] !== "direct").map((side) => this.#feeder(side)),
      this.#array(acc),
      this.#vector(acc, out),
      this.#store(out),
    ];
    return {
      ...this.#program,
      tensors: this.#tensors,
      rings: this.#rings(),
      exprs: this.#c.build.done(),
      body: [{ kind: "roles", roles, span: contract.span }],
    };
  }

  #rings(): readonly Ring[] {
    const { channels, feeders, array, vector } = this.#parts;
    const { depth } = this.#blocks;
    const rings: Ring[] = [];
    for (const side of SIDES) {
      const path = this.#c.paths[side];
      const reader = path === "direct" ? array.name : feeders[side].name;
      rings.push({ id: side, depth, producer: channels[side].name, consumers: [reader] });
      if (path === "direct") continue;
      const fedDepth = path === "decoded" || array.overlap.shadowRegisters ? 2 : 1;
      rings.push({ id: `${side}.fed`, depth: fedDepth, producer: feeders[side].name, consumers: [array.name] });
    }
    rings.push({ id: "accumulator", depth, producer: array.name, consumers: [vector.name] });
    rings.push({ id: "result", depth, producer: vector.name, consumers: [channels.result.name] });
    return rings;
  }

  // Tensors.

  #tensor(id: string, like: Tensor, shape: readonly Dim[], place: Place, ring: string): Tensor {
    const tensor: Tensor = {
      id,
      type: like.type,
      axes: shape.map((d) => d.axis),
      shape: shape.map((d) => d.extent),
      place,
      role: "local",
      ring,
      span: like.span,
    };
    this.#tensors.push(tensor);
    return tensor;
  }

  /** The result's axes without the batch axes, in its own order. */
  #resultAxes(m: number, n: number): readonly Dim[] {
    const product = this.#product;
    const size = new Map([
      [product.m.axis, m],
      [product.n.axis, n],
    ]);
    return this.#c.names(product.contract.to.index).flatMap((axis) => {
      const extent = size.get(axis);
      return extent === undefined ? [] : [{ axis, extent }];
    });
  }

  #placeSide(side: Side): void {
    const buffer: Place = `unit:${this.#parts.buffers[side.role].name}`;
    const sizes = blockSizes(side, this.#product, this.#blocks);
    for (const stored of side.stored) {
      const shape = tileShape(this.#program.exprs, stored, side, this.#product, sizes);
      const dims = stored.tensor.axes.map((axis, i) => ({ axis, extent: shape[i] ?? 1 }));
      this.#tiles[side.role].push(this.#tensor(`${stored.tensor.id}.tile`, stored.tensor, dims, buffer, side.role));
    }
    const path = this.#c.paths[side.role];
    if (path === "direct") return;
    const unit = path === "stationary" ? this.#parts.array.name : this.#parts.feeders[side.role].name;
    const dims = this.#sideAxes(side).map((a) => ({ axis: this.#product[a].axis, extent: this.#c.fold[a] }));
    this.#fed[side.role] = this.#tensor(`${side.role}.fed`, side.tensor, dims, `unit:${unit}`, `${side.role}.fed`);
  }

  /** The free and the summed axis of a side, in the order of the tensor that the contraction reads. */
  #sideAxes(side: Side): readonly ProductAxis[] {
    const axes = (["m", "n", "k"] as const).filter((a) => side.axes.includes(this.#product[a].axis));
    return axes.toSorted((a, b) => side.axes.indexOf(this.#product[a].axis) - side.axes.indexOf(this.#product[b].axis));
  }

  // Steps.

  #signal(ring: string, what: "acquire" | "commit" | "wait" | "release"): Step {
    return { kind: "signal", ring, what, span: this.#product.contract.span };
  }

  #between(ring: string, open: "acquire" | "wait", body: readonly Step[]): readonly Step[] {
    return [this.#signal(ring, open), ...body, this.#signal(ring, open === "acquire" ? "commit" : "release")];
  }

  #loop(name: string, extent: number, step: number, map: LoopMap, body: readonly Step[]): Step {
    return { kind: "loop", name, extent, step, map, body, span: this.#product.contract.span };
  }

  /** The block loops from `from` to `to`, with `at(level)` wrapping what stands below that many loops. */
  #walk(
    to: number,
    at: (level: number, body: readonly Step[]) => readonly Step[],
    core: readonly Step[],
  ): readonly Step[] {
    let body = at(to, core);
    for (let level = to - 1; level >= 0; level--) {
      const loop = this.#c.loops[level]!;
      body = at(level, [this.#loop(`${loop.axis}0`, loop.extent, loop.step, { kind: "serial" }, body)]);
    }
    return body;
  }

  #level(side: SideName): number {
    return levelOf(this.#product[side], this.#c.loops, this.#product, this.#blocks);
  }

  /** Blocks of sums live below all loops but the one over k. */
  get #resultLevel(): number {
    return this.#c.loops.filter((l) => l.axis !== this.#product.k.axis).length;
  }

  #channel(name: SideName): Role {
    const side = this.#product[name];
    const copies = side.stored.map((stored, i) => this.#load(stored, side, this.#tiles[name][i]!));
    const body = this.#walk(this.#level(name), (_, inner) => inner, this.#between(name, "acquire", copies));
    const unit = this.#parts.channels[name].name;
    return { name: unit, warps: null, unit, body };
  }

  #load(stored: Stored, side: Side, tile: Tensor): TileOp {
    const domain = dimsOf(tile);
    const to = domain.map((d) => this.#c.point(d.axis));
    const from = stored.index.map((index, i) => {
      const base = this.#c.at(index, side, (axis, name) =>
        axis !== undefined && this.#c.spansAll(axis, side) ? this.#c.build.constant(0) : this.#c.blockBase(name),
      );
      return axisOf(this.#program.exprs, index, side, this.#product) === undefined
        ? base
        : this.#c.build.add(base, to[i]!);
    });
    const tileIndex = to.map((id, i) => (tile.shape[i] === 1 ? this.#c.build.constant(0) : id));
    return {
      kind: "copy",
      from: this.#c.region(stored.tensor, from, domain),
      to: this.#c.region(tile, tileIndex, domain),
      engine: "dma",
      cache: "stream",
      domain,
      span: side.decode?.span ?? this.#product.contract.span,
    };
  }

  #feeder(name: SideName): Role {
    const side = this.#product[name];
    const stationary = this.#c.paths[name] === "stationary";
    const feed = this.#between(`${name}.fed`, "acquire", [this.#feed(side)]);
    const core = stationary ? this.#folds(feed, (inner) => inner) : this.#folds(this.#chunks(feed), (inner) => inner);
    const level = this.#level(name);
    const body = this.#walk(
      this.#c.loops.length,
      (at, inner) => (at === level ? this.#between(name, "wait", inner) : inner),
      core,
    );
    const unit = this.#parts.feeders[name].name;
    return { name: unit, warps: null, unit, body };
  }

  /** Decodes or moves one fold's part of a block into the array or the FIFO before it. */
  #feed(side: Side): TileOp {
    const fed = this.#fed[side.role]!;
    const axes = this.#sideAxes(side);
    const domain = axes.map((a) => ({ axis: this.#product[a].axis, extent: this.#c.fold[a] }));
    const to = this.#c.region(
      fed,
      domain.map((d) => this.#c.point(d.axis)),
      domain,
    );
    const fields = side.stored.map((stored, i) => {
      const index = stored.index.map((id) => this.#c.at(id, side, (axis) => this.#c.inBlock(axis, side)));
      return this.#c.region(this.#tiles[side.role][i]!, index, domain);
    });
    const { decode } = side;
    if (decode === undefined) return { kind: "copy", from: fields[0]!, to, domain, span: this.#product.contract.span };
    const at = this.#c.at(decode.at, side, (axis, name) => this.#c.inProduct(axis, name, side));
    return { kind: "decode", format: decode.format, fields, to, at, method: "unit", domain, span: decode.span };
  }

  /** The loops over the folds of a block: columns outside, rows inside, as SCALE-Sim orders them. */
  #folds(core: readonly Step[], wrap: (body: readonly Step[]) => readonly Step[]): readonly Step[] {
    const { row, column } = this.#mapping;
    const rows = this.#foldLoop(row, "row", wrap(core));
    return [this.#foldLoop(column, "column", [rows])];
  }

  #chunks(core: readonly Step[]): readonly Step[] {
    return this.#c.chunked ? [this.#foldLoop(this.#mapping.time, "time", core)] : core;
  }

  #foldLoop(axis: ProductAxis, dim: "row" | "column" | "time", body: readonly Step[]): Step {
    const map: LoopMap = { kind: "array", unit: this.#parts.array.name, dim };
    return this.#loop(`${this.#product[axis].axis}1`, this.#blocks.sizes[axis], this.#c.fold[axis], map, body);
  }

  #array(acc: Tensor): Role {
    const { fill } = this.#product;
    const waits = (side: SideName, path: Path, body: readonly Step[]): readonly Step[] =>
      this.#c.paths[side] === path ? this.#between(path === "direct" ? side : `${side}.fed`, "wait", body) : body;
    const both = (path: Path, body: readonly Step[]): readonly Step[] =>
      SIDES.reduceRight((inner, side) => waits(side, path, inner), body);
    const core = this.#folds(this.#chunks(both("decoded", [this.#contract(acc)])), (inner) =>
      both("stationary", inner),
    );
    const index = acc.axes.map((axis) => this.#c.point(axis));
    const domain = dimsOf(acc);
    const clear: Step = {
      kind: "fill",
      to: this.#c.region(acc, index, domain),
      value: this.#c.build.copy(this.#program.exprs, fill.value, () => undefined),
      domain,
      span: fill.span,
    };
    const at = (level: number, inner: readonly Step[]): readonly Step[] => {
      const filled = level === this.#resultLevel ? this.#between("accumulator", "acquire", [clear, ...inner]) : inner;
      return SIDES.reduceRight(
        (body, side) => (this.#level(side) === level ? waits(side, "direct", body) : body),
        filled,
      );
    };
    const unit = this.#parts.array.name;
    return {
      name: unit,
      warps: null,
      unit,
      body: this.#walk(this.#c.loops.length, at, core),
    };
  }

  #contract(acc: Tensor): TileOp {
    const { contract, m, k } = this.#product;
    const domain = (["m", "n", "k"] as const).map((a) => ({ axis: this.#product[a].axis, extent: this.#c.fold[a] }));
    const operand = (side: Side): Region => {
      const fed = this.#fed[side.role];
      if (fed !== undefined)
        return this.#c.region(
          fed,
          this.#sideAxes(side).map((a) => this.#c.point(this.#product[a].axis)),
          domain,
        );
      const index = side.stored[0]!.index.map((id) => this.#c.at(id, side, (axis) => this.#c.inBlock(axis, side)));
      return this.#c.region(this.#tiles[side.role][0]!, index, domain);
    };
    const to = acc.axes.map((name) => {
      const axis = name === m.axis ? "m" : "n";
      return this.#c.build.add(this.#c.foldBase(axis), this.#c.point(name));
    });
    return {
      kind: "contract",
      a: operand(this.#product.activation),
      b: operand(this.#product.weight),
      to: this.#c.region(acc, to, domain),
      over: [k.axis],
      by: "array",
      domain,
      span: contract.span,
    };
  }

  #vector(acc: Tensor, out: Tensor): Role {
    const { map } = this.#product;
    const domain = dimsOf(out);
    const index = domain.map((d) => this.#c.point(d.axis));
    const op: TileOp = {
      kind: "map",
      inputs: [this.#c.region(acc, index, domain)],
      to: this.#c.region(out, index, domain),
      value: this.#c.ofResult(map.value, domain),
      over: [],
      domain,
      span: map.span,
    };
    return this.#behind(
      this.#parts.vector.name,
      this.#between("accumulator", "wait", this.#between("result", "acquire", [op])),
    );
  }

  #store(out: Tensor): Role {
    const { map, result } = this.#product;
    const domain = dimsOf(out);
    const from = domain.map((d) => this.#c.point(d.axis));
    const to = map.to.index.map((id) => this.#c.ofResult(id, domain));
    const op: TileOp = {
      kind: "copy",
      from: this.#c.region(out, from, domain),
      to: this.#c.region(result, to, domain),
      engine: "dma",
      domain,
      span: map.span,
    };
    return this.#behind(this.#parts.channels.result.name, this.#between("result", "wait", [op]));
  }

  /** A role behind the array: once for every block of sums. */
  #behind(unit: string, core: readonly Step[]): Role {
    return { name: unit, warps: null, unit, body: this.#walk(this.#resultLevel, (_, inner) => inner, core) };
  }
}

const dimsOf = (tensor: Tensor): readonly Dim[] => tensor.axes.map((axis, i) => ({ axis, extent: tensor.shape[i]! }));
