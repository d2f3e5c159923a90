/** What each action of each unit costs, as minimum, nominal and maximum, with the source of each; and what units cover. */
import type { DramEnergy } from "./dram-part.ts";
import { type AcceleratorModel, type Interval, type SourceNote, sourceOf, type UnitSpec } from "./schema.ts";

/**
 * What is counted: a byte that is read or written, a code decoded, an element mapped, a cycle of a PE that works, a row of
 * DRAM opened and closed, a refresh of one of its channels.
 */
export type ActionKind = "read" | "write" | "decode" | "map" | "work" | "activate" | "refresh";

/** One line of a machine's table. Picojoules for one action. */
export interface EnergyAction {
  readonly component: string;
  readonly action: ActionKind;
  readonly per: "byte" | "code" | "element" | "PE-cycle" | "row" | "refresh";
  readonly minimumPJ: number;
  readonly nominalPJ: number;
  readonly maximumPJ: number;
  readonly source: string;
  readonly assumed: boolean;
  readonly intervalSource: string;
  readonly intervalAssumed: boolean;
}

/** An interval that nobody published: the same for every number of one kind of evidence. */
const PUBLISHED: Interval = {
  lowFactor: 0.75,
  highFactor: 1.25,
  cite: "nobody published an interval: a quarter less or more for a number with a source",
  assumed: true,
};
const ASSUMED: Interval = {
  lowFactor: 0.5,
  highFactor: 2,
  cite: "nobody published an interval: half or twice a number that is itself assumed",
  assumed: true,
};

type Row = readonly [action: ActionKind, per: EnergyAction["per"], field: string, nominalPJ: number];

/** What DRAM does besides moving bytes. */
const rowsOfPart = ({ activatePJ, refreshPJ }: DramEnergy): readonly Row[] => [
  ["activate", "row", "timed.part.energy.activatePJ", activatePJ],
  ["refresh", "refresh", "timed.part.energy.refreshPJ", refreshPJ],
];

/** The actions of one unit that cost energy. */
function rowsOf(unit: UnitSpec): readonly Row[] {
  switch (unit.kind) {
    case "dram":
      return [
        ["read", "byte", "readEnergyPJPerByte", unit.readEnergyPJPerByte],
        ["write", "byte", "writeEnergyPJPerByte", unit.writeEnergyPJPerByte],
        ...(unit.timed === undefined ? [] : rowsOfPart(unit.timed.part.energy)),
      ];
    case "sram":
      return [
        ["read", "byte", "readEnergyPJPerByte", unit.readEnergyPJPerByte],
        ["write", "byte", "writeEnergyPJPerByte", unit.writeEnergyPJPerByte],
      ];
    case "feeder":
      return [["decode", "code", "decodeEnergyPJPerCode", unit.decodeEnergyPJPerCode]];
    case "systolic":
      return [["work", "PE-cycle", "macEnergyPJ", unit.macEnergyPJ]];
    case "vector":
      return [["map", "element", "energyPJPerElement", unit.energyPJPerElement]];
    case "dma":
      return [];
  }
}

const NO_SOURCE: SourceNote = { field: "", cite: "no source", assumed: true };

/** The energy of every action of a machine, in the order of its units. */
export function energyTable(machine: AcceleratorModel): readonly EnergyAction[] {
  return machine.units.flatMap((unit) =>
    rowsOf(unit).map(([action, per, field, nominalPJ]): EnergyAction => {
      const note = sourceOf(machine, `units.${unit.name}.${field}`) ?? NO_SOURCE;
      const interval = note.interval ?? (note.assumed ? ASSUMED : PUBLISHED);
      return {
        component: unit.name,
        action,
        per,
        minimumPJ: nominalPJ * interval.lowFactor,
        nominalPJ,
        maximumPJ: nominalPJ * interval.highFactor,
        source: note.cite,
        assumed: note.assumed,
        intervalSource: interval.cite,
        intervalAssumed: interval.assumed,
      };
    }),
  );
}

/** The area of one component; `areaMm2` is null where nobody published it, and the total leaves it out. */
export interface ComponentArea {
  readonly component: string;
  readonly areaMm2: number | null;
  readonly source: string | null;
  readonly assumed: boolean;
}

export interface Area {
  /** The sum of what is known. */
  readonly totalMm2: number;
  /** False where a component's area is not known. */
  readonly complete: boolean;
  readonly components: readonly ComponentArea[];
}

const UM2_PER_MM2 = 1e6;

/** Area on chip by component. Channels have none of their own, and the off-chip memory is another chip. */
export function areaOf(machine: AcceleratorModel): Area {
  const components = machine.units.flatMap((unit): readonly ComponentArea[] => {
    if (unit.kind === "dram" || unit.kind === "dma") return [];
    const array = unit.kind === "systolic";
    const um2 = array ? unit.peAreaUm2 : unit.areaUm2;
    const note = sourceOf(machine, `units.${unit.name}.${array ? "peAreaUm2" : "areaUm2"}`);
    if (um2 === undefined) return [{ component: unit.name, areaMm2: null, source: null, assumed: false }];
    const count = array ? unit.rows * unit.columns : 1;
    return [
      {
        component: unit.name,
        areaMm2: (um2 * count) / UM2_PER_MM2,
        source: note?.cite ?? null,
        assumed: note?.assumed ?? true,
      },
    ];
  });
  return {
    totalMm2: components.reduce((sum, c) => sum + (c.areaMm2 ?? 0), 0),
    complete: components.every((c) => c.areaMm2 !== null),
    components,
  };
}
