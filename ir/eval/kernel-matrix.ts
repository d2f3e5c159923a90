/** Fragment and matrix collectives: operands gathered through the layouts of matrix rows, multiplied as one dense loop. */

import type { ExprId } from "../expr.ts";
import type { Access, Collective, Scope } from "../kernel.ts";
import type { MatrixRow } from "../rows.ts";
import { bitsOf } from "../scalar.ts";
import { type Compiling, memoryOf, type Place, placeOfAccess } from "./kernel-access.ts";
import { demandNotLent, evaluate, type Root, setLocal, touch } from "./kernel-exprs.ts";
import { memorySide, readTile, type Side, type TileAt, writeTile } from "./kernel-fragments.ts";
import {
  type Code,
  demandUniform,
  demandWholeWarp,
  type Flight,
  fatal,
  type Machine,
  meet,
  type Position,
  report,
  type Warp,
  whoIs,
} from "./kernel-machine.ts";
import { fromBits, settle, toBits } from "./scalar.ts";

type Fragment = Collective & { readonly family: "fragment" };
type Matrix = Collective & { readonly family: "matrix" };

/** Where a matrix operand comes from: registers of the lanes, or a row-major tile in shared memory. */
type Source =
  | { readonly kind: "registers"; readonly roots: readonly Root[]; readonly side: Side }
  | { readonly kind: "memory"; readonly place: Place; readonly side: Side };

function findRow(machine: Machine, id: string, scope: Scope, at: Position): MatrixRow {
  const row = machine.rows(id) ?? fatal(machine, at, `no matrix row is named ${id}`);
  if (row.scope !== scope) fatal(machine, at, `${id} is a row of the ${row.scope}, not of the ${scope}`);
  return row;
}

function collective(scope: Scope, at: Position, act: (warps: readonly Warp[]) => void): Code {
  if (scope === "warp") {
    return {
      blocking: false,
      run: (warp) => {
        demandWholeWarp(warp, at);
        act([warp]);
      },
    };
  }
  return {
    blocking: true,
    *run(warp) {
      demandWholeWarp(warp, at);
      yield* meet(warp, scope, at, act);
    },
  };
}

/** Compiles the move of an operand between memory (row-major, `stride` elements a row) and registers. */
export function compileFragment(compiling: Compiling, what: Fragment, scope: Scope, at: Position): Code {
  const { machine, exprs } = compiling;
  const row = findRow(machine, what.row, scope, at);
  const side = memorySide(row, what.operand);
  const place = placeOfAccess(compiling, what.at, at);
  const stride = exprs.root(what.stride);
  const slots = what.regs.map(exprs.slotOf);
  demandCount(machine, at, row, what.operand, slots.length, side.operand.regs);
  return collective(scope, at, (warps) => {
    const tiles = warps.map((warp) => ({
      index: demandUniform(warp, evaluate(warp, place.index, at), "the index", at),
      stride: demandUniform(warp, evaluate(warp, stride, at), "the stride", at),
    }));
    const first = tiles[0]!;
    if (tiles.some((t) => t.index !== first.index || t.stride !== first.stride))
      fatal(machine, at, `the warps of the ${scope} disagree on the address of the tile`);
    const tile: TileAt = { ...first, memory: memoryOf(warps[0]!, place), warps, at, whole: false };
    if (what.dir === "load") scatter(compiling, warps, slots, side, readTile(tile, side), at);
    else writeTile(tile, side, gather(machine, warps, slotValues(warps, slots, compiling, at), side, at));
  });
}

function demandCount(machine: Machine, at: Position, row: MatrixRow, name: string, got: number, wanted: number): void {
  if (got !== wanted) fatal(machine, at, `operand ${name} of ${row.id} takes ${wanted} registers a lane, not ${got}`);
}

/** What one register of every warp of a scope holds, and how to read it as bits. */
interface Held {
  readonly byWarp: readonly Float64Array[];
  readonly slots: readonly (number | undefined)[];
  readonly bits: (value: number) => number;
}

