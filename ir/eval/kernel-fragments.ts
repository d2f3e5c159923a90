/** Matrix operands in memory and in registers: which element each lane holds, and tiles as row-major matrices. */

import { apply } from "../layout/apply.ts";
import { fromOf } from "../layout/basic.ts";
import { ELEM, LANE, REG } from "../layout/layout.ts";
import type { MatrixRow, Operand } from "../rows.ts";
import { bitsOf, isFloat } from "../scalar.ts";
import { type Flight, fatal, type Memory, type Position, type Warp } from "./kernel-machine.ts";
import { addEvent, shadowRead, shadowWrite } from "./kernel-shadow.ts";
import { castFn, fromBits, toBits } from "./scalar.ts";

/** `linear[(lane · regs + reg) · elems + elem]` = row · columns + column of that element. */
export interface Share {
  readonly lanes: number;
  readonly regs: number;
  readonly elems: number;
  readonly linear: Int32Array;
}

/** One operand of a row as a matrix: a is m × k, b is n × k, d is m × n. */
export interface Side {
  readonly operand: Operand;
  readonly rows: number;
  readonly columns: number;
  /** A register holds one value of the operand's type (d), not 32 bits of packed elements. */
  readonly values: boolean;
  /** Absent where the hardware hides it. */
  readonly share: Share | undefined;
}

/** A tile in memory: row r, column c is element index + r · stride + c of the buffer (or of its bits, where packed). */
export interface TileAt {
  readonly memory: Memory;
  readonly index: number;
  readonly stride: number;
  readonly warps: readonly Warp[];
  readonly at: Position;
  /** Read by the scope as a whole (a matrix operand in memory), not by the lanes that hold its elements. */
  readonly whole: boolean;
  /** Bounds and order were checked before. */
  readonly unchecked?: boolean;
}

const SIDES = new WeakMap<MatrixRow, Partial<Record<"a" | "b" | "d", Side>>>();

/** The shape and the lanes' shares of an operand; enumerated once for each row. */
export function memorySide(row: MatrixRow, name: "a" | "b" | "d"): Side {
  const known = SIDES.get(row) ?? {};
  const side = known[name] ?? makeSide(row, name);
  SIDES.set(row, { ...known, [name]: side });
  return side;
}

function makeSide(row: MatrixRow, name: "a" | "b" | "d"): Side {
  const operand = row[name];
  const [rowAxis, rows] = name === "b" ? (["n", row.n] as const) : (["m", row.m] as const);
  const [columnAxis, columns] = name === "d" ? (["n", row.n] as const) : (["k", row.k] as const);
  const share =
    operand.layout.kind === "opaque" ? undefined : shareOf(operand, rowAxis, columnAxis, columns, name === "d");
  return { operand, rows, columns, values: name === "d", share };
}

function shareOf(operand: Operand, rowAxis: string, columnAxis: string, columns: number, values: boolean): Share {
  const elems = values ? 1 : 32 / bitsOf(operand.type);
  const lanes = fromOf(operand.layout)[LANE] ?? 1;
  const linear = new Int32Array(lanes * operand.regs * elems);
  let i = 0;
  for (let lane = 0; lane < lanes; lane++)
    for (let reg = 0; reg < operand.regs; reg++)
      for (let elem = 0; elem < elems; elem++) {
        const point = apply(operand.layout, { [LANE]: lane, [REG]: reg, [ELEM]: elem });
        linear[i++] = (point[rowAxis] ?? 0) * columns + (point[columnAxis] ?? 0);
      }
  return { lanes, regs: operand.regs, elems, linear };
}

/** Buffer element and bit of a tile's element. */
function locate(
  tile: TileAt,
  side: Side,
  row: number,
  column: number,
): { readonly element: number; readonly shift: number } {
  const width = bitsOf(tile.memory.buffer.type);
  const address = (tile.index + row * tile.stride) * width + column * packedBits(tile, side);
  return { element: Math.floor(address / width), shift: address % width };
}

/** Bits from one column to the next: elements of the operand are packed where the buffer's are wider. */
function packedBits(tile: TileAt, side: Side): number {
  const { type } = tile.memory.buffer;
  return isFloat(type) || side.values ? bitsOf(type) : bitsOf(side.operand.type);
}

