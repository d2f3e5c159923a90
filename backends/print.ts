/** The one printer: kernels to text in any language that has a Syntax table, with a source position for every line. */
import { internal, type Span } from "../ir/diagnostics.ts";
import type { BuiltinName, Table } from "../ir/expr.ts";
import type { Kernel } from "../ir/kernel.ts";
import { createNames, type Names } from "./print-names.ts";
import { bufferWidths, printBody } from "./print-stmt.ts";
import type { Sink } from "./sink.ts";
import type { Backend, BufferText, Printed, Syntax, Text } from "./syntax.ts";

interface Lines extends Sink {
  readonly text: string[];
  readonly origins: (readonly Span[])[];
}

function createLines(): Lines {
  const text: string[] = [];
  const origins: (readonly Span[])[] = [];
  const depth = { steps: 0 };
  return {
    text,
    origins,
    line(content, from = []) {
      for (const part of content.split("\n")) {
        text.push(part === "" ? "" : "  ".repeat(depth.steps) + part);
        origins.push(from);
      }
    },
    indent(body) {
      depth.steps++;
      body();
      depth.steps--;
    },
  };
}

/** Everything above the kernels that several of them may share. */
interface Module {
  readonly names: Names;
  readonly declared: Set<string>;
  readonly lines: Lines;
}

/** One kernel as a complete source text. */
export function printKernel(kernel: Kernel, target: Backend): Printed {
  return printKernels([kernel], target);
}

/** Several kernels as one source text, in order; `notes` are comment lines at its top. */
export function printKernels(kernels: readonly Kernel[], target: Backend, notes: readonly string[] = []): Printed {
  const { syntax } = target;
  const taken = new Set([
    ...syntax.reserved,
    ...Object.keys(syntax.helpers),
    ...Object.keys(syntax.parameters),
    ...kernels.map((k) => k.name),
  ]);
  const module: Module = { names: createNames(taken), declared: new Set(), lines: createLines() };
  for (const kernel of kernels) printInto(module, kernel, syntax);
  const head = createLines();
  for (const note of notes) head.line(`// ${note}`);
  const text = module.lines.text.join("\n");
  const directives = syntax.directives.filter((d) => d.when.test(text));
  for (const directive of directives) head.line(directive.text);
  if (head.text.length > 0) head.line("");
  return {
    text: `${[...head.text, ...module.lines.text].join("\n")}\n`,
    lines: [...head.origins, ...module.lines.origins],
  };
}

function printInto(module: Module, kernel: Kernel, syntax: Syntax): void {
  const names = module.names.inner();
  const body = createLines();
  const builtins = new Map<string, string>();
  const tables = new Map<string, Table>();
  const widths = bufferWidths(kernel, syntax);
  for (const buffer of kernel.buffers) names.of(`buffer ${buffer.id}`, buffer.id);
  const context = {
    kernel,
    syntax,
    names,
    widths,
    table(name: string): string {
      tables.set(name, kernel.tables.find((t) => t.name === name) ?? internal(`no table ${name}`));
      return names.of(`table ${name}`, name);
    },
    builtin(name: BuiltinName, dim: 0 | 1 | 2): Text {
      const { use, declare } = syntax.builtins[name](dim, kernel);
      if (declare !== undefined) builtins.set(use.text, declare);
      return use;
    },
    bufferName: (id: string) => names.of(`buffer ${id}`),
  };
  body.indent(() => printBody(context, body));
  const frame = frameOf(kernel, syntax, names, widths, [...builtins.values(), ...body.text].join("\n"));
  const { lines } = module;
  declareTables(module, syntax, [...tables.values()], context.table);
  printHelpers(module, kernel, syntax, body.text.join("\n"));
  for (const line of frame.before) lines.line(line);
  for (const line of frame.open) lines.line(line);
  lines.indent(() => {
    for (const line of frame.inside) lines.line(line);
    for (const line of builtins.values()) lines.line(line);
  });
  body.text.forEach((text, i) => {
    lines.line(text, body.origins[i]);
  });
  lines.line("}");
}

interface Frame {
  readonly before: readonly string[];
  readonly open: readonly string[];
  readonly inside: readonly string[];
}

/** What stands around the body: buffers, the parameters that the body names, shared arrays. */
function frameOf(
  kernel: Kernel,
  syntax: Syntax,
  names: Names,
  widths: ReadonlyMap<string, Pick<BufferText, "width" | "atomic">>,
  body: string,
): Frame {
  const describe = (buffer: Kernel["buffers"][number], binding: number): BufferText => ({
    buffer,
    name: names.of(`buffer ${buffer.id}`),
    binding,
    ...(widths.get(buffer.id) ?? { width: 1, atomic: false }),
  });
  const buffers = kernel.buffers.filter((b) => b.space === "global").map(describe);
  const parameters = Object.entries(syntax.parameters)
    .filter(([name]) => mentions(body, name))
    .map(([, text]) => text);
  const entry = syntax.entry(kernel, kernel.name, buffers, parameters);
  const shared = kernel.buffers
    .filter((b) => b.space === "shared")
    .map(describe)
    .flatMap((b) => syntax.shared(kernel, b));
  return {
    before: syntax.sharedAt === "module" ? [...entry.before, ...shared] : entry.before,
    open: entry.open,
    inside: syntax.sharedAt === "kernel" ? shared : [],
  };
}

function declareTables(
  module: Module,
  syntax: Syntax,
  tables: readonly Table[],
  nameOf: (name: string) => string,
): void {
  for (const table of tables) {
    const type = syntax.types[table.type] ?? internal(`no type ${table.type}`);
    const values = table.values.map((value) => syntax.literal(value, table.type).text);
    declareOnce(module, syntax.table(nameOf(table.name), type, values).join("\n"));
  }
}

/** Prints the helpers that a text names, those that they name first. */
function printHelpers(module: Module, kernel: Kernel, syntax: Syntax, text: string): void {
  for (const [name, define] of Object.entries(syntax.helpers)) {
    if (!mentions(text, name)) continue;
    const definition = define(kernel);
    if (module.declared.has(definition)) continue;
    module.declared.add(definition);
    printHelpers(module, kernel, syntax, definition);
    module.lines.line(`${definition}\n`);
  }
}

function declareOnce(module: Module, definition: string): void {
  if (module.declared.has(definition)) return;
  module.declared.add(definition);
  module.lines.line(`${definition}\n`);
}

function mentions(text: string, name: string): boolean {
  return new RegExp(`\\b${name}\\b`).test(text);
}
