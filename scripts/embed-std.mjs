// Writes compiler/std-text.ts from compiler/std/*.loom, so that the library is there without a file system.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const folder = new URL("../compiler/std/", import.meta.url);
const output = new URL("../compiler/std-text.ts", import.meta.url);

function stdText() {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith(".loom"))
    .sort();
  const entries = names.map((name) => {
    const text = readFileSync(new URL(name, folder), "utf8");
    const literal = text.replace(/[\\`]|\$\{/g, "\\$&");
    return `  {\n    name: "std/${name}",\n    text: \`${literal}\`,\n  },\n`;
  });
  return [
    "/** The standard library's files as text. Made by scripts/embed-std.mjs from compiler/std: do not edit. */\n",
    'import type { Source } from "../ir/diagnostics.ts";\n\n',
    "export const STD_FILES: readonly Source[] = [\n",
    ...entries,
    "];\n",
  ].join("");
}

// The test compares what `--print` says with what is committed.
if (process.argv.includes("--print")) process.stdout.write(stdText());
else writeFileSync(output, stdText());
