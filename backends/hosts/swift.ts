/** Metal's launcher: a Swift program that compiles the `.metal` file, runs its kernels and times them. */
import { printKernels } from "../print.ts";
import type { Backend, EmittedFile, Unit } from "../syntax.ts";
import { bindingsOf, type HostTensor, hostTensors, noOrigins, tensorOf } from "./tensors.ts";

/** `<op>.metal` with all kernels and `<op>.swift`. */
export function emitMetal(unit: Unit, target: Backend): readonly EmittedFile[] {
  const printed = printKernels(unit.kernels, target, [`${unit.name} for ${target.name}`]);
  const swift = program(unit, target, hostTensors(unit));
  return [
    { name: `${unit.name}.metal`, text: printed.text, lines: printed.lines },
    { name: `${unit.name}.swift`, text: swift, lines: noOrigins(swift) },
  ];
}

function program(unit: Unit, target: Backend, tensors: readonly HostTensor[]): string {
  const rows = tensors.map(
    (t) => `    Tensor(name: "${t.id}", bytes: ${t.bytes}, role: .${t.role}, zeroed: ${t.zeroed}),`,
  );
  const kernels = unit.kernels.map((k) => {
    const bindings = bindingsOf(k).map((b) => tensors.indexOf(tensorOf(tensors, b)));
    const threads = k.lanes * k.warps;
    return `    Kernel(name: "${k.name}", grid: MTLSize(width: ${k.grid[0]}, height: ${k.grid[1]}, depth: ${k.grid[2]}), threads: ${threads}, bindings: [${bindings.join(", ")}]),`;
  });
  return `// Runs ${unit.name} (${target.name}): swiftc -O ${unit.name}.swift && ./${unit.name} DIR [REPEAT]
// DIR holds <tensor>.bin for every input and receives <tensor>.out.bin for every output; ${unit.name}.metal lies beside.
import Foundation
import Metal

private enum Role {
    case input, output, workspace
}

private struct Tensor {
    let name: String
    let bytes: Int
    let role: Role
    let zeroed: Bool
}

private struct Kernel {
    let name: String
    let grid: MTLSize
    let threads: Int
    let bindings: [Int]
}

private let tensors: [Tensor] = [
${rows.join("\n")}
]

private let kernels: [Kernel] = [
${kernels.join("\n")}
]

private func fail(_ message: String, _ code: Int32 = 1) -> Never {
    FileHandle.standardError.write((message + "\\n").data(using: .utf8)!)
    exit(code)
}

guard CommandLine.arguments.count >= 2 else {
    fail("usage: ${unit.name} DIR [REPEAT]", 2)
}
private let folder = URL(fileURLWithPath: CommandLine.arguments[1])
private let repeatCount = CommandLine.arguments.count > 2 ? Int(CommandLine.arguments[2]) ?? 20 : 20
guard let device = MTLCreateSystemDefaultDevice(), let queue = device.makeCommandQueue() else {
    fail("no Metal device")
}

private func compile() throws -> [MTLComputePipelineState] {
    let source = try String(contentsOfFile: "${unit.name}.metal", encoding: .utf8)
    let options = MTLCompileOptions()
    // The kernels' rounding is part of their meaning.
    if #available(macOS 15.0, iOS 18.0, *) {
        options.mathMode = .safe
    } else {
        options.fastMathEnabled = false
    }
    let library = try device.makeLibrary(source: source, options: options)
    return try kernels.map { kernel in
        guard let function = library.makeFunction(name: kernel.name) else {
            fail("\\(kernel.name): not in ${unit.name}.metal")
        }
        let pipeline = try device.makeComputePipelineState(function: function)
        guard pipeline.threadExecutionWidth == ${target.lanes} else {
            fail("\\(kernel.name): SIMD-groups of \\(pipeline.threadExecutionWidth) threads, not ${target.lanes}")
        }
        guard pipeline.maxTotalThreadsPerThreadgroup >= kernel.threads else {
            fail("\\(kernel.name): at most \\(pipeline.maxTotalThreadsPerThreadgroup) threads, not \\(kernel.threads)")
        }
        return pipeline
    }
}

private func makeBuffers() throws -> [MTLBuffer] {
    return try tensors.map { tensor in
        // Whole vectors of 16 bytes.
        let size = (tensor.bytes + 15) / 16 * 16
        guard let buffer = device.makeBuffer(length: size, options: .storageModeShared) else {
            fail("\\(tensor.name): no memory for \\(tensor.bytes) bytes")
        }
        memset(buffer.contents(), 0, size)
        if tensor.role == .input {
            let data = try Data(contentsOf: folder.appendingPathComponent(tensor.name + ".bin"))
            guard data.count == tensor.bytes else {
                fail("\\(tensor.name).bin: \\(data.count) bytes, not \\(tensor.bytes)", 3)
            }
            data.withUnsafeBytes { bytes in
                buffer.contents().copyMemory(from: bytes.baseAddress!, byteCount: tensor.bytes)
            }
        }
        return buffer
    }
}

private func runOnce(_ pipelines: [MTLComputePipelineState], _ buffers: [MTLBuffer]) -> Double {
    for (tensor, buffer) in zip(tensors, buffers) where tensor.zeroed {
        memset(buffer.contents(), 0, tensor.bytes)
    }
    guard let commands = queue.makeCommandBuffer(), let encoder = commands.makeComputeCommandEncoder() else {
        fail("no command buffer")
    }
    // Dispatches of one encoder run in order: the default dispatch type is serial.
    for (kernel, pipeline) in zip(kernels, pipelines) {
        encoder.setComputePipelineState(pipeline)
        for (index, tensor) in kernel.bindings.enumerated() {
            encoder.setBuffer(buffers[tensor], offset: 0, index: index)
        }
        let threads = MTLSize(width: kernel.threads, height: 1, depth: 1)
        encoder.dispatchThreadgroups(kernel.grid, threadsPerThreadgroup: threads)
    }
    encoder.endEncoding()
    commands.commit()
    commands.waitUntilCompleted()
    if let error = commands.error {
        fail("run: \\(error.localizedDescription)")
    }
    return (commands.gpuEndTime - commands.gpuStartTime) * 1e6
}

do {
    let pipelines = try compile()
    let buffers = try makeBuffers()
    _ = runOnce(pipelines, buffers)
    for (tensor, buffer) in zip(tensors, buffers) where tensor.role == .output {
        let data = Data(bytes: buffer.contents(), count: tensor.bytes)
        try data.write(to: folder.appendingPathComponent(tensor.name + ".out.bin"))
    }
    let times = (0..<max(1, repeatCount)).map { _ in runOnce(pipelines, buffers) }.sorted()
    let median = times[times.count / 2]
    print("{\\"device\\":\\"\\(device.name)\\",\\"op\\":\\"${unit.name}\\",\\"target\\":\\"${target.name}\\",\\"microseconds\\":{\\"median\\":\\(median)}}")
} catch {
    fail("\\(error)")
}
`;
}
