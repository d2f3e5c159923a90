/** Compiles the statements of a kernel to code that runs one warp, all its lanes at once under a mask. */

import type { Collective, Scope, Stmt } from "../kernel.ts";
import { type Compiling, checkBounds, demandWritable, eventFor, memoryOf, placeOfAccess } from "./kernel-access.ts";
import { compileExchange } from "./kernel-exchange.ts";
import { evaluate, setLocal, touch } from "./kernel-exprs.ts";
import { type Code, fatal, type Position, type Wait, type Warp, whoIs } from "./kernel-machine.ts";
import { compileFragment, compileMatrix } from "./kernel-matrix.ts";
import { shadowRead, shadowWrite } from "./kernel-shadow.ts";
import { compileSync } from "./kernel-sync.ts";
import { compileTransfer } from "./kernel-transfer.ts";
import { settle } from "./scalar.ts";

/** Numbers statements in textual order. */
interface Counter {
  next: number;
}

/** Compiles a kernel's body. */
export function compileKernelBody(compiling: Compiling, body: readonly Stmt[]): Code {
  return compileBody(compiling, body, "body", { next: 0 });
}

function compileBody(compiling: Compiling, body: readonly Stmt[], path: string, counter: Counter): Code {
  const codes = body.map((stmt, i) => {
    const at: Position = { id: counter.next++, path: `${path}[${i}]`, stmt };
    return compileStmt(compiling, stmt, at, counter);
  });
  if (codes.every((code) => !code.blocking)) {
    const runs = codes.map((code) => code.run as (warp: Warp) => void);
    return {
      blocking: false,
      run: (warp) => {
        for (const run of runs) run(warp);
      },
    };
  }
  return {
    blocking: true,
    *run(warp) {
      for (const code of codes) {
        if (code.blocking) yield* code.run(warp);
        else code.run(warp);
      }
    },
  };
}

function compileStmt(compiling: Compiling, stmt: Stmt, at: Position, counter: Counter): Code {
  switch (stmt.kind) {
    case "let":
    case "var":
    case "assign": {
      const value = compiling.exprs.root(stmt.value);
      const slot = compiling.exprs.slotOf(stmt.name);
      return plain((warp) => setLocal(warp, slot, evaluate(warp, value, at), at));
    }
    case "read":
      return compileRead(compiling, stmt, at);
    case "write":
      return compileWrite(compiling, stmt, at);
    case "atomicAdd":
      return compileAtomicAdd(compiling, stmt, at);
    case "for":
      return compileFor(compiling, stmt, at, counter);
    case "if":
      return compileIf(compiling, stmt, at, counter);
    case "collective":
      return compileCollective(compiling, stmt.what, stmt.scope, at);
  }
}

const plain = (run: (warp: Warp) => void): Code => ({ blocking: false, run });

function compileCollective(compiling: Compiling, what: Collective, scope: Scope, at: Position): Code {
  switch (what.family) {
    case "exchange":
      return compileExchange(compiling, what, scope, at);
    case "fragment":
      return compileFragment(compiling, what, scope, at);
    case "matrix":
      return compileMatrix(compiling, what, scope, at);
    case "transfer":
      return compileTransfer(compiling, what, at);
    case "sync":
      return compileSync(compiling, what, scope, at);
  }
}

function compileRead(compiling: Compiling, stmt: Stmt & { readonly kind: "read" }, at: Position): Code {
  const place = placeOfAccess(compiling, stmt.at, at);
  const when = stmt.when === undefined ? undefined : compiling.exprs.root(stmt.when);
  const slots = stmt.to.map(compiling.exprs.slotOf);
  const { lanes } = compiling.machine;
  return plain((warp) => {
    const { mask, frame } = warp;
    const index = evaluate(warp, place.index, at);
    const wanted = when === undefined ? mask : evaluate(warp, when, at);
    const memory = memoryOf(warp, place);
    const { data, shadow, buffer } = memory;
    const event = eventFor(warp, memory, at);
    for (let lane = 0; lane < lanes; lane++) {
      if (mask[lane] === 0) continue;
      const from = index[lane]!;
      const may = wanted[lane] !== 0 && checkBounds(warp, memory, lane, from, place.width, place.width, at);
      for (let i = 0; i < slots.length; i++) {
        if (may && shadow !== undefined) shadowRead(warp, shadow, buffer, lane, from + i, event);
        frame.slots[slots[i]!]![lane] = may ? data[from + i]! : 0;
      }
    }
    for (const slot of slots) touch(frame, slot);
  });
}

