/**
 * prefetch: what a loop's step reads from read-only memory is asked for `stages − 1` steps before it is used.
 *
 * The reads of the first steps move in front of the loop; inside, each step takes over what was read for it and reads for
 * a later one. Memory then works while lanes compute (software pipelining: Lam, PLDI 1988); registers are what it costs.
 */
import { NO_SPAN } from "../../ir/diagnostics.ts";
import { ExprBuilder, type ExprId, operands } from "../../ir/expr.ts";
import type { Buffer, Kernel, Stmt } from "../../ir/kernel.ts";
import { bodiesOf, mapStmt } from "../../ir/kernel-walk.ts";
import { applied, kept, type Pass, type PassContext } from "../pass.ts";

type Loop = Extract<Stmt, { kind: "for" }>;
type Read = Extract<Stmt, { kind: "read" }>;

interface Trips {
  readonly first: number;
  readonly end: number;
}

class Prefetcher {
  readonly #build: ExprBuilder;
  readonly #buffers: ReadonlyMap<string, Buffer>;
  /** Steps between a read and its use. */
  readonly #ahead: number;
  readonly #context: PassContext;

  constructor(kernel: Kernel, ahead: number, context: PassContext) {
    this.#context = context;
    this.#build = new ExprBuilder(kernel.exprs);
    this.#buffers = new Map(kernel.buffers.map((b) => [b.id, b]));
    this.#ahead = ahead;
  }

