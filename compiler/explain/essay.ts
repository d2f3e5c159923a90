/** What an essay on a diagnostic code consists of. */

/** A .loom file, and for codes about sizes the request that goes with it. */
export interface LoomExample {
  readonly kind?: "loom";
  readonly text: string;
  readonly op?: string;
  readonly sizes?: Readonly<Record<string, number>>;
  readonly target?: string;
}

/** A copy of a built-in hardware model in which one piece reads differently. */
export interface Excerpt {
  readonly base: string;
  readonly from: string;
  readonly to: string;
}

/** A command and the files that it reads. */
export interface CommandExample {
  readonly kind: "command";
  readonly files: Readonly<Record<string, string | Excerpt>>;
  /** Without `bitloom`. */
  readonly command: string;
}

/** A call of the library, for codes that the command line rules out by itself. */
export interface CallExample {
  readonly kind: "call";
  readonly call: "simulate" | "simulatePeer" | "tileMachine" | "tryProgram";
  /** The fields that matter. */
  readonly request: Readonly<Record<string, string | number>>;
}

/** A command that reads `model.safetensors`: a header, and so many bytes of tensors behind it. */
export interface TensorExample {
  readonly kind: "tensors";
  readonly header: string;
  readonly bytes: number;
  /** What each of the bytes is; 0 where absent. */
  readonly fill?: number;
  /** Without `bitloom`. */
  readonly command: string;
}

export type Example = LoomExample | CommandExample | CallExample | TensorExample;

/** The meaning of one code, with an example that has the mistake and the same example mended. */
export interface Essay<E extends Example = LoomExample> {
  /** One line, without the values of a particular case. */
  readonly title: string;
  /** Why it is a mistake, and what to do. */
  readonly why: string;
  readonly failing: E;
  readonly fixed: E;
}
