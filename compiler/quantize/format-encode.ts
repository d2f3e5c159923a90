/** The encoder of a declared format: by the rule asked for, or by the one that its source or its structure gives it. */
import type { Format } from "../../ir/format.ts";
import type { FormatEncoder } from "./encoder.ts";
import { modelOf } from "./format-model.ts";
import type { ColumnWeights } from "./linear-encode.ts";
import { defaultRule, RULES } from "./rules.ts";

export interface EncodeOptions {
  /** A name of `RULES`. */
  readonly rule?: string;
  /** How much each input column matters. */
  readonly importance?: ColumnWeights;
}

/** The encoder of a format, or undefined where the rule does not fit it, or no rule is known. */
export function encoderOfFormat(format: Format, { rule, importance }: EncodeOptions = {}): FormatEncoder | undefined {
  const request = { format, model: modelOf(format), importance };
  const found = rule === undefined ? defaultRule(request) : RULES.find((r) => r.name === rule);
  return found?.build(request);
}
