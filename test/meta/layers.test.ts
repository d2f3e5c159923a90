/** The arrows between folders: who may import whom, where Node may appear, and which package belongs to which room. */
import { describe, expect, it } from "vitest";
import { type File, importsOf, type SOURCE_FOLDERS, sources } from "./sources.ts";

const MAY_IMPORT: Readonly<Record<(typeof SOURCE_FOLDERS)[number], readonly string[]>> = {
  ir: [],
  "hw-models": ["ir"],
  backends: ["ir"],
  simulator: ["ir", "hw-models"],
  compiler: ["ir", "hw-models"],
  // The playground carries the examples.
  web: ["ir", "hw-models", "backends", "simulator", "compiler", "examples"],
};

/** The compiler's front doors, which may also reach the back ends and the simulator. */
const FRONT_DOOR = /^compiler\/(driver|cli)\.ts$|^compiler\/cli\//;
/** The only rooms with files, processes and sockets; everything else also runs in a browser. */
const NODE_ROOM = /^compiler\/cli\.ts$|^compiler\/cli\/|^compiler\/io\/node-|^backends\/hosts\/node-/;

const PACKAGES: readonly (readonly [room: RegExp, names: RegExp])[] = [
  [/^compiler\/cli/, /^commander$/],
  [/^compiler\//, /^chevrotain$/],
  [/^backends\/hosts\/node-/, /^webgpu$/],
  [/^web\//, /^d3(-\w+)?$/],
  [/^web\/playground\//, /^@(codemirror|lezer)\//],
];

const topFolder = (path: string): string => (path.includes("/") ? path.slice(0, path.indexOf("/")) : "");

function mayImport(from: string, to: string): boolean {
  const folder = topFolder(from);
  if (folder === "" || topFolder(to) === folder) return true;
  if (FRONT_DOOR.test(from) && ["backends", "simulator"].includes(topFolder(to))) return true;
  return (MAY_IMPORT[folder as keyof typeof MAY_IMPORT] ?? []).includes(topFolder(to));
}

function violations(files: readonly File[], bad: (file: File) => readonly string[]): readonly string[] {
  return files.flatMap((file) => bad(file).map((what) => `${file.path} → ${what}`));
}

describe("layers", () => {
  const files = sources();

  it("sees the sources and their imports", () => {
    expect(files.length).toBeGreaterThan(5);
    const expr = files.find((f) => f.path === "ir/expr.ts");
    expect(expr && importsOf(expr).map((i) => i.to)).toContain("ir/diagnostics.ts");
  });

  it("folders import only what the arrows allow", () => {
    const wrong = violations(files, (file) =>
      importsOf(file)
        .filter((i) => i.kind === "ours" && !mayImport(file.path, i.to))
        .map((i) => i.to),
    );
    expect(wrong).toEqual([]);
  });

  it("Node's modules stay in the command line, io and the Node launchers", () => {
    const wrong = violations(files, (file) =>
      NODE_ROOM.test(file.path)
        ? []
        : importsOf(file)
            .filter((i) => i.kind === "node" || (i.kind === "ours" && NODE_ROOM.test(i.to) && !i.typeOnly))
            .map((i) => i.to),
    );
    expect(wrong).toEqual([]);
  });

  it("each package is used in its own room", () => {
    const wrong = violations(files, (file) =>
      importsOf(file)
        .filter((i) => i.kind === "package")
        .filter((i) => !PACKAGES.some(([room, names]) => room.test(file.path) && names.test(i.to)))
        .map((i) => i.to),
    );
    expect(wrong).toEqual([]);
  });

  it("no file imports itself through others", () => {
    const edges = new Map(
      files.map((f) => [
        f.path,
        importsOf(f)
          .filter((i) => i.kind === "ours" && !i.typeOnly)
          .map((i) => i.to),
      ]),
    );
    const state = new Map<string, "open" | "done">();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (state.get(path) === "done") return;
      if (state.get(path) === "open") {
        cycles.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
        return;
      }
      state.set(path, "open");
      for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
      state.set(path, "done");
    };
    for (const path of edges.keys()) visit(path, []);
    expect(cycles).toEqual([]);
  });
});
