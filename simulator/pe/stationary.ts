/** PEs that keep one operand while the other moves right and sums move down: weight and input stationary. */
import type { PeArray } from "./array.ts";
import { PE_IDLE, PE_MULTIPLY, PE_PADDING, type PeRecorder } from "./record.ts";

/** out[t, c] = Σ_k stream[t, k] · kept[c, k]; both row-major. */
export interface StationaryProduct {
  readonly kept: Float64Array;
  readonly stream: Float64Array;
  readonly columns: number;
  readonly time: number;
  readonly k: number;
}

/** Distances in the result from one column to the next, and from one time to the next. */
interface Strides {
  readonly column: number;
  readonly time: number;
}

/**
 * A PE has four registers: the value that moves right, the sum that moves down, the operand in use, and one of a chain
 * that shifts down to load the next fold. A value carries its fold's parity; when it changes, a PE takes over what the
 * chain holds. Row r of the stream enters r cycles after row 0; with shadow registers, column c loads c cycles late too,
 * so that no register of the chain is overwritten before its PE has taken it over.
 */
export function stepStationary(
  array: PeArray,
  product: StationaryProduct,
  out: Float64Array,
  to: Strides,
  recorder?: PeRecorder,
): number {
  const { rows: R, columns: C, overlap } = array;
  const { kept, stream, k } = product;
  const rowFolds = Math.ceil(k / R);
  const folds = rowFolds * Math.ceil(product.columns / C);
  const value = new Float64Array(R * C);
  const sum = new Float64Array(R * C);
  const inUse = new Float64Array(R * C);
  const chain = new Float64Array(R * C);
  const parity = new Uint8Array(R * C);
  const parityInUse = new Uint8Array(R * C);
  // What entered at the left in the last R cycles: row r takes what entered r cycles ago.
  const enteredFold = new Int32Array(R).fill(-1);
  const enteredTime = new Int32Array(R);
  const outFold = new Int32Array(C);
  const outTime = new Int32Array(C);
  const loadStarts: number[] = [0];
  const late = overlap.shadowRegisters ? 1 : 0;
  let [cycle, fold, time, inFlight, freeAt] = [0, 0, 0, 0, 0];

  const enter = (): void => {
    const slot = cycle % R;
    enteredFold[slot] = -1;
    if (fold >= folds) return;
    const loadStart = loadStarts[fold];
    const begins = time === 0;
    if (begins && (loadStart === undefined || cycle < loadStart + R || cycle < freeAt)) return;
    if (begins && !overlap.fillOverlapsDrain && inFlight > 0) return;
    if (begins && overlap.shadowRegisters) loadStarts[fold + 1] = cycle;
    enteredFold[slot] = fold;
    enteredTime[slot] = time;
    inFlight += C;
    if (++time < product.time) return;
    time = 0;
    fold++;
  };

  const stepPes = (): void => {
    for (let r = R - 1; r >= 0; r--) {
      const base = r * C;
      for (let at = base + C - 1; at > base; at--) {
        const carried = parity[at - 1]!;
        parity[at] = carried;
        if (carried === 0) continue;
        const moved = value[at - 1]!;
        value[at] = moved;
        if (carried !== parityInUse[at]) {
          parityInUse[at] = carried;
          inUse[at] = chain[at]!;
        }
        sum[at] = (r > 0 ? sum[at - C]! : 0) + moved * inUse[at]!;
      }
      const slot = (cycle - r + R) % R;
      const from = cycle >= r ? enteredFold[slot]! : -1;
      parity[base] = from < 0 ? 0 : 1 + (from & 1);
      if (from < 0) continue;
      const row = (from % rowFolds) * R + r;
      value[base] = row < k ? stream[enteredTime[slot]! * k + row]! : 0;
      if (parity[base] !== parityInUse[base]) {
        parityInUse[base] = parity[base]!;
        inUse[base] = chain[base]!;
      }
      sum[base] = (r > 0 ? sum[base - C]! : 0) + value[base]! * inUse[base]!;
    }
  };

  /** Sums that left the bottom row in this cycle. */
  const takeOut = (): void => {
    const bottom = (R - 1) * C;
    for (let c = 0; c < C; c++) {
      if (parity[bottom + c] === 0) continue;
      const column = Math.floor(outFold[c]! / rowFolds) * C + c;
      if (column < product.columns) out[outTime[c]! * to.time + column * to.column]! += sum[bottom + c]!;
      outTime[c]!++;
      if (outTime[c] === product.time) {
        outTime[c] = 0;
        outFold[c]!++;
      }
      inFlight--;
    }
    if (inFlight > 0 || time > 0 || parity[R * C - 1] === 0) return;
    freeAt = cycle + 1 + overlap.controlCyclesPerFold;
    if (!overlap.shadowRegisters) loadStarts[fold] = freeAt;
  };

  /** One step of every chain that loads: the last row's operand goes in first; rows that it has not reached stand still. */
  const load = (): void => {
    const last = Math.min(loadStarts.length, folds) - 1;
    for (let f = last; f >= 0 && cycle - loadStarts[f]! < R + late * C; f--) {
      const firstColumn = Math.floor(f / rowFolds) * C;
      for (let c = 0; c < C; c++) {
        const step = cycle - loadStarts[f]! - late * c;
        if (step < 0 || step >= R) continue;
        for (let at = step * C + c; at >= C; at -= C) chain[at] = chain[at - C]!;
        const row = (f % rowFolds) * R + R - 1 - step;
        const column = firstColumn + c;
        chain[c] = row < k && column < product.columns ? kept[column * k + row]! : 0;
      }
    }
  };

  /** The fold that entered in each cycle, for the recorder. */
  const entered: number[] = [];
  const record = (by: PeRecorder): void => {
    entered.push(enteredFold[cycle % R]!);
    parity.forEach((carried, at) => {
      const [r, c] = [Math.floor(at / C), at % C];
      const from = carried === 0 ? 0 : entered[cycle - r - c]!;
      const useful = (from % rowFolds) * R + r < k && Math.floor(from / rowFolds) * C + c < product.columns;
      by.states[at] = carried === 0 ? PE_IDLE : useful ? PE_MULTIPLY : PE_PADDING;
    });
    by.step();
  };

  for (; fold < folds || inFlight > 0; cycle++) {
    enter();
    stepPes();
    if (recorder !== undefined) record(recorder);
    takeOut();
    load();
  }
  return Math.max(cycle, freeAt);
}