function compileWrite(compiling: Compiling, stmt: Stmt & { readonly kind: "write" }, at: Position): Code {
  const place = placeOfAccess(compiling, stmt.at, at);
  const when = stmt.when === undefined ? undefined : compiling.exprs.root(stmt.when);
  const values = stmt.values.map((value) => compiling.exprs.root(value));
  const { lanes } = compiling.machine;
  return plain((warp) => {
    const { mask } = warp;
    const index = evaluate(warp, place.index, at);
    const wanted = when === undefined ? mask : evaluate(warp, when, at);
    const written = values.map((value) => evaluate(warp, value, at));
    const memory = memoryOf(warp, place);
    const { data, shadow, buffer } = memory;
    demandWritable(warp, memory, at);
    const event = eventFor(warp, memory, at);
    for (let lane = 0; lane < lanes; lane++) {
      if (mask[lane] === 0 || wanted[lane] === 0) continue;
      const to = index[lane]!;
      if (!checkBounds(warp, memory, lane, to, place.width, place.width, at)) continue;
      for (let i = 0; i < written.length; i++) {
        if (shadow !== undefined) shadowWrite(warp, shadow, buffer, lane, to + i, event);
        data[to + i] = written[i]![lane]!;
      }
    }
  });
}

function compileAtomicAdd(compiling: Compiling, stmt: Stmt & { readonly kind: "atomicAdd" }, at: Position): Code {
  const place = placeOfAccess(compiling, stmt.at, at);
  const when = stmt.when === undefined ? undefined : compiling.exprs.root(stmt.when);
  const values = stmt.values.map((value) => compiling.exprs.root(value));
  const { lanes, kernel } = compiling.machine;
  const put = settle(kernel.buffers[place.memory]!.type, "typed");
  return plain((warp) => {
    const { mask } = warp;
    const index = evaluate(warp, place.index, at);
    const wanted = when === undefined ? mask : evaluate(warp, when, at);
    const added = values.map((value) => evaluate(warp, value, at));
    const memory = memoryOf(warp, place);
    const { data, shadow, buffer } = memory;
    demandWritable(warp, memory, at);
    const event = eventFor(warp, memory, at, true);
    for (let lane = 0; lane < lanes; lane++) {
      if (mask[lane] === 0 || wanted[lane] === 0) continue;
      const to = index[lane]!;
      if (!checkBounds(warp, memory, lane, to, place.width, place.width, at)) continue;
      for (let i = 0; i < added.length; i++) {
        if (shadow !== undefined) shadowWrite(warp, shadow, buffer, lane, to + i, event);
        data[to + i] = put(data[to + i]! + added[i]![lane]!);
      }
    }
  });
}

/** Runs `body` with other active lanes. */
function enter(warp: Warp, mask: Uint8Array, active: number): { readonly mask: Uint8Array; readonly active: number } {
  const saved = { mask: warp.mask, active: warp.active };
  warp.mask = mask;
  warp.active = active;
  return saved;
}

/** The active lanes where `cond` is `value` (0 or 1). */
function lanesWhere(
  warp: Warp,
  cond: Float64Array,
  value: 0 | 1,
): { readonly mask: Uint8Array; readonly active: number } {
  const mask = new Uint8Array(cond.length);
  let active = 0;
  for (let lane = 0; lane < mask.length; lane++) {
    if (warp.mask[lane] === 0 || (cond[lane] !== 0) !== (value === 1)) continue;
    mask[lane] = 1;
    active++;
  }
  return { mask, active };
}

function compileIf(compiling: Compiling, stmt: Stmt & { readonly kind: "if" }, at: Position, counter: Counter): Code {
  const cond = compiling.exprs.root(stmt.cond);
  const then = compileBody(compiling, stmt.then, `${at.path}.then`, counter);
  const otherwise = compileBody(compiling, stmt.else, `${at.path}.else`, counter);
  const branch = (warp: Warp): ReturnType<typeof lanesWhere>[] => {
    const values = evaluate(warp, cond, at);
    const yes = lanesWhere(warp, values, 1);
    const no = lanesWhere(warp, values, 0);
    if (stmt.uniform !== "none") checkClaim(warp, stmt.uniform, yes.active, no.active, at);
    return [yes, no];
  };
  if (!then.blocking && !otherwise.blocking) {
    return plain((warp) => {
      const [yes, no] = branch(warp);
      const saved = enter(warp, yes!.mask, yes!.active);
      if (yes!.active > 0) then.run(warp);
      enter(warp, no!.mask, no!.active);
      if (no!.active > 0) otherwise.run(warp);
      enter(warp, saved.mask, saved.active);
    });
  }
  return {
    blocking: true,
    *run(warp) {
      const [yes, no] = branch(warp);
      const saved = enter(warp, yes!.mask, yes!.active);
      if (yes!.active > 0) yield* runIn(then, warp);
      enter(warp, no!.mask, no!.active);
      if (no!.active > 0) yield* runIn(otherwise, warp);
      enter(warp, saved.mask, saved.active);
    },
  };
}

