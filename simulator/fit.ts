/** A machine as it is while it multiplies operands of given widths: PEs join or split, or do not take them at all. */
import { cyclesPerMac, fittedTo, partsOf } from "../hw-models/derive.ts";
import type { AcceleratorModel, SystolicSpec } from "../hw-models/schema.ts";
import { type Diagnostics, NO_SPAN } from "../ir/diagnostics.ts";

/** What an array takes, in words. */
function takes({ bitSerial, fusion }: SystolicSpec): string {
  if (bitSerial !== undefined) return `weights of ${bitSerial.terms.map((t) => t.bits).join(", ")} bits`;
  return `operands of up to ${fusion?.widestBits ?? 16} bits`;
}

/** The dataflow that an array is built for, where it has no choice. */
function onlyDataflow({ bitSerial, fusion, pairCodes }: SystolicSpec): readonly [SystolicSpec["dataflow"][], string] {
  if (bitSerial !== undefined) return [["os"], "a group's sum is rescaled where it is"];
  if (pairCodes === true) return [["os"], "its PEs keep their sums"];
  if (fusion?.spread === "sum") return [["ws", "is"], "products of one sum are added along its rows"];
  return [["ws", "os", "is"], ""];
}

/** The machine for operands of these bits; reports `simulate/format` with the layer where its PEs do not take them. */
export function fitMachine(
  layer: string,
  machine: AcceleratorModel,
  weightBits: number,
  activationBits: number,
  sink: Diagnostics,
): AcceleratorModel | undefined {
  const { array } = partsOf(machine);
  const refuse = (what: string, note: string): undefined => {
    sink.error("simulate/format", NO_SPAN, `${array.name} of ${machine.name} ${what}`, [{ message: note }]);
    return undefined;
  };
  const [dataflows, why] = onlyDataflow(array);
  if (!dataflows.includes(array.dataflow))
    return refuse(`does not run ${array.dataflow}`, `${why}: it runs ${dataflows.join(" and ")}`);
  const fitted = fittedTo(array, weightBits, activationBits);
  if (cyclesPerMac(array, weightBits) === undefined)
    return refuse(`takes no codes of ${weightBits} bits, as ${layer} has`, `its PEs take ${takes(array)}`);
  if (fitted === undefined)
    return refuse(
      `takes no codes of ${Math.max(weightBits, activationBits)} bits, as ${layer} has`,
      `its PEs take ${takes(array)}`,
    );
  return { ...machine, units: machine.units.map((u) => (u.kind === "systolic" ? fitted : u)) };
}
