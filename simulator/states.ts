/** The states of a unit: in every cycle exactly one of busy (with what), stalled (why) or idle. A closed list. */

/** What a busy unit does: channels load and store, the off-chip memory reads and writes, feeders shift in or decode. */
export const BUSY_KINDS = ["load", "store", "read", "write", "feed", "decode", "contract", "map"] as const;
export type BusyKind = (typeof BUSY_KINDS)[number];

/**
 * Why a unit that has work cannot do it.
 * - `operand-weight`, `operand-activation`, `operand-result`: its operand is not there yet; the culprit is its producer.
 * - `accumulator`: the array waits for a free block of sums; the culprit is who empties it.
 * - `buffer-full`: a producer waits for a free instance; the culprit is the consumer that holds it.
 * - `dram-bandwidth`: its request waits behind another's; the culprit is the channel that is served.
 * - `dram-latency`: everything is requested, the last data have not arrived.
 * - `dram-row`, `dram-refresh`, `dram-turn`: its data wait for a row to be opened, for a refresh, or for the bus to turn
 *   round between reads and writes or to come back to a bank group.
 * - `drain`: no row may enter while the last sums leave the array.
 * - `control`: cycles that the machine spends between folds.
 * - `rescale`: bit-serial PEs hold a group's sum and wait until the one before it has been multiplied by its scale.
 */
export const STALL_CAUSES = [
  "operand-weight",
  "operand-activation",
  "operand-result",
  "accumulator",
  "buffer-full",
  "dram-bandwidth",
  "dram-latency",
  "dram-row",
  "dram-refresh",
  "dram-turn",
  "drain",
  "control",
  "rescale",
] as const;
export type StallCause = (typeof STALL_CAUSES)[number];

export type StateName = "idle" | `busy:${BusyKind}` | `stall:${StallCause}`;

/** All states; a state's code is its place here. */
export const STATES: readonly StateName[] = [
  "idle",
  ...BUSY_KINDS.map((kind) => `busy:${kind}` as const),
  ...STALL_CAUSES.map((cause) => `stall:${cause}` as const),
];

export const IDLE = 0;
export const busy = (kind: BusyKind): number => 1 + BUSY_KINDS.indexOf(kind);
export const stalled = (cause: StallCause): number => 1 + BUSY_KINDS.length + STALL_CAUSES.indexOf(cause);
/** The place of a state's cause in STALL_CAUSES; negative where the unit does not stall. */
export const causeOf = (state: number): number => state - 1 - BUSY_KINDS.length;

/** Cycles of one unit by state: the sum of all is the length of the run. */
export interface StateTable {
  /** By what it did; kinds that did not occur are left out. */
  readonly busy: Readonly<Partial<Record<BusyKind, number>>>;
  readonly stall: Readonly<Partial<Record<StallCause, number>>>;
  readonly idle: number;
  /** Stalled cycles by the unit that caused them. */
  readonly culprits: Readonly<Record<string, number>>;
}

/** The table of a unit from its cycles by state code and by culprit. */
export function tableOf(cycles: ArrayLike<number>, culprits: Readonly<Record<string, number>>): StateTable {
  const some = <K extends string>(names: readonly K[], first: number): Partial<Record<K, number>> => {
    const found: Partial<Record<K, number>> = {};
    names.forEach((name, i) => {
      const value = cycles[first + i] ?? 0;
      if (value > 0) found[name] = value;
    });
    return found;
  };
  return {
    busy: some(BUSY_KINDS, 1),
    stall: some(STALL_CAUSES, 1 + BUSY_KINDS.length),
    idle: cycles[IDLE] ?? 0,
    culprits,
  };
}

/** Cycles that a table accounts for. */
export function totalOf(table: StateTable): number {
  const sum = (values: readonly number[]): number => values.reduce((s, v) => s + v, 0);
  return sum(Object.values(table.busy)) + sum(Object.values(table.stall)) + table.idle;
}

/** The state-wise sum of two tables, the second taken `times` times. */
export function addTables(a: StateTable, b: StateTable, times = 1): StateTable {
  const add = <K extends string>(
    x: Readonly<Partial<Record<K, number>>>,
    y: Readonly<Partial<Record<K, number>>>,
  ): Partial<Record<K, number>> => {
    const sum: Partial<Record<K, number>> = { ...x };
    for (const key of Object.keys(y) as K[]) sum[key] = (sum[key] ?? 0) + times * (y[key] ?? 0);
    return sum;
  };
  return {
    busy: add(a.busy, b.busy),
    stall: add(a.stall, b.stall),
    idle: a.idle + times * b.idle,
    culprits: add(a.culprits, b.culprits) as Record<string, number>,
  };
}

export const NO_CYCLES: StateTable = { busy: {}, stall: {}, idle: 0, culprits: {} };
