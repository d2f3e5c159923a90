/** BitMoD's array at depth `pe`: tiles of bit-serial PEs, every term of every lane in every cycle, with values. */
import type { BitSerialSpec, OverlapSpec } from "../../hw-models/schema.ts";
import { internal } from "../../ir/diagnostics.ts";
import type { PeRun } from "./array.ts";
import { PE_DRAIN, PE_IDLE, PE_MULTIPLY, PE_PADDING, PE_RESCALE, PeRecorder } from "./record.ts";
import { type Encoder, encodeTerms, termCount, valueOfTerm } from "./terms.ts";

/** How the array is built: each PE keeps its sums. */
export interface SerialArray {
  readonly rows: number;
  readonly columns: number;
  readonly overlap: OverlapSpec;
  readonly bitSerial: Pick<BitSerialSpec, "lanes" | "rescaleCycles" | "tileRows" | "tileColumns">;
}

/** y[m, n] = Σ over groups of scale[n, group] · Σ_k x[m, k] · weight[n, k]; all row-major. */
export interface SerialProduct {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly x: Float64Array;
  readonly encoder: Encoder;
  readonly codes: ArrayLike<number>;
  /** Weights along k that share a scale and a selector. */
  readonly group: number;
  /** Unsigned integers of as many bits as rescaling takes cycles. */
  readonly scales: ArrayLike<number>;
  /** Which special value each group has. */
  readonly selectors?: ArrayLike<number> | undefined;
}

/** The weights that enter together: so many from `k` on; the last ones of a group end it. */
interface Step {
  readonly k: number;
  readonly length: number;
  readonly group: number;
  readonly endsGroup: boolean;
}

/** One tile of PEs: what it holds, and how far it is. */
interface Tile {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
  /** Steps of all folds that it has done; the next one is this one's number. */
  done: number;
  /** Terms of the present step that it has done; −1: it holds no operands. */
  term: number;
  /** A group's sums are complete and have not been handed over. */
  holds: boolean;
  /** Cycles of rescaling left, of the group that was handed over last. */
  rescaling: number;
  rescaledStep: number;
  readonly sums: Float64Array;
  readonly handed: Float64Array;
  readonly scaled: Float64Array;
  readonly totals: Float64Array;
}

function stepsOf(k: number, group: number, lanes: number): readonly Step[] {
  const steps: Step[] = [];
  for (let first = 0, g = 0; first < k; first += group, g++) {
    const end = Math.min(k, first + group);
    for (let at = first; at < end; at += lanes) {
      const length = Math.min(lanes, end - at);
      steps.push({ k: at, length, group: g, endsGroup: at + length === end });
    }
  }
  return steps;
}

/** Values of all terms: term t of weight (n, k) at t · n · k + n · k + k. */
function termValues({ n, k, encoder, codes, group, selectors }: SerialProduct): Float64Array {
  const groups = Math.ceil(k / group);
  const out = new Float64Array(termCount(encoder) * n * k);
  for (let column = 0; column < n; column++)
    for (let at = 0; at < k; at++) {
      const selector = selectors?.[column * groups + Math.floor(at / group)] ?? 0;
      encodeTerms(encoder, codes[column * k + at]!, selector).forEach((term, t) => {
        out[(t * n + column) * k + at] = valueOfTerm(term);
      });
    }
  return out;
}

/**
 * Steps a product. Operands are broadcast within a tile; a tile takes a step's operands when the tiles to its left and
 * above have worked on them, as registers between tiles hold one step. When a group's sums are complete they go to the
 * rescaling registers, which multiply by one bit of the scale a cycle, highest first; until those are free the PE waits.
 */
export function stepBitSerial(array: SerialArray, product: SerialProduct, withStates = false): PeRun {
  const y = new Float64Array(product.m * product.n);
  const recorder = withStates ? new PeRecorder(array.rows * array.columns) : undefined;
  const cycles = new SerialStepper(array, product, y, recorder).run();
  const run = { cycles, peCycles: cycles * array.rows * array.columns, y };
  return recorder === undefined ? run : { ...run, pes: recorder.done(cycles) };
}

class SerialStepper {
  readonly #array: SerialArray;
  readonly #product: SerialProduct;
  readonly #y: Float64Array;
  readonly #recorder: PeRecorder | undefined;
  readonly #steps: readonly Step[];
  readonly #terms: Float64Array;
  readonly #termCount: number;
  readonly #tiles: readonly Tile[];
  readonly #across: number;
  readonly #rowFolds: number;
  readonly #folds: number;
  #cycle = 0;
  #freeAt = 0;
  #draining = 0;
  /** Folds that the first tile has begun, and that all tiles have finished. */
  #begun = 0;
  #finished = 0;

