/** What a run says in words: the unit that limits it, what stalls it and why, and where that can be seen. */
import { exact, percent, unitWord } from "./format.ts";
import { rangeBlame, rangeTotals } from "./mix.ts";
import type { Model } from "./model.ts";

/** A place in the run to look at. */
export interface Jump {
  readonly from: number;
  readonly to: number;
  readonly lane: number;
  /** A cycle in the slice to select. */
  readonly at: number;
}

export interface Finding {
  readonly text: string;
  /** Of the run, 0 … 1: what the finding is about. */
  readonly share: number;
  /** State that gives the finding its colour. */
  readonly state: number;
  readonly jump: Jump | undefined;
}

/** A unit's share of the run by state. */
export interface UnitLoad {
  readonly lane: number;
  readonly totals: Float64Array;
  readonly busy: number;
}

export function unitLoads(model: Model): readonly UnitLoad[] {
  return model.lanes.map((_, lane) => {
    const totals = rangeTotals(model, lane, 0, model.cycles);
    let busy = 0;
    model.states.forEach((s, code) => {
      if (s.family === "busy") busy += totals[code]!;
    });
    return { lane, totals, busy };
  });
}

/** The unit that is busy the largest share of the run. */
export const limiterOf = (loads: readonly UnitLoad[]): UnitLoad =>
  loads.reduce((best, load) => (load.busy > best.busy ? load : best));

/** A unit that is busy so large a share of the run sets its length; below, waiting does. */
const LIMITING_SHARE = 0.8;
export const limits = (model: Model, load: UnitLoad): boolean => load.busy >= LIMITING_SHARE * model.cycles;

/** The unit whose time is what the run is for: the one that contracts most, else the one that works most. */
export function workerOf(model: Model, loads: readonly UnitLoad[]): UnitLoad {
  const contract = model.states.findIndex((s) => s.name === "busy:contract");
  const most = loads.reduce((a, b) => ((b.totals[contract] ?? 0) > (a.totals[contract] ?? 0) ? b : a));
  return (most.totals[contract] ?? 0) > 0 ? most : limiterOf(loads);
}

/** What a stall means, after "stalls UNIT n % of the run: ". */
const REASONS: Readonly<Record<string, string>> = {
  "operand-weight": "its weights are not there yet",
  "operand-activation": "its activations are not there yet",
  "operand-result": "its results are not there yet",
  accumulator: "no block of sums is free",
  "buffer-full": "the buffer that it fills is full",
  "dram-bandwidth": "its request waits behind another's",
  "dram-latency": "all is requested, the last data have not arrived",
  "dram-row": "a row of the memory is being closed or opened",
  "dram-refresh": "the memory is being refreshed",
  "dram-turn": "the memory's bus turns round between reads and writes, or waits for a bank group",
  drain: "no row may enter while the last sums leave",
  control: "cycles between folds",
  rescale: "a group's sum waits until the one before it has its scale",
};

/** What a lane did for some cycles, and because of whom. */
export interface Doing {
  readonly state: number;
  /** Lane, or -1. */
  readonly culprit: number;
  readonly cycles: number;
}

/** What another lane was doing while a lane stood in a state because of it: exact, from both lanes' slices, the most first. */
export function meanwhile(model: Model, lane: number, state: number, culprit: number): readonly Doing[] {
  const totals = new Map<number, number>();
  const times = new Float64Array(model.segments.length);
  for (const { segment } of model.placements) times[segment]!++;
  model.segments.forEach((segment, id) => {
    if (times[id] === 0) return;
    const a = segment.tracks[lane]!;
    const b = segment.tracks[culprit]!;
    let j = 0;
    for (let i = 0; i < a.starts.length; i++) {
      if (a.state[i] !== state || a.culprit[i] !== culprit + 1) continue;
      const start = a.starts[i]!;
      const end = i + 1 < a.starts.length ? a.starts[i + 1]! : segment.cycles;
      while (j + 1 < b.starts.length && b.starts[j + 1]! <= start) j++;
      for (let k = j; k < b.starts.length && b.starts[k]! < end; k++) {
        const until = k + 1 < b.starts.length ? b.starts[k + 1]! : segment.cycles;
        const key = b.state[k]! + 256 * b.culprit[k]!;
        const cycles = (Math.min(end, until) - Math.max(start, b.starts[k]!)) * times[id]!;
        totals.set(key, (totals.get(key) ?? 0) + cycles);
      }
    }
  });
  return [...totals]
    .map(([key, cycles]) => ({ state: key % 256, culprit: Math.floor(key / 256) - 1, cycles }))
    .sort((x, y) => y.cycles - x.cycles);
}

/** Where a stall is worst: the placement that holds most of it, and its longest slice there. */
export function worstPlace(model: Model, lane: number, state: number, culprit: number): Jump | undefined {
  let best: Jump | undefined;
  let most = 0;
  for (const { segment: id, start } of model.placements) {
    const segment = model.segments[id]!;
    const blame = segment.tracks[lane]!.blame.find((b) => b.state === state && b.culprit === culprit);
    if (blame === undefined || blame.cycles <= most) continue;
    most = blame.cycles;
    const at = start + blame.longestStart;
    // The slice with as much again on both sides; at least enough to see its neighbours.
    const room = Math.max(blame.longestCycles, Math.min(200, segment.cycles));
    best = { from: at - room, to: at + blame.longestCycles + room, lane, at };
  }
  return best;
}

const MIN_SHARE = 0.01;
const MAX_STALLS = 4;
const MIN_MEANWHILE = 0.1;