  run(kernel: Kernel): Kernel {
    const body = this.#body(kernel.body);
    return { ...kernel, exprs: this.#build.done(), body };
  }

  #body(body: readonly Stmt[]): readonly Stmt[] {
    return body.flatMap((stmt): readonly Stmt[] => {
      const same = (id: ExprId): ExprId => id;
      if (
        stmt.kind !== "for" ||
        bodiesOf(stmt)
          .flat()
          .some((s) => s.kind === "for")
      )
        return [mapStmt(stmt, same, (inner) => this.#body(inner))];
      return this.#loop(stmt);
    });
  }

  #loop(loop: Loop): readonly Stmt[] {
    const trips = this.#trips(loop);
    const early = loop.body.filter((s): s is Read => s.kind === "read" && this.#canMove(s, loop));
    if (loop.unroll || trips === undefined || early.length === 0) {
      kept(
        this.#context,
        "read-ahead",
        loop.span ?? NO_SPAN,
        `${loop.name} has one step, or reads nothing that could move`,
      );
      return [loop];
    }
    const { first, end } = trips;
    const ahead = Math.min(this.#ahead, Math.ceil((end - first) / loop.step) - 1);
    if (ahead < 1) return [loop];
    const words = early.reduce((n, read) => n + read.to.length, 0) * ahead;
    applied(
      this.#context,
      "read-ahead",
      loop.span ?? NO_SPAN,
      `${loop.name} reads ${ahead} ahead, into ${words} more registers`,
    );
    const before: Stmt[] = [];
    for (let i = 0; i < ahead; i++)
      for (const read of early)
        before.push(...this.#readFor(read, loop, this.#build.constant(first + i * loop.step), i));
    const trip = this.#build.symbol(loop.name, "i32", [first, end - 1]);
    const later = this.#build.add(trip, this.#build.constant(ahead * loop.step));
    const taken = early.flatMap((read) => this.#take(read, ahead));
    const next: Stmt = {
      kind: "if",
      cond: this.#build.op("lt", later, loop.to),
      uniform: "device",
      then: early.flatMap((read) => this.#readNext(read, loop, later, ahead)),
      else: [],
      ...(loop.span === undefined ? {} : { span: loop.span }),
    };
    const rest = loop.body.filter((s) => !early.includes(s as Read));
    return [...before, { ...loop, body: [...taken, next, ...rest] }];
  }

  /** The loop's bounds, where they are known and hold more than one step. */
  #trips(loop: Loop): Trips | undefined {
    const [from, to] = [this.#build.get(loop.from), this.#build.get(loop.to)];
    if (from.kind !== "const" || to.kind !== "const" || to.value - from.value <= loop.step) return undefined;
    return { first: from.value, end: to.value };
  }

  /** True where nothing written can change what is read, and its place depends on nothing that the step computes. */
  #canMove(read: Read, loop: Loop): boolean {
    const buffer = this.#buffers.get(read.at.buffer);
    if (buffer?.space !== "global" || buffer.access !== "read") return false;
    const made = new Set<string>();
    namesOf(loop.body, made);
    const free = (id: ExprId): boolean => {
      const expr = this.#build.get(id);
      return (expr.kind !== "symbol" || !made.has(expr.name)) && operands(expr).every(free);
    };
    return free(read.at.index) && (read.when === undefined || free(read.when));
  }

  #at(read: Read, loop: Loop, trip: ExprId, to: readonly string[]): Read {
    const moved = (root: ExprId): ExprId =>
      this.#build.copy(this.#build, root, (e) => (e.kind === "symbol" && e.name === loop.name ? trip : undefined));
    const when = read.when === undefined ? {} : { when: moved(read.when) };
    return { ...read, to, at: { ...read.at, index: moved(read.at.index) }, ...when };
  }

  #symbol(read: Read, name: string): ExprId {
    return this.#build.symbol(name, this.#buffers.get(read.at.buffer)!.type);
  }

  /** In front of the loop: what step number `i` will use. */
  #readFor(read: Read, loop: Loop, trip: ExprId, i: number): readonly Stmt[] {
    const to = read.to.map((name) => `${name}_first${suffix(i)}`);
    const kept = read.to.map(
      (name, e): Stmt => ({ kind: "var", name: ahead(name, i), value: this.#symbol(read, to[e]!) }),
    );
    return [this.#at(read, loop, trip, to), ...kept];
  }

  /** What was read for this step, and what is waiting for later ones moved up by one. */
  #take(read: Read, count: number): readonly Stmt[] {
    return read.to.flatMap((name): readonly Stmt[] => [
      { kind: "let", name, value: this.#symbol(read, ahead(name, 0)) },
      ...Array.from({ length: count - 1 }, (_, i): Stmt => {
        return { kind: "assign", name: ahead(name, i), value: this.#symbol(read, ahead(name, i + 1)) };
      }),
    ]);
  }

  #readNext(read: Read, loop: Loop, trip: ExprId, count: number): readonly Stmt[] {
    const to = read.to.map((name) => `${name}_later`);
    const kept = read.to.map((name, e): Stmt => {
      return { kind: "assign", name: ahead(name, count - 1), value: this.#symbol(read, to[e]!) };
    });
    return [this.#at(read, loop, trip, to), ...kept];
  }
}

const suffix = (i: number): string => (i === 0 ? "" : `${i + 1}`);

/** The local that holds what a later step will call `name`. */
const ahead = (name: string, i: number): string => `${name}_next${suffix(i)}`;

/** Every name that statements give. */
function namesOf(body: readonly Stmt[], found: Set<string>): void {
  for (const stmt of body) {
    if (stmt.kind === "let" || stmt.kind === "var" || stmt.kind === "assign") found.add(stmt.name);
    if (stmt.kind === "read") for (const name of stmt.to) found.add(name);
    if (stmt.kind === "collective") {
      const { what } = stmt;
      if (what.family === "exchange") found.add(what.to);
      if (what.family === "fragment") for (const name of what.regs) found.add(name);
      if (what.family === "matrix") for (const name of what.d) found.add(name);
    }
    for (const inner of bodiesOf(stmt)) namesOf(inner, found);
  }
}

export const prefetch: Pass<Kernel> = {
  name: "prefetch",
  about: "what a step reads was asked for as many steps earlier as the schedule has stages, less one",
  run(kernel, context) {
    const ahead = context.schedule.stages - 1;
    return ahead < 1 ? kernel : new Prefetcher(kernel, ahead, context).run(kernel);
  },
};
