#!/usr/bin/env python3
"""Times what PyTorch offers for the shapes of the quickstart benchmark, on this machine's GPU.

usage: baselines.py RESULTS.json

Weights are rotated over more than 128 MiB, as in run.py; launches are replayed from a CUDA graph. Rows say what was padded: `_int_mm`
takes at least 32 tokens.
"""
import datetime
import json
import sys

import torch

SHAPES = [(m, n, k) for n, k in [(4096, 4096), (11008, 4096), (28672, 8192)] for m in (1, 16, 128)]
REPEAT = 50
ROTATE = 128 << 20


def timed(calls):
    """Mean microseconds of REPEAT calls inside one CUDA graph, so that Python's launching is not in the time."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for call in calls:
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(REPEAT):
            calls[i % len(calls)]()
    graph.replay()
    start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    times = []
    for _ in range(5):
        torch.cuda.synchronize()
        start.record()
        graph.replay()
        stop.record()
        stop.synchronize()
        times.append(1000 * start.elapsed_time(stop) / REPEAT)
    return sorted(times)[2]


def copies(bytes_each):
    return ROTATE // bytes_each + 1


def half(m, n, k):
    x = torch.randn(m, k, device="cuda", dtype=torch.float16)
    weights = [torch.randn(n, k, device="cuda", dtype=torch.float16) for _ in range(copies(2 * n * k))]
    return timed([lambda w=w: torch.nn.functional.linear(x, w) for w in weights])


def int8(m, n, k):
    x = torch.randint(-127, 128, (max(m, 32), k), device="cuda", dtype=torch.int8)
    weights = [torch.randint(-127, 128, (n, k), device="cuda", dtype=torch.int8) for _ in range(copies(n * k))]
    return timed([lambda w=w: torch._int_mm(x, w.t()) for w in weights])


def int4(m, n, k):
    x = torch.randn(m, k, device="cuda", dtype=torch.bfloat16)
    made = []
    for _ in range(copies(n * k // 2)):
        codes = torch.randint(0, 256, (n, k // 2), device="cuda", dtype=torch.uint8)
        packed = torch.ops.aten._convert_weight_to_int4pack(codes, 8)
        scales = torch.rand(k // 128, n, 2, device="cuda", dtype=torch.bfloat16)
        made.append((packed, scales))
    return timed([lambda w=w, s=s: torch.ops.aten._weight_int4pack_mm(x, w, 128, s) for w, s in made])


def main():
    rows = []
    for m, n, k in SHAPES:
        row = {"M": m, "N": n, "K": k}
        for name, call in (("fp16", half), ("int8", int8), ("w4a16", int4)):
            row[name] = round(call(m, n, k), 2)
            torch.cuda.empty_cache()
        rows.append(row)
        print(row, flush=True)
    report = {"schema": "bitloom.baselines/1", "device": torch.cuda.get_device_name(0), "date": datetime.date.today().isoformat(),
              "torch": torch.__version__, "command": "python3 bench/cuda/baselines.py RESULTS.json",
              "kernels": {"fp16": "torch.nn.functional.linear, f16", "int8": "torch._int_mm, tokens padded to 32",
                          "w4a16": "aten::_weight_int4pack_mm, groups of 128, bf16"},
              "timing": "mean microseconds of 50 launches in one CUDA graph, median of five replays, weights rotated over 128 MiB", "rows": rows}
    with open(sys.argv[1], "w") as file:
        file.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
