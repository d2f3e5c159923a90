/** Where commands write: results on stdout, everything said about them on stderr, in colour only where wanted. */
import { styleText } from "node:util";

/** Exit codes of every command; signals end the process with 130 (interrupt) and 143 (terminate). */
export const EXIT = {
  ok: 0,
  /** Error diagnostics, or a verification that failed. */
  failed: 1,
  /** Wrong command line. */
  usage: 2,
  /** A file that cannot be read or written. */
  unreadable: 3,
  /** A simulation that gave up (deadlock, limit). */
  aborted: 4,
  /** Our own bug. */
  internal: 70,
} as const;

export type Exit = (typeof EXIT)[keyof typeof EXIT];

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** The two streams of a command, and what the reader's end can show. */
export interface Terminal {
  /** A line of results. */
  out(text: string): void;
  /** A line about the work: diagnostics, hints, summaries. */
  say(text: string): void;
  /** Replaces the one progress line on stderr, at most ten times a second; nothing where stderr is no terminal. */
  progress(text: string): void;
  /** Styled text for stdout. */
  style(style: Style, text: string): string;
  /** Styled text for stderr. */
  accent(style: Style, text: string): string;
  readonly color: { readonly out: boolean; readonly say: boolean };
  /** Columns of stdout; Infinity where it is no terminal. */
  readonly width: number;
}

interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

function wantsColor(stream: Stream, env: Readonly<Record<string, string | undefined>>): boolean {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== "") return false;
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== "0" && env.FORCE_COLOR !== "false";
  return stream.isTTY === true && env.TERM !== "dumb";
}

const ERASE_LINE = "\r\u001b[2K";
const PROGRESS_INTERVAL_MS = 100;

/** The terminal of a process. `color` overrides what the environment says. */
export function openTerminal(
  stdout: Stream,
  stderr: Stream,
  env: Readonly<Record<string, string | undefined>>,
): Terminal {
  const color = { out: wantsColor(stdout, env), say: wantsColor(stderr, env) };
  const paint = (on: boolean, style: Style, text: string): string => (on ? styleText(style, text) : text);
  const state = { progressShown: false, lastProgressMs: 0 };
  const clear = (): void => {
    if (state.progressShown) stderr.write(ERASE_LINE);
    state.progressShown = false;
  };
  return {
    color,
    width: stdout.isTTY === true ? (stdout.columns ?? 80) : Number.POSITIVE_INFINITY,
    out(text) {
      clear();
      stdout.write(`${text}\n`);
    },
    say(text) {
      clear();
      stderr.write(`${text}\n`);
    },
    progress(text) {
      if (stderr.isTTY !== true || env.TERM === "dumb") return;
      const now = performance.now();
      if (now - state.lastProgressMs < PROGRESS_INTERVAL_MS) return;
      state.lastProgressMs = now;
      state.progressShown = true;
      stderr.write(`${ERASE_LINE}${text.slice(0, (stderr.columns ?? 80) - 1)}`);
    },
    style: (style, text) => paint(color.out, style, text),
    accent: (style, text) => paint(color.say, style, text),
  };
}

/** Says what the user got wrong on the command line. */
export function usageError(terminal: Terminal, message: string, hint?: string): Exit {
  terminal.say(`${terminal.accent("red", "error:")} ${message}`);
  if (hint !== undefined) terminal.say(`${terminal.accent("cyan", "hint:")} ${hint}`);
  return EXIT.usage;
}

/** One JSON document on stdout; `schema` is "bitloom.<command>/<version>". */
export function printJson(terminal: Terminal, schema: string, body: object): void {
  terminal.out(JSON.stringify({ schema, ...body }, null, 2));
}