/** Which lane of which warp moves an element: its owner, or in turn where that is hidden. */
function eachElement(tile: TileAt, side: Side, visit: (warp: Warp, lane: number, linear: number) => void): void {
  const { warps } = tile;
  const { lanes } = warps[0]!.block.machine;
  if (side.share === undefined) {
    for (let i = 0; i < side.rows * side.columns; i++) visit(warps[0]!, i % lanes, i);
    return;
  }
  const perLane = side.share.regs * side.share.elems;
  side.share.linear.forEach((linear, i) => {
    const lane = Math.floor(i / perLane);
    visit(warps[Math.floor(lane / lanes)] ?? warps[0]!, lane % lanes, linear);
  });
}

function checkTile(tile: TileAt, side: Side): void {
  const { buffer } = tile.memory;
  const { machine } = tile.warps[0]!.block;
  const { type } = side.operand;
  const packed = !isFloat(buffer.type) && bitsOf(type) <= bitsOf(buffer.type) && bitsOf(buffer.type) <= 32;
  if (buffer.type !== type && !side.values && !packed)
    fatal(machine, tile.at, `elements of ${type} cannot lie in a buffer of ${buffer.type}`);
  const last = locate(tile, side, side.rows - 1, side.columns - 1).element;
  if (tile.index < 0 || tile.stride < 0 || last >= buffer.length)
    fatal(machine, tile.at, `the tile takes ${buffer.id}[${tile.index} … ${last}] of ${buffer.length} elements`);
}

/** The tile as a row-major matrix, read asynchronously where `flight` is given. */
export function readTile(tile: TileAt, side: Side, flight?: Flight): Float64Array {
  const { memory, warps, at } = tile;
  const { buffer, data, shadow } = memory;
  if (tile.unchecked !== true) {
    checkTile(tile, side);
    if (shadow !== undefined) {
      const events = new Map(warps.map((warp) => [warp, addEvent(warp, at, false, flight)]));
      const visit = (warp: Warp, lane: number, linear: number): void => {
        const { element } = locate(tile, side, Math.floor(linear / side.columns), linear % side.columns);
        shadowRead(warp, shadow, buffer, lane, element, events.get(warp)!, flight === undefined ? "lane" : "async");
      };
      if (tile.whole) {
        for (let i = 0; i < side.rows * side.columns; i++) for (const warp of warps) visit(warp, -1, i);
      } else eachElement(tile, side, visit);
    }
  }
  const same = buffer.type === side.operand.type;
  const convert = side.values && !same ? castFn(buffer.type, side.operand.type, "typed") : undefined;
  const encode = same ? undefined : toBits(buffer.type);
  const decode = same ? undefined : fromBits(side.operand.type);
  const mask = 2 ** bitsOf(side.operand.type) - 1;
  return Float64Array.from({ length: side.rows * side.columns }, (_, linear) => {
    const { element, shift } = locate(tile, side, Math.floor(linear / side.columns), linear % side.columns);
    const value = data[element]!;
    if (convert !== undefined) return convert(value);
    return encode === undefined || decode === undefined ? value : decode(((encode(value) >>> shift) & mask) >>> 0);
  });
}

/** Writes a row-major matrix to the tile, each element by the lane that holds it. */
export function writeTile(tile: TileAt, side: Side, matrix: Float64Array): void {
  const { memory, warps, at } = tile;
  const { buffer, data, shadow } = memory;
  const { machine } = warps[0]!.block;
  checkTile(tile, side);
  if (buffer.access === "read") fatal(machine, at, `${buffer.id} is read-only`);
  if (!side.values && buffer.type !== side.operand.type)
    fatal(machine, at, `packed ${side.operand.type} cannot be stored to a buffer of ${buffer.type}`);
  const convert = castFn(side.operand.type, buffer.type, "typed");
  const events = new Map(warps.map((warp) => [warp, shadow === undefined ? -1 : addEvent(warp, at)]));
  eachElement(tile, side, (warp, lane, linear) => {
    const { element } = locate(tile, side, Math.floor(linear / side.columns), linear % side.columns);
    if (shadow !== undefined) shadowWrite(warp, shadow, buffer, lane, element, events.get(warp)!);
    data[element] = convert(matrix[linear]!);
  });
}
