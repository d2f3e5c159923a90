/**
 * pin: every expression that is used more than once has a name, defined where all its uses can see it.
 *
 * So printers print trees and never invent temporaries. Entries that nothing uses are dropped.
 */
import { internal, NO_SPAN } from "../../ir/diagnostics.ts";
import { type Expr, ExprBuilder, type ExprId, operands } from "../../ir/expr.ts";
import type { Kernel, Stmt } from "../../ir/kernel.ts";
import { bodiesOf, exprsOf, mapStmt, mutableNames } from "../../ir/kernel-walk.ts";
import { applied, type Pass } from "../pass.ts";

/** A place in front of statement `index` of a block. */
interface Site {
  readonly block: Block;
  readonly index: number;
}

interface Block {
  readonly stmts: readonly Stmt[];
  readonly parent: Site | undefined;
  readonly depth: number;
  /** Blocks of the bodies inside each statement. */
  readonly inner: readonly (readonly Block[])[];
  /** Expressions to name in front of each statement. */
  readonly pinned: Map<number, ExprId[]>;
}

function blockOf(stmts: readonly Stmt[], parent: Site | undefined): Block {
  const inner: (readonly Block[])[] = [];
  const block: Block = {
    stmts,
    parent,
    depth: parent === undefined ? 0 : parent.block.depth + 1,
    inner,
    pinned: new Map(),
  };
  stmts.forEach((stmt, index) => {
    inner.push(bodiesOf(stmt).map((body) => blockOf(body, { block, index })));
  });
  return block;
}

/** The innermost place that comes before both. */
function meet(a: Site, b: Site): Site {
  let [p, q] = [a, b];
  while (p.block !== q.block) {
    if (p.block.depth >= q.block.depth) p = p.block.parent ?? internal("blocks without a common root");
    else q = q.block.parent ?? internal("blocks without a common root");
  }
  return p.index <= q.index ? p : q;
}

class Pinner {
  readonly #kernel: Kernel;
  readonly #uses: Int32Array;
  readonly #mutable: Set<string>;
  readonly #varies: Uint8Array;
  readonly #sites = new Map<ExprId, Site>();
  readonly #build = new ExprBuilder();
  readonly #map = new Map<ExprId, ExprId>();
  readonly #names = new Map<ExprId, string>();

  constructor(kernel: Kernel) {
    const { exprs } = kernel.exprs;
    this.#kernel = kernel;
    this.#uses = new Int32Array(exprs.length);
    this.#mutable = mutableNames(kernel.body);
    this.#varies = new Uint8Array(exprs.length);
    exprs.forEach((expr, id) => {
      const own = expr.kind === "symbol" && this.#mutable.has(expr.name);
      this.#varies[id] = own || operands(expr).some((o) => this.#varies[o] === 1) ? 1 : 0;
    });
  }

  /** How many expressions got a name. */
  get named(): number {
    return this.#names.size;
  }

  run(): Kernel {
    this.#count(this.#kernel.body, new Set());
    const root = blockOf(this.#kernel.body, undefined);
    this.#locate(root);
    const chosen = [...this.#kernel.exprs.exprs.keys()].filter((id) => this.#isPinned(id as ExprId)).reverse();
    for (const id of chosen) this.#place(id as ExprId);
    const taken = new Set(this.#kernel.exprs.exprs.flatMap((e) => (e.kind === "symbol" ? [e.name] : [])));
    for (const buffer of this.#kernel.buffers) taken.add(buffer.id);
    let next = 0;
    for (const id of [...chosen].reverse()) {
      while (taken.has(`t${next}`)) next++;
      this.#names.set(id as ExprId, `t${next++}`);
    }
    const body = this.#rebuild(root);
    return { ...this.#kernel, exprs: this.#build.done(), body };
  }

  #expr(id: ExprId): Expr {
    return this.#kernel.exprs.exprs[id] ?? internal(`no expression ${id}`);
  }

  #isPinned(id: ExprId): boolean {
    const { kind } = this.#expr(id);
    const leaf = kind === "const" || kind === "symbol" || kind === "builtin";
    return !leaf && this.#uses[id]! > 1 && this.#varies[id] === 0;
  }

  #count(body: readonly Stmt[], seen: Set<ExprId>): void {
    const visit = (id: ExprId): void => {
      this.#uses[id] = this.#uses[id]! + 1;
      if (seen.has(id)) return;
      seen.add(id);
      for (const o of operands(this.#expr(id))) visit(o);
    };
    for (const stmt of body) {
      for (const id of exprsOf(stmt)) visit(id);
      for (const inner of bodiesOf(stmt)) this.#count(inner, seen);
    }
  }

  /** Notes where the pinned expressions below `id` are needed. */
  #need(id: ExprId, site: Site): void {
    if (this.#isPinned(id)) {
      const known = this.#sites.get(id);
      this.#sites.set(id, known === undefined ? site : meet(known, site));
      return;
    }
    for (const o of operands(this.#expr(id))) this.#need(o, site);
  }

  #locate(block: Block): void {
    block.stmts.forEach((stmt, index) => {
      for (const id of exprsOf(stmt)) this.#need(id, { block, index });
      for (const inner of block.inner[index]!) this.#locate(inner);
    });
  }

  #place(id: ExprId): void {
    const site = this.#sites.get(id) ?? internal(`expression ${id} is used nowhere`);
    const list = site.block.pinned.get(site.index) ?? [];
    list.push(id);
    site.block.pinned.set(site.index, list);
    for (const o of operands(this.#expr(id))) this.#need(o, site);
  }

  #value(id: ExprId): ExprId {
    const known = this.#map.get(id);
    if (known !== undefined) return known;
    const name = this.#names.get(id);
    const made = name === undefined ? this.#own(id) : this.#build.symbol(name, this.#expr(id).type);
    this.#map.set(id, made);
    return made;
  }

  #own(id: ExprId): ExprId {
    this.#build.span = this.#kernel.exprs.spans[id] ?? this.#build.span;
    return this.#build.rebuild(this.#expr(id), (o) => this.#value(o), this.#kernel.exprs.ranges?.[id]);
  }

  #rebuild(block: Block): readonly Stmt[] {
    return block.stmts.flatMap((stmt, index): readonly Stmt[] => {
      const pins = [...(block.pinned.get(index) ?? [])].sort((a, b) => a - b);
      const { span, declared } = stmt;
      const origin = { ...(span === undefined ? {} : { span }), ...(declared === undefined ? {} : { declared }) };
      const lets = pins.map(
        (id): Stmt => ({ kind: "let", name: this.#names.get(id)!, value: this.#own(id), ...origin }),
      );
      const inner = block.inner[index]!;
      return [
        ...lets,
        mapStmt(
          stmt,
          (id) => this.#value(id),
          (_, which) => this.#rebuild(inner[which]!),
        ),
      ];
    });
  }
}

export const pin: Pass<Kernel> = {
  name: "pin",
  about: "expressions used more than once have names; unused ones are gone",
  run(kernel, context) {
    const pinner = new Pinner(kernel);
    const named = pinner.run();
    const why = `${pinner.named} expressions are used more than once: computed where all uses see them`;
    if (pinner.named > 0) applied(context, "name", NO_SPAN, `${kernel.name}: ${why}`);
    return named;
  },
};
