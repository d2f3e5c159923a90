#!/usr/bin/env python3
"""Builds, checks and times the generated CUDA programs on this machine's GPU.

usage: run.py FOLDER RESULTS.json [--arch 90a] [--jobs N] [--only TEXT]

The operands are made and packed here, from the formats' documentation and not by the compiler, and the oracle is a
float64 product of what they store: an independent reading of the same bytes. Needs nvcc, numpy and torch.
"""
import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import torch

NF4 = np.array([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
                -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
                0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023,
                1.0], dtype=np.float32).astype(np.float64)


def padded(rows):
    """Rows of bytes, each padded to four bytes."""
    rows = np.ascontiguousarray(rows)
    extra = -rows.shape[1] % 4
    return np.pad(rows, ((0, 0), (0, extra))) if extra else rows


def nibbles(codes):
    """Two 4-bit codes a byte, the first in the low half."""
    return padded((codes[:, 0::2] & 15) | ((codes[:, 1::2] & 15) << 4)).astype(np.uint8)


def planes(codes, bits):
    """Blocks of 128 codes: 128 bits of plane 0, then 128 bits of plane 1, and so on; bit i of a plane is code i."""
    n, k = codes.shape
    raw = codes.view(np.uint8).reshape(n, k // 128, 1, 128)
    parts = [np.packbits((raw >> bit) & 1, axis=-1, bitorder="little") for bit in range(bits)]
    return np.concatenate(parts, axis=2).reshape(n, -1)


def weights(op, n, k, rng):
    """Packed streams by name, and the values they store (float64), scales included."""
    if op == "linear_w4a16":
        codes = rng.integers(-8, 8, (n, k), dtype=np.int8)
        scale = (rng.random((n, k // 128)) * 0.02 + 0.005).astype(np.float16)
        value = codes.astype(np.float64) * np.repeat(scale.astype(np.float64), 128, axis=1)
        return {"w.q": nibbles(codes.view(np.uint8)), "w.scale": padded(scale.view(np.uint8))}, value
    if op == "linear_nf4":
        codes = rng.integers(0, 16, (n, k), dtype=np.uint8)
        absmax = (rng.random((n, k // 64)) * 0.1 + 0.02).astype(np.float32)
        value = NF4[codes] * np.repeat(absmax.astype(np.float64), 64, axis=1)
        return {"w.q": nibbles(codes), "w.absmax": padded(absmax.view(np.uint8))}, value
    codes = rng.integers(-2, 2, (n, k), dtype=np.int8)
    scale = (rng.random(n) * 0.02 + 0.005).astype(np.float32)
    return {"w.q": planes(codes, 2), "w.scale": scale.view(np.uint8)}, (codes.astype(np.float64), scale.astype(np.float64))


def oracle(op, x, stored):
    """The result in float64, and the sum of magnitudes that error bounds refer to."""
    x64 = torch.from_numpy(x.astype(np.float64)).cuda()
    if op != "linear_w2a8":
        w64 = torch.from_numpy(stored).cuda()
        return (x64 @ w64.T).cpu().numpy(), (x64.abs() @ w64.abs().T).cpu().numpy()
    codes, scale = stored
    peak = x64.abs().amax(dim=1, keepdim=True)
    xq = torch.round(x64 * 127 / torch.where(peak > 0, peak, torch.ones_like(peak)))
    y = (xq @ torch.from_numpy(codes).cuda().T) * (peak / 127) * torch.from_numpy(scale).cuda()
    return y.cpu().numpy(), np.zeros((1, 1))


def build(folder, case, arch):
    program = folder / case["name"] / "program"
    command = ["nvcc", "-O3", "-std=c++17", f"-gencode=arch=compute_{arch},code=sm_{arch}", "-DBITLOOM_MAIN",
               "-o", str(program), str(folder / case["name"] / case["source"])]
    subprocess.run(command, check=True)
    return program


def run(folder, case, cache):
    m, n, k, op = case["M"], case["N"], case["K"], case["op"]
    key = (op, n, k)
    if key not in cache:
        cache.clear()
        cache[key] = weights(op, n, k, np.random.default_rng(n * 31 + k))
    streams, stored = cache[key]
    x = (np.random.default_rng(m).standard_normal((m, k)) * 0.5).astype(np.float16)
    data = pathlib.Path("/tmp/bitloom-bench")
    data.mkdir(exist_ok=True)
    for name, stream in {**streams, "x": padded(x.view(np.uint8))}.items():
        stream.tofile(data / f"{name}.bin")
    (data / "y.out.bin").unlink(missing_ok=True)
    program = folder / case["name"] / "program"
    made = subprocess.run([str(program), str(data), "--repeat", "50", "--rotate", str(128 << 20)], check=True,
                          capture_output=True, text=True)
    timing = json.loads(made.stdout.strip().splitlines()[-1])
    pitch = (n + 1) // 2 * 2  # rows start at multiples of four bytes
    y = np.fromfile(data / "y.out.bin", dtype=np.float16).reshape(m, pitch)[:, :n].astype(np.float64)
    expected, magnitude = oracle(op, x, stored)
    bound = case["accumulator"]["bound"]
    allowed = bound["relativeToMagnitude"] * magnitude + bound["relativeToResult"] * np.abs(expected) + bound["absolute"]
    error = np.abs(y - expected)
    inside = bool(np.all(error <= allowed))
    share = float(np.max(error / allowed))
    return {"op": op, "M": m, "N": n, "K": k, "strategy": case["schedule"]["strategy"], "schedule": case["schedule"], "withinBound": inside,
            "largestErrorOverBound": share, "relativeError": float(np.linalg.norm(y - expected) / np.linalg.norm(expected)),
            "bytesMoved": case["bytes"]["read"] + case["bytes"]["written"], **timing}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--arch", default="90a")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    cases = [c for c in json.loads((args.folder / "manifest.json").read_text()) if args.only in c["name"]]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(lambda c: build(args.folder, c, args.arch), cases))
    cache, rows = {}, []
    for case in sorted(cases, key=lambda c: (c["op"], c["N"] * c["K"])):
        row = run(args.folder, case, cache)
        rows.append(row)
        ok = "ok " if row["withinBound"] else "BAD"
        us = row["microseconds"]["streamed"]
        print(f"{ok} {row['op']:13} {row['strategy']:5} {row['M']:4} x {row['N']:5} x {row['K']:5}  {row['microseconds']['median']:9.2f} us alone {us:9.2f} us streamed "
              f"{row['bytesMoved'] / us / 1e3:7.0f} GB/s  error/bound {row['largestErrorOverBound']:.3f}", flush=True)
    report = {"schema": "bitloom.bench/1", "device": torch.cuda.get_device_name(0), "date": datetime.date.today().isoformat(),
              "cuda": torch.version.cuda, "command": "node scripts/bench-cuda.mjs OUT && python3 bench/cuda/run.py OUT RESULTS.json",
              "timing": "microseconds over 50 launches, inputs rotated over 128 MiB: median of single launches between events; streamed: mean of launches back to back", "rows": rows}
    args.results.write_text(json.dumps(report, indent=1) + "\n")
    sys.exit(0 if all(r["withinBound"] for r in rows) else 1)


if __name__ == "__main__":
    main()