  constructor(array: SerialArray, product: SerialProduct, y: Float64Array, recorder: PeRecorder | undefined) {
    const { rows, columns, bitSerial } = array;
    this.#array = array;
    this.#product = product;
    this.#y = y;
    this.#recorder = recorder;
    this.#steps = stepsOf(product.k, product.group, bitSerial.lanes);
    this.#terms = termValues(product);
    this.#termCount = termCount(product.encoder);
    this.#across = Math.ceil(columns / bitSerial.tileColumns);
    const down = Math.ceil(rows / bitSerial.tileRows);
    this.#tiles = Array.from({ length: down * this.#across }, (_, i) => {
      const [row, column] = [
        Math.floor(i / this.#across) * bitSerial.tileRows,
        (i % this.#across) * bitSerial.tileColumns,
      ];
      const size = {
        rows: Math.min(bitSerial.tileRows, rows - row),
        columns: Math.min(bitSerial.tileColumns, columns - column),
      };
      const registers = (): Float64Array => new Float64Array(size.rows * size.columns);
      return {
        ...{ row, column, ...size, done: 0, term: -1, holds: false, rescaling: 0, rescaledStep: 0 },
        ...{ sums: registers(), handed: registers(), scaled: registers(), totals: registers() },
      };
    });
    this.#rowFolds = Math.ceil(product.m / rows);
    this.#folds = this.#rowFolds * Math.ceil(product.n / columns);
  }

