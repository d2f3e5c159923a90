/** PEs that keep their sum while both operands move, one right and one down: output stationary. */
import type { PeArray, PeProduct } from "./array.ts";
import { PE_DRAIN, PE_IDLE, PE_MULTIPLY, PE_PADDING, type PeRecorder } from "./record.ts";

/** What PEs do with the operands in their registers; without one they multiply and add numbers. */
export interface Datapath {
  /** The PE at `at` multiplies its operands; the first product of a sum replaces what was there. */
  multiply(at: number, a: number, b: number, first: boolean): void;
  sumOf(at: number): number;
}

const VALID = 1;
const FIRST = 2;
const LAST = 4;

/**
 * A PE has three registers: the operand that moves right with its marks, the one that moves down, and its sum. Row r and
 * column c enter r and c cycles late. Sums leave over wires of their own in the cycle of their last product, or are
 * shifted down, row by row, once no operand is left in the array.
 */
export function stepOutputStationary(
  array: PeArray,
  { m, n, k, x, w }: PeProduct,
  y: Float64Array,
  recorder?: PeRecorder,
  datapath?: Datapath,
): number {
  const { rows: R, columns: C, overlap } = array;
  const size = R * C;
  const rowFolds = Math.ceil(m / R);
  const folds = rowFolds * Math.ceil(n / C);
  const right = new Float64Array(size);
  const down = new Float64Array(size);
  const sum = new Float64Array(size);
  const marks = new Uint8Array(size);
  const depth = Math.max(R, C);
  const enteredFold = new Int32Array(depth).fill(-1);
  const enteredTime = new Int32Array(depth);
  const outFold = new Int32Array(size);
  /** The fold that entered in each cycle, for the recorder. */
  const entered: number[] = [];
  let [cycle, fold, time, inFlight, freeAt, draining] = [0, 0, 0, 0, 0, 0];

  const store = (at: number, r: number, c: number, value: number): void => {
    const f = outFold[at]!++;
    const row = (f % rowFolds) * R + r;
    const column = Math.floor(f / rowFolds) * C + c;
    if (row < m && column < n) y[row * n + column] = value;
  };

  const enter = (): void => {
    const slot = cycle % depth;
    enteredFold[slot] = -1;
    if (fold >= folds) return;
    if (time === 0 && (cycle < freeAt || draining > 0)) return;
    if (time === 0 && !overlap.fillOverlapsDrain && inFlight > 0) return;
    enteredFold[slot] = fold;
    enteredTime[slot] = time;
    if (time === 0) inFlight += size;
    if (++time < k) return;
    time = 0;
    fold++;
    if (overlap.fillOverlapsDrain) freeAt = cycle + 1 + overlap.controlCyclesPerFold;
  };

  const operand = (late: number, from: Float64Array, extent: number, first: (fold: number) => number): number => {
    const slot = (cycle - late + depth) % depth;
    const index = first(enteredFold[slot]!) + late;
    return index < extent ? from[index * k + enteredTime[slot]!]! : 0;
  };
  const rowOf = (f: number): number => (f % rowFolds) * R;
  const columnOf = (f: number): number => Math.floor(f / rowFolds) * C;

  const marksAt = (r: number): number => {
    const slot = (cycle - r + depth) % depth;
    if (cycle < r || enteredFold[slot]! < 0) return 0;
    const t = enteredTime[slot]!;
    return VALID | (t === 0 ? FIRST : 0) | (t === k - 1 ? LAST : 0);
  };

  /** One cycle of a PE whose operands are a and b. */
  const stepPe = (at: number, mark: number, a: number, b: number): void => {
    marks[at] = mark;
    right[at] = a;
    down[at] = b;
    if (datapath === undefined) sum[at] = ((mark & FIRST) !== 0 ? 0 : sum[at]!) + a * b;
    else datapath.multiply(at, a, b, (mark & FIRST) !== 0);
    if ((mark & LAST) === 0) return;
    inFlight--;
    if (datapath !== undefined) sum[at] = datapath.sumOf(at);
    if (overlap.separateDrain) store(at, Math.floor(at / C), at % C, sum[at]!);
  };

  /** The last PE goes first, so that each one reads what its neighbours held before this cycle. */
  const stepPes = (): void => {
    for (let r = R - 1; r >= 0; r--) {
      const base = r * C;
      for (let at = base + C - 1; at > base; at--) {
        const mark = marks[at - 1]!;
        if (mark === 0) marks[at] = 0;
        else stepPe(at, mark, right[at - 1]!, r > 0 ? down[at - C]! : operand(at, w, n, columnOf));
      }
      const mark = marksAt(r);
      if (mark === 0) marks[base] = 0;
      else stepPe(base, mark, operand(r, x, m, rowOf), r > 0 ? down[base - C]! : operand(0, w, n, columnOf));
    }
  };

  /** Sums leave over the array's own wires: the bottom row goes out, all others move down. */
  const drain = (): void => {
    const r = draining - 1;
    for (let c = 0; c < C; c++) store(r * C + c, r, c, sum[size - C + c]!);
    sum.copyWithin(C, 0, size - C);
    draining--;
    if (draining === 0) freeAt = cycle + 1 + overlap.controlCyclesPerFold;
  };

  const record = (to: PeRecorder): void => {
    entered.push(enteredFold[cycle % depth]!);
    marks.forEach((mark, at) => {
      const [r, c] = [Math.floor(at / C), at % C];
      const from = mark === 0 ? 0 : entered[cycle - r - c]!;
      to.states[at] = mark === 0 ? PE_IDLE : rowOf(from) + r < m && columnOf(from) + c < n ? PE_MULTIPLY : PE_PADDING;
    });
    to.step();
  };

  for (; fold < folds || inFlight > 0 || draining > 0; cycle++) {
    if (draining > 0) {
      drain();
      if (recorder === undefined) continue;
      entered.push(-1);
      recorder.states.fill(PE_DRAIN);
      recorder.step();
      continue;
    }
    enter();
    stepPes();
    if (recorder !== undefined) record(recorder);
    if (inFlight > 0 || (marks[size - 1]! & LAST) === 0) continue;
    // Where folds overlap, only the last one ends here.
    if (overlap.fillOverlapsDrain && fold < folds) continue;
    if (overlap.separateDrain) freeAt = cycle + 1 + overlap.controlCyclesPerFold;
    else draining = R;
  }
  return Math.max(cycle, freeAt);
}
