/** What every diagnostic code means. */
export type Code = `${string}/${string}`;
