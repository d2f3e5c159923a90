/** A schedule: how a launch is carried out. Written by a user, or chosen by `choose` with its reasons. */
import type { Strategy } from "../../ir/program.ts";

export interface Schedule {
  readonly strategy: Strategy;
  /** Strategy mma: the matrix row. */
  readonly row?: string;
  /** Tokens (the output's outer axes) that one warp keeps in registers. */
  readonly tileM: number;
  /** Output channels (the output's last axis) that one warp keeps in registers. */
  readonly tileN: number;
  /** Consecutive values of the reduced axis that one lane takes at a time (mma: the row's k). */
  readonly chunk: number;
  readonly warps: number;
  /** Warps of a block that divide the reduced axis among them and add up in shared memory; above 1, `warps` is 1. */
  readonly split: number;
  /** Steps whose operands are in registers or on their way: 1 reads when it needs, 2 one step earlier. */
  readonly stages: number;
  /** One sentence each: why this strategy, what was passed over. */
  readonly reasons: readonly string[];
}

/** What a user's `schedule … for …` fixes; the rest is chosen. */
export type ScheduleRequest = Partial<Omit<Schedule, "reasons">> & { readonly emulated?: boolean };
