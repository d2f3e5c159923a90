/** `--shape M=16,N=4096,K=4096`: sizes by name. */

/** The sizes, or what is wrong with the text. */
export function parseShape(text: string): Readonly<Record<string, number>> | { readonly error: string } {
  const sizes: Record<string, number> = {};
  for (const part of text.split(",")) {
    const match = /^\s*([A-Za-z_]\w*)\s*=\s*(\d+)\s*$/.exec(part);
    if (match === null) return { error: `"${part.trim()}" is not NAME=SIZE` };
    const [, name = "", digits = ""] = match;
    const size = Number(digits);
    if (size < 1 || size > 2 ** 31 - 1) return { error: `${name} must be from 1 to 2147483647` };
    if (Object.hasOwn(sizes, name)) return { error: `${name} is given twice` };
    sizes[name] = size;
  }
  return sizes;
}

/** True for what `parseShape` could not read. */
export function isShapeError(shape: ReturnType<typeof parseShape>): shape is { readonly error: string } {
  return typeof shape.error === "string";
}
