/** State of lowering one launch: the kernel being built, where statements go, and what is in scope. */
import { internal } from "../../ir/diagnostics.ts";
import { ExprBuilder, type ExprId, type Table } from "../../ir/expr.ts";
import type { Buffer, Stmt } from "../../ir/kernel.ts";
import { addressBits } from "../../ir/layout/build.ts";
import type { Program, Tensor } from "../../ir/program.ts";
import { bitsOf, type Scalar } from "../../ir/scalar.ts";
import type { Target } from "../../ir/target.ts";
import { RegisterTensor, valueType } from "./registers.ts";

interface Scope {
  readonly stmts: Stmt[];
  readonly declared: Set<string>;
  /** Reads already made here, by buffer, index and condition. */
  readonly reads: Map<string, readonly ExprId[]>;
}

export class LaunchContext {
  readonly build = new ExprBuilder();
  readonly program: Program;
  readonly target: Target;
  readonly lane: ExprId;
  readonly buffers: Buffer[] = [];
  readonly tables: Table[] = [];
  readonly prologue: Stmt[] = [];
  readonly grid: [number, number, number] = [1, 1, 1];
  warps = 1;
  /** Loops over warps so far: between two, the block meets. */
  warpLoops = 0;
  /** What must hold, besides an access's own test, for anything to be written here. */
  guard: ExprId | undefined;
  /** Where the statements that are made now stem from. */
  origin: Pick<Stmt, "span" | "declared"> = {};
  /** Program symbols (loop variables) in the kernel. */
  readonly symbols = new Map<string, ExprId>();
  readonly #tensors: ReadonlyMap<string, Tensor>;
  readonly #registers = new Map<string, RegisterTensor>();
  readonly #names = new Set<string>();
  readonly #mutable: ReadonlySet<string>;
  readonly #tableCopies = new Map<Table, Buffer>();
  #scopes: Scope[] = [{ stmts: [], declared: new Set(), reads: new Map() }];

  /** `mutable`: tensors that are written more than once. */
  constructor(program: Program, target: Target, mutable: ReadonlySet<string>) {
    this.program = program;
    this.target = target;
    this.#tensors = new Map(program.tensors.map((t) => [t.id, t]));
    this.#mutable = mutable;
    this.lane = this.build.builtin("lane", 0, [0, target.lanes - 1]);
  }

  tensor(id: string): Tensor {
    return this.#tensors.get(id) ?? internal(`no tensor ${id}`);
  }

