/** Reads Kanata 0004, the log of the Konata pipeline viewer: a lane per thread and stage, a slice per op and stage. */
import { cleanName, MAX_CYCLES, MAX_LANES, MAX_OPS, MAX_SLICES } from "../limits.ts";
import { type Loaded, refuse } from "../model.ts";
import { finish, type LooseLane, looseLane, packLanes } from "./assemble.ts";
import { sortEdges } from "./edges.ts";
import { stateTable } from "./tables.ts";

interface Op {
  label: string;
  readonly thread: string;
  /** By Kanata lane: the open stage. */
  readonly open: Map<string, { readonly stage: string; readonly start: number }>;
  /** Where its last execution stage (a name with X in it) stands: lane, slice. */
  execution: readonly [lane: number, slice: number] | undefined;
}

interface Reading {
  now: number;
  slices: number;
  readonly ops: Op[];
  readonly ids: Map<number, number>;
  readonly lanes: LooseLane[];
  readonly laneOf: Map<string, number>;
  readonly states: ReturnType<typeof stateTable>;
  readonly waits: (readonly [consumer: number, producer: number])[];
}

export function readKanata(text: string): Loaded {
  if (!/^Kanata\t0004\r?\n/.test(text)) return refuse("this is not a Kanata 0004 log");
  const reading: Reading = {
    now: 0,
    slices: 0,
    ops: [],
    ids: new Map(),
    lanes: [],
    laneOf: new Map(),
    states: stateTable(),
    waits: [],
  };
  let at = text.indexOf("\n") + 1;
  for (let line = 2; at < text.length; line++) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    const wrong = readLine(reading, text.slice(at, text[end - 1] === "\r" ? end - 1 : end).split("\t"));
    if (wrong !== undefined) return refuse(`line ${line} ${wrong}`);
    if (reading.lanes.length > MAX_LANES) return refuse(`it has more than ${MAX_LANES} stages`);
    if (reading.slices > MAX_SLICES) return refuse(`it has more than ${MAX_SLICES} slices`);
    at = end + 1;
  }
  for (const index of reading.ops.keys()) closeAll(reading, index);
  return build(reading);
}

const whole = (text: string | undefined): number => (text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : -1);

function readLine(reading: Reading, fields: readonly string[]): string | undefined {
  const [command, first] = fields;
  if (command === "") return undefined;
  const amount = whole(first);
  if (amount < 0) return `has no number after ${cleanName(command, "its command")}`;
  if (command === "C=" || command === "C") {
    reading.now = command === "C" ? reading.now + amount : amount;
    return reading.now > MAX_CYCLES ? "goes beyond the last cycle that can be shown" : undefined;
  }
  if (command === "I") return openOp(reading, amount, fields[3] ?? "0");
  const index = reading.ids.get(amount);
  const op = index === undefined ? undefined : reading.ops[index];
  if (op === undefined || index === undefined) return `names op ${amount}, which was not declared`;
  switch (command) {
    case "L":
      if (fields[2] === "0" && op.label.length < 200) op.label += fields[3] ?? "";
      return undefined;
    case "S":
      closeStage(reading, index, fields[2] ?? "0");
      op.open.set(fields[2] ?? "0", { stage: cleanName(fields[3], "stage"), start: reading.now });
      return op.open.size > 16 ? "opens a seventeenth lane of one op" : undefined;
    case "E":
      closeStage(reading, index, fields[2] ?? "0");
      return undefined;
    case "R":
      closeAll(reading, index);
      return undefined;
    case "W": {
      const producer = reading.ids.get(whole(fields[2]));
      if (producer === undefined) return "names a producer that was not declared";
      reading.waits.push([index, producer]);
      return undefined;
    }
    default:
      return undefined;
  }
}

function openOp(reading: Reading, id: number, thread: string): string | undefined {
  if (reading.ops.length >= MAX_OPS) return `declares more than ${MAX_OPS} ops`;
  reading.ids.set(id, reading.ops.length);
  reading.ops.push({
    label: "",
    thread: cleanName(thread, "0"),
    open: new Map(),
    execution: undefined,
  });
  return undefined;
}

function closeAll(reading: Reading, index: number): void {
  for (const lane of [...reading.ops[index]!.open.keys()]) closeStage(reading, index, lane);
}

/** A stage becomes a slice; one without duration leaves none. */
function closeStage(reading: Reading, index: number, kanataLane: string): void {
  const op = reading.ops[index]!;
  const open = op.open.get(kanataLane);
  if (open === undefined) return;
  op.open.delete(kanataLane);
  if (reading.now <= open.start) return;
  const stall = kanataLane !== "0";
  const name = stall ? "stalls" : open.stage;
  const key = `${op.thread}\t${name}`;
  const lane = reading.laneOf.get(key) ?? reading.lanes.length;
  if (lane === reading.lanes.length) {
    reading.laneOf.set(key, lane);
    reading.lanes.push(looseLane(name, `thread ${op.thread}`));
  }
  const loose = reading.lanes[lane]!;
  if (!stall && open.stage.includes("X")) op.execution = [lane, loose.starts.length];
  loose.starts.push(open.start);
  loose.ends.push(reading.now);
  loose.state.push(reading.states.code(stall ? `stall:${open.stage.replace(/^stl?\./, "")}` : `busy:${open.stage}`));
  loose.op.push(index);
  loose.culprit.push(-1);
  reading.slices++;
}

function build(reading: Reading): Loaded {
  const cycles = reading.now;
  if (reading.slices === 0 || cycles === 0) return refuse("it has no stage that lasts a cycle");
  const packed = packLanes(reading.lanes, cycles, 0);
  if (typeof packed === "string") return refuse(packed);
  const pairs = reading.waits.flatMap(([consumer, producer]) => {
    const to = reading.ops[consumer]!.execution;
    const from = reading.ops[producer]!.execution;
    return from === undefined || to === undefined ? [] : [[...from, ...to] as const];
  });
  const notes = packed.dropped > 0 ? [`${packed.dropped} slices overlap too many others and are left out`] : [];
  const ops = reading.ops.map((op, i) => ({ name: cleanName(op.label, `op ${i}`) }));
  return {
    kind: "model",
    model: finish({
      format: "kanata",
      workload: "Kanata log",
      hardware: "",
      phase: "",
      unit: "cycle",
      clockMHz: undefined,
      cycles,
      lanes: packed.lanes,
      states: reading.states.names,
      segments: [{ cycles, lanes: packed.columns, ops }],
      placements: [{ segment: 0, start: 0 }],
      layers: [],
      edges: pairs.length === 0 ? undefined : sortEdges(pairs, packed),
      buffers: [],
      peStates: [],
      run: undefined,
      notes,
    }),
  };
}
