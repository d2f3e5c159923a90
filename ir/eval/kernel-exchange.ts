/** Exchange collectives: values between the lanes of a warp, or of several warps that meet for it. */

import type { Collective, Scope } from "../kernel.ts";
import type { Compiling } from "./kernel-access.ts";
import { evaluate, type Root, setLocal } from "./kernel-exprs.ts";
import {
  type Code,
  demandWholeWarp,
  fatal,
  type Machine,
  meet,
  type Position,
  scopeWarps,
  type Warp,
  whoIs,
} from "./kernel-machine.ts";
import { type Fn2, scalarFn } from "./scalar.ts";

type Exchange = Collective & { readonly family: "exchange" };

/** Lanes are numbered through the scope: lane 0 of its first warp is 0. */
type Rule = (args: readonly Float64Array[], lanes: number, at: Position, first: Warp) => Float64Array;

/** Compiles an exchange; scopes of several warps wait until all are there. It orders no memory. */
export function compileExchange(compiling: Compiling, what: Exchange, scope: Scope, at: Position): Code {
  const { machine, exprs } = compiling;
  const args = what.args.map((arg) => exprs.root(arg));
  const slot = exprs.slotOf(what.to);
  const rule = makeRule(machine, what, args, at);
  const act = (warps: readonly Warp[]): void => {
    const lanes = machine.lanes * warps.length;
    const values = args.map((arg) => gather(warps, arg, at));
    const result = rule(values, lanes, at, warps[0]!);
    warps.forEach((warp, i) => {
      setLocal(warp, slot, result.subarray(i * machine.lanes, (i + 1) * machine.lanes), at);
    });
  };
  if (scope === "warp") {
    return {
      blocking: false,
      run: (warp) => {
        demandWholeWarp(warp, at);
        act(scopeWarps(warp, scope, at));
      },
    };
  }
  return {
    blocking: true,
    *run(warp) {
      demandWholeWarp(warp, at);
      yield* meet(warp, scope, at, act);
    },
  };
}

function gather(warps: readonly Warp[], arg: Root, at: Position): Float64Array {
  const { lanes } = warps[0]!.block.machine;
  const all = new Float64Array(lanes * warps.length);
  warps.forEach((warp, i) => {
    all.set(evaluate(warp, arg, at), i * lanes);
  });
  return all;
}

function makeRule(machine: Machine, what: Exchange, args: readonly Root[], at: Position): Rule {
  const type = args[0]?.type ?? "bool";
  const wanted = what.op === "elect" ? 0 : what.op === "shuffleXor" || what.op === "shuffleAt" ? 2 : 1;
  if (args.length !== wanted) return fatal(machine, at, `${what.op} takes ${wanted} arguments, not ${args.length}`);
  switch (what.op) {
    case "shuffleXor":
      return shuffle((lane, arg) => lane ^ arg);
    case "shuffleAt":
      return shuffle((_, arg) => arg);
    case "broadcast":
      return ([value], lanes) => new Float64Array(lanes).fill(value![0]!);
    case "ballot":
      return ballot;
    case "any":
      return ([value], lanes) => new Float64Array(lanes).fill(value!.some((v) => v !== 0) ? 1 : 0);
    case "elect":
      return (_, lanes) => {
        const result = new Float64Array(lanes);
        result[0] = 1;
        return result;
      };
    case "sum":
      return ladder(scalarOf("add", type));
    case "max":
      return ladder(scalarOf("max", type));
  }

  function scalarOf(op: "add" | "max", of: typeof type): Fn2 {
    const found = scalarFn(op, [of, of], "typed");
    return found.arity === 2 ? found.fn : fatal(machine, at, `${op} is not binary`);
  }
}

function shuffle(source: (lane: number, arg: number) => number): Rule {
  return ([value, arg], lanes, at, first) => {
    const result = new Float64Array(lanes);
    for (let lane = 0; lane < lanes; lane++) {
      const from = source(lane, arg![lane]!);
      if (!(from >= 0 && from < lanes))
        fatal(first.block.machine, at, `${whoIs(first, lane)}: takes the value of lane ${from}; there are ${lanes}`);
      result[lane] = value![from]!;
    }
    return result;
  };
}

const ballot: Rule = ([value], lanes, at, first) => {
  if (lanes > 32) fatal(first.block.machine, at, `a ballot of ${lanes} lanes does not fit 32 bits`);
  let word = 0;
  for (let lane = 0; lane < lanes; lane++) if (value![lane] !== 0) word |= 1 << lane;
  return new Float64Array(lanes).fill(word >>> 0);
};

/**
 * The order of a xor ladder: lane l adds lane l ⊕ 2^j, from the highest j to 0, so all lanes get the same bits. Where the
 * number of lanes is no power of two, the ladder has the next power's rungs and lanes that do not exist add nothing;
 * the result is lane 0's.
 */
function ladder(combine: Fn2): Rule {
  return ([value], lanes) => {
    let rung = 1;
    while (rung < lanes) rung *= 2;
    const now = value!.slice();
    for (let span = rung / 2; span >= 1; span /= 2)
      for (let lane = 0; lane < span && lane + span < lanes; lane++) now[lane] = combine(now[lane]!, now[lane + span]!);
    return new Float64Array(lanes).fill(now[0]!);
  };
}