  /** A local name not used before, near `wish`. */
  name(wish: string): string {
    const base = wish.replace(/[^A-Za-z0-9_]/g, "_").replace(/_+/g, "_");
    let name = base;
    for (let n = 2; this.#names.has(name); n++) name = `${base}_${n}`;
    this.#names.add(name);
    return name;
  }

  /** Appends a statement; one that does not say where it stems from stems from `origin`. */
  emit(stmt: Stmt): void {
    this.#scopes.at(-1)!.stmts.push({ ...this.origin, ...stmt });
  }

  /** Statements emitted by `fill`, in a scope of their own. */
  nested(fill: () => void): readonly Stmt[] {
    this.#scopes.push({ stmts: [], declared: new Set(), reads: new Map() });
    fill();
    return this.#scopes.pop()!.stmts;
  }

  get body(): readonly Stmt[] {
    return [...this.prologue, ...this.#scopes[0]!.stmts];
  }

  registers(id: string): RegisterTensor {
    const known = this.#registers.get(id);
    if (known !== undefined) return known;
    const base = this.name(id.replace(/\.r$/, ""));
    const made = new RegisterTensor(this.tensor(id), this.target.lanes, (r, regs) =>
      regs === 1 ? base : this.name(`${base}${r}`),
    );
    this.#registers.set(id, made);
    return made;
  }

  /** The value of local `reg` of a register tensor. */
  local(registers: RegisterTensor, reg: number): ExprId {
    return this.build.symbol(registers.names[reg]!, registers.type);
  }

  /** Gives a local its value: declares it the first time in scope, assigns after. */
  define(id: string, reg: number, value: ExprId): void {
    const registers = this.registers(id);
    const name = registers.names[reg]!;
    if (!this.#mutable.has(id)) {
      this.emit({ kind: "let", name, value });
      return;
    }
    const known = this.#scopes.some((s) => s.declared.has(name));
    if (!known) this.#scopes.at(-1)!.declared.add(name);
    this.emit({ kind: known ? "assign" : "var", name, value });
  }

  /** The buffer of a global tensor: words where elements are narrower than a store, else the element's own type. */
  buffer(tensor: Tensor, access: "read" | "write"): Buffer {
    const id = tensor.id.replace(/[^A-Za-z0-9_]/g, "_");
    const index = this.buffers.findIndex((b) => b.id === id);
    const known = this.buffers[index];
    if (known !== undefined) {
      if (known.access === access || known.space === "shared") return known;
      const both: Buffer = { ...known, access: "readWrite" };
      this.buffers[index] = both;
      return both;
    }
    const layout = tensor.layout ?? internal(`${tensor.id} has no layout`);
    if (tensor.place === "shared") {
      const length = tensor.shape.reduce((n, e) => n * e, 1);
      const shared: Buffer = { id, type: valueType(tensor.type), length, space: "shared", access: "readWrite" };
      this.buffers.push(shared);
      return shared;
    }
    const type = this.storage(tensor);
    const made: Buffer = {
      id,
      type,
      length: Math.ceil(addressBits(layout) / bitsOf(type === "f32" && tensor.type !== "f32" ? tensor.type : type)),
      space: "global",
      access,
      tensor: tensor.id,
    };
    this.buffers.push(made);
    return made;
  }

  /** The element type of a tensor's buffer. Inputs are words; results are stored as the target stores their type. */
  storage(tensor: Tensor): Scalar {
    if (tensor.type === "f32" || tensor.type === "i32" || tensor.type === "u32") return tensor.type;
    const stored = this.target.stores[tensor.type] ?? tensor.type;
    const written = tensor.role === "output" && (tensor.type === "f16" || tensor.type === "bf16");
    return written ? stored : "u32";
  }

  /** Reads words of a buffer; equal reads in one scope are made once where nothing is written in between. */
  read(
    buffer: Buffer,
    index: ExprId,
    width: 1 | 2 | 4,
    when: ExprId | undefined,
    wish: string,
    cache?: "stream" | "keep",
  ): readonly ExprId[] {
    const key = `${buffer.id}:${index}:${width}:${when ?? ""}`;
    for (const scope of this.#scopes) {
      const known = scope.reads.get(key);
      if (known !== undefined && (buffer.access === "read" || this.#isTableCopy(buffer))) return known;
    }
    const names = Array.from({ length: width }, () => this.name(wish));
    const at = { buffer: buffer.id, index, width };
    this.emit({
      kind: "read",
      to: names,
      at,
      ...(when === undefined ? {} : { when }),
      ...(cache === undefined ? {} : { cache }),
    });
    const values = names.map((n) => this.build.symbol(n, valueType(buffer.type)));
    this.#scopes.at(-1)!.reads.set(key, values);
    return values;
  }

  /** Reads words straight into locals of these names. */
  readInto(
    names: readonly string[],
    buffer: Buffer,
    index: ExprId,
    when: ExprId | undefined,
    cache?: "stream" | "keep",
  ): void {
    const at = { buffer: buffer.id, index, width: names.length as 1 | 2 | 4 };
    const optional = { ...(when === undefined ? {} : { when }), ...(cache === undefined ? {} : { cache }) };
    this.emit({ kind: "read", to: names, at, ...optional });
  }

  /** A constant table as this target keeps it: an expression, or a read of its copy in shared memory. */
  tableEntry(name: string, index: ExprId): ExprId {
    const table = this.program.tables.find((t) => t.name === name) ?? internal(`no table ${name}`);
    if (!this.tables.some((t) => t.name === name)) this.tables.push(table);
    if (this.target.tables === "constant") return this.build.table(table, index);
    const buffer = this.#sharedTable(table);
    return this.read(buffer, index, 1, undefined, name)[0]!;
  }

  /** Copies of tables are written before everything else, and never again. */
  #isTableCopy(buffer: Buffer): boolean {
    return [...this.#tableCopies.values()].includes(buffer);
  }

  #sharedTable(table: Table): Buffer {
    const known = this.#tableCopies.get(table);
    if (known !== undefined) return known;
    const made: Buffer = {
      id: `${table.name}_shared`,
      type: table.type,
      length: table.values.length,
      space: "shared",
      access: "readWrite",
    };
    this.buffers.push(made);
    this.#tableCopies.set(table, made);
    return made;
  }

  /** Statements that fill the shared copies of tables; called once the number of warps is known. */
  fillTables(): void {
    const { build } = this;
    const threads = this.target.lanes * this.warps;
    if (this.#tableCopies.size === 0) return;
    const thread = build.builtin("thread", 0, [0, threads - 1]);
    for (const [table, buffer] of this.#tableCopies) {
      for (let first = 0; first < buffer.length; first += threads) {
        const index = build.add(thread, build.constant(first));
        const inside =
          first + threads <= buffer.length ? undefined : build.op("lt", index, build.constant(buffer.length));
        const entry = build.table(
          table,
          inside === undefined ? index : build.op("min", index, build.constant(buffer.length - 1)),
        );
        this.prologue.push({
          kind: "write",
          at: { buffer: buffer.id, index, width: 1 },
          values: [entry],
          ...(inside === undefined ? {} : { when: inside }),
        });
      }
    }
    this.prologue.push({ kind: "collective", scope: "block", what: { family: "sync", op: "barrier" } });
  }
}
