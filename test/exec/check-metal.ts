/** Checks Metal text without running it: address spaces by clang, and the rules of Metal that C++ for OpenCL lacks. */
import { blankComments, positionOf, readSignatures, rewriteShared, type Signature } from "./source.ts";
import { syntaxCheck } from "./toolchain.ts";

export interface MetalDiagnostic {
  /** `metal/clang` for what clang says, otherwise the rule's own name. */
  readonly code: string;
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

/** Buffers of one kernel and bytes of threadgroup memory (Apple, Metal feature set tables, every Apple GPU family). */
const MAX_BUFFERS = 31;
const MAX_THREADGROUP_BYTES = 32768;

const SPACES = new Set(["device", "constant", "threadgroup", "thread"]);
const RESERVED = [...SPACES, "kernel", "vertex", "fragment", "half", "sampler"];
const SCALARS = "bool|char|uchar|short|ushort|int|uint|long|ulong|half|float|size_t|u?int(?:8|16|32|64)_t";
const VECTOR = /^(?:packed_)?(?:bool|char|uchar|short|ushort|int|uint|long|ulong|half|float)[234]$/;
const SCALAR = new RegExp(`^(?:${SCALARS}|void)$`);
const TEMPLATES = new Set(["vec", "atomic", "simdgroup_matrix", "packed_vec"]);

/** Attributes that may be a vector, and those that are one number (Metal Shading Language Specification, 5.2.3.6). */
const POSITIONS = new Set([
  "thread_position_in_grid",
  "thread_position_in_threadgroup",
  "threadgroup_position_in_grid",
  "threads_per_threadgroup",
  "threads_per_grid",
  "threadgroups_per_grid",
]);
const INDICES = new Set([
  "thread_index_in_threadgroup",
  "thread_index_in_simdgroup",
  "simdgroup_index_in_threadgroup",
  "threads_per_simdgroup",
  "simdgroups_per_threadgroup",
]);

type Report = (code: string, offset: number, message: string) => void;

/** Everything wrong with the text, in order of position; an empty list means that it passed. */
export function checkMetal(text: string): readonly MetalDiagnostic[] {
  const blanked = blankComments(text);
  const found: MetalDiagnostic[] = [];
  const report: Report = (code, offset, message) => found.push({ code, message, ...positionOf(text, offset) });
  const signatures = readSignatures(blanked, "kernel");
  for (const signature of signatures) checkParameters(signature, report);
  const code = blanked.replace(/\[\[[\s\S]*?\]\]|^[ \t]*#[^\n]*/gm, (s) => s.replace(/[^\n]/g, " "));
  checkPointers(code, report);
  checkCasts(code, report);
  checkNames(code, report);
  found.push(...compile(blanked, signatures));
  return found.sort((a, b) => a.line - b.line || a.column - b.column);
}

function checkParameters({ name, parameters }: Signature, report: Report): void {
  const bound = new Map<number, string>();
  let shape: { readonly count: number; readonly attribute: string } | undefined;
  for (const { type, name: parameter, attribute, offset } of parameters) {
    if (SPACES.has(parameter)) report("metal/reserved-name", offset, `"${parameter}" is an address space, not a name`);
    const index = /^buffer\s*\(\s*(\d+)\s*\)$/.exec(attribute)?.[1];
    if (index !== undefined) {
      const slot = Number(index);
      if (slot >= MAX_BUFFERS)
        report("metal/buffer-index", offset, `buffer(${slot}): a kernel has buffers 0 to ${MAX_BUFFERS - 1}`);
      const other = bound.get(slot);
      if (other !== undefined) report("metal/buffer-index", offset, `buffer(${slot}) is bound to "${other}" already`);
      bound.set(slot, parameter);
      continue;
    }
    const position = POSITIONS.has(attribute);
    if (!position && !INDICES.has(attribute)) {
      report(
        "metal/attribute",
        offset,
        `parameter "${parameter}" of "${name}" has no attribute known here: "${attribute}"`,
      );
      continue;
    }
    const match = /^(?:const\s+)?(?:metal::)?(?:uint|ushort|uint32_t|uint16_t)([23]?)$/.exec(type);
    if (match === null || (!position && match[1] !== "")) {
      report("metal/attribute", offset, `[[${attribute}]] cannot have the type ${type}`);
    } else if (position) {
      const count = Number(match[1] || 1);
      shape ??= { count, attribute };
      if (shape.count !== count)
        report(
          "metal/attribute",
          offset,
          `[[${attribute}]] and [[${shape.attribute}]] must have the same number of components`,
        );
    }
  }
}

interface Token {
  readonly text: string;
  readonly offset: number;
}

function tokensOf(code: string): readonly Token[] {
  const pattern = /[A-Za-z_]\w*|\d[\w.]*|&&|[*&]=|\S/g;
  return [...code.matchAll(pattern)].map((m) => ({ text: m[0], offset: m.index }));
}

/** Index of the token before the `<…>` that ends at `end`, or -1. */
function beforeTemplate(tokens: readonly Token[], end: number): number {
  let depth = 0;
  for (let i = end; i >= 0; i--) {
    const text = tokens[i]?.text;
    if (text === ">") depth++;
    if (text === "<" && --depth === 0) return i - 1;
    if (text === ";" || text === "{") return -1;
  }
  return -1;
}

/** Metal demands an address space on every pointer and reference; C++ for OpenCL would take a generic one. */
function checkPointers(code: string, report: Report): void {
  const tokens = tokensOf(code);
  const declared = new Set([...code.matchAll(/\b(?:struct|class|typename)\s+(\w+)/g)].map((m) => m[1] as string));
  const isType = (t: string): boolean =>
    SCALAR.test(t) || VECTOR.test(t) || declared.has(t) || /^(atomic|simdgroup)_/.test(t);
  tokens.forEach(({ text, offset }, at) => {
    if (text !== "*" && text !== "&") return;
    let type = "";
    let spaced = false;
    for (let i = at - 1; i >= 0; i--) {
      const before = tokens[i]?.text ?? "";
      const open = before === ">" ? beforeTemplate(tokens, i) : i;
      const word = tokens[open]?.text ?? "";
      if (SPACES.has(word)) spaced = true;
      else if (open !== i && TEMPLATES.has(word)) type = word;
      else if (open === i && isType(word)) type = word;
      else if (!["const", "volatile", "*", "metal", ":"].includes(word)) break;
      i = open;
    }
    if (type !== "" && !spaced) report("metal/pointer-space", offset, `${type}${text} needs an address space`);
  });
}

/** A parenthesised cast converts a vector in Metal but reinterprets it in other dialects of C; constructors do not vary. */
function checkCasts(code: string, report: Report): void {
  for (const match of code.matchAll(/(\w*)\s*\(\s*((?:metal::)?\w+[234])\s*\)\s*(?=[\w(.~!-])/g)) {
    const before = match[1] as string;
    const type = match[2] as string;
    if (!VECTOR.test(type.replace("metal::", "")) || (before !== "" && before !== "return")) continue;
    report("metal/vector-cast", match.index + before.length, `cast to ${type} in parentheses: write ${type}(…)`);
  }
}

function checkNames(code: string, report: Report): void {
  for (const match of code.matchAll(/\bdouble\b/g)) report("metal/type", match.index, "Metal has no double");
  const pattern = new RegExp(`\\b(?:${SCALARS})[234]?\\s+(${RESERVED.join("|")})\\s*[=;[]`, "g");
  for (const match of code.matchAll(pattern))
    report("metal/reserved-name", match.index, `"${match[1]}" is a keyword of Metal`);
}

/** After each declaration of threadgroup memory, asks clang whether all of the kernel's so far fits. */
function assertThreadgroupBytes(blanked: string, signatures: readonly Signature[]): string {
  const starts = [0, ...signatures.map((s) => s.body - 1), blanked.length];
  return starts
    .slice(0, -1)
    .map((start, i) => {
      const names: string[] = [];
      return rewriteShared(blanked.slice(start, starts[i + 1]), "threadgroup", (declarations) => {
        names.push(...declarations.map((d) => d.name));
        const list = declarations.map((d) => `threadgroup ${d.type} ${d.name}${d.dimensions};`).join(" ");
        const sum = names.map((name) => `sizeof(${name})`).join(" + ");
        return `${list} static_assert(${sum} <= ${MAX_THREADGROUP_BYTES}, "threadgroup memory");`;
      });
    })
    .join("");
}

const CLANG_ARGS = [
  "-x",
  "cl",
  "-cl-std=clc++2021",
  // Metal's functions take the place of OpenCL's.
  "-cl-no-stdinc",
  "-target",
  "spir64",
  "-cl-single-precision-constant",
  "-w",
];

function compile(blanked: string, signatures: readonly Signature[]): readonly MetalDiagnostic[] {
  const output = syntaxCheck(CLANG_ARGS, assertThreadgroupBytes(blanked, signatures));
  const found: MetalDiagnostic[] = [];
  for (const match of output.matchAll(/^(.*?):(\d+):(\d+): (?:fatal )?error: (.*)$/gm)) {
    const inText = match[1] === "<stdin>";
    const message = match[4] as string;
    const tooLarge = message.includes("threadgroup memory");
    found.push({
      code: tooLarge ? "metal/threadgroup-memory" : "metal/clang",
      message: tooLarge ? `more than ${MAX_THREADGROUP_BYTES} bytes of threadgroup memory` : message,
      line: inText ? Number(match[2]) : 0,
      column: inText ? Number(match[3]) : 0,
    });
  }
  return found;
}
