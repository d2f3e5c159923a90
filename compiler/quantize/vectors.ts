/** Nearest vectors and k-means in a few dimensions; large codebooks are searched through cells of neighbours. */

export interface Codebook {
  readonly size: number;
  readonly vectors: Float32Array;
  /** Half the squared length of each vector. */
  readonly halves: Float32Array;
  /** Large codebooks: centres of cells and the codes in them. */
  readonly cells?: { readonly centres: Codebook; readonly members: readonly Uint32Array[] };
}

/** Codebooks up to this size are searched one vector after the other. */
const MAX_PLAIN = 1024;
/** Cells that a search looks into. */
const PROBES = 8;

export function codebookOf(vectors: Float32Array, size: number): Codebook {
  const count = vectors.length / size;
  const halves = Float32Array.from({ length: count }, (_, c) => {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += vectors[c * size + i]! ** 2;
    return sum / 2;
  });
  const plain = { size, vectors, halves };
  if (count <= MAX_PLAIN) return plain;
  const { centroids, codes } = fitVectors(vectors, size, 2 ** Math.ceil(Math.log2(count) / 2), 4);
  const members: number[][] = Array.from({ length: centroids.length / size }, () => []);
  for (const [code, cell] of codes.entries()) members[cell]!.push(code);
  // Cells without members would only take places among the nearest.
  const used = [...members.keys()].filter((cell) => members[cell]!.length > 0);
  const centres = Float32Array.from(used.flatMap((cell) => [...centroids.subarray(cell * size, (cell + 1) * size)]));
  return {
    ...plain,
    cells: { centres: codebookOf(centres, size), members: used.map((cell) => Uint32Array.from(members[cell]!)) },
  };
}

export interface Neighbour {
  readonly code: number;
  /** Squared distance. */
  readonly error: number;
}

/** The nearest vectors, nearest first; of a large codebook the nearest in the nearest cells. */
export function nearestVectors(
  { size, vectors, halves, cells }: Codebook,
  x: Float32Array,
  count: number,
): readonly Neighbour[] {
  const codes = new Int32Array(count).fill(-1);
  const scores = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
  // ‖x − v‖² = ‖x‖² − 2 (x · v − ½ ‖v‖²): the largest score is the nearest.
  const offer = (code: number): void => {
    let score = -halves[code]!;
    const at = code * size;
    for (let i = 0; i < size; i++) score += x[i]! * vectors[at + i]!;
    if (!(score > scores[count - 1]!)) return;
    let place = count - 1;
    for (; place > 0 && score > scores[place - 1]!; place--) {
      scores[place] = scores[place - 1]!;
      codes[place] = codes[place - 1]!;
    }
    scores[place] = score;
    codes[place] = code;
  };
  if (cells === undefined) for (let code = 0; code < halves.length; code++) offer(code);
  else
    for (const { code: cell } of nearestVectors(cells.centres, x, PROBES))
      for (const code of cells.members[cell]!) offer(code);
  const square = x.reduce((sum, v) => sum + v * v, 0);
  const found: Neighbour[] = [];
  for (const [n, code] of codes.entries())
    if (code >= 0) found.push({ code, error: Math.max(0, square - 2 * scores[n]!) });
  return found;
}

export interface FittedVectors {
  readonly centroids: Float32Array;
  readonly codes: Uint32Array;
}

const ITERATIONS = 10;

/** k-means from vectors at equal distances; entries that lose all their vectors take those farthest from theirs. */
export function fitVectors(
  sample: Float32Array,
  size: number,
  entries: number,
  iterations = ITERATIONS,
): FittedVectors {
  const count = sample.length / size;
  const centroids = new Float32Array(entries * size);
  for (let e = 0; e < entries; e++) {
    const n = Math.floor((e * count) / entries);
    // Fewer vectors than entries: the rest repeats them.
    centroids.set(sample.subarray(n * size, (n + 1) * size), e * size);
  }
  const codes = new Uint32Array(count);
  for (let round = 0; round < iterations; round++) {
    const book = entries > MAX_PLAIN && count <= entries ? undefined : codebookOf(centroids, size);
    const errors = new Float32Array(count);
    let changed = false;
    for (let n = 0; n < count; n++) {
      // As many entries as vectors: each is its own.
      const [near] = book === undefined ? [] : nearestVectors(book, sample.subarray(n * size, (n + 1) * size), 1);
      const code = near?.code ?? Math.ceil((n * entries) / count);
      changed ||= codes[n] !== code;
      codes[n] = code;
      errors[n] = near?.error ?? 0;
    }
    if (!changed && round > 0) break;
    moveCentroids(sample, size, codes, errors, centroids);
    if (book === undefined) break;
  }
  return { centroids, codes };
}

function moveCentroids(
  sample: Float32Array,
  size: number,
  codes: Uint32Array,
  errors: Float32Array,
  centroids: Float32Array,
): void {
  const entries = centroids.length / size;
  const sums = new Float64Array(centroids.length);
  const counts = new Uint32Array(entries);
  for (let n = 0; n < codes.length; n++) {
    counts[codes[n]!]!++;
    for (let i = 0; i < size; i++) sums[codes[n]! * size + i]! += sample[n * size + i]!;
  }
  const empty = [...counts.keys()].filter((e) => counts[e] === 0);
  const far = empty.length === 0 ? [] : [...errors.keys()].sort((a, b) => errors[b]! - errors[a]!);
  for (let e = 0; e < entries; e++)
    if (counts[e]! > 0) for (let i = 0; i < size; i++) centroids[e * size + i] = sums[e * size + i]! / counts[e]!;
  for (const [k, e] of empty.entries()) {
    const n = far[k];
    if (n !== undefined && errors[n]! > 0) centroids.set(sample.subarray(n * size, (n + 1) * size), e * size);
  }
}
