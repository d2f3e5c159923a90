/** Index variables: each ranges over one extent, and every access is proved to stay inside. */
import type { Diagnostics, Note, Span } from "../../ir/diagnostics.ts";
import type { Axis } from "../../ir/layout/layout.ts";
import type { Code } from "../explain/explain.ts";
import { didYouMean, report } from "../report.ts";
import type { Expression, Name } from "../syntax/ast.ts";
import type { Extent, Index } from "./module.ts";

interface Variable {
  extent?: Extent;
  /** Where its extent comes from. */
  from?: Span;
  readonly span: Span;
}

interface Shifted {
  readonly variable: Variable;
  readonly name: string;
  readonly offset: number;
  readonly extent: Extent;
  readonly tensor: string;
  readonly span: Span;
}

const show = (extent: Extent): string => `\`${extent}\``;

/** The index variables of one operator's body, statement by statement. */
export class IndexScope {
  readonly #diagnostics: Diagnostics;
  readonly #frames: Map<string, Variable>[] = [];
  readonly #all = new Map<string, Variable>();
  #shifted: Shifted[] = [];
  #failed = false;

  constructor(diagnostics: Diagnostics) {
    this.#diagnostics = diagnostics;
  }

  #error(code: Code, span: Span, message: string, notes: readonly Note[] = []): undefined {
    this.#failed = true;
    report(this.#diagnostics, code, span, message, notes);
  }

