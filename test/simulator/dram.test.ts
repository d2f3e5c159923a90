/** DRAM by its timing: against a controller that steps every clock, against JEDEC's rules pair by pair, and closed forms. */
import { describe, expect, it } from "vitest";
import { DRAM_PARTS, type DramPart, peakBytesPerSecond } from "../../hw-models/dram-part.ts";
import type { TimedDram } from "../../hw-models/schema.ts";
import { dram, placeOf, stream } from "../../simulator/memory/dram.ts";
import { type Command, TimedChannel } from "../../simulator/memory/timed-channel.ts";

interface Burst {
  readonly group: number;
  readonly bank: number;
  readonly row: number;
  readonly write: boolean;
  readonly seen: number;
}

const random = (seed: number) => {
  let state = seed >>> 0;
  return (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % below;
  };
};

/** Bursts that hit, miss, conflict, turn round and pause. */
function pattern({ bankGroups, banksPerGroup }: DramPart, seed: number, count: number): readonly Burst[] {
  const next = random(seed);
  const [rows, banks, writes, pauses] = [1 + next(3), 1 + next(banksPerGroup), next(3), next(4)];
  let seen = next(200);
  let write = false;
  return Array.from({ length: count }, (_, i) => {
    if (next(8) < pauses) seen += next(60);
    if (writes > 0 && next(4) === 0) write = next(3) < writes;
    const group = next(2) === 0 ? i % bankGroups : next(bankGroups);
    return { group, bank: next(banks), row: next(rows), write, seen };
  });
}

/** A controller without refreshes that looks at every clock: the clock of each column command. */
function stepped(part: DramPart, bursts: readonly Burst[]): readonly number[] {
  const { timing: t, banksPerGroup, burstClocks } = part;
  const log: { readonly command: Command; readonly bank: number; readonly clock: number }[] = [];
  const groupOf = (bank: number): number => Math.floor(bank / banksPerGroup);
  const since = (clock: number, delay: number, is: (e: (typeof log)[number]) => boolean): boolean =>
    log.every((e) => !is(e) || clock >= e.clock + delay);
  const open = new Map<number, number>();
  const columns: number[] = [];
  const opened = bursts.map(() => false);
  for (let clock = 0; columns.length < bursts.length; clock++) {
    // One column command: the oldest burst, once its row is open.
    const head = columns.length;
    const { group, bank, row, write, seen } = bursts[head]!;
    const at = group * banksPerGroup + bank;
    const written = t.CWL + burstClocks;
    const may = write
      ? since(clock, t.CCDS, (e) => e.command === "WR" || e.command === "RD") &&
        since(clock, t.CCDL, (e) => (e.command === "WR" || e.command === "RD") && groupOf(e.bank) === group) &&
        since(clock, t.RTW, (e) => e.command === "RD") &&
        since(clock, t.RCDWR, (e) => e.command === "ACT" && e.bank === at)
      : since(clock, t.CCDS, (e) => e.command === "WR" || e.command === "RD") &&
        since(clock, t.CCDL, (e) => (e.command === "WR" || e.command === "RD") && groupOf(e.bank) === group) &&
        since(clock, written + t.WTRS, (e) => e.command === "WR") &&
        since(clock, written + t.WTRL, (e) => e.command === "WR" && groupOf(e.bank) === group) &&
        since(clock, t.RCDRD, (e) => e.command === "ACT" && e.bank === at);
    if (clock >= seen && open.get(at) === row && opened[head] && may) {
      columns.push(clock);
      log.push({ command: write ? "WR" : "RD", bank: at, clock });
    }
    // Row commands, in the order of bursts, for banks that have done with all bursts before.
    for (let i = columns.length; i < bursts.length; i++) {
      const b = bursts[i]!;
      const its = b.group * banksPerGroup + b.bank;
      const busy = bursts
        .slice(columns.length, i)
        .some((o) => o.group * banksPerGroup + o.bank === its && o.row !== b.row);
      if (busy) {
        if (!opened[i]) break;
        continue;
      }
      if (open.get(its) === b.row) {
        opened[i] = true;
        continue;
      }
      if (clock < b.seen) break;
      if (open.has(its)) {
        const closes =
          since(clock, t.RAS, (e) => e.command === "ACT" && e.bank === its) &&
          since(clock, t.RTP, (e) => e.command === "RD" && e.bank === its) &&
          since(clock, written + t.WR, (e) => e.command === "WR" && e.bank === its);
        if (closes) {
          open.delete(its);
          log.push({ command: "PRE", bank: its, clock });
        }
      }
      const activates = log.filter((e) => e.command === "ACT");
      const opens =
        !open.has(its) &&
        since(clock, t.RP, (e) => e.command === "PRE" && e.bank === its) &&
        since(clock, t.RC, (e) => e.command === "ACT" && e.bank === its) &&
        since(clock, t.RRDS, (e) => e.command === "ACT") &&
        since(clock, t.RRDL, (e) => e.command === "ACT" && groupOf(e.bank) === b.group) &&
        clock >= (activates.at(-4)?.clock ?? Number.NEGATIVE_INFINITY) + t.FAW;
      if (opens) {
        open.set(its, b.row);
        opened[i] = true;
        log.push({ command: "ACT", bank: its, clock });
      }
      // Rows are opened in the order of bursts; closing one need not wait for that.
      if (!opened[i]) closeAhead(i, clock);
      if (!opened[i]) break;
    }
  }
  return columns;

  /** Later bursts may have rows in their way closed while an earlier one still waits to have its own opened. */
  function closeAhead(from: number, clock: number): void {
    for (let j = from + 1; j < bursts.length; j++) {
      const b = bursts[j]!;
      const its = b.group * banksPerGroup + b.bank;
      const busy = bursts.slice(columns.length, j).some((o) => o.group * banksPerGroup + o.bank === its);
      if (busy || !open.has(its) || open.get(its) === b.row || clock < b.seen) continue;
      const closes =
        since(clock, t.RAS, (e) => e.command === "ACT" && e.bank === its) &&
        since(clock, t.RTP, (e) => e.command === "RD" && e.bank === its) &&
        since(clock, t.CWL + burstClocks + t.WR, (e) => e.command === "WR" && e.bank === its);
      if (!closes) continue;
      open.delete(its);
      log.push({ command: "PRE", bank: its, clock });
    }
  }
}

