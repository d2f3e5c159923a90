// Writes docs/gallery.md from examples/gallery, as scripts/gallery/page.ts renders it.
import { rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

// Bundled next to its sources: the files that it reads are found from there.
const outfile = fileURLToPath(new URL("./gallery/page.bundle.mjs", import.meta.url));
const entryPoints = [fileURLToPath(new URL("./gallery/page.ts", import.meta.url))];
await build({ entryPoints, outfile, bundle: true, format: "esm", platform: "node", logLevel: "error" });
try {
  const { galleryPage } = await import(outfile);
  writeFileSync(new URL("../docs/gallery.md", import.meta.url), galleryPage());
} finally {
  rmSync(outfile);
}
