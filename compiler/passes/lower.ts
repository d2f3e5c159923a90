/** lower: each launch becomes a Kernel; tiles become lanes and registers through their layouts. */
import { internal, NO_SPAN } from "../../ir/diagnostics.ts";
import type { Kernel, Stmt } from "../../ir/kernel.ts";
import { isTileOp, type Program, reads, type Step, type TileOp, writes } from "../../ir/program.ts";
import type { Target } from "../../ir/target.ts";
import { forEachOp } from "../edit.ts";
import { LaunchContext } from "../lower/context.ts";
import { OpLowerer } from "../lower/ops.ts";

/** Tensors that more than one op writes (a fill and what adds to it): their locals are variables. */
function mutableTensors(body: readonly Step[]): ReadonlySet<string> {
  const written = new Map<string, number>();
  forEachOp(body, (op) => {
    const weight = op.kind === "contract" ? 2 : 1;
    for (const r of writes(op)) written.set(r.tensor, (written.get(r.tensor) ?? 0) + weight);
  });
  return new Set([...written].filter(([, n]) => n > 1).map(([id]) => id));
}

const MEET: Stmt = { kind: "collective", scope: "block", what: { family: "sync", op: "barrier" } };

/** Where an op's statements stem from: its own text, and what declares the elements that it makes, or else reads. */
function originOf(op: TileOp, context: LaunchContext): LaunchContext["origin"] {
  const declared = [...writes(op), ...reads(op)].map((r) => context.tensor(r.tensor).declared).find((s) => s);
  return {
    ...(op.span.file === NO_SPAN.file ? {} : { span: op.span }),
    ...(declared === undefined || op.kind === "contract" || op.kind === "fill" ? {} : { declared }),
  };
}

function lowerSteps(steps: readonly Step[], context: LaunchContext, ops: OpLowerer): void {
  const { build } = context;
  for (const step of steps) {
    build.span = "span" in step ? step.span : build.span;
    if (isTileOp(step)) {
      context.origin = originOf(step, context);
      ops.lower(step);
      context.origin = {};
      continue;
    }
    if (step.kind === "when") {
      const outer = context.guard;
      const own = ops.condition(step.cond);
      context.guard = outer === undefined ? own : build.op("and", outer, own);
      lowerSteps(step.body, context, ops);
      context.guard = outer;
      continue;
    }
    if (step.kind !== "loop") internal(`lower does not know ${step.kind} inside a launch`);
    const trips = Math.ceil(step.extent / step.step);
    const scaled = (trip: number): number => trip * step.step;
    const bind = (index: ReturnType<typeof build.constant>): void => {
      context.symbols.set(step.name, build.mul(index, build.constant(step.step)));
      lowerSteps(step.body, context, ops);
    };
    switch (step.map.kind) {
      case "grid":
        context.grid[step.map.dim] = trips;
        bind(trips === 1 ? build.constant(0) : build.builtin("group", step.map.dim, [0, trips - 1]));
        break;
      case "warp":
        if (context.warpLoops++ > 0) context.emit(MEET);
        context.warps = Math.max(context.warps, trips);
        bind(build.builtin("warp", 0, [0, trips - 1]));
        break;
      case "unroll":
        for (let trip = 0; trip < trips; trip++) bind(build.constant(trip));
        break;
      case "serial": {
        if (trips === 1) {
          bind(build.constant(scaled(0)));
          break;
        }
        const name = context.name(step.name);
        const body = context.nested(() => bind(build.symbol(name, "i32", [0, trips - 1])));
        context.emit({
          kind: "for",
          name,
          from: build.constant(0),
          to: build.constant(trips),
          step: 1,
          unroll: false,
          body,
          span: step.span,
        });
        break;
      }
      case "array":
        internal("an array's loop on a GPU");
    }
  }
}

/** One kernel a launch, in order. Expects `anchor-layouts` to have run. */
export function lower(program: Program, target: Target): readonly Kernel[] {
  return program.body.map((step): Kernel => {
    if (step.kind !== "launch") internal("lower expects launches");
    const context = new LaunchContext(program, target, mutableTensors(step.body));
    lowerSteps(step.body, context, new OpLowerer(context));
    context.fillTables();
    return {
      name: step.name.replace(/[^A-Za-z0-9_]/g, "_"),
      lanes: target.lanes,
      warps: context.warps,
      grid: context.grid,
      buffers: context.buffers,
      tables: context.tables,
      exprs: context.build.done(),
      body: context.body,
    };
  });
}
