/** From the bytes of any file that we know to a model: tells formats by their first bytes, and unpacks gzip. */
import { MAX_TEXT_BYTES, MAX_UNPACKED_BYTES } from "../limits.ts";
import { type Loaded, refuse } from "../model.ts";
import { firstLook, readBitloom } from "./bitloom.ts";
import { readChrome } from "./chrome.ts";
import { readKanata } from "./kanata.ts";

const startsWith = (bytes: Uint8Array, text: string): boolean =>
  text.split("").every((c, i) => bytes[i] === c.charCodeAt(0));

/** Unpacks gzip, and stops at `limit` bytes: a small file can hold a very long stream of zeros. */
async function gunzip(bytes: Uint8Array, limit: number): Promise<Uint8Array | undefined> {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > limit) {
      await reader.cancel();
      return undefined;
    }
    chunks.push(value);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** Files below this size are there before a first look would be. */
const FIRST_LOOK_BYTES = 6 * 2 ** 20;

/** Reads a file; never throws for what is in it. `look` is given the first layers of a large one, before the rest is read. */
export async function load(bytes: Uint8Array, look?: (first: Loaded) => void): Promise<Loaded> {
  try {
    const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const unpacked = packed ? await gunzip(bytes, MAX_UNPACKED_BYTES) : bytes;
    if (unpacked === undefined) return refuse("unpacked, it is larger than 1 GB");
    if (look !== undefined && unpacked.length > FIRST_LOOK_BYTES && startsWith(unpacked, "BLTR")) {
      const first = firstLook(unpacked);
      if (first !== undefined) look(first);
    }
    return read(unpacked);
  } catch (error) {
    return refuse(`it cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function read(bytes: Uint8Array): Loaded {
  if (bytes.length === 0) return refuse("it is empty");
  if (startsWith(bytes, "BLTR")) return readBitloom(bytes);
  const first = bytes.find((b) => b > 0x20 && b !== 0xef && b !== 0xbb && b !== 0xbf);
  const isJson = first === 0x7b || first === 0x5b;
  if (!isJson && !startsWith(bytes, "Kanata\t"))
    return refuse("it is neither a Bitloom trace, nor Chrome trace JSON, nor a Kanata log");
  if (bytes.length > MAX_TEXT_BYTES)
    return refuse(
      `it is ${Math.round(bytes.length / 2 ** 20)} MB of text; up to ${MAX_TEXT_BYTES / 2 ** 20} MB can be read`,
    );
  const text = new TextDecoder().decode(bytes);
  return isJson ? readChrome(text) : readKanata(text);
}
