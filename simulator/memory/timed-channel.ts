/**
 * One channel of DRAM by its timing parameters: bursts are served in order, rows are opened ahead of them.
 *
 * The controller sees a burst at some clock. From then on it closes and opens the row that the burst needs, as soon as the
 * bank has done with the bursts before it; column commands leave in the order of bursts. A refresh of all banks goes
 * before the first column command that is not ahead of its due time, and no row is opened that could not be used before
 * it. Commands themselves take no room on their bus.
 */
import type { DramPart } from "../../hw-models/dram-part.ts";

/** Why data come later than the bus could take them, in clocks. */
export interface LostClocks {
  /** A row had to be closed or opened. */
  row: number;
  refresh: number;
  /** The bus turns round between reads and writes, or one bank group is too slow for it. */
  turn: number;
}

/** What the channel did, for its energy. */
export interface ChannelCounts {
  activates: number;
  refreshes: number;
}

/** A command as it leaves the controller, for who wants to check that it may; `REF` goes to all banks (-1). */
export type Command = "ACT" | "PRE" | "RD" | "WR" | "REF";

const NEVER = -(2 ** 40);

export class TimedChannel {
  readonly #part: DramPart;
  readonly #banks: number;
  readonly #row: Float64Array;
  /** Of each bank: when it was last opened, the precharge that its last access allows, when it may be opened if closed. */
  readonly #opened: Float64Array;
  readonly #closable: Float64Array;
  readonly #openable: Float64Array;
  /** Of each bank group: last activate, last column command, end of the last data written. */
  readonly #groupOpened: Float64Array;
  readonly #groupColumn: Float64Array;
  readonly #groupWritten: Float64Array;
  /** The last four activates, the oldest first. */
  readonly #window = new Float64Array(4).fill(NEVER);
  #column = NEVER;
  #lastRead = NEVER;
  #written = NEVER;
  #due: number;
  /** From here on data may come, had nothing been lost. */
  #bus = 0;
  readonly lost: LostClocks = { row: 0, refresh: 0, turn: 0 };
  readonly counts: ChannelCounts = { activates: 0, refreshes: 0 };
  /** The clock in which the last refresh ends. */
  #refreshed = NEVER;
  readonly #closedPage: boolean;

  readonly #log: ((command: Command, bank: number, clock: number) => void) | undefined;