function slotValues(
  warps: readonly Warp[],
  slots: readonly number[],
  compiling: Compiling,
  at: Position,
): readonly Held[] {
  return slots.map((slot) => {
    for (const warp of warps) if (warp.lent > 0) demandNotLent(warp, slot, at, "reads");
    return heldSlot(warps, slot, compiling);
  });
}

function heldSlot(warps: readonly Warp[], slot: number, compiling: Compiling): Held {
  const type = compiling.exprs.typeOf(slot) ?? "u32";
  return {
    byWarp: warps.map((warp) => warp.frame.slots[slot]!),
    slots: [slot],
    bits: bitsOf(type) > 32 ? (x) => x : toBits(type),
  };
}

function rootValues(warps: readonly Warp[], roots: readonly Root[], at: Position): readonly Held[] {
  return roots.map((root) => ({
    byWarp: warps.map((warp) => evaluate(warp, root, at)),
    slots: root.slots,
    bits: toBits(root.type),
  }));
}

/** The matrix that the lanes hold, row-major; replicated elements must be equal in all lanes that hold them. */
function gather(
  machine: Machine,
  warps: readonly Warp[],
  held: readonly Held[],
  side: Side,
  at: Position,
): Float64Array {
  const { operand, rows, columns, values } = side;
  const matrix = new Float64Array(rows * columns);
  if (side.share === undefined) {
    const slot = held[0]?.slots[0];
    const whole = slot === undefined ? undefined : warps[0]!.frame.opaque.get(slot);
    // A local that no collective filled stands for the matrix of equal elements.
    return whole ?? matrix.fill(held[0]?.byWarp[0]?.[0] ?? 0);
  }
  const { share } = side;
  if (share.lanes !== machine.lanes * warps.length)
    fatal(machine, at, `the row is made for ${share.lanes} lanes, the scope has ${machine.lanes * warps.length}`);
  const bits = bitsOf(operand.type);
  const mask = 2 ** bits - 1;
  const decode = fromBits(operand.type);
  let point = 0;
  for (let lane = 0; lane < share.lanes; lane++) {
    const warp = Math.floor(lane / machine.lanes);
    for (let reg = 0; reg < share.regs; reg++) {
      const { byWarp, bits: toWord } = held[reg]!;
      const value = byWarp[warp]![lane % machine.lanes]!;
      if (values) {
        matrix[share.linear[point++]!] = value;
        continue;
      }
      const word = toWord(value);
      for (let elem = 0; elem < share.elems; elem++)
        matrix[share.linear[point++]!] = decode(((word >>> (elem * bits)) & mask) >>> 0);
    }
  }
  return matrix;
}

/** Gives every lane its share of a row-major matrix. */
function scatter(
  compiling: Compiling,
  warps: readonly Warp[],
  slots: readonly number[],
  side: Side,
  matrix: Float64Array,
  at: Position,
): void {
  const { machine } = compiling;
  if (side.share === undefined) {
    for (const warp of warps) {
      if (warp.lent > 0) demandNotLent(warp, slots[0]!, at, "writes");
      touch(warp.frame, slots[0]!);
      warp.frame.opaque.set(slots[0]!, matrix);
    }
    return;
  }
  const { share } = side;
  const bits = bitsOf(side.operand.type);
  const encode = side.values ? undefined : toBits(side.operand.type);
  slots.forEach((slot, reg) => {
    const type = compiling.exprs.typeOf(slot) ?? "u32";
    const decode = encode === undefined ? undefined : fromBits(type);
    warps.forEach((warp, w) => {
      const values = new Float64Array(machine.lanes);
      for (let lane = 0; lane < machine.lanes; lane++) {
        const first = ((w * machine.lanes + lane) * share.regs + reg) * share.elems;
        if (encode === undefined || decode === undefined) {
          values[lane] = matrix[share.linear[first]!]!;
          continue;
        }
        let word = 0;
        for (let elem = 0; elem < share.elems; elem++)
          word |= encode(matrix[share.linear[first + elem]!]!) << (elem * bits);
        values[lane] = decode(word >>> 0);
      }
      setLocal(warp, slot, values, at);
    });
  });
}