  #find(name: string): Variable | undefined {
    return this.#frames.findLast((frame) => frame.has(name))?.get(name);
  }

  /** Enters a statement or a sum. */
  open(): void {
    this.#frames.push(new Map());
  }

  /** Declares a variable of the innermost frame; `extent` where it is already known, from the place `from`. */
  declare(name: Name, extent?: Extent, from?: Span): void {
    if (name.text === "") return;
    const earlier = this.#find(name.text);
    if (earlier !== undefined)
      this.#error("name/duplicate", name.span, `index \`${name.text}\` is already in use here`, [
        { message: "declared here", span: earlier.span },
      ]);
    const variable: Variable = { span: name.span };
    if (extent !== undefined) variable.extent = extent;
    if (from !== undefined) variable.from = from;
    this.#frames[this.#frames.length - 1]?.set(name.text, variable);
  }

  /**
   * Leaves the innermost frame: its variables must have an extent by now, unless
   * the part of the body that uses them was not `complete`ly understood. False after a mistake.
   */
  leave(complete: boolean): boolean {
    for (const [name, variable] of this.#frames.pop() ?? []) this.#finish(name, variable, complete);
    if (this.#frames.length === 0) {
      for (const shifted of this.#shifted) this.#checkShifted(shifted);
      this.#shifted = [];
    }
    return !this.#failed;
  }

  #finish(name: string, variable: Variable, complete: boolean): void {
    if (variable.extent === undefined) {
      if (complete && !this.#failed)
        this.#error("shape/unknown-extent", variable.span, `nothing says how far \`${name}\` goes`, [
          { message: `use \`${name}\` alone as an index of some tensor: its extent becomes the range of \`${name}\`` },
        ]);
      return;
    }
    const earlier = this.#all.get(name);
    if (earlier?.extent !== undefined && earlier.extent !== variable.extent)
      this.#error(
        "shape/extent",
        variable.span,
        `index \`${name}\` ranges over ${show(variable.extent)} here and over ${show(earlier.extent)} before`,
        [
          { message: `\`${name}\` ranges over ${show(earlier.extent)}`, span: earlier.span },
          { message: "one name means one axis in the whole operator: schedules refer to it" },
        ],
      );
    this.#all.set(name, variable);
  }

  /** True where a name is an index here. */
  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /** Reports a name that is no index here. */
  require(name: Name): boolean {
    if (this.has(name.text)) return true;
    this.#unknown(name);
    return false;
  }

  /** The extents of declared indices; undefined where one is unknown. */
  shapeOf(names: readonly Name[]): readonly Extent[] | undefined {
    const shape = names.map((name) => this.#find(name.text)?.extent);
    return shape.every((e): e is Extent => e !== undefined) ? shape : undefined;
  }

  /** The extents of all index variables of the body, or undefined after a mistake. */
  close(): Readonly<Record<Axis, Extent>> | undefined {
    if (this.#failed) return undefined;
    return Object.fromEntries(
      [...this.#all].flatMap(([name, v]) => (v.extent === undefined ? [] : [[name, v.extent]])),
    );
  }

  /** One index of an access to `tensor`, along an axis of `extent` declared at `declared`. */
  index(e: Expression, tensor: string, extent: Extent, declared: Span): Index | undefined {
    if (e.kind === "missing") return undefined;
    const parts = splitIndex(e);
    if (parts === undefined)
      return this.#error(
        "shape/index",
        e.span,
        "an index is a variable, a whole number, or a variable plus a whole number",
        [{ message: "other index arithmetic cannot be proved to stay inside the tensor" }],
      );
    const { name, offset } = parts;
    if (name === undefined) return this.#constant(offset, e.span, tensor, extent, declared);
    const variable = this.#find(name.text);
    if (variable === undefined) return this.#unknown(name);
    if (offset !== 0) {
      this.#shifted.push({ variable, name: name.text, offset, extent, tensor, span: e.span });
      return { axis: name.text, offset };
    }
    if (variable.extent === undefined) {
      variable.extent = extent;
      variable.from = e.span;
    } else if (variable.extent !== extent) {
      const message = `\`${name.text}\` ranges over ${show(variable.extent)}, but this axis of \`${tensor}\` has the extent ${show(extent)}`;
      const from =
        variable.from === undefined
          ? []
          : [{ message: `${show(variable.extent)} comes from here`, span: variable.from }];
      return this.#error("shape/extent", e.span, message, [
        ...from,
        { message: `\`${tensor}\` is declared here`, span: declared },
      ]);
    }
    return { axis: name.text, offset: 0 };
  }

  #unknown(name: Name): undefined {
    if (name.text === "") return undefined;
    const known = [...new Set(this.#frames.flatMap((frame) => [...frame.keys()]))];
    this.#failed = true;
    const notes = [{ message: "indices are declared on the left side (`y[m, n]`) or by a sum (`sum k { … }`)" }];
    const fix = didYouMean(name.text, name.span, known);
    report(this.#diagnostics, "name/unknown", name.span, `\`${name.text}\` is not an index here`, notes, fix);
  }

  #constant(offset: number, span: Span, tensor: string, extent: Extent, declared: Span): Index | undefined {
    if (offset >= 0 && (typeof extent === "number" ? offset < extent : offset === 0)) return { offset };
    const inside = typeof extent === "number" ? `0 to ${extent - 1}` : `only 0 is inside whatever ${show(extent)} is`;
    return this.#error("shape/outside", span, `index ${offset} may lie outside \`${tensor}\`: ${inside}`, [
      { message: `\`${tensor}\` is declared here`, span: declared },
    ]);
  }

  #checkShifted({ variable, name, offset, extent, tensor, span }: Shifted): void {
    const range = variable.extent;
    if (range === undefined) return;
    if (typeof range === "number" && typeof extent === "number" && offset >= 0 && range + offset <= extent) return;
    const reach =
      typeof range === "number"
        ? `${offset} to ${range - 1 + offset}`
        : `${offset} to ${range} - 1 ${offset < 0 ? "-" : "+"} ${Math.abs(offset)}`;
    const message = `\`${name} ${offset < 0 ? "-" : "+"} ${Math.abs(offset)}\` runs from ${reach}, this axis of \`${tensor}\` has the extent ${show(extent)}`;
    this.#error("shape/outside", span, message, [
      { message: "an offset is allowed where both extents are numbers and the sum stays inside" },
    ]);
  }
}

/** `k`, `3`, `k + 3`, `3 + k` or `k - 3`. */
function splitIndex(e: Expression): { readonly name?: Name; readonly offset: number } | undefined {
  const whole = (x: Expression): number | undefined =>
    x.kind === "number" && Number.isInteger(x.value) && x.value < 2 ** 31
      ? x.value
      : x.kind === "negate" && x.of.kind === "number" && Number.isInteger(x.of.value)
        ? -x.of.value
        : undefined;
  const variable = (x: Expression): Name | undefined =>
    x.kind === "name" ? { text: x.name, span: x.span } : undefined;
  const constant = whole(e);
  if (constant !== undefined) return { offset: constant };
  const alone = variable(e);
  if (alone !== undefined) return { name: alone, offset: 0 };
  if (e.kind !== "binary" || (e.operator !== "+" && e.operator !== "-")) return undefined;
  const name = variable(e.left) ?? (e.operator === "+" ? variable(e.right) : undefined);
  const offset = whole(variable(e.left) === undefined ? e.left : e.right);
  return name === undefined || offset === undefined
    ? undefined
    : { name, offset: e.operator === "-" ? -offset : offset };
}
