/** The evaluator of programs: the slow interpreter that defines what a program computes, scheduled or not. */
import { internal } from "../diagnostics.ts";
import { isTileOp, type Program, reads, type Step, type Tensor, writes } from "../program.ts";
import { compileExpr } from "./expr.ts";
import { compileOp, environment, type OpScope } from "./ops.ts";
import { clearInstance, type Instance, makeInstance } from "./region.ts";
import { blockedOn, checkDrained, held, makeRing, type RingState, ready, resetRing, signal } from "./rings.ts";
import { type Arithmetic, evalFault } from "./scalar.ts";

export interface EvalOptions {
  readonly arithmetic: Arithmetic;
  /** Real arithmetic: casts that end in an output tensor round once (default true). */
  readonly roundOutputs?: boolean;
  /** Order of parallel loops; a correct program does not depend on it (default forward). */
  readonly order?: "forward" | "backward";
}

/** Element values by tensor id, row-major by shape; codes are integers. */
export type TensorValues = Readonly<Record<string, Float64Array>>;

type Loop = Extract<Step, { readonly kind: "loop" }>;
type Owner = Loop | Extract<Step, { readonly kind: "launch" }>;
/** Runs until it is blocked (yields why) or done. */
type Process = Generator<string, void>;
/** A step without signals runs at once; others are processes. */
type Runner = { readonly kind: "plain"; run(): void } | { readonly kind: "process"; start(): Process };

interface Machine extends OpScope {
  readonly order: "forward" | "backward";
  readonly stores: ReadonlyMap<string, Instance>;
  readonly rings: ReadonlyMap<string, RingState>;
  /** What starts empty with each iteration of a parallel loop, or with each launch. */
  readonly ownedTensors: ReadonlyMap<Owner, readonly string[]>;
  readonly ownedRings: ReadonlyMap<Owner | undefined, readonly string[]>;
  /** Counts signals that went through: a round of all roles without one is a deadlock. */
  readonly progress: { count: number };
  readonly role: string | undefined;
}

/**
 * Carries out a program and returns all its output and workspace tensors. Throws (`eval: …`) where the program has no
 * meaning: an index out of range, an element read before it is written, a ring used without its signals, a deadlock.
 */
export function evalProgram(program: Program, inputs: TensorValues, options: EvalOptions): TensorValues {
  const machine = makeMachine(program, inputs, options);
  const process = asProcess(compileBody(program.body, machine));
  const stuck = process.next();
  if (stuck.done !== true) evalFault(`deadlock: ${stuck.value}`);
  finishRings(machine, undefined);
  const results: Record<string, Float64Array> = {};
  for (const tensor of program.tensors) {
    if (tensor.role !== "output" && tensor.role !== "workspace") continue;
    const store = machine.stores.get(tensor.id)!;
    if (tensor.role === "output" && store.missing > 0)
      evalFault(`output ${tensor.id} has ${store.missing} elements that were never written`);
    results[tensor.id] = store.data;
  }
  return results;
}

const sizeOf = (tensor: Tensor): number => tensor.shape.reduce((size, extent) => size * extent, 1);

function makeMachine(program: Program, inputs: TensorValues, options: EvalOptions): Machine {
  const tensors = new Map(program.tensors.map((tensor) => [tensor.id, tensor]));
  const stores = new Map<string, Instance>();
  const rings = new Map(program.rings.map((ring) => [ring.id, makeRing(ring)]));
  for (const tensor of program.tensors) {
    if (tensor.role === "input") stores.set(tensor.id, inputStore(tensor, inputs[tensor.id]));
    else if (tensor.ring === undefined) stores.set(tensor.id, makeInstance(sizeOf(tensor)));
    else {
      const state = rings.get(tensor.ring) ?? evalFault(`${tensor.id} names ring ${tensor.ring}, which does not exist`);
      const instances = Array.from({ length: state.ring.depth }, () => makeInstance(sizeOf(tensor)));
      state.instances.set(tensor.id, instances);
    }
  }
  const cells: number[] = [];
  const machine: Omit<Machine, "pick"> = {
    program,
    arithmetic: options.arithmetic,
    roundOutputs: options.roundOutputs ?? true,
    order: options.order ?? "forward",
    cells,
    names: new Map(),
    newCell: () => cells.push(0) - 1,
    tensor: (id) => tensors.get(id) ?? evalFault(`no tensor ${id}`),
    stores,
    rings,
    ...findOwners(program),
    progress: { count: 0 },
    role: undefined,
  };
  return withRole(machine, undefined);
}

