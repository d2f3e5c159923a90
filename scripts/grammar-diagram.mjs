// Writes docs/images/grammar.svg, the railroad diagram of the language, as compiler/syntax/grammar-diagram.ts draws it.
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const entry = fileURLToPath(new URL("../compiler/syntax/grammar-diagram.ts", import.meta.url));
const bundle = await build({ entryPoints: [entry], bundle: true, write: false, format: "esm", logLevel: "error" });
const code = Buffer.from(bundle.outputFiles[0]?.text ?? "").toString("base64");
const { grammarDiagram } = await import(`data:text/javascript;base64,${code}`);
mkdirSync(new URL("../docs/images/", import.meta.url), { recursive: true });
writeFileSync(new URL("../docs/images/grammar.svg", import.meta.url), grammarDiagram());
