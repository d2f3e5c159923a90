/** The examples gallery: what lies under examples/, put into the page by the build. */

export interface Example {
  /** Path below examples/. */
  readonly name: string;
  /** Its first comment. */
  readonly about: string;
  readonly text: string;
}

/** Text of the examples as JSON: the build puts it here. */
declare const BITLOOM_EXAMPLES: readonly Example[] | undefined;

/** All examples, the quickstart first. */
export const EXAMPLES: readonly Example[] = typeof BITLOOM_EXAMPLES === "undefined" ? [] : BITLOOM_EXAMPLES;
