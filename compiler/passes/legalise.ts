/** legalise: the kernel uses only operators and types that its target has; the target's own rules rewrite the rest. */
import type { Kernel, Stmt } from "../../ir/kernel.ts";
import { mapStmt } from "../../ir/kernel-walk.ts";
import { rewriteExprs } from "../../ir/rewrite.ts";
import { applied, type Pass } from "../pass.ts";

export const legalise: Pass<Kernel> = {
  name: "legalise",
  about: "only operators and types of the target's table are left",
  run(kernel, context) {
    const { build, map } = rewriteExprs(kernel.exprs, context.target.rules, (rule, span) =>
      applied(context, rule.name, span, rule.about),
    );
    const visit = (body: readonly Stmt[]): readonly Stmt[] =>
      body.map((stmt) => mapStmt(stmt, (id) => map[id]!, visit));
    return { ...kernel, exprs: build.done(), body: visit(kernel.body) };
  },
};