const endless = (part: DramPart): DramPart => ({ ...part, timing: { ...part.timing, REFI: 2 ** 30 } });

describe.each(DRAM_PARTS)("$name", (part) => {
  const { timing: t, bankGroups, banksPerGroup, burstClocks } = part;
  const burstBytes = burstClocks * part.channelBytesPerClock;

  it("serves 250 random patterns as a controller that steps every clock", () => {
    for (let seed = 0; seed < 250; seed++) {
      const bursts = pattern(part, seed, 20);
      const channel = new TimedChannel(endless(part));
      const ours = bursts.map((b) => channel.burst(b.group, b.bank, b.row, b.write, b.seen) - burstClocks);
      const theirs = stepped(part, bursts).map((clock, i) => clock + (bursts[i]!.write ? t.CWL : t.CL));
      expect([seed, ours]).toEqual([seed, theirs]);
    }
  });

  it("breaks no rule between any two commands, refreshes included", () => {
    for (let seed = 0; seed < 8; seed++) {
      const log: { readonly command: Command; readonly bank: number; readonly clock: number }[] = [];
      const channel = new TimedChannel(part, seed % 2 === 1, (command, bank, clock) =>
        log.push({ command, bank, clock }),
      );
      const next = random(seed);
      for (const b of pattern(part, seed, 1500))
        channel.burst(b.group, b.bank, b.row, b.write, b.seen + next(2) * t.REFI);
      const group = (bank: number): number => Math.floor(bank / banksPerGroup);
      const sorted = log.toSorted((a, b) => a.clock - b.clock);
      sorted.forEach((b, i) => {
        for (let j = i - 1; j >= 0 && b.clock - sorted[j]!.clock < t.RFC; j--) {
          const a = sorted[j]!;
          const apart = b.clock - a.clock;
          const least = between(a.command, b.command, a.bank === b.bank, group(a.bank) === group(b.bank));
          if (apart < least) throw new Error(`${a.command} ${a.bank} to ${b.command} ${b.bank}: ${apart} of ${least}`);
        }
      });
      const activates = sorted.filter((e) => e.command === "ACT").map((e) => e.clock);
      activates.forEach((clock, i) => {
        if (i >= 4) expect(clock - activates[i - 4]!).toBeGreaterThanOrEqual(t.FAW);
      });
      const refreshes = sorted.filter((e) => e.command === "REF");
      expect(refreshes.length).toBeGreaterThan(0);
      // A row is open when it is read or written, and a refresh finds none.
      const open = new Set<number>();
      for (const { command, bank } of log) {
        if (command === "ACT") open.add(bank);
        else if (command === "PRE") open.delete(bank);
        else if (command === "REF") expect(open.size).toBe(0);
        else expect(open.has(bank)).toBe(true);
      }
    }

    function between(a: Command, b: Command, sameBank: boolean, sameGroup: boolean): number {
      const column = (c: Command): boolean => c === "RD" || c === "WR";
      if (a === "REF") return t.RFC;
      if (b === "REF") return a === "PRE" ? t.RP : a === "ACT" ? t.RC : 0;
      if (a === "ACT" && b === "ACT") return sameBank ? t.RC : sameGroup ? t.RRDL : t.RRDS;
      if (a === "WR" && b === "RD") return t.CWL + burstClocks + (sameGroup ? t.WTRL : t.WTRS);
      if (a === "RD" && b === "WR") return t.RTW;
      if (column(a) && column(b)) return sameGroup ? t.CCDL : t.CCDS;
      if (!sameBank) return 0;
      if (a === "ACT" && column(b)) return b === "RD" ? t.RCDRD : t.RCDWR;
      if (a === "ACT" && b === "PRE") return t.RAS;
      if (a === "PRE" && b === "ACT") return t.RP;
      if (a === "RD" && b === "PRE") return t.RTP;
      if (a === "WR" && b === "PRE") return t.CWL + burstClocks + t.WR;
      return 0;
    }
  });

  it("skips runs of open rows without changing any time, on 300 random lists of transfers", () => {
    const timed: TimedDram = { part, channels: 1, page: "open" };
    for (let seed = 0; seed < 300; seed++) {
      const [skipping, stepping] = [new TimedChannel(part), new TimedChannel(part)];
      const next = random(seed);
      let seen = 0;
      for (let i = 0; i < 12; i++) {
        const [first, count, write] = [next(1 << 14), 1 + next(seed % 3 === 0 ? 3000 : 90), next(3) === 0];
        seen = Math.max(seen, next(3) === 0 ? skipping.end + next(500) : skipping.end - next(120));
        stream(skipping, timed, first, count, write, seen);
        stream(stepping, timed, first, count, write, seen, true);
        expect([seed, i, skipping.end, skipping.lost, skipping.counts]).toEqual([
          seed,
          i,
          stepping.end,
          stepping.lost,
          stepping.counts,
        ]);
      }
    }
  });

  it("puts every burst in a place of its own", () => {
    const timed: TimedDram = { part, channels: 1, page: "open" };
    const bursts = (part.rowBytes / burstBytes) * bankGroups * banksPerGroup;
    const rows = new Map<string, number>();
    for (let number = 0; number < bursts; number++) {
      const { group, bank, row } = placeOf(timed, number);
      expect(row).toBe(0);
      rows.set(`${group} ${bank}`, (rows.get(`${group} ${bank}`) ?? 0) + 1);
    }
    expect(rows.size).toBe(bankGroups * banksPerGroup);
    expect([...rows.values()].every((count) => count === part.rowBytes / burstBytes)).toBe(true);
    expect(placeOf(timed, bursts).row).toBe(1);
  });

  it("reads a stream at its peak less what refreshes take", () => {
    const refreshes = 40;
    const channel = new TimedChannel(part);
    const timed: TimedDram = { part, channels: 1, page: "open" };
    const count = Math.floor((refreshes * t.REFI) / burstClocks);
    stream(channel, timed, 0, count, false, 0);
    // The last read before a refresh is due, its precharge, the refresh, and a row opened again.
    const lost =
      t.RP + t.RFC + t.RCDRD + Math.max(0, t.RTP - burstClocks) + (bankGroups - 1) * Math.max(0, t.RRDS - t.CCDS);
    const efficiency = (count * burstClocks) / channel.end;
    expect(Math.abs(efficiency / (1 - lost / t.REFI) - 1)).toBeLessThan(0.003);
    // Nothing else is lost but the first row's opening, and opening one row of each group where activates are slower than reads.
    const slower = (bankGroups - 1) * Math.max(0, t.RRDS - t.CCDS);
    expect(channel.lost.turn).toBe(0);
    expect(channel.lost.row).toBeGreaterThanOrEqual(t.RCDRD);
    expect(channel.lost.row).toBeLessThanOrEqual(t.RCDRD + (refreshes + 1) * (slower === 0 ? 0 : slower + t.CCDL));
  });

  it("takes as long as its parameters say for a hit, a closed row and another row", () => {
    const channel = new TimedChannel(endless(part));
    const closed = channel.burst(0, 0, 5, false, 100);
    expect(closed - 100).toBe(t.RCDRD + t.CL + burstClocks);
    expect(channel.burst(0, 0, 5, false, 1000) - 1000).toBe(t.CL + burstClocks);
    expect(channel.burst(0, 0, 6, false, 2000) - 2000).toBe(t.RP + t.RCDRD + t.CL + burstClocks);
  });

  it("reads random rows as often as activates may follow each other", () => {
    const many = 4000;
    const rate = (bankOf: (i: number) => readonly [number, number]): number => {
      const channel = new TimedChannel(endless(part));
      let [half, end] = [0, 0];
      for (let i = 0; i < many; i++) {
        const [group, bank] = bankOf(i);
        end = channel.burst(group, bank, i, false, 0);
        if (i === many / 2 - 1) half = end;
      }
      return (end - half) / (many / 2);
    };
    // One bank: a row cycle, or as long as a row must be open and be closed again.
    const cycle = Math.max(t.RC, t.RAS + t.RP, t.RCDRD + t.RTP + t.RP);
    expect(rate(() => [0, 0])).toBe(cycle);
    // Two banks of one group.
    expect(rate((i) => [0, i % 2])).toBe(Math.max(cycle / 2, t.RRDL, t.CCDL));
    // All banks in turn, groups first.
    const all = rate((i) => [i % bankGroups, Math.floor(i / bankGroups) % banksPerGroup]);
    const faw = t.FAW / 4;
    expect(all).toBeCloseTo(Math.max(cycle / (bankGroups * banksPerGroup), t.RRDS, faw, t.CCDS), 2);
  });

  it("has the bandwidth that its maker states", () => {
    const stated = { DDR4: 25.6e9, LPDDR5: 12.8e9, HBM2: 256e9, HBM3: 819.2e9 }[part.standard];
    expect(peakBytesPerSecond(part, part.channels)).toBe(stated);
  });

  it("serves a large transfer over all channels within 1 % of the stream's rate, in the machine's cycles", () => {
    const clockMHz = 700;
    const memory = dram(
      {
        kind: "dram",
        name: "d",
        bytesPerCycle: 0,
        latencyCycles: 0,
        readEnergyPJPerByte: 0,
        writeEnergyPJPerByte: 0,
        timed: { part, channels: part.channels, page: "open" },
      },
      clockMHz,
    );
    const bytes = part.channels * 2 ** 21;
    const { begin, end, row, refresh, turn, latency } = memory.serve({
      channel: 0,
      bytes,
      requests: 1,
      now: 10,
      seen: 10,
      address: 0,
      store: false,
    });
    const lost = t.RP + t.RFC + t.RCDRD + Math.max(0, t.RTP - burstClocks);
    const peak = peakBytesPerSecond(part, part.channels) / (clockMHz * 1e6);
    expect((end - begin) / (bytes / peak / (1 - lost / t.REFI))).toBeCloseTo(1, 2);
    expect(row + refresh + turn + latency + bytes / peak).toBeGreaterThan(0.99 * (end - begin));
  });
});
