/** Which names an expression uses. */
import type { Expression } from "./ast.ts";

/** Names that an expression uses. */
export function namesIn(e: Expression, found: Set<string> = new Set()): ReadonlySet<string> {
  switch (e.kind) {
    case "name":
      found.add(e.name);
      break;
    case "index":
      for (const part of [e.base, ...e.indices]) namesIn(part, found);
      break;
    case "call":
      for (const arg of e.args) namesIn(arg, found);
      break;
    case "negate":
      namesIn(e.of, found);
      break;
    case "binary":
      for (const part of [e.left, e.right]) namesIn(part, found);
      break;
    case "conditional":
      for (const part of [e.condition, e.yes, e.no]) namesIn(part, found);
      break;
    case "sum":
      for (const part of [...(e.bound === undefined ? [] : [e.bound]), e.body]) namesIn(part, found);
      break;
    case "block":
      for (const part of [...e.lets.map((l) => l.value), e.value]) namesIn(part, found);
      break;
    default:
      break;
  }
  return found;
}
