/** Kanata 0004, for the Konata pipeline viewer: a row for each piece of work of a unit, with what it waited for before. */
import type { Slice, Trace } from "./trace.ts";
import { type TraceEvent, traceEvents, type Window } from "./trace-events.ts";

/** Text is given out in pieces of about this length. */
const PIECE = 1 << 16;

/** A row that is not retired. */
interface Row {
  readonly id: number;
  /** The unit that it waited for last. */
  culprit: string | undefined;
}

/** No tabs or newlines inside a field. */
const plain = (text: string): string => text.replace(/[\t\r\n]/g, " ");

/**
 * The log in pieces; joined they are one file. Rows are numbered in the order in which they begin, threads are units,
 * stage lane 0 holds work (`X` and its kind, so that arrows find it) and lane 1 stalls. An arrow comes from the last row of
 * the unit that was waited for. Cycle c stands at c + 1, because an end at 0 means "still open".
 */
export function* kanataTrace(trace: Trace, window: Window = {}): Generator<string, void> {
  const writer = new KanataWriter(trace);
  let piece = "Kanata\t0004\nC=\t0\n";
  for (const event of traceEvents(trace, window)) {
    if (event.lane >= 0) piece += writer.write(event);
    if (piece.length < PIECE) continue;
    yield piece;
    piece = "";
  }
  yield piece + writer.close();
}

class KanataWriter {
  readonly #trace: Trace;
  /** By lane: the row that it is at, and its last row's number. */
  readonly #rows: (Row | undefined)[] = [];
  readonly #last: (number | undefined)[] = [];
  readonly #lanes: ReadonlyMap<string, number>;
  #now = 0;
  #ids = 0;
  #retired = 0;

  constructor(trace: Trace) {
    this.#trace = trace;
    this.#lanes = new Map(trace.header.lanes.map((name, i) => [name, i]));
  }

  write({ kind, cycle, lane, slice }: TraceEvent): string {
    const stall = slice.state.startsWith("stall:");
    const what = slice.state.slice(slice.state.indexOf(":") + 1);
    if (kind === "begin") return this.#advance(cycle) + this.#begin(lane, slice, stall, what);
    const row = this.#rows[lane];
    if (row === undefined) return "";
    const end = `E\t${row.id}\t${stall ? 1 : 0}\t${stall ? `stl.${what}` : `X${what}`}\n`;
    return this.#advance(cycle) + end + (stall ? "" : this.#retire(lane, row));
  }

  /** Rows that only ever waited end where their lanes do. */
  close(): string {
    return this.#rows.map((row, lane) => (row === undefined ? "" : this.#retire(lane, row))).join("");
  }

  #advance(cycle: number): string {
    const cycles = cycle + 1 - this.#now;
    this.#now += cycles;
    return cycles === 0 ? "" : `C\t${cycles}\n`;
  }

  #begin(lane: number, slice: Slice, stall: boolean, what: string): string {
    const open = this.#rows[lane];
    const row: Row = open ?? { id: this.#ids++, culprit: undefined };
    let text = "";
    if (open === undefined) {
      text += `I\t${row.id}\t${row.id}\t${lane}\nL\t${row.id}\t0\t${this.#trace.header.lanes[lane]}\n`;
      text += `L\t${row.id}\t1\t${plain(this.#trace.header.layers[slice.layer]?.name ?? "")}\n`;
      this.#rows[lane] = row;
    }
    if (stall) {
      row.culprit = slice.culprit ?? row.culprit;
      const by = slice.culprit === undefined ? "" : ` for ${slice.culprit}`;
      text += `L\t${row.id}\t1\t\\n${what}${by}: ${slice.cycles} cycles\n`;
      return `${text}S\t${row.id}\t1\tstl.${what}\n`;
    }
    const producer = row.culprit === undefined ? undefined : this.#last[this.#lanes.get(row.culprit) ?? -1];
    if (slice.op !== undefined) text += `L\t${row.id}\t0\t: ${plain(slice.op.name)}\n`;
    text += `S\t${row.id}\t0\tX${what}\n`;
    return producer === undefined || producer >= row.id ? text : `${text}W\t${row.id}\t${producer}\t0\n`;
  }

  #retire(lane: number, row: Row): string {
    this.#rows[lane] = undefined;
    this.#last[lane] = row.id;
    return `R\t${row.id}\t${this.#retired++}\t0\n`;
  }
}
