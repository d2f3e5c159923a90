/** Memory parts: the timing, the organisation and the energies of one kind of DRAM, as JSON with a source for every number. */
import { Diagnostics, internal } from "../ir/diagnostics.ts";
import ddr4 from "./dram/ddr4-3200.json" with { type: "json" };
import hbm2 from "./dram/hbm2-2000.json" with { type: "json" };
import hbm3 from "./dram/hbm3-6400.json" with { type: "json" };
import lpddr5 from "./dram/lpddr5-6400.json" with { type: "json" };
import { parseJson } from "./json.ts";
import {
  amount,
  count,
  flag,
  list,
  name,
  object,
  oneOf,
  optional,
  positive,
  type Reader,
  required,
  text,
} from "./read.ts";

export const DRAM_SCHEMA = "bitloom.dram/1";

/** JEDEC's parameters, in clocks of the part; those of all banks, and of one channel, where they differ. */
export interface DramTiming {
  /** Activate to read, and to write. */
  readonly RCDRD: number;
  readonly RCDWR: number;
  readonly RP: number;
  readonly RAS: number;
  readonly RC: number;
  /** Read, and write, to its data. */
  readonly CL: number;
  readonly CWL: number;
  /** Column to column, of another bank group and of the same one. */
  readonly CCDS: number;
  readonly CCDL: number;
  /** Activate to activate, of another bank group and of the same one; four of them take FAW. */
  readonly RRDS: number;
  readonly RRDL: number;
  readonly FAW: number;
  /** Read to precharge, and the end of written data to precharge. */
  readonly RTP: number;
  readonly WR: number;
  /** The end of written data to a read. */
  readonly WTRS: number;
  readonly WTRL: number;
  /** A read to a write. */
  readonly RTW: number;
  /** A refresh of all banks, and how often one is due. */
  readonly RFC: number;
  readonly REFI: number;
}

/** Energies of a channel's actions; what a part draws while nothing happens is not counted. */
export interface DramEnergy {
  /** Opening a row and closing it. */
  readonly activatePJ: number;
  readonly readPJPerByte: number;
  readonly writePJPerByte: number;
  readonly refreshPJ: number;
}

export interface DramPart {
  readonly schema: typeof DRAM_SCHEMA;
  readonly name: string;
  readonly about: string;
  readonly standard: "DDR4" | "LPDDR5" | "HBM2" | "HBM3";
  /** Of commands; `timing` counts it. */
  readonly clockMHz: number;
  readonly channelBytesPerClock: number;
  readonly burstClocks: number;
  readonly bankGroups: number;
  readonly banksPerGroup: number;
  /** Bytes of a row across a channel. */
  readonly rowBytes: number;
  /** Channels (pseudo channels of HBM) of one module, die or stack. */
  readonly channels: number;
  readonly timing: DramTiming;
  readonly energy: DramEnergy;
  readonly sources: readonly DramSource[];
}

export interface DramSource {
  readonly field: string;
  readonly cite: string;
  readonly assumed: boolean;
}

const timing = Object.fromEntries(
  ["RCDRD", "RCDWR", "RP", "RAS", "RC", "CL", "CWL", "CCDS", "CCDL", "RRDS", "RRDL", "FAW", "RTP", "WR", "WTRS"]
    .concat(["WTRL", "RTW", "RFC", "REFI"])
    .map((parameter) => [parameter, required(count)]),
) as { readonly [K in keyof DramTiming]-?: ReturnType<typeof required<number>> };

const fields: Reader<DramPart> = object<DramPart>({
  schema: required(oneOf([DRAM_SCHEMA])),
  name: required(name),
  about: required(text),
  standard: required(oneOf(["DDR4", "LPDDR5", "HBM2", "HBM3"])),
  clockMHz: required(positive),
  channelBytesPerClock: required(count),
  burstClocks: required(count),
  bankGroups: required(count),
  banksPerGroup: required(count),
  rowBytes: required(count),
  channels: required(count),
  timing: required(object<DramTiming>(timing)),
  energy: required(
    object<DramEnergy>({
      activatePJ: required(amount),
      readPJPerByte: required(amount),
      writePJPerByte: required(amount),
      refreshPJ: required(amount),
    }),
  ),
  sources: required(
    list(object<DramSource>({ field: required(text), cite: required(text), assumed: optional(flag, false) })),
  ),
});

/** Reads a part that stands in a machine's file; rows must hold whole bursts and a refresh must leave time for data. */
export const dramPart: Reader<DramPart> = (node, path, context) => {
  const part = fields(node, path, context);
  if (part === undefined) return undefined;
  const { RFC, RP, RCDRD, REFI } = part.timing;
  const wrong = (what: string): undefined => {
    context.sink.error(`${context.area}/range`, node.span, `\`${path}\`: ${what}`);
    return undefined;
  };
  if (part.rowBytes % (part.burstClocks * part.channelBytesPerClock) !== 0)
    return wrong(`rows of ${part.rowBytes} bytes do not hold whole bursts`);
  if (REFI <= 2 * (RFC + RP + RCDRD)) return wrong(`refreshes every ${REFI} clocks leave no time for data`);
  return part;
};

function builtIn(file: object): DramPart {
  const sink = new Diagnostics();
  const root = parseJson(JSON.stringify(file), -1, sink);
  const part = root === undefined ? undefined : dramPart(root, "", { sink, area: "hardware" });
  return part ?? internal(`a built-in memory part is wrong: ${sink.list[0]?.message}`);
}

/** The memory parts that come with Bitloom. */
export const DRAM_PARTS: readonly DramPart[] = [ddr4, lpddr5, hbm2, hbm3].map(builtIn);

/** Bytes a second of so many channels, with nothing lost. */
export function peakBytesPerSecond(part: DramPart, channels: number): number {
  return channels * part.channelBytesPerClock * part.clockMHz * 1e6;
}
