/** Formats: from a declaration to the IR's `Format`, with every offset, index and code proved to fit. */
import type { Diagnostics, Note, Span } from "../../ir/diagnostics.ts";
import type { Encoder, Field, Format } from "../../ir/format.ts";
import { bitsOf, isFloat, isInt, isScalar, isSigned, type Scalar } from "../../ir/scalar.ts";
import { didYouMean, report, warn } from "../report.ts";
import type { CodebookItem, Expression, FnItem, FormatItem, Member, TypeRef } from "../syntax/ast.ts";
import { wholeConstant } from "./constants.ts";
import { contiguousLayout, MAX_RECORD_BITS, offsetAddresses, offsetLayout } from "./layouts.ts";
import { constantEntries } from "./tables.ts";
import type { Codebook } from "./value-scope.ts";
import { ValueBuilder } from "./values.ts";

/** Most values in a block, elements in a field and entries in a codebook. */
export const MAX_COUNT = 65536;

/** Most elements of a field that a row or the tensor has once: codebooks that tensors bring along. */
export const MAX_TABLE = 2 ** 22;

type FieldMember = Member & { kind: "field" };

/** Names a format may use beyond its own. */
export interface FormatScope {
  readonly codebook: (name: string) => Codebook | "broken" | undefined;
  readonly codebookNames: () => readonly string[];
  /** The function of a name as the place of the call sees it. */
  readonly fn: (name: string, at: Span) => FnItem | undefined;
  readonly fnNames: () => readonly string[];
  /** The format of a field's type, reported where there is none. */
  readonly format: (ref: TypeRef, diagnostics: Diagnostics) => Format | "broken";
  readonly formatNames: () => readonly string[];
}

/** A whole number from `min` to `max` as written, or undefined after reporting. `what` begins the message. */
export function wholeNumber(
  e: Expression,
  min: number,
  max: number,
  what: string,
  diagnostics: Diagnostics,
): number | undefined {
  if (e.kind === "missing") return undefined;
  const value = wholeConstant(e);
  if (value !== undefined && value >= min && value <= max) return value;
  report(diagnostics, "limit/range", e.span, `${what} is a whole number from ${min} to ${max}`);
  return undefined;
}

/** A codebook's table; `_` holds 0. */
export function checkCodebook(item: CodebookItem, diagnostics: Diagnostics): Codebook | undefined {
  if (item.broken) return undefined;
  if (item.entries.length > MAX_COUNT) {
    const message = `a codebook has at most ${MAX_COUNT} entries, this one has ${item.entries.length}`;
    report(diagnostics, "limit/range", item.name.span, message);
    return undefined;
  }
  const values = constantEntries(item.entries, diagnostics);
  if (values === undefined) return undefined;
  return { table: { name: item.name.text, type: "f32", values }, span: item.name.span };
}

/** Checks one declaration without parameters as the format `name`; undefined where a mistake was reported, so that uses of the format stay silent. */
export function checkFormat(
  item: FormatItem,
  name: string,
  scope: FormatScope,
  diagnostics: Diagnostics,
): Format | undefined {
  if (item.broken) return undefined;
  const before = diagnostics.list.filter((d) => d.severity === "error").length;
  const parts = membersOf(item, diagnostics);
  const block = blockOf(parts.block, diagnostics);
  const fields = checkFields(item, parts.fields, scope, diagnostics);
  if (block === undefined || fields === undefined || parts.value === undefined) return undefined;
  const byName = new Map(fields.fields.map((f) => [f.name, f]));
  const readings = new Map([...byName].map(([n, field]) => [n, { field, codec: fields.codecs.get(n) }]));
  const index = parts.value.index;
  if (index !== undefined && byName.has(index.text)) {
    const notes = [{ message: "the field", span: byName.get(index.text)!.span }];
    report(diagnostics, "name/duplicate", index.span, `\`${index.text}\` is already a field`, notes);
    return undefined;
  }
  const values = new ValueBuilder(
    { name, block, fields: readings, ...(index === undefined ? {} : { index }), ...scope },
    diagnostics,
  );
  const value = values.number(parts.value.value);
  if (value === undefined) return undefined;
  const encoder = parts.encode && checkEncoder(parts.encode, byName, block, values, value, diagnostics);
  warnUnused(item, fields.fields, values, diagnostics);
  if (diagnostics.list.filter((d) => d.severity === "error").length > before) return undefined;
  return {
    name,
    block,
    fields: fields.fields,
    tables: values.tables,
    exprs: values.builder.done(),
    uses: values.uses,
    value,
    ...(encoder === undefined ? {} : { encoder }),
    recordBits: fields.recordBits,
    span: item.name.span,
    valueSpan: parts.value.span,
  };
}

