/** All that the playground looks at, as one value: the permalink keeps it, and everything on the page is made from it. */

/** Extents by the names of sizes. */
export type Sizes = Readonly<Record<string, number>>;

export type Tab = "code" | "passes" | "bits" | "run" | "simulate";

export interface PlayState {
  readonly text: string;
  /** The operator that is compiled; where the text has none of this name, its first. */
  readonly op: string;
  /** Sizes by name; names that an operator has and that are missing here are as `defaultSize` says. */
  readonly sizes: Sizes;
  /** Targets side by side, from left to right. */
  readonly targets: readonly string[];
  readonly tab: Tab;
  /** The pass scrubber: whose passes, and the number of the stage that is shown. */
  readonly passes: { readonly target: string; readonly stage: number };
  /** The bit map: a format ("" is the first of the text) and the value that is picked. */
  readonly bits: { readonly format: string; readonly value: number };
  readonly run: {
    readonly device: "webgpu" | "reference";
    readonly target: string;
    readonly seed: number;
    readonly sizes: Sizes;
  };
  readonly simulate: { readonly machine: string; readonly workload: string };
}

/** The state without a text, as a first visit has it. */
export const FRESH: PlayState = {
  text: "",
  op: "",
  sizes: {},
  targets: ["cuda.sm90a", "wgsl.p2", "metal.3"],
  tab: "code",
  passes: { target: "cuda.sm90a", stage: 0 },
  bits: { format: "", value: 0 },
  run: { device: "webgpu", target: "wgsl.p0", seed: 1, sizes: {} },
  simulate: { machine: "systolic-128", workload: "op" },
};

/** What a size is until somebody says otherwise: a layer of a 7-billion-parameter model, 16 tokens at a time. */
export function defaultSize(name: string): number {
  return /^(M|B|T|S|tokens?|batch|rows?)$/i.test(name) ? 16 : 4096;
}

/** The same for runs, where the oracle computes every product in software. */
export function defaultRunSize(name: string): number {
  return /^(M|B|T|S|tokens?|batch|rows?)$/i.test(name) ? 3 : /^(K|reduced|inputs?)$/i.test(name) ? 256 : 64;
}

const PREFIX = "1.";

async function through(bytes: Uint8Array, stream: CompressionStream | DecompressionStream): Promise<Uint8Array> {
  const piped = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(piped).arrayBuffer());
}

function toBase64Url(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function fromBase64Url(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
}

/** The fragment that holds a state: what differs from a fresh one, deflated, in the letters of an address. */
export async function toFragment(state: PlayState): Promise<string> {
  const changed = Object.entries(state).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(FRESH[key as keyof PlayState]),
  );
  const bytes = new TextEncoder().encode(JSON.stringify(Object.fromEntries(changed)));
  return PREFIX + toBase64Url(await through(bytes, new CompressionStream("deflate-raw")));
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Takes from `given` what has the shape of `like`; sizes are records of numbers. */
function shaped<T>(given: unknown, like: T): T {
  if (Array.isArray(like)) {
    const list = Array.isArray(given)
      ? given.filter((g): g is string => typeof g === "string").slice(0, 12)
      : undefined;
    return (list === undefined || list.length === 0 ? like : list) as T;
  }
  if (!isRecord(like)) return typeof given === typeof like && !Number.isNaN(given) ? (given as T) : like;
  if (!isRecord(given)) return like;
  const open = Object.keys(like).length === 0;
  const entries = open
    ? Object.entries(given)
        .filter(([, value]) => Number.isSafeInteger(value) && Number(value) > 0)
        .slice(0, 32)
    : Object.entries(like).map(([key, value]) => [key, shaped(given[key], value)] as const);
  return Object.fromEntries(entries) as T;
}

/** Longest text that a link may unpack to. */
const MAX_UNPACKED = 2 ** 22;

async function inflated(bytes: Uint8Array): Promise<string | undefined> {
  const reader = new Blob([bytes as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream("deflate-raw"))
    .getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
    if (text.length > MAX_UNPACKED) {
      await reader.cancel();
      return undefined;
    }
  }
}

/** The state of a fragment; undefined where it is none of ours or damaged. Whatever it holds, the result is well formed. */
export async function fromFragment(fragment: string): Promise<PlayState | undefined> {
  const packed = fragment.replace(/^#/, "");
  if (!packed.startsWith(PREFIX)) return undefined;
  try {
    const text = await inflated(fromBase64Url(packed.slice(PREFIX.length)));
    return text === undefined ? undefined : shaped(JSON.parse(text) as unknown, FRESH);
  } catch {
    return undefined;
  }
}