function inputStore(tensor: Tensor, values: Float64Array | undefined): Instance {
  if (values === undefined) return evalFault(`no values for input ${tensor.id}`);
  if (values.length !== sizeOf(tensor))
    evalFault(`input ${tensor.id} has ${values.length} values, its shape [${tensor.shape}] has ${sizeOf(tensor)}`);
  return { data: values, written: undefined, missing: 0 };
}

/** The machine as one role sees it: ring tensors are the instances that this role holds. */
function withRole(machine: Omit<Machine, "pick">, role: string | undefined): Machine {
  return {
    ...machine,
    role,
    pick: (tensor, use) => {
      if (tensor.role === "input" && use === "write") evalFault(`input ${tensor.id} is written`);
      if (tensor.ring === undefined) return () => machine.stores.get(tensor.id)!;
      const state = machine.rings.get(tensor.ring)!;
      return () => held(state, tensor.id, use, role);
    },
  };
}

const isParallel = (loop: Loop): boolean => loop.map.kind !== "serial" && loop.map.kind !== "unroll";

/** For every tensor and ring, the innermost launch or parallel loop that holds all its uses. */
function findOwners(program: Program): Pick<Machine, "ownedTensors" | "ownedRings"> {
  const tensors = new Map(program.tensors.map((tensor) => [tensor.id, tensor]));
  const tensorPaths = new Map<string, readonly Owner[]>();
  const ringPaths = new Map<string, readonly Owner[]>();
  const meet = (paths: Map<string, readonly Owner[]>, id: string, path: readonly Owner[]): void => {
    const known = paths.get(id);
    paths.set(id, known === undefined ? path : known.filter((owner, i) => owner === path[i]));
  };
  const visit = (step: Step, path: readonly Owner[]): void => {
    if (isTileOp(step)) {
      for (const region of [...reads(step), ...writes(step)]) {
        const tensor = tensors.get(region.tensor) ?? evalFault(`no tensor ${region.tensor}`);
        if (tensor.ring !== undefined) meet(ringPaths, tensor.ring, path);
        else if (tensor.place !== "global") meet(tensorPaths, tensor.id, ownersFor(tensor, path));
      }
      return;
    }
    if (step.kind === "signal") meet(ringPaths, step.ring, path);
    else if (step.kind === "roles") for (const role of step.roles) for (const inner of role.body) visit(inner, path);
    else {
      const owner = step.kind === "launch" || (step.kind === "loop" && isParallel(step)) ? step : undefined;
      for (const inner of step.body) visit(inner, owner === undefined ? path : [...path, owner]);
    }
  };
  for (const step of program.body) visit(step, []);
  const ownedTensors = new Map<Owner, string[]>();
  for (const [id, path] of tensorPaths) {
    const owner = path.at(-1);
    if (owner !== undefined) ownedTensors.set(owner, [...(ownedTensors.get(owner) ?? []), id]);
  }
  const ownedRings = new Map<Owner | undefined, string[]>();
  for (const [id, path] of ringPaths) ownedRings.set(path.at(-1), [...(ownedRings.get(path.at(-1)) ?? []), id]);
  return { ownedTensors, ownedRings };
}

/** Memories of a machine's units live as long as the launch; registers and shared memory as one parallel iteration. */
function ownersFor(tensor: Tensor, path: readonly Owner[]): readonly Owner[] {
  return tensor.place === "register" || tensor.place === "shared" ? path : path.filter((o) => o.kind === "launch");
}

function begin(machine: Machine, owner: Owner): void {
  for (const id of machine.ownedTensors.get(owner) ?? []) clearInstance(machine.stores.get(id)!);
  for (const id of machine.ownedRings.get(owner) ?? []) resetRing(machine.rings.get(id)!);
}

function finishRings(machine: Machine, owner: Owner | undefined): void {
  for (const id of machine.ownedRings.get(owner) ?? []) checkDrained(machine.rings.get(id)!);
}

function* processOf(run: () => void): Process {
  run();
  yield* [];
}

