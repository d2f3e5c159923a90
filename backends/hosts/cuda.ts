/** stub */
import { printKernels } from "../print.ts";
import type { Backend, EmittedFile, Unit } from "../syntax.ts";
export function emitCuda(unit: Unit, target: Backend): readonly EmittedFile[] {
  const p = printKernels(unit.kernels, target);
  return [{ name: `${unit.name}${target.syntax.extension}`, text: p.text, lineSpans: p.lines }];
}