  /** `log` hears of the commands of all bursts that are stepped, each bank's in the order of time. */
  constructor(part: DramPart, closedPage = false, log?: (command: Command, bank: number, clock: number) => void) {
    this.#part = part;
    this.#log = log;
    this.#closedPage = closedPage;
    this.#banks = part.bankGroups * part.banksPerGroup;
    const perBank = (): Float64Array => new Float64Array(this.#banks).fill(NEVER);
    const perGroup = (): Float64Array => new Float64Array(part.bankGroups).fill(NEVER);
    this.#row = new Float64Array(this.#banks).fill(-1);
    this.#opened = perBank();
    this.#closable = perBank();
    this.#openable = perBank();
    this.#groupOpened = perGroup();
    this.#groupColumn = perGroup();
    this.#groupWritten = perGroup();
    this.#due = part.timing.REFI;
  }

  /** Serves a burst that the controller has seen at clock `seen`; the clock at which its last data have passed. */
  burst(group: number, bank: number, row: number, write: boolean, seen: number): number {
    const { timing } = this.#part;
    const at = group * this.#part.banksPerGroup + bank;
    this.#catchUp(seen);
    let column = this.#plan(group, at, row, write, seen);
    const undisturbed = column;
    while (column >= this.#due) {
      this.#refresh();
      column = this.#plan(group, at, row, write, seen);
    }
    const hit = this.#row[at] === row;
    if (!hit) this.#open(group, at, row, this.#opening);
    this.#log?.(write ? "WR" : "RD", at, column);
    const data = column + (write ? timing.CWL : timing.CL);
    this.#account(data, seen + (write ? timing.CWL : timing.CL), hit, column - undisturbed);
    const end = data + this.#part.burstClocks;
    this.#column = column;
    this.#groupColumn[group] = column;
    if (write) {
      this.#written = end;
      this.#groupWritten[group] = end;
    } else {
      this.#lastRead = column;
    }
    const closable = write ? end + timing.WR : column + timing.RTP;
    this.#closable[at] = Math.max(this.#closable[at]!, closable);
    if (this.#closedPage) this.#close(at, Math.max(this.#closable[at]!, this.#opened[at]! + timing.RAS));
    this.#bus = end;
    return end;
  }

  /**
   * Serves up to `bursts` bursts that walk the bank groups round from `group` on, in one row of the same bank of each,
   * without stepping them: as many as find their rows open and nothing else in their way. Returns how many.
   */
  run(group: number, bank: number, row: number, write: boolean, seen: number, bursts: number): number {
    const { timing, bankGroups, banksPerGroup, burstClocks } = this.#part;
    if (this.#closedPage || bankGroups * timing.CCDS < timing.CCDL || seen > this.#column) return 0;
    if (write ? this.#lastRead + timing.RTW > this.#column + timing.CCDS : this.#turning()) return 0;
    const first = this.#column + timing.CCDS;
    for (let g = 0; g < bankGroups; g++) {
      const at = g * banksPerGroup + bank;
      if (this.#row[at] !== row) return 0;
      const after = ((g - group + bankGroups) % bankGroups) * timing.CCDS;
      if (this.#opened[at]! + (write ? timing.RCDWR : timing.RCDRD) > first + after) return 0;
      if (this.#groupColumn[g]! + timing.CCDL > first + after) return 0;
    }
    const data = first + (write ? timing.CWL : timing.CL);
    if (timing.CCDS !== burstClocks || data !== this.#bus) return 0;
    const count = Math.min(bursts, Math.floor((this.#due - 1 - first) / timing.CCDS) + 1);
    if (count <= bankGroups) return 0;
    for (let i = count - bankGroups; i < count; i++) {
      const g = (group + i) % bankGroups;
      const column = first + i * timing.CCDS;
      const at = g * banksPerGroup + bank;
      const end = column + (write ? timing.CWL : timing.CL) + burstClocks;
      this.#column = column;
      this.#groupColumn[g] = column;
      this.#closable[at] = Math.max(this.#closable[at]!, write ? end + timing.WR : column + timing.RTP);
      if (write) {
        this.#written = end;
        this.#groupWritten[g] = end;
      } else {
        this.#lastRead = column;
      }
      this.#bus = end;
    }
    return count;
  }

  /** The clock at which the last data have passed. */
  get end(): number {
    return this.#bus;
  }

  /** Ends the run at a clock: refreshes that came due while nothing was asked are counted. */
  finish(clock: number): void {
    this.#catchUp(clock);
  }

  #turning(): boolean {
    const { timing } = this.#part;
    const first = this.#column + timing.CCDS;
    if (this.#written + timing.WTRS > first) return true;
    return this.#groupWritten.some((end) => end + timing.WTRL > first);
  }

  /** The earliest column command, if its row is opened as early as can be; `#opening` says when. */
  #plan(group: number, at: number, row: number, write: boolean, seen: number): number {
    const { timing } = this.#part;
    let column = Math.max(seen, this.#column + timing.CCDS, this.#groupColumn[group]! + timing.CCDL);
    if (write) column = Math.max(column, this.#lastRead + timing.RTW);
    else column = Math.max(column, this.#written + timing.WTRS, this.#groupWritten[group]! + timing.WTRL);
    const delay = write ? timing.RCDWR : timing.RCDRD;
    if (this.#row[at] === row) return Math.max(column, this.#opened[at]! + delay);
    this.#closing = Math.max(seen, this.#closable[at]!, this.#opened[at]! + timing.RAS);
    const closed = this.#row[at] === -1 ? this.#openable[at]! : this.#closing + timing.RP;
    this.#opening = Math.max(
      seen,
      closed,
      this.#opened[at]! + timing.RC,
      this.#window[3]! + timing.RRDS,
      this.#groupOpened[group]! + timing.RRDL,
      this.#window[0]! + timing.FAW,
      this.#refreshed,
    );
    return Math.max(column, this.#opening + delay);
  }

  /** When the last plan opens its row, and closes the one that was open. */
  #opening = 0;
  #closing = 0;

  #open(group: number, at: number, row: number, clock: number): void {
    if (this.#row[at] !== -1) this.#log?.("PRE", at, this.#closing);
    this.#log?.("ACT", at, clock);
    this.#row[at] = row;
    this.#opened[at] = clock;
    this.#closable[at] = NEVER;
    this.#groupOpened[group] = clock;
    this.#window.copyWithin(0, 1);
    this.#window[3] = clock;
    this.counts.activates++;
  }

  #close(at: number, clock: number): void {
    this.#log?.("PRE", at, clock);
    this.#row[at] = -1;
    this.#openable[at] = clock + this.#part.timing.RP;
  }

  /** Refreshes that came due before `seen`, while nothing was asked. */
  #catchUp(seen: number): void {
    const { REFI } = this.#part.timing;
    while (this.#due <= seen) {
      this.#refresh();
      const idle = Math.floor((seen - this.#due) / REFI);
      if (idle <= 0) continue;
      this.counts.refreshes += idle;
      this.#due += idle * REFI;
      this.#refreshed = this.#due - REFI + this.#part.timing.RFC;
    }
  }

  /** Closes all rows and refreshes. */
  #refresh(): void {
    const { timing } = this.#part;
    let begin = Math.max(this.#due, this.#refreshed);
    for (let at = 0; at < this.#banks; at++) {
      const closing = Math.max(this.#due, this.#closable[at]!, this.#opened[at]! + timing.RAS);
      const closed = this.#row[at] === -1 ? this.#openable[at]! : closing + timing.RP;
      begin = Math.max(begin, closed, this.#opened[at]! + timing.RC);
    }
    this.#refreshed = begin + timing.RFC;
    for (let at = 0; at < this.#banks; at++) {
      if (this.#row[at] !== -1) this.#log?.("PRE", at, begin - timing.RP);
      this.#row[at] = -1;
      this.#openable[at] = this.#refreshed;
    }
    this.#log?.("REF", -1, begin);
    this.#due += timing.REFI;
    this.counts.refreshes++;
  }

  /** Clocks between what the bus could have done and what it does, by cause. */
  #account(data: number, asked: number, hit: boolean, refresh: number): void {
    const gap = data - Math.max(this.#bus, asked);
    if (gap <= 0) return;
    const refreshing = Math.min(gap, refresh);
    this.lost.refresh += refreshing;
    const rest = gap - refreshing;
    if (hit) this.lost.turn += rest;
    else this.lost.row += rest;
  }
}
