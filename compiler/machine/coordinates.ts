/** Coordinates of a product cut into blocks and folds: index expressions over the loops that walk them. */
import { internal } from "../../ir/diagnostics.ts";
import { ExprBuilder, type ExprId } from "../../ir/expr.ts";
import type { Dim, Program, Region, Tensor } from "../../ir/program.ts";
import {
  type BlockLoop,
  type Blocks,
  blockLoops,
  evaluateIndex,
  type Mapping,
  type Path,
  type ProductAxis,
  pathOf,
} from "./blocks.ts";
import type { Product, Side } from "./product.ts";

export const SIDES = ["weight", "activation"] as const;
export type SideName = (typeof SIDES)[number];

/** The last value that a loop variable takes. */
const lastOf = (extent: number, step: number): number => (Math.ceil(extent / step) - 1) * step;

/**
 * A coordinate along an axis x of the product is x0 + x1 + x: the block's, the fold's in the block, the point's in the
 * fold. Loop variables exist where there is more than one block, and where the fold is not the whole block.
 */
export class Coordinates {
  readonly build = new ExprBuilder();
  readonly loops: readonly BlockLoop[];
  readonly paths: Readonly<Record<SideName, Path>>;
  /** Extents of a fold. */
  readonly fold: Readonly<Record<ProductAxis, number>>;
  /** The streaming operand enters in chunks: a decoder stands before the array. */
  readonly chunked: boolean;
  readonly #program: Program;
  readonly #product: Product;
  readonly #blocks: Blocks;
  readonly #mapping: Mapping;
  /** The last value of every loop variable. */
  readonly #last = new Map<string, number>();

  constructor(
    program: Program,
    product: Product,
    blocks: Blocks,
    mapping: Mapping,
    array: { readonly rows: number; readonly columns: number },
  ) {
    this.#program = program;
    this.#product = product;
    this.#blocks = blocks;
    this.#mapping = mapping;
    this.loops = blockLoops(product, blocks);
    this.paths = { weight: pathOf(product.weight, mapping), activation: pathOf(product.activation, mapping) };
    this.chunked = SIDES.some((side) => this.paths[side] === "decoded");
    this.fold = {
      ...blocks.sizes,
      [mapping.row]: array.rows,
      [mapping.column]: array.columns,
      [mapping.time]: blocks.chunk,
    };
  }

  /** The loop variable that walks the blocks of an axis; 0 where there is one block. */
  blockBase(axis: string): ExprId {
    const loop = this.loops.find((l) => l.axis === axis);
    return loop === undefined ? this.build.constant(0) : this.#variable(`${axis}0`, loop.extent, loop.step);
  }

  foldBase(axis: ProductAxis): ExprId {
    const { axis: name } = this.#product[axis];
    const walked = axis !== this.#mapping.time || this.chunked;
    return walked ? this.#variable(`${name}1`, this.#blocks.sizes[axis], this.fold[axis]) : this.build.constant(0);
  }

  /** A domain axis. The same name serves domains of several extents, so its range is the widest of them. */
  point(name: string): ExprId {
    const axis = (["m", "n", "k"] as const).find((a) => this.#product[a].axis === name);
    if (axis === undefined) return this.build.symbol(name);
    return this.build.symbol(name, "i32", [0, Math.max(this.#product[axis].extent, this.fold[axis]) - 1]);
  }

  /** Coordinate of a fold's point in a side's block; 0 along a batch axis, of which a block holds one. */
  inBlock(axis: ProductAxis | undefined, side: Side): ExprId {
    if (axis === undefined) return this.build.constant(0);
    const { axis: name } = this.#product[axis];
    const fold = this.build.add(this.foldBase(axis), this.point(name));
    return this.spansAll(axis, side) ? this.build.add(this.blockBase(name), fold) : fold;
  }

  /** Coordinate of a fold's point in the product. */
  inProduct(axis: ProductAxis | undefined, name: string, side: Side): ExprId {
    const local = this.inBlock(axis, side);
    return axis !== undefined && this.spansAll(axis, side) ? local : this.build.add(this.blockBase(name), local);
  }

  /** The side's block holds all of the axis, whatever block of it is at work. */
  spansAll(axis: ProductAxis, side: Side): boolean {
    return axis === "k" && this.#blocks.whole[side.role];
  }

  /** An index of a stored tensor with other coordinates in place of the product's axes. */
  at(index: ExprId, side: Side, coordinate: (axis: ProductAxis | undefined, name: string) => ExprId): ExprId {
    return this.build.copy(this.#program.exprs, index, (expr) => {
      if (expr.kind !== "symbol") return undefined;
      const name = side.rename.get(expr.name) ?? expr.name;
      const axis = (["m", "n", "k"] as const).find((a) => this.#product[a].axis === name);
      return coordinate(axis, name);
    });
  }

  /** An expression of the product's map with the coordinates of a block of results in place of its axes. */
  ofResult(root: ExprId, domain: readonly Dim[]): ExprId {
    const { map, contract } = this.#product;
    const axes = this.names(contract.to.index);
    const rename = new Map(this.names(map.inputs[0]!.index).map((symbol, i) => [symbol, axes[i] ?? symbol]));
    return this.build.copy(this.#program.exprs, root, (expr) => {
      if (expr.kind !== "symbol") return undefined;
      const axis = rename.get(expr.name) ?? expr.name;
      const inBlock = domain.some((d) => d.axis === axis);
      return inBlock ? this.build.add(this.blockBase(axis), this.point(axis)) : this.blockBase(axis);
    });
  }

  /** Names of the symbols that indices of the unscheduled program consist of. */
  names(index: readonly ExprId[]): readonly string[] {
    return index.map((id) => {
      const expr = this.#program.exprs.exprs[id];
      return expr?.kind === "symbol" ? expr.name : "";
    });
  }

  /** Index expressions grow with their symbols, so the last point decides whether the region stays inside. */
  region(tensor: Tensor, index: readonly ExprId[], domain: readonly Dim[]): Region {
    const last = (name: string): number => {
      const dim = domain.find((d) => d.axis === name);
      return dim === undefined ? (this.#last.get(name) ?? internal(`no symbol ${name}`)) : dim.extent - 1;
    };
    const inside = index.every((id, i) => evaluateIndex(this.build, id, last) < (tensor.shape[i] ?? 0));
    return { tensor: tensor.id, index, tail: inside ? "exact" : "mask" };
  }

  #variable(name: string, extent: number, step: number): ExprId {
    const last = lastOf(extent, step);
    this.#last.set(name, last);
    return this.build.symbol(name, "i32", [0, last]);
  }
}
