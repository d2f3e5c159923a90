/** Formats by the names that an operator would use for them. */
import { Diagnostics, type Source } from "../../ir/diagnostics.ts";
import type { Format } from "../../ir/format.ts";
import { check } from "../check/check.ts";

/** What looks like a name, instances of general formats included: only that becomes part of a source. */
const NAME = /^[A-Za-z_][\w<>, ]*$/;

/** The format of a name in these sources and the library, or undefined. */
export function formatNamed(sources: readonly Source[], name: string): Format | undefined {
  if (!NAME.test(name)) return undefined;
  const text = `op asked<N, K>(x: ${name}[N, K]) -> f32[N, K] {\n  y[n, k] = x[n, k]\n}\n`;
  const module = check([...sources, { name: "request", text }], new Diagnostics());
  const wanted = module.ops.find((op) => op.name === "asked")?.operands[0]?.format;
  return module.formats.find((f) => f.name === wanted);
}