function asProcess(runner: Runner): Process {
  return runner.kind === "plain" ? processOf(runner.run) : runner.start();
}

function compileBody(body: readonly Step[], machine: Machine): Runner {
  const runners = body.map((step) => compileStep(step, machine));
  const plain = runners.flatMap((runner) => (runner.kind === "plain" ? [runner] : []));
  if (plain.length === runners.length)
    return {
      kind: "plain",
      run: () => {
        for (const runner of plain) runner.run();
      },
    };
  return {
    kind: "process",
    *start() {
      for (const runner of runners) {
        if (runner.kind === "plain") runner.run();
        else yield* runner.start();
      }
    },
  };
}

function compileStep(step: Step, machine: Machine): Runner {
  if (isTileOp(step)) return { kind: "plain", run: compileOp(step, machine) };
  switch (step.kind) {
    case "loop":
      return compileLoop(step, machine);
    case "launch": {
      const once = (): boolean => true;
      return around(compileBody(step.body, machine), step, machine, once);
    }
    case "when": {
      const cond = compileExpr(
        machine.program.exprs,
        step.cond,
        environment(machine, machine.names, machine.program.tables),
      );
      return around(compileBody(step.body, machine), undefined, machine, () => cond() !== 0);
    }
    case "roles":
      return compileRoles(
        step.roles.map((role) => ({ name: role.name, runner: compileBody(role.body, withRole(machine, role.name)) })),
        machine,
      );
    case "signal":
      return compileSignal(step, machine);
  }
}

/** The body, if `enter` says so, as one life of what `owner` owns. */
function around(body: Runner, owner: Owner | undefined, machine: Machine, enter: () => boolean): Runner {
  if (body.kind === "plain")
    return {
      kind: "plain",
      run: () => {
        if (!enter()) return;
        if (owner !== undefined) begin(machine, owner);
        body.run();
      },
    };
  return {
    kind: "process",
    *start() {
      if (!enter()) return;
      if (owner !== undefined) begin(machine, owner);
      yield* body.start();
      if (owner !== undefined) finishRings(machine, owner);
    },
  };
}

function compileLoop(loop: Loop, outer: Machine): Runner {
  const cell = outer.newCell();
  const machine = { ...outer, names: new Map(outer.names).set(loop.name, cell) };
  const owner = isParallel(loop) ? loop : undefined;
  const body = around(compileBody(loop.body, machine), owner, machine, () => true);
  const count = Math.ceil(loop.extent / loop.step);
  const turn = owner !== undefined && outer.order === "backward" ? (i: number) => count - 1 - i : (i: number) => i;
  if (body.kind === "plain")
    return {
      kind: "plain",
      run: () => {
        for (let i = 0; i < count; i++) {
          machine.cells[cell] = turn(i) * loop.step;
          body.run();
        }
      },
    };
  return {
    kind: "process",
    *start() {
      for (let i = 0; i < count; i++) {
        machine.cells[cell] = turn(i) * loop.step;
        yield* body.start();
      }
    },
  };
}

/** Roles take turns; each runs until it is blocked. All blocked without progress is reported outward. */
function compileRoles(roles: readonly { readonly name: string; readonly runner: Runner }[], machine: Machine): Runner {
  if (new Set(roles.map((role) => role.name)).size !== roles.length) internal("two roles of one name");
  return {
    kind: "process",
    *start() {
      let running = roles.map(({ runner }) => asProcess(runner));
      while (running.length > 0) {
        const before = machine.progress.count;
        const started = running.length;
        const blocked: string[] = [];
        running = running.filter((process) => {
          const turn = process.next();
          if (turn.done === true) return false;
          blocked.push(turn.value);
          return true;
        });
        if (blocked.length === started && machine.progress.count === before) yield blocked.join("; ");
      }
    },
  };
}

function compileSignal(step: Extract<Step, { readonly kind: "signal" }>, machine: Machine): Runner {
  const { role, progress } = machine;
  const state = machine.rings.get(step.ring) ?? evalFault(`no ring ${step.ring}`);
  return {
    kind: "process",
    *start() {
      while (!ready(state, step.what, role)) yield blockedOn(state, step.what, role);
      signal(state, step.what, role);
      progress.count++;
    },
  };
}
