/** What threads that encode are asked, and what they answer; the same code serves one thread and many. */
import { internal } from "../../ir/diagnostics.ts";
import { storedTypeNamed } from "../io/open.ts";
import { hasNonFinite } from "../quantize/error-stats.ts";
import { type Moments, momentsOf } from "../quantize/outliers.ts";
import {
  type PackedRows,
  type Packing,
  packRows,
  preparePacking,
  type Recipe,
  type Study,
  studyRows,
} from "../quantize/recipe.ts";

/** Rows of a tensor as the file has them. */
interface Piece {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The stored type's name. */
  readonly type: string;
}

export type Order =
  | { readonly kind: "recipe"; readonly recipe: Recipe }
  | ({ readonly kind: "moments" } & Piece)
  | ({ readonly kind: "study" } & Piece)
  | ({ readonly kind: "pack"; readonly study: Study; readonly firstRow: number } & Piece);

/** `unsound`: the rows hold NaN or infinity. */
export type Answer =
  | { readonly kind: "ready" }
  | { readonly kind: "unsound" }
  | { readonly kind: "moments"; readonly moments: Moments }
  | { readonly kind: "study"; readonly study: Study }
  | { readonly kind: "pack"; readonly rows: PackedRows };

/** One thread's state is the recipe that it was given last. */
export function createHandler(): (order: Order) => Answer {
  const state: { packing?: Packing } = {};
  return (order) => {
    if (order.kind === "recipe") {
      state.packing = preparePacking(order.recipe) ?? internal("a recipe that was tried fits");
      return { kind: "ready" };
    }
    const decode = storedTypeNamed(order.type)?.decode ?? internal(`values of type ${order.type}`);
    const values = decode(order.bytes);
    if (order.kind === "moments")
      return hasNonFinite(values) ? { kind: "unsound" } : { kind: "moments", moments: momentsOf(values) };
    const packing = state.packing ?? internal("no recipe");
    if (order.kind === "study") {
      const study = studyRows(packing, values);
      return study === undefined ? { kind: "unsound" } : { kind: "study", study };
    }
    const rows = packRows(packing, values, order.study, order.firstRow);
    return rows === undefined ? { kind: "unsound" } : { kind: "pack", rows };
  };
}