interface Parts {
  readonly block: (Member & { kind: "block" }) | undefined;
  readonly value: (Member & { kind: "value" }) | undefined;
  readonly encode: (Member & { kind: "encode" }) | undefined;
  readonly fields: readonly FieldMember[];
}

function membersOf(item: FormatItem, diagnostics: Diagnostics): Parts {
  const only = <K extends "block" | "value" | "encode">(kind: K): (Member & { kind: K }) | undefined => {
    const [first, ...others] = item.members.filter((m): m is Member & { kind: K } => m.kind === kind);
    for (const other of others) {
      const notes = [{ message: "the first one", span: first!.span }];
      report(diagnostics, "format/duplicate-member", other.span, `a format has only one \`${kind}\``, notes);
    }
    return first;
  };
  const fields = item.members.filter((m): m is FieldMember => m.kind === "field");
  const value = only("value");
  if (value === undefined) {
    const message = `format \`${item.name.text}\` does not say what its codes mean`;
    const notes = [{ message: "add `value(i) = …`" }];
    report(diagnostics, "format/no-value", item.name.span, message, notes);
  }
  return { block: only("block"), value, encode: only("encode"), fields };
}

function blockOf(member: Parts["block"], diagnostics: Diagnostics): number | undefined {
  return member === undefined ? 1 : wholeNumber(member.size, 1, MAX_COUNT, "a block", diagnostics);
}

interface CheckedFields {
  readonly fields: readonly Field[];
  /** By field: the format that says what its stored code means. */
  readonly codecs: ReadonlyMap<string, Format>;
  readonly recordBits: number;
}

function checkFields(
  item: FormatItem,
  members: readonly FieldMember[],
  scope: FormatScope,
  diagnostics: Diagnostics,
): CheckedFields | undefined {
  if (members.length === 0) {
    const message = `format \`${item.name.text}\` stores nothing`;
    report(diagnostics, "format/no-field", item.name.span, message, [{ message: "add a field: `q: i4[128]`" }]);
    return undefined;
  }
  const seen = new Map<string, Span>();
  const placed: Placed[] = [];
  let complete = true;
  for (const member of members) {
    const { text, span } = member.name;
    const earlier = seen.get(text);
    if (earlier !== undefined) {
      const notes = [{ message: "the first one", span: earlier }];
      report(diagnostics, "name/duplicate", span, `field \`${text}\` is declared twice`, notes);
      complete = false;
    }
    seen.set(text, span);
    const field = placeField(member, placed, scope, diagnostics);
    if (field === undefined) complete = false;
    else placed.push(field);
  }
  if (!complete || !checkOverlap(placed, diagnostics)) return undefined;
  const recordBits = endOf(placed);
  const codecs = new Map(placed.flatMap((p) => (p.codec === undefined ? [] : [[p.member.name.text, p.codec]])));
  return { fields: placed.map((p) => fieldOf(p, recordBits)), codecs, recordBits };
}

/** A field with its place: contiguous from `start`, or the address of every bit. */
interface Placed {
  readonly member: FieldMember;
  readonly type: Scalar;
  readonly codec?: Format;
  readonly count: number;
  readonly start: number;
  readonly addresses?: readonly number[];
}