/**
 * Compiles d += a · b. Integers are exact and wrap to 32 bits; float products are summed in f64, together with d, and
 * rounded once to the type of d. An operand that is an access is a plain row-major tile, its rows row.k elements apart.
 */
export function compileMatrix(compiling: Compiling, what: Matrix, scope: Scope, at: Position): Code {
  const { machine, exprs } = compiling;
  const row = findRow(machine, what.row, scope, at);
  const a = sourceOf(compiling, row, "a", what.a, at);
  const b = sourceOf(compiling, row, "b", what.b, at);
  const slots = what.d.map(exprs.slotOf);
  const side = memorySide(row, "d");
  demandCount(machine, at, row, "d", slots.length, side.operand.regs);
  const multiply = makeMultiply(row);
  const run = (warps: readonly Warp[], read: (source: Source) => Float64Array): Float64Array => {
    const d = gather(
      machine,
      warps,
      slots.map((slot) => heldSlot(warps, slot, compiling)),
      side,
      at,
    ).slice();
    multiply(read(a), read(b), d);
    return d;
  };
  const readNow =
    (warps: readonly Warp[]) =>
    (source: Source): Float64Array =>
      source.kind === "registers"
        ? gather(machine, warps, rootValues(warps, source.roots, at), source.side, at)
        : readTile(tileOf(warps, source, row, at), source.side);
  if (!row.async) {
    return collective(scope, at, (warps) => {
      for (const slot of slots) for (const warp of warps) if (warp.lent > 0) demandNotLent(warp, slot, at, "reads");
      scatter(compiling, warps, slots, side, run(warps, readNow(warps)), at);
    });
  }
  return collective(scope, at, (warps) => launch(compiling, warps, row, [a, b], slots, side, run, at));
}

function sourceOf(
  compiling: Compiling,
  row: MatrixRow,
  name: "a" | "b",
  from: readonly ExprId[] | Access,
  at: Position,
): Source {
  const { machine, exprs } = compiling;
  const side = memorySide(row, name);
  const { where, regs } = side.operand;
  const inMemory = !Array.isArray(from);
  if (!where.includes(inMemory ? "shared" : "register"))
    fatal(machine, at, `operand ${name} of ${row.id} cannot come from ${inMemory ? "memory" : "registers"}`);
  if (inMemory) return { kind: "memory", place: placeOfAccess(compiling, from as Access, at), side };
  demandCount(machine, at, row, name, from.length, regs);
  return { kind: "registers", roots: from.map((id) => exprs.root(id)), side };
}

function tileOf(
  warps: readonly Warp[],
  source: Source & { readonly kind: "memory" },
  row: MatrixRow,
  at: Position,
): TileAt {
  const { machine } = warps[0]!.block;
  const indices = warps.map((warp) => demandUniform(warp, evaluate(warp, source.place.index, at), "the index", at));
  if (indices.some((index) => index !== indices[0]))
    fatal(machine, at, "the warps disagree on the address of the tile");
  const memory = memoryOf(warps[0]!, source.place);
  const stride = (row.k * bitsOf(source.side.operand.type)) / bitsOf(memory.buffer.type);
  return { memory, index: indices[0]!, stride, warps, at, whole: true };
}

function makeMultiply(row: MatrixRow): (a: Float64Array, b: Float64Array, d: Float64Array) => void {
  const put = settle(row.d.type, "typed");
  const { m, n, k } = row;
  return (a, b, d) => {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = d[i * n + j]!;
        // For one-bit elements a product is an `and`, so andPopc is the same sum.
        for (let x = 0; x < k; x++) sum += a[i * k + x]! * b[j * k + x]!;
        d[i * n + j] = put(sum);
      }
    }
  };
}

