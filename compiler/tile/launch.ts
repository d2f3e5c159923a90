/** Builds the loops of one launch: phases that walk the reduced axis, and what happens between them. */
import { internal, NO_SPAN, type Span } from "../../ir/diagnostics.ts";
import type { ExprId } from "../../ir/expr.ts";
import { type Dim, type Region, reads, type Step, type Tensor, type TileOp } from "../../ir/program.ts";
import type { Scalar } from "../../ir/scalar.ts";
import { factorsOf, gathers, inputsOf, type ProgramEditor, plainSymbol, regionSymbols } from "../edit.ts";
import type { PassContext } from "../pass.ts";
import { IDENTITY, type Local, type Phase } from "./parts.ts";
import { isInnerAxis, type LaunchPlan } from "./plan.ts";
import { isZeroBehind } from "./tails.ts";
import { partDims, shareParts } from "./warp-parts.ts";

type MapOp = Extract<TileOp, { kind: "map" }>;
type Contract = Extract<TileOp, { kind: "contract" }>;

/** Builds what one warp does, op by op. */
export class LaunchTiler {
  readonly steps: Step[] = [];
  /** What every warp does before their sums meet; undefined until they do. */
  apart: readonly Step[] | undefined;
  readonly #locals = new Map<string, Local>();
  readonly #fills = new Map<string, ExprId>();
  /** What the current op and those after it read. */
  #awaited: ReadonlySet<string> = new Set();
  #phase: Phase | undefined;

  readonly editor: ProgramEditor;
  readonly plan: LaunchPlan;
  readonly context: PassContext;

  constructor(editor: ProgramEditor, plan: LaunchPlan, context: PassContext) {
    this.editor = editor;
    this.plan = plan;
    this.context = context;
  }