function placeField(
  member: FieldMember,
  before: readonly Placed[],
  scope: FormatScope,
  diagnostics: Diagnostics,
): Placed | undefined {
  const stored = fieldType(member.type, scope, diagnostics);
  const longest = member.scope === "block" ? MAX_COUNT : MAX_TABLE;
  const count = member.count === undefined ? 1 : wholeNumber(member.count, 1, longest, "a field's length", diagnostics);
  if (stored === undefined || count === undefined) return undefined;
  if (member.offset === undefined) return checkEnd({ member, ...stored, count, start: endOf(before) }, diagnostics);
  if (member.scope !== "block") {
    const message = `\`@\` places a field inside its block's record, but \`${member.name.text}\` is one per ${member.scope}`;
    report(diagnostics, "format/offset-scope", member.offset.span, message);
    return undefined;
  }
  const addresses = offsetAddresses(member.offset, count, bitsOf(stored.type), diagnostics);
  return addresses && { member, ...stored, count, start: 0, addresses };
}

function checkEnd(field: Placed, diagnostics: Diagnostics): Placed | undefined {
  if (fieldEnd(field) <= MAX_RECORD_BITS) return field;
  const message = `the record grows to ${fieldEnd(field)} bits; at most ${MAX_RECORD_BITS} are allowed`;
  report(diagnostics, "limit/range", field.member.span, message);
  return undefined;
}

interface Stored {
  readonly type: Scalar;
  readonly codec?: Format;
}

/** `f16`, `u4`, `u<4>`, or a format of single values: how an element is stored, and what its code means. */
function fieldType(ref: TypeRef, scope: FormatScope, diagnostics: Diagnostics): Stored | undefined {
  const { text } = ref.name;
  if (text === "") return undefined;
  const [width] = ref.args;
  if ((text === "i" || text === "u") && width !== undefined && ref.args.length === 1) {
    const bits = wholeNumber(width, 1, 32, "a width in bits", diagnostics);
    return bits === undefined ? undefined : { type: `${text}${bits}` };
  }
  if (isScalar(text) && text !== "bool" && text !== "f64" && bitsOf(text) <= 32 && ref.args.length === 0)
    return { type: text };
  const formats = scope.formatNames();
  if (!formats.includes(text)) {
    const types = ["f16", "bf16", "f32", "i4", "i8", "u4", "u8", "i2", "u2", "i3", "u3"];
    const close = didYouMean(text, ref.name.span, [...types, ...formats]);
    const notes = [
      { message: "a field's type is `f16`, `bf16`, `f32`, `i1` … `i32`, `u1` … `u32` or a format of single values" },
    ];
    report(diagnostics, "name/unknown", ref.name.span, `there is no storage type \`${text}\``, notes, close);
    return undefined;
  }
  const codec = scope.format(ref, diagnostics);
  if (codec === "broken") return undefined;
  const [only, second] = codec.fields;
  if (codec.block === 1 && only?.scope === "block" && only.count === 1 && second === undefined)
    return { type: only.type, codec };
  const notes = [{ message: `\`${codec.name}\` is declared here`, span: codec.span }];
  const message = "the format of a field's elements stores one value as one number, without a block or scales";
  report(diagnostics, "format/field-type", ref.span, message, notes);
  return undefined;
}

function fieldEnd(field: Placed): number {
  if (field.addresses === undefined) return field.start + field.count * bitsOf(field.type);
  return field.addresses.reduce((end, address) => Math.max(end, address + 1), 0);
}

const endOf = (placed: readonly Placed[]): number =>
  placed.filter((p) => p.member.scope === "block").reduce((end, p) => Math.max(end, fieldEnd(p)), 0);

function fieldOf(p: Placed, recordBits: number): Field {
  const bits = bitsOf(p.type);
  const { name, scope, offset, span } = p.member;
  const layout =
    p.addresses !== undefined && offset !== undefined
      ? offsetLayout(offset, p.addresses, p.count, bits, recordBits)
      : scope === "block"
        ? contiguousLayout(p.count, bits, p.start, recordBits)
        : contiguousLayout(p.count, bits, 0, p.count * bits);
  return { name: name.text, type: p.type, count: p.count, scope, layout, span };
}