/** The findings, the most important first. */
export function findingsOf(model: Model, loads: readonly UnitLoad[] = unitLoads(model)): readonly Finding[] {
  const worker = workerOf(model, loads);
  const stalls = rangeBlame(model, worker.lane, 0, model.cycles)
    .filter((b) => model.states[b.state]!.family === "stall" && b.cycles >= MIN_SHARE * model.cycles)
    .slice(0, MAX_STALLS)
    .map((b) => stallFinding(model, worker.lane, b));
  return [limit(model, loads, worker), ...stalls, ...kindFinding(model, worker)];
}

function limit(model: Model, loads: readonly UnitLoad[], worker: UnitLoad): Finding {
  const limiter = limiterOf(loads);
  const name = model.lanes[limiter.lane]!.name;
  const share = limiter.busy / model.cycles;
  const run = model.phase === "" ? "the run" : model.phase;
  const whole = `${percent(limiter.busy, model.cycles)} of ${exact(model.cycles)} ${unitWord(model, model.cycles)}`;
  const workerName = model.lanes[worker.lane]!.name;
  const text = limits(model, limiter)
    ? `${name} limits ${run}: it is busy ${whole}.`
    : `No unit limits ${run} alone: the busiest, ${name}, works ${whole}; the rest is waiting.`;
  const also =
    limiter.lane === worker.lane ? "" : ` Meanwhile ${workerName} works ${percent(worker.busy, model.cycles)}.`;
  const state = largest(model, limiter.totals, "busy");
  return { text: text + also, share, state, jump: undefined };
}

function largest(model: Model, totals: Float64Array, family: "busy" | "stall"): number {
  let best = 0;
  model.states.forEach((s, code) => {
    if (s.family === family && (totals[code]! > totals[best]! || model.states[best]!.family !== family)) best = code;
  });
  return best;
}

function stallFinding(
  model: Model,
  lane: number,
  blame: { readonly state: number; readonly culprit: number; readonly cycles: number },
): Finding {
  const state = model.states[blame.state]!;
  const unit = model.lanes[lane]!.name;
  const run = model.phase === "" ? "the run" : model.phase;
  const share = percent(blame.cycles, model.cycles);
  const reason = REASONS[state.label] ?? state.label;
  const culprit = model.lanes[blame.culprit]?.name;
  const text =
    culprit === undefined
      ? `${unit} stands still ${share} of ${run}: ${reason}.`
      : `${culprit} stalls ${unit} ${share} of ${run}: ${reason}.`;
  return {
    text: culprit === undefined ? text : `${text} ${deeper(model, lane, blame.state, blame.culprit)}`.trim(),
    share: blame.cycles / model.cycles,
    state: blame.state,
    jump: worstPlace(model, lane, blame.state, blame.culprit),
  };
}

/** What the culprit did all the while: at work, or stalled itself, and because of whom. */
function deeper(model: Model, lane: number, state: number, culprit: number): string {
  const doings = meanwhile(model, lane, state, culprit);
  const sum = doings.reduce((cycles, d) => cycles + d.cycles, 0);
  const parts = doings
    .filter((d) => d.cycles >= MIN_MEANWHILE * sum)
    .slice(0, 3)
    .map((d) => {
      const { family, label } = model.states[d.state]!;
      const whom = model.lanes[d.culprit]?.name;
      const waits = whom === undefined ? `waits (${label})` : `waits for ${whom} (${label})`;
      const what = family === "stall" ? waits : family === "idle" ? "is idle" : `works (${label})`;
      return `${what} ${percent(d.cycles, sum)}`;
    });
  return parts.length === 0 ? "" : `Meanwhile ${model.lanes[culprit]!.name} ${parts.join(", ")}.`;
}

const MAX_LAYERS_READ = 20_000;

/** The kind of layer that takes more of the run than of the work. */
function kindFinding(model: Model, worker: UnitLoad): readonly Finding[] {
  if (model.layers.length < 2 || model.layers.length > MAX_LAYERS_READ) return [];
  const kinds = new Map<string, { cycles: number; busy: number; worst: number; from: number; to: number }>();
  for (const layer of model.layers) {
    const totals = rangeTotals(model, worker.lane, layer.start, layer.end);
    let busy = 0;
    model.states.forEach((s, code) => {
      if (s.family === "busy") busy += totals[code]!;
    });
    const kind = kinds.get(layer.kind) ?? { cycles: 0, busy: 0, worst: -1, from: 0, to: 0 };
    const lost = layer.end - layer.start - busy;
    kinds.set(layer.kind, {
      ...(lost > kind.worst ? { worst: lost, from: layer.start, to: layer.end } : kind),
      cycles: kind.cycles + layer.end - layer.start,
      busy: kind.busy + busy,
    });
  }
  const [name, kind] = [...kinds].sort((a, b) => b[1].cycles - b[1].busy - (a[1].cycles - a[1].busy))[0]!;
  const lost = kind.cycles - kind.busy;
  const allLost = model.cycles - worker.busy;
  if (lost < MIN_SHARE * model.cycles) return [];
  const unit = model.lanes[worker.lane]!.name;
  return [
    {
      text: `${name} layers take ${percent(kind.cycles, model.cycles)} of the cycles and ${percent(lost, allLost)} of what ${unit} loses: it works ${percent(kind.busy, kind.cycles)} of them.`,
      share: lost / model.cycles,
      state: largest(model, worker.totals, "stall"),
      jump: { from: kind.from, to: kind.to, lane: worker.lane, at: -1 },
    },
  ];
}
