/** The options of `bitloom quantize` as they are meant, or what is wrong with them. */
import { OUTLIER_HINT, type OutlierRule, parseOutlierRule } from "../quantize/outliers.ts";
import { RULE_TEXTS } from "../quantize/rule-texts.ts";

export interface QuantizeOptions {
  readonly format?: string;
  readonly out?: string;
  readonly tensors?: string;
  readonly loom?: string;
  readonly rule?: string;
  readonly activations?: string;
  readonly hessian?: string;
  readonly actOrder?: boolean;
  readonly damping?: string;
  readonly rotate?: string;
  readonly outliers?: string;
  readonly threads?: string;
  readonly json?: boolean;
}

export interface Wishes {
  readonly format: string;
  readonly out: string;
  /** Absent: the format's own. */
  readonly rule?: string;
  readonly gptq?: { readonly order: "natural" | "activation"; readonly damping: number };
  readonly awq: boolean;
  readonly rotation?: { readonly seed: number };
  readonly outliers?: OutlierRule;
  readonly threads?: number;
}

type Wrong = { readonly wrong: string; readonly hint?: string };

const isCount = (text: string): boolean => /^[1-9]\d{0,3}$/.test(text);

/** Reads the options. */
export function readWishes(options: QuantizeOptions): Wishes | Wrong {
  const { format, out } = options;
  if (format === undefined)
    return { wrong: "say which --format", hint: "`bitloom formats` lists those of the library" };
  if (out === undefined) return { wrong: "say where to: -o OUT.safetensors" };
  const rule = readRule(options);
  if ("wrong" in rule) return rule;
  const { rotate, outliers, threads } = options;
  const rotation = rotate === undefined ? undefined : /^hadamard(?::(\d{1,9}))?$/.exec(rotate);
  if (rotation === null)
    return {
      wrong: `there is no rotation \`${rotate}\``,
      hint: "--rotate hadamard, or hadamard:SEED for random signs",
    };
  const outlierRule = outliers === undefined ? undefined : parseOutlierRule(outliers);
  if (outliers !== undefined && outlierRule === undefined)
    return { wrong: `there are no outliers \`${outliers}\``, hint: OUTLIER_HINT };
  if (threads !== undefined && !isCount(threads)) return { wrong: `\`${threads}\` is no number of threads` };
  if (rule.awq && rotation !== undefined)
    return { wrong: "rotated inputs have no channels of their own", hint: "--rotate goes with every rule but awq" };
  return {
    format,
    out,
    ...rule,
    ...(rotation && { rotation: { seed: Number(rotation[1] ?? 0) } }),
    ...(outlierRule && { outliers: outlierRule }),
    ...(threads !== undefined && { threads: Number(threads) }),
  };
}

function readRule(options: QuantizeOptions): Pick<Wishes, "rule" | "gptq" | "awq"> | Wrong {
  const parts = options.rule?.split("+") ?? [];
  const awq = parts.includes("awq");
  const gptq = parts.includes("gptq");
  const [rule, second] = parts.filter((p) => p !== "awq" && p !== "gptq");
  const names = RULE_TEXTS.map((r) => r.name);
  const unknown = [rule, second].find((r) => r !== undefined && !names.some((n) => n === r));
  if (unknown !== undefined)
    return { wrong: `there is no rule \`${unknown}\``, hint: `rules: ${[...names, "gptq", "awq"].join(", ")}` };
  if (second !== undefined || new Set(parts).size < parts.length)
    return { wrong: `\`${options.rule}\` is more than one rule`, hint: "gptq and awq go before one rule: gptq+mse" };
  const needs = awq || gptq;
  if (needs && options.activations === undefined && options.hessian === undefined)
    return {
      wrong: `${gptq ? "gptq" : "awq"} must know the layers' inputs`,
      hint: "give --activations FILE or --hessian FILE",
    };
  if (options.activations !== undefined && options.hessian !== undefined)
    return { wrong: "--activations and --hessian say the same", hint: "give one of them" };
  const damping = options.damping === undefined ? 0.01 : Number(options.damping);
  if (!(damping >= 0 && damping <= 1))
    return { wrong: `\`${options.damping}\` is no damping`, hint: "a part of the mean of the diagonal, 0 to 1" };
  if (!gptq && (options.actOrder === true || options.damping !== undefined))
    return { wrong: "--act-order and --damping belong to gptq", hint: "--rule gptq" };
  return {
    awq,
    ...(rule !== undefined && { rule }),
    ...(gptq && {
      gptq: { order: options.actOrder === true ? ("activation" as const) : ("natural" as const), damping },
    }),
  };
}