/** Every bit of the record belongs to one bit of one field. Fields without `@` follow each other and need no map. */
function checkOverlap(placed: readonly Placed[], diagnostics: Diagnostics): boolean {
  const block = placed.filter((p) => p.member.scope === "block");
  if (!block.some((p) => p.addresses !== undefined)) return true;
  const owner = new Int32Array(endOf(placed)).fill(-1);
  const names: string[] = [];
  const owners: Placed[] = [];
  const describe = (p: Placed, n: number): string => {
    const bits = bitsOf(p.type);
    const element = p.count === 1 ? p.member.name.text : `${p.member.name.text}[${Math.floor(n / bits)}]`;
    return `bit ${n % bits} of \`${element}\``;
  };
  const base: number[] = [];
  for (const p of block) {
    const offset =
      names.length === 0
        ? 0
        : base[base.length - 1]! + owners[owners.length - 1]!.count * bitsOf(owners[owners.length - 1]!.type);
    base.push(offset);
    owners.push(p);
    names.push(p.member.name.text);
    const total = p.count * bitsOf(p.type);
    for (let n = 0; n < total; n++) {
      const address = p.addresses?.[n] ?? p.start + n;
      const taken = owner[address]!;
      if (taken < 0) {
        owner[address] = offset + n;
        continue;
      }
      const which = base.findLastIndex((b) => b <= taken);
      const other = owners[which]!;
      const message = `bit ${address} of the record is both ${describe(other, taken - base[which]!)} and ${describe(p, n)}`;
      const notes: Note[] = other === p ? [] : [{ message: "the other field", span: other.member.span }];
      report(diagnostics, "format/overlap", p.member.offset?.span ?? p.member.span, message, notes);
      return false;
    }
  }
  return true;
}

function warnUnused(item: FormatItem, fields: readonly Field[], values: ValueBuilder, diagnostics: Diagnostics): void {
  for (const field of fields) {
    if (values.uses.some((use) => use.field === field.name)) continue;
    const message = `field \`${field.name}\` is stored, but the value of \`${item.name.text}\` does not use it`;
    warn(diagnostics, "format/unused-field", field.span, message);
  }
}

function checkEncoder(
  member: Member & { kind: "encode" },
  fields: ReadonlyMap<string, Field>,
  block: number,
  values: ValueBuilder,
  value: number,
  diagnostics: Diagnostics,
): Encoder | undefined {
  const fail = (span: Span, message: string, notes: readonly Note[] = []): undefined => {
    report(diagnostics, "format/encode", span, message, notes);
  };
  const { rule, args } = member;
  if (rule.text !== "absmax")
    return fail(rule.span, `there is no encoder \`${rule.text}\``, [{ message: "there is `absmax(scale, code)`" }]);
  const [scaleName, codeName] = args;
  if (scaleName === undefined || codeName === undefined || args.length !== 2)
    return fail(member.span, "`absmax` takes the field of the scale and the field of the code");
  const scale = fields.get(scaleName.text);
  const code = fields.get(codeName.text);
  for (const [name, field] of [
    [scaleName, scale],
    [codeName, code],
  ] as const) {
    // biome-ignore format: a pair
    if (field !== undefined) continue;
    const fix = didYouMean(name.text, name.span, fields.keys());
    report(diagnostics, "name/unknown", name.span, `there is no field \`${name.text}\``, [], fix);
  }
  if (scale === undefined || code === undefined) return undefined;
  if (!isFloat(scale.type) || scale.count !== 1)
    return fail(scaleName.span, "the scale of `absmax` is one floating-point number", [
      { message: "it is declared here", span: scale.span },
    ]);
  if (
    !isInt(code.type) ||
    !isSigned(code.type) ||
    bitsOf(code.type) < 2 ||
    code.scope !== "block" ||
    code.count !== block
  )
    return fail(codeName.span, "the code of `absmax` is a signed integer of 2 bits or more for every value", [
      { message: "it is declared here", span: code.span },
    ]);
  const { builder } = values;
  const at = block === 1 ? builder.constant(0) : values.element();
  const [s, q] = [values.fieldNumber({ field: scale }, builder.constant(0)), values.fieldNumber({ field: code }, at)];
  const index = block === 1 ? "" : "[i]";
  if (builder.op("mul", s, q) !== value && builder.op("mul", q, s) !== value)
    return fail(member.span, `\`absmax\` needs the value \`${scale.name} * ${code.name}${index}\``, [
      { message: "it chooses codes as multiples of the scale; another value would decode to something else" },
    ]);
  return { rule: "absmax", scale: scale.name, code: code.name };
}