  /** A tensor as the unscheduled ops see it. */
  #whole(id: string): Tensor {
    return this.plan.whole.get(id) ?? internal(`no tensor ${id}`);
  }

  /** `later`: the ops that follow it. */
  op(op: TileOp, later: readonly TileOp[]): void {
    this.#awaited = new Set([op, ...later].flatMap((o) => reads(o).map((r) => r.tensor)));
    if (op.kind === "fill") {
      this.#fills.set(op.to.tensor, op.value);
      return;
    }
    if (op.kind !== "map" && op.kind !== "contract") internal(`tile does not know ${op.kind}`);
    const walks = this.plan.walked !== undefined && op.domain.some((d) => d.axis === this.plan.walked?.axis);
    if (!walks) {
      this.close();
      if (op.kind === "contract") internal("a contraction along no walked axis");
      this.#between(op);
      return;
    }
    const inputs = op.kind === "contract" ? [op.a, op.b] : op.inputs;
    const reduces = op.kind === "contract" || op.over.includes(this.plan.walked!.axis);
    const divided = this.plan.shares > 1 && !reduces;
    if (this.#phase !== undefined && inputs.some((r) => this.#phase?.reduced.has(r.tensor))) this.close();
    if (this.#phase !== undefined && this.#phase.divided !== divided) this.close();
    this.#phase ??= {
      inits: [],
      loads: [],
      loaded: new Map(),
      body: [],
      reduced: new Set(),
      divided,
      span: op.span,
    };
    if (reduces) this.#phase.span = op.span;
    if (op.kind === "contract") this.#contract(op, this.#phase);
    else if (op.over.includes(this.plan.walked!.axis)) this.#reduce(op, this.#phase);
    else this.#pointwise(op, this.#phase);
  }

  /** Ends the loop over steps, if one is open. */
  close(): void {
    const phase = this.#phase;
    if (phase === undefined) return;
    this.#phase = undefined;
    const { axis } = this.plan.walked!;
    const among = phase.divided ? this.plan.shares : this.plan.split;
    const steps = Math.ceil(this.plan.walked!.steps / among);
    const body = [...phase.loads, ...phase.body];
    this.steps.push(...phase.inits);
    this.steps.push({
      kind: "loop",
      name: this.plan.name("step", axis),
      extent: steps,
      step: 1,
      map: { kind: "serial" },
      body,
      span: phase.span,
    });
  }

  #dim(axis: string): Dim {
    return { axis, extent: this.plan.extents.get(axis) ?? internal(`no extent of ${axis}`) };
  }

  /** Tile axes of an old axis: its place in the warp's tile, or lane and element of the walked axis. */
  #tileDims(axis: string, extent: number): readonly Dim[] {
    const { walked, parallel } = this.plan;
    if (walked?.axis === axis)
      return [
        ...(walked.lanes > 1 ? [this.#dim(this.plan.name("lane", axis))] : []),
        this.#dim(this.plan.name("elem", axis)),
      ];
    const p = parallel.find((q) => q.axis === axis);
    if (p === undefined) return [{ axis, extent }];
    return [this.#dim(this.plan.name("tile", axis))];
  }

  #domain(dims: readonly Dim[]): readonly Dim[] {
    return dims.flatMap((d) => this.#tileDims(d.axis, d.extent));
  }

  #type(region: Region): Scalar {
    return region.bit === undefined ? this.#whole(region.tensor).type : "u1";
  }

  /** A register tensor over tile axes, with the region that covers it. */
  #register(
    id: string,
    type: Scalar,
    dims: readonly Dim[],
    span: Span,
    declared?: Span,
  ): { tensor: Tensor; region: Region } {
    const tensor = this.editor.add({
      id,
      type,
      axes: dims.map((d) => d.axis),
      shape: dims.map((d) => d.extent),
      place: "register",
      role: "local",
      span,
      ...(declared === undefined ? {} : { declared }),
    });
    return { tensor, region: { tensor: tensor.id, index: dims.map((d) => this.editor.axis(d)), tail: "exact" } };
  }

  /** A region of a global tensor at the launch's indices. */
  #global(region: Region): Region {
    const { plan, editor } = this;
    const used = regionSymbols(editor.build, region);
    const among = this.#phase?.divided === true ? plan.shares : plan.split;
    const uneven = plan.walked !== undefined && plan.walked.steps % among !== 0;
    const walked = plan.walked === undefined ? [] : [{ ...plan.walked, ragged: plan.walked.ragged || uneven }];
    const ragged = [...plan.parallel, ...walked].some((a) => a.ragged && used.has(a.axis));
    return { ...editor.region(region, this.#index()), tail: ragged ? "mask" : region.tail };
  }

  /** Old axes as the open phase indexes them. */
  #index(): ReadonlyMap<string, ExprId> {
    return this.#phase?.divided === true ? this.plan.sharedIndex : this.plan.index;
  }

  /** A value, or 0 behind the end of the walked axis. */
  #inside(value: ExprId): ExprId {
    const { build } = this.editor;
    const { axis, extent } = this.plan.walked ?? internal("nothing is walked along");
    const at = this.#index().get(axis) ?? internal(`no index of ${axis}`);
    const test = build.op("lt", at, build.constant(extent));
    return build.op("select", test, value, build.constant(0, build.typeOf(value)));
  }

  #isLocal(region: Region): boolean {
    return this.#whole(region.tensor).role === "local";
  }

  /** A region of a local tensor; its indices must be plain axes. */
  #localRegion(region: Region, lanes: boolean): Region {
    const local = this.#locals.get(region.tensor) ?? internal(`${region.tensor} is read before it is written`);
    const { build } = this.editor;
    const index = local.axes.flatMap((_, i) => {
      const axis = plainSymbol(build, region.index[i]!) ?? internal(`tile cannot shift the index of ${region.tensor}`);
      const extent = this.#whole(region.tensor).shape[i]!;
      return this.#tileDims(axis, extent).map((d) => this.editor.axis(d));
    });
    if (local.partial !== undefined && lanes)
      index.push(this.editor.axis(this.#dim(this.plan.name("lane", this.plan.walked!.axis))));
    return { tensor: local.tensor.id, index, tail: "exact" };
  }

  /** Copies what a phase reads from memory into registers, once a step for equal regions. */
  #load(region: Region, phase: Phase): Region {
    const { editor, plan } = this;
    const global = this.#global(region);
    const key = JSON.stringify([global.tensor, global.index, global.bit]);
    const known = phase.loaded.get(key);
    if (known !== undefined) return known;
    const used = regionSymbols(editor.build, global);
    const loops = new Set([
      ...plan.parallel.flatMap((p) => [this.plan.name("block", p.axis), this.plan.name("warp", p.axis)]),
      ...(plan.walked ? (["step", "share", "split"] as const).map((part) => plan.name(part, plan.walked!.axis)) : []),
    ]);
    const tileAxes = [...plan.extents.keys()].filter((a) => used.has(a));
    const others = [...used].filter((s) => !loops.has(s) && !plan.extents.has(s));
    const planes = others.filter((a) => !isInnerAxis(a)).map((axis) => this.#plane(axis, region));
    // Places inside a block are neighbours in memory: last, so that they may share registers.
    const inner = others.filter(isInnerAxis).map((axis) => this.#plane(axis, region));
    const dims = [...planes, ...tileAxes.map((a) => this.#dim(a)), ...inner];
    const { span, declared } = this.#whole(region.tensor);
    const { region: to } = this.#register(`${region.tensor}.r`, this.#type(region), dims, span, declared);
    const cache =
      plan.parallel.at(-1) !== undefined && used.has(this.plan.name("block", plan.parallel.at(-1)!.axis))
        ? "stream"
        : "keep";
    phase.loads.push({ kind: "copy", from: global, to, cache, domain: dims, span });
    phase.loaded.set(key, to);
    return to;
  }

  #plane(axis: string, region: Region): Dim {
    const range =
      this.editor.build.rangeOf(this.editor.build.symbol(axis)) ?? internal(`no range of ${axis} in ${region.tensor}`);
    return { axis, extent: range[1] + 1 };
  }

  #input(region: Region, phase: Phase): Region {
    if (this.#isLocal(region)) return this.#localRegion(region, true);
    // What is looked up is read where it is used: its place is known only there.
    return gathers(this.editor.build, region) ? this.#global(region) : this.#load(region, phase);
  }

  #laneDims(): readonly Dim[] {
    const { walked } = this.plan;
    return walked !== undefined && walked.lanes > 1 ? [this.#dim(this.plan.name("lane", walked.axis))] : [];
  }

  /** The axes of a local result, in the order of its tensor. */
  #resultDims(op: MapOp | Contract): readonly Dim[] {
    return op.to.index.map((e) => {
      const axis = plainSymbol(this.editor.build, e) ?? internal("a local result has plain axes");
      return op.domain.find((d) => d.axis === axis) ?? internal(`no axis ${axis}`);
    });
  }

  #contract(op: Contract, phase: Phase): void {
    const { schedule } = this.context;
    const order = this.#resultDims(op);
    const axes = order.map((d) => d.axis);
    const dims = [...this.#domain(order), ...this.#laneDims()];
    const old = this.#whole(op.to.tensor);
    const acc = this.#register(op.to.tensor, old.type, dims, op.span);
    const zero = this.#fills.get(op.to.tensor) ?? this.editor.build.constant(0, old.type);
    phase.inits.push({ kind: "fill", to: acc.region, value: zero, domain: dims, span: op.span });
    const a = this.#input(op.a, phase);
    const b = this.#input(op.b, phase);
    const over = op.over.map((axis) => (axis === this.plan.walked!.axis ? this.plan.name("elem", axis) : axis));
    const row = schedule.row === undefined ? {} : { row: schedule.row };
    const extra = op.domain.filter((d) => op.over.includes(d.axis) && d.axis !== this.plan.walked!.axis);
    // Beside sums of planes there may be others in a launch.
    const byPlanes = op.a.bit !== undefined && op.b.bit !== undefined;
    phase.body.push({
      kind: "contract",
      a,
      b,
      to: acc.region,
      over,
      by: byPlanes || schedule.strategy !== "popc" ? schedule.strategy : "fma",
      ...row,
      domain: [...dims, ...extra, this.#dim(this.plan.name("elem", this.plan.walked!.axis))],
      span: op.span,
    });
    phase.reduced.add(op.to.tensor);
    this.#locals.set(op.to.tensor, {
      tensor: acc.tensor,
      axes,
      partial: this.#laneDims().length > 0 ? "sum" : undefined,
      split: this.plan.split > 1 ? "sum" : undefined,
    });
  }

  #reduce(op: MapOp, phase: Phase): void {
    const { build } = this.editor;
    const reduce = op.reduce ?? internal("a reduction without an operator");
    const type = build.typeOf(op.value);
    const order = this.#resultDims(op);
    const axes = order.map((d) => d.axis);
    const dims = [...this.#domain(order), ...this.#laneDims()];
    const acc = this.#register(op.to.tensor, type, dims, op.span);
    phase.inits.push({
      kind: "fill",
      to: acc.region,
      value: build.constant(IDENTITY[reduce], type),
      domain: dims,
      span: op.span,
    });
    const inputs = op.inputs.map((r) => this.#input(r, phase));
    const part = this.#register(`${op.to.tensor}.step`, type, dims, op.span);
    const over = op.over.map((axis) => (axis === this.plan.walked!.axis ? this.plan.name("elem", axis) : axis));
    const extra = op.domain.filter((d) => op.over.includes(d.axis) && d.axis !== this.plan.walked!.axis);
    const domain = [...dims, ...extra, this.#dim(this.plan.name("elem", this.plan.walked!.axis))];
    const ends = reduce === "max" || isZeroBehind(build, op, this.plan.walked!.axis);
    const whole = this.editor.substitute(op.value, this.#index());
    const value = ends ? whole : this.#inside(whole);
    phase.body.push({ kind: "map", inputs, to: part.region, value, over, reduce, domain, span: op.span });
    const both = build.op(reduce === "sum" ? "add" : "max", build.input(0, type), build.input(1, type));
    phase.body.push({
      kind: "map",
      inputs: [acc.region, part.region],
      to: acc.region,
      value: both,
      over: [],
      domain: dims,
      span: op.span,
    });
    phase.reduced.add(op.to.tensor);
    this.#locals.set(op.to.tensor, {
      tensor: acc.tensor,
      axes,
      partial: this.#laneDims().length > 0 ? reduce : undefined,
      split: this.plan.split > 1 ? reduce : undefined,
    });
  }

  #pointwise(op: MapOp, phase: Phase): void {
    const { build } = this.editor;
    const inputs = op.inputs.map((r) => {
      if (this.#isLocal(r)) this.#settle(r.tensor);
      return this.#input(r, phase);
    });
    const visible = !this.#isLocal(op.to);
    const order = visible ? op.domain.filter((d) => !op.over.includes(d.axis)) : this.#resultDims(op);
    const dims = this.#domain(order);
    const whole = this.editor.substitute(op.value, this.#index());
    const value = this.plan.openTails.has(op.to.tensor) ? this.#inside(whole) : whole;
    const name = visible ? `${op.to.tensor}.r` : op.to.tensor;
    const { declared } = this.#whole(op.to.tensor);
    const made = this.#register(name, build.typeOf(value), dims, op.span, declared);
    // What is reduced here is not walked along: each lane has all of it.
    const domain = [...dims, ...op.domain.filter((d) => op.over.includes(d.axis))];
    const reduce = op.reduce === undefined ? {} : { reduce: op.reduce };
    phase.body.push({ kind: "map", inputs, to: made.region, value, over: op.over, ...reduce, domain, span: op.span });
    if (visible)
      phase.body.push({ kind: "copy", from: made.region, to: this.#global(op.to), domain: dims, span: op.span });
    else
      this.#locals.set(op.to.tensor, {
        tensor: made.tensor,
        axes: order.map((d) => d.axis),
        partial: undefined,
        split: undefined,
      });
  }

  /** Ops that do not walk: on finished tiles, with whatever else they need read in place. */
  #between(op: MapOp): void {
    const { build } = this.editor;
    const carry = this.#carries(op);
    const inputs = op.inputs.map((r) => {
      if (!this.#isLocal(r)) return this.#global(r);
      if (!carry) this.#settle(r.tensor);
      return this.#localRegion(r, carry);
    });
    const lanes = carry ? this.#laneDims() : [];
    const visible = !this.#isLocal(op.to);
    const free = visible ? op.domain.filter((d) => !op.over.includes(d.axis)) : this.#resultDims(op);
    const over = op.domain.filter((d) => op.over.includes(d.axis));
    const dims = [...this.#domain(free), ...lanes];
    const value = this.editor.substitute(op.value, this.#index());
    const reduce = op.reduce === undefined ? {} : { reduce: op.reduce };
    const common = {
      kind: "map" as const,
      inputs,
      value,
      over: op.over,
      ...reduce,
      domain: [...dims, ...over],
      span: op.span,
    };
    if (visible) {
      this.steps.push(this.#once({ ...common, to: this.#global(op.to) }));
      return;
    }
    const made = this.#register(op.to.tensor, build.typeOf(value), dims, op.span);
    this.steps.push({ ...common, to: made.region });
    this.#locals.set(op.to.tensor, {
      tensor: made.tensor,
      axes: free.map((d) => d.axis),
      partial: carry && lanes.length > 0 ? "sum" : undefined,
      split: carry && this.plan.split > 1 ? "sum" : undefined,
    });
  }

  /** What every share would write alike, only the first one writes. */
  #once(step: Step): Step {
    if (this.plan.shares === 1) return step;
    const { build } = this.editor;
    const share = build.symbol(this.plan.name("share", this.plan.walked!.axis));
    return {
      kind: "when",
      cond: build.op("eq", share, build.constant(0)),
      body: [step],
      span: "span" in step ? step.span : NO_SPAN,
    };
  }

  /** A weighted sum of partial sums is itself a partial sum: the lanes need not be added up yet. */
  #carries(op: MapOp): boolean {
    const { build } = this.editor;
    if (op.reduce !== "sum" || op.inputs.length !== 1) return false;
    const local = this.#locals.get(op.inputs[0]!.tensor);
    if (local === undefined || (local.partial ?? local.split) !== "sum") return false;
    const linear = factorsOf(build, op.value).filter((f) => inputsOf(build, f).size > 0);
    return linear.length === 1 && build.get(linear[0]!).kind === "input";
  }

  /** Adds up the lanes' partial results of a tensor. */
  #settle(id: string): void {
    const local = this.#locals.get(id) ?? internal(`${id} is read before it is written`);
    if (local.partial === undefined && local.split === undefined) return;
    if (this.#phase !== undefined) internal(`${id} is settled inside a loop`);
    const whole = local.partial === undefined ? local : this.#addLanes(local, local.partial);
    this.#locals.set(id, whole);
    if (whole.split !== undefined) this.#meet();
  }

  /** Warps meet once: all that they hold parts of, and that is still to be read, is combined then. */
  #meet(): void {
    const isPart = ([id, local]: readonly [string, Local]): boolean =>
      local.split !== undefined && this.#awaited.has(id);
    for (const [id, local] of [...this.#locals].filter(isPart))
      if (local.partial !== undefined) this.#locals.set(id, this.#addLanes(local, local.partial));
    const parts = [...this.#locals].filter(isPart);
    const copies = parts.map(([id, local]) => ({ id, local, ...shareParts(this.editor, this.plan, local) }));
    if (this.apart !== undefined) internal("warps meet only once in a launch");
    this.apart = [...this.steps, ...copies.map((c) => c.copy)];
    this.steps.length = 0;
    for (const { id, local, there } of copies) this.#locals.set(id, this.#combineWarps(local, there));
  }

  #addLanes(local: Local, reduce: "sum" | "max"): Local {
    const { build } = this.editor;
    const lane = this.plan.name("lane", this.plan.walked!.axis);
    const dims = local.tensor.axes.map((a, i) => ({ axis: a, extent: local.tensor.shape[i]! }));
    const kept = dims.filter((d) => d.axis !== lane);
    const made = this.#register(`${local.tensor.id}.all`, local.tensor.type, kept, local.tensor.span);
    const from: Region = { tensor: local.tensor.id, index: dims.map((d) => this.editor.axis(d)), tail: "exact" };
    const value = build.input(0, local.tensor.type);
    this.steps.push({
      kind: "map",
      inputs: [from],
      to: made.region,
      value,
      over: [lane],
      reduce,
      domain: dims,
      span: local.tensor.span,
    });
    return { ...local, tensor: made.tensor, partial: undefined };
  }

  #combineWarps(local: Local, there: Region): Local {
    const { tensor, split = "sum" } = local;
    const { span } = tensor;
    const [warps, ...dims] = partDims(this.plan, local);
    const sum = this.#register(`${tensor.id}.sum`, tensor.type, dims, span);
    this.steps.push({
      kind: "map",
      inputs: [there],
      to: sum.region,
      value: this.editor.build.input(0, tensor.type),
      over: [warps.axis],
      reduce: split,
      domain: [...dims, warps],
      span,
    });
    return { ...local, tensor: sum.tensor, split: undefined };
  }
}