function* runIn(code: Code, warp: Warp): Generator<Wait, void, void> {
  if (code.blocking) yield* code.run(warp);
  else code.run(warp);
}

/** `uniform` is a claim: all lanes of that scope decide alike, each time they come here. */
function checkClaim(warp: Warp, scope: Scope, yes: number, no: number, at: Position): void {
  const { machine } = warp.block;
  if (yes > 0 && no > 0)
    fatal(
      machine,
      at,
      `${whoIs(warp)}: the condition is said to be uniform in the ${scope}; it holds in ${yes} lanes and not in ${no}`,
    );
  if (scope === "warp") return;
  const round = warp.reached.get(at.id) ?? 0;
  warp.reached.set(at.id, round + 1);
  const decided = scope === "device" ? machine.decidedByGrid : warp.block.decided;
  const group = scope === "warpgroup" ? Math.floor(warp.index / 4) : 0;
  const key = `${at.id}:${round}:${group}`;
  const before = decided.get(key);
  if (before === undefined) decided.set(key, yes > 0);
  else if (before !== yes > 0)
    fatal(
      machine,
      at,
      `${whoIs(warp)}: the condition is said to be uniform in the ${scope}; another warp decided otherwise`,
    );
}

function compileFor(compiling: Compiling, stmt: Stmt & { readonly kind: "for" }, at: Position, counter: Counter): Code {
  const from = compiling.exprs.root(stmt.from);
  const to = compiling.exprs.root(stmt.to);
  const slot = compiling.exprs.slotOf(stmt.name);
  const body = compileBody(compiling, stmt.body, `${at.path}.body`, counter);
  if (!(stmt.step > 0)) fatal(compiling.machine, at, `the step of a loop must be positive, not ${stmt.step}`);
  const begin = (warp: Warp): Loop => {
    // Copies: the bounds are those at entry, whatever the body assigns.
    const bounds = { from: evaluate(warp, from, at).slice(), to: evaluate(warp, to, at).slice() };
    return { ...bounds, mask: warp.mask, active: warp.active };
  };
  if (!body.blocking) {
    return plain((warp) => {
      const loop = begin(warp);
      while (advance(warp, loop, slot, stmt.step)) body.run(warp);
      enter(warp, loop.mask, loop.active);
    });
  }
  return {
    blocking: true,
    *run(warp) {
      const loop = begin(warp);
      while (advance(warp, loop, slot, stmt.step)) yield* body.run(warp);
      enter(warp, loop.mask, loop.active);
    },
  };
}

/** A running loop: `from` is the next value of each lane; mask and active are those around the loop. */
interface Loop {
  readonly from: Float64Array;
  readonly to: Float64Array;
  readonly mask: Uint8Array;
  readonly active: number;
}

/** Sets the loop variable and the lanes that take part in the next round; false when there is none. */
function advance(warp: Warp, loop: Loop, slot: number, step: number): boolean {
  const { from, to } = loop;
  const values = warp.frame.slots[slot]!;
  let active = 0;
  for (let lane = 0; lane < from.length; lane++) {
    if (loop.mask[lane] === 0 || from[lane]! >= to[lane]!) continue;
    active++;
    values[lane] = from[lane]!;
  }
  if (active === 0) return false;
  if (active === loop.active) enter(warp, loop.mask, active);
  else {
    const mask = new Uint8Array(from.length);
    for (let lane = 0; lane < mask.length; lane++) if (loop.mask[lane] === 1 && from[lane]! < to[lane]!) mask[lane] = 1;
    enter(warp, mask, active);
  }
  for (let lane = 0; lane < from.length; lane++) from[lane]! += step;
  touch(warp.frame, slot);
  return true;
}
