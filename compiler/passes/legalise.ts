/** legalise: the kernel uses only operators and types that its target has; the target's own rules rewrite the rest. */
import type { Kernel, Stmt } from "../../ir/kernel.ts";
import { mapStmt } from "../../ir/kernel-walk.ts";
import { rewriteExprs } from "../../ir/rewrite.ts";
import type { Pass } from "../pass.ts";

export const legalise: Pass<Kernel> = {
  name: "legalise",
  about: "only operators and types of the target's table are left",
  run(kernel, { target }) {
    const { build, map } = rewriteExprs(kernel.exprs, target.rules);
    const visit = (body: readonly Stmt[]): readonly Stmt[] =>
      body.map((stmt) => mapStmt(stmt, (id) => map[id]!, visit));
    return { ...kernel, exprs: build.done(), body: visit(kernel.body) };
  },
};