  run(): number {
    for (; this.#finished < this.#folds || this.#draining > 0; this.#cycle++) {
      if (this.#draining > 0) {
        this.#draining--;
        if (this.#draining === 0) this.#freeAt = this.#cycle + 1 + this.#array.overlap.controlCyclesPerFold;
        this.#recorder?.states.fill(PE_DRAIN);
        this.#recorder?.step();
        continue;
      }
      // The last tile goes first, so that each one sees what its neighbours had done before this cycle.
      for (let i = this.#tiles.length - 1; i >= 0; i--) this.#stepTile(this.#tiles[i]!, i);
      this.#recorder?.step();
    }
    return Math.max(this.#cycle, this.#freeAt);
  }

  #stepTile(tile: Tile, index: number): void {
    if (tile.holds && tile.rescaling === 0) this.#handOver(tile);
    if (!tile.holds && tile.term < 0 && this.#mayTake(tile, index)) tile.term = 0;
    this.#record(tile);
    if (tile.term >= 0) this.#multiply(tile, index);
    if (tile.rescaling > 0) this.#rescale(tile);
  }

  /** Whether the operands of the tile's next step lie before it. */
  #mayTake(tile: Tile, index: number): boolean {
    const next = tile.done;
    if (next >= this.#folds * this.#steps.length) return false;
    if (index === 0) return next % this.#steps.length > 0 || this.#begins();
    for (const neighbour of [
      tile.column > 0 ? this.#tiles[index - 1] : undefined,
      tile.row > 0 ? this.#tiles[index - this.#across] : undefined,
    ]) {
      if (neighbour === undefined) continue;
      if (neighbour.done > next + 1) internal("a register between tiles was overwritten");
      if (neighbour.done <= next) return false;
    }
    return true;
  }

  /** Whether the first tile begins a fold. */
  #begins(): boolean {
    if (this.#cycle < this.#freeAt || this.#draining > 0) return false;
    if (!this.#array.overlap.fillOverlapsDrain && this.#finished < this.#begun) return false;
    this.#begun++;
    return true;
  }

  /** One term of every lane of every PE. */
  #multiply(tile: Tile, index: number): void {
    const { m, n, k, x } = this.#product;
    const step = this.#steps[tile.done % this.#steps.length]!;
    const fold = Math.floor(tile.done / this.#steps.length);
    const [row, column] = [this.#rowOf(fold) + tile.row, this.#columnOf(fold) + tile.column];
    const rows = Math.min(tile.rows, m - row);
    const columns = Math.min(tile.columns, n - column);
    const { sums } = tile;
    const terms = this.#terms;
    for (let c = 0; c < columns; c++) {
      const from = (tile.term * n + column + c) * k + step.k;
      if (step.length === 4) this.#multiplyFour(tile, from, row * k + step.k, rows, c);
      else
        for (let r = 0; r < rows; r++) {
          const at = (row + r) * k + step.k;
          let sum = 0;
          for (let lane = 0; lane < step.length; lane++) sum += x[at + lane]! * terms[from + lane]!;
          sums[r * tile.columns + c]! += sum;
        }
    }
    tile.term++;
    if (tile.term < this.#termCount) return;
    tile.term = -1;
    tile.done++;
    tile.holds = step.endsGroup;
    if (index === 0 && this.#array.overlap.fillOverlapsDrain && tile.done % this.#steps.length === 0)
      this.#freeAt = this.#cycle + 1 + this.#array.overlap.controlCyclesPerFold;
  }

  /** A column of PEs with four lanes, as BitMoD's have: the case that time is spent on. */
  #multiplyFour({ sums, columns }: Tile, from: number, firstAt: number, rows: number, c: number): void {
    const { k, x } = this.#product;
    const terms = this.#terms;
    const [t0, t1, t2, t3] = [terms[from]!, terms[from + 1]!, terms[from + 2]!, terms[from + 3]!];
    for (let r = 0, at = firstAt, to = c; r < rows; r++, at += k, to += columns)
      sums[to]! += x[at]! * t0 + x[at + 1]! * t1 + (x[at + 2]! * t2 + x[at + 3]! * t3);
  }

  #handOver(tile: Tile): void {
    tile.handed.set(tile.sums);
    tile.sums.fill(0);
    tile.scaled.fill(0);
    tile.holds = false;
    tile.rescaledStep = tile.done - 1;
    tile.rescaling = this.#array.bitSerial.rescaleCycles;
    if (tile.rescaling === 0) internal("a group is rescaled in no cycle");
  }

  /** One bit of the scale: what has been summed up doubles, and takes the group's sum where the bit is set. */
  #rescale(tile: Tile): void {
    const { n, k, group, scales } = this.#product;
    const groups = Math.ceil(k / group);
    const fold = Math.floor(tile.rescaledStep / this.#steps.length);
    const step = this.#steps[tile.rescaledStep % this.#steps.length]!;
    tile.rescaling--;
    for (let c = 0; c < tile.columns; c++) {
      const column = this.#columnOf(fold) + tile.column + c;
      const scale = column < n ? scales[column * groups + step.group]! : 0;
      const bit = Math.floor(scale / 2 ** tile.rescaling) % 2;
      for (let at = c; at < tile.scaled.length; at += tile.columns)
        tile.scaled[at] = 2 * tile.scaled[at]! + bit * tile.handed[at]!;
    }
    if (tile.rescaling === 0) this.#endGroup(tile);
  }

  #endGroup(tile: Tile): void {
    for (let at = 0; at < tile.totals.length; at++) tile.totals[at]! += tile.scaled[at]!;
    if ((tile.rescaledStep + 1) % this.#steps.length > 0) return;
    this.#store(tile);
    if (tile !== this.#tiles.at(-1)) return;
    this.#finished++;
    const { separateDrain, fillOverlapsDrain, controlCyclesPerFold } = this.#array.overlap;
    if (!separateDrain) this.#draining = this.#array.rows;
    else if (!fillOverlapsDrain || this.#finished === this.#folds)
      this.#freeAt = this.#cycle + 1 + controlCyclesPerFold;
  }

  #store(tile: Tile): void {
    const { m, n } = this.#product;
    const fold = Math.floor(tile.rescaledStep / this.#steps.length);
    for (let r = 0; r < tile.rows; r++)
      for (let c = 0; c < tile.columns; c++) {
        const [row, column] = [this.#rowOf(fold) + tile.row + r, this.#columnOf(fold) + tile.column + c];
        if (row < m && column < n) this.#y[row * n + column] = tile.totals[r * tile.columns + c]!;
      }
    tile.totals.fill(0);
  }

  #rowOf(fold: number): number {
    return (fold % this.#rowFolds) * this.#array.rows;
  }

  #columnOf(fold: number): number {
    return Math.floor(fold / this.#rowFolds) * this.#array.columns;
  }

  #record(tile: Tile): void {
    const { states } = this.#recorder ?? {};
    if (states === undefined) return;
    const { m, n } = this.#product;
    const fold = Math.floor(tile.done / this.#steps.length);
    for (let r = 0; r < tile.rows; r++)
      for (let c = 0; c < tile.columns; c++) {
        const inside = this.#rowOf(fold) + tile.row + r < m && this.#columnOf(fold) + tile.column + c < n;
        const working = inside ? PE_MULTIPLY : PE_PADDING;
        const state = tile.term >= 0 ? working : tile.holds ? PE_RESCALE : PE_IDLE;
        states[(tile.row + r) * this.#array.columns + tile.column + c] = state;
      }
  }
}