/** Issues an asynchronous row: its registers are lent and its shared operands frozen until a matrix drain. */
function launch(
  compiling: Compiling,
  warps: readonly Warp[],
  row: MatrixRow,
  sources: readonly Source[],
  slots: readonly number[],
  side: Side,
  run: (warps: readonly Warp[], read: (source: Source) => Float64Array) => Float64Array,
  at: Position,
): void {
  const { machine } = compiling;
  const inputs = sources.flatMap((source) => (source.kind === "registers" ? source.roots.map((r) => r.slots[0]!) : []));
  for (const source of sources) {
    if (source.kind === "registers" && source.roots.some((r) => machine.kernel.exprs.exprs[r.id]!.kind !== "symbol"))
      fatal(machine, at, `${row.id} reads its registers later: its operands must be locals`);
  }
  for (const warp of warps) {
    for (const slot of [...inputs, ...slots]) demandFenced(warp, slot, at);
    for (const slot of inputs) if (warp.lentWrite[slot]! > 0) demandNotLent(warp, slot, at, "reads");
    for (const slot of slots) demandSameRow(warp, slot, row, at);
  }
  // The operands' places in memory are known at issue; only their contents are read later.
  const tiles = new Map(
    sources.flatMap((s) => (s.kind === "memory" ? [[s as Source, tileOf(warps, s, row, at)] as const] : [])),
  );
  const flight = makeFlight(warps, row, inputs, slots, at);
  for (const [source, tile] of tiles) readTile(tile, source.side, flight);
  flight.deliver = () => {
    const result = run(warps, (source) => {
      const tile = tiles.get(source);
      if (tile !== undefined) return readTile({ ...tile, unchecked: true }, source.side);
      const roots = source.kind === "registers" ? source.roots : [];
      return gather(
        machine,
        warps,
        roots.map((r) => heldSlot(warps, r.slots[0]!, compiling)),
        source.side,
        at,
      );
    });
    scatterFlight(compiling, warps, slots, side, result);
  };
  if (machine.transfers === "early") {
    flight.deliver();
    flight.deliver = undefined;
  }
  for (const warp of warps) warp.queues.matrix.open.push(flight);
}

function scatterFlight(
  compiling: Compiling,
  warps: readonly Warp[],
  slots: readonly number[],
  side: Side,
  matrix: Float64Array,
): void {
  const { share } = side;
  if (share === undefined) return;
  const { lanes } = compiling.machine;
  warps.forEach((warp, w) => {
    slots.forEach((slot, reg) => {
      const to = warp.frame.slots[slot]!;
      for (let lane = 0; lane < lanes; lane++) to[lane] = matrix[share.linear[(w * lanes + lane) * share.regs + reg]!]!;
      touch(warp.frame, slot);
      warp.rowWrote[slot] = warp.frame.clock;
    });
  });
}

function demandFenced(warp: Warp, slot: number, at: Position): void {
  const stamp = warp.frame.slotStamps[slot]!;
  if (stamp <= warp.matrixFence || stamp === warp.rowWrote[slot]) return;
  const message = `${whoIs(warp)}: registers of the row were written after the last fence matrix`;
  report(warp.block.machine, at, message, "fence matrix");
}

function demandSameRow(warp: Warp, slot: number, row: MatrixRow, at: Position): void {
  if (warp.lentRead[slot]! > 0) demandNotLent(warp, slot, at, "writes");
  if (warp.lentWrite[slot]! > 0 && warp.lentRow.get(slot) !== row.id) demandNotLent(warp, slot, at, "writes");
}

function makeFlight(
  warps: readonly Warp[],
  row: MatrixRow,
  inputs: readonly number[],
  slots: readonly number[],
  at: Position,
): Flight {
  const lend = (warp: Warp, by: 1 | -1): void => {
    for (const slot of inputs) warp.lentRead[slot]! += by;
    for (const slot of slots) {
      warp.lentWrite[slot]! += by;
      warp.lentRow.set(slot, row.id);
    }
    warp.lent += by;
  };
  for (const warp of warps) lend(warp, 1);
  const first = warps[0]!;
  return {
    at,
    block: first.block.index,
    warp: first.index,
    lane: -1,
    landed: new Int32Array(first.block.warps.length).fill(-1),
    deliver: undefined,
    giveBack: (warp) => lend(warp, -1),
  };
}
