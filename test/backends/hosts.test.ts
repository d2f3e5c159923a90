/** Launchers: what a unit of two launches emits for each family, and source positions of emitted lines. */
import { describe, expect, it } from "vitest";
import { findTarget, printKernel } from "../../backends/index.ts";
import type { Backend, Unit } from "../../backends/syntax.ts";
import { KernelBuilder } from "../ir/kernels.ts";
import { prepare, unitOf } from "./prepare.ts";

const target = (name: string): Backend => findTarget(name)!;

/** y[i] = (2·x[i] + 1) summed by atomics into `sum`: two launches over a workspace. */
function twice(backend: Backend): Unit {
  const shape = { lanes: backend.lanes, warps: 1, grid: [2, 1, 1] } as const;
  const length = 2 * backend.lanes;
  const first = new KernelBuilder({ name: "double_it", ...shape });
  first.input("x.values", "u32", length);
  first.output("work", "u32", length);
  const at = first.at(first.thread(), [first.group(), backend.lanes]);
  first.write("work", at, first.op("mul", first.read("x.values", at), first.e.constant(2, "u32")));
  const second = new KernelBuilder({ name: "add_one", ...shape });
  second.input("work", "u32", length);
  second.output("y", "u32", length);
  second.output("sum", "u32", 1, "readWrite");
  const to = second.at(second.thread(), [second.group(), backend.lanes]);
  const value = second.op("add", second.read("work", to), second.e.constant(1, "u32"));
  second.write("y", to, value);
  second.push({ kind: "atomicAdd", at: second.access("sum", second.int(0)), values: [value] });
  const kernels = [first.done(), second.done()].map((k) =>
    prepare({ ...k, buffers: k.buffers.map((b) => ({ ...b, tensor: b.id })) }, backend),
  );
  const units = kernels.map(unitOf);
  const tensors = new Map(units.flatMap((u) => u.program.tensors).map((t) => [t.id, t]));
  tensors.set("work", { ...tensors.get("work")!, role: "workspace" });
  return { name: "twice", kernels, program: { ...units[0]!.program, tensors: [...tensors.values()] } };
}

describe("launchers", () => {
  it.each(["cuda.sm80", "wgsl.p0", "metal.3"])("%s", async (name) => {
    const files = target(name).emit(twice(target(name)));
    for (const file of files) {
      expect(file.lines).toHaveLength(file.text.split("\n").length - (file.text.endsWith("\n") ? 1 : 0));
      await expect(file.text).toMatchFileSnapshot(`expected/hosts/${file.name}`);
    }
  });

  it("gives CUDA's function inputs, outputs and workspace in that order, and clears what is added to", () => {
    const [file] = target("cuda.sm80").emit(twice(target("cuda.sm80")));
    expect(file!.text).toContain(
      'extern "C" cudaError_t twice_launch(const void* x_values, void* y, void* sum, void* work, cudaStream_t stream)',
    );
    expect(file!.text).toContain("cudaMemsetAsync(sum, 0, 4, stream)");
  });

  it("allocates more than 48 KiB of shared memory dynamically", () => {
    const b = new KernelBuilder({ name: "large", lanes: 32, warps: 1 });
    b.output("y", "f32", 32);
    b.shared("p", "f32", 10_000);
    b.shared("q", "f32", 10_000);
    b.write("p", b.thread(), b.e.constant(1, "f32"));
    b.write("q", b.thread(), b.e.constant(2, "f32"));
    b.write("y", b.thread(), b.e.add(b.read("p", b.thread()), b.read("q", b.thread())));
    const kernel = b.done();
    const buffers = kernel.buffers.map((x) => (x.space === "global" ? { ...x, tensor: x.id } : x));
    const unit = unitOf(prepare({ ...kernel, buffers }, target("cuda.sm90a")));
    const [file] = target("cuda.sm90a").emit(unit);
    expect(file!.text).toContain("extern __shared__ __align__(128) unsigned char shared_bytes[];");
    expect(file!.text).toContain("reinterpret_cast<float*>(shared_bytes + 40064);");
    expect(file!.text).toContain("cudaFuncAttributeMaxDynamicSharedMemorySize, 80128)");
    expect(file!.text).toContain("large<<<dim3(1, 1, 1), 32, 80128, stream>>>(");
  });
});

describe("source positions", () => {
  it.each(["cuda.sm80", "wgsl.p0", "metal.3"])(
    "%s: every line of a statement stems from where the statement does",
    (name) => {
      const backend = target(name);
      const b = new KernelBuilder({ name: "spans", lanes: backend.lanes, warps: 1 });
      b.input("x", "f32", 64);
      b.output("y", "f32", 64);
      const value = b.read("x", b.thread());
      b.write("y", b.thread(), b.op("mul", value, b.e.constant(3, "f32")));
      const kernel = b.done();
      const body = kernel.body.map((stmt, i) => {
        const declared = stmt.kind === "read" ? { declared: { file: 3, start: 7, end: 9 } } : {};
        return { ...stmt, span: { file: 0, start: 10 * i, end: 10 * i + 5 }, ...declared };
      });
      const { text, lines } = printKernel(prepare({ ...kernel, body }, backend), backend);
      const all = text.split("\n");
      const at = (pattern: RegExp) => lines[all.findIndex((line) => pattern.test(line))];
      expect(at(/= x\[/)).toEqual([
        { file: 0, start: 0, end: 5 },
        { file: 3, start: 7, end: 9 },
      ]);
      expect(at(/y\[.*= .* \* 3\.0f;/)).toEqual([{ file: 0, start: 10, end: 15 }]);
      expect(at(/spans\(/)).toEqual([]);
    },
  );
});
