/** Programs and kernels written as text in tests. */
import { Diagnostics } from "../../ir/diagnostics.ts";
import type { Kernel } from "../../ir/kernel.ts";
import type { Program } from "../../ir/program.ts";
import { parseProgram } from "../../ir/text/parse.ts";
import { parseKernel } from "../../ir/text/parse-kernel.ts";

function checked<T>(text: string, parse: (text: string, diagnostics: Diagnostics) => T | undefined): T {
  const diagnostics = new Diagnostics();
  const result = parse(text, diagnostics);
  if (result !== undefined) return result;
  const said = diagnostics.list.map((d) => `${text.slice(0, d.span.start)}⟪${d.message}⟫${text.slice(d.span.start)}`);
  throw new Error(`does not parse:\n${said.join("\n")}`);
}

/** The body of a program, without its header. */
export function program(body: string): Program {
  return checked(`bitloom program 1\nprogram test {\n${body}\n}\n`, parseProgram);
}

/** The body of a kernel, without its header. */
export function kernel(body: string, head = "lanes 32 warps 1 grid 1, 1, 1"): Kernel {
  return checked(`bitloom kernel 1\nkernel test ${head} {\n${body}\n}\n`, parseKernel);
}
