/** The files that a trace is written to: our columns, Chrome's JSON, Kanata's log, Perfetto's packets. */
import { type ChromeOptions, chromeTrace } from "../../simulator/export-chrome.ts";
import { kanataTrace } from "../../simulator/export-kanata.ts";
import { perfettoTrace } from "../../simulator/export-perfetto.ts";
import { encodeTrace, type Trace } from "../../simulator/trace.ts";
import type { OutputFile } from "./files.ts";

export const TRACE_OPTIONS = ["trace", "chrome", "kanata", "perfetto"] as const;

export type TraceOptions = { readonly [K in (typeof TRACE_OPTIONS)[number]]?: string };

/** One file for each option that is given; `window` cuts all but our own. */
export function traceFiles(options: TraceOptions, trace: Trace, window: ChromeOptions): readonly OutputFile[] {
  const writers = {
    trace: () => encodeTrace(trace),
    chrome: () => chromeTrace(trace, window),
    kanata: () => kanataTrace(trace, window),
    perfetto: () => perfettoTrace(trace, window),
  } as const;
  return TRACE_OPTIONS.flatMap((name) => {
    const path = options[name];
    return path === undefined ? [] : [{ path, content: writers[name]() }];
  });
}
