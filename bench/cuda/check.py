#!/usr/bin/env python3
"""Builds and runs the checks of every format and pair on this machine's GPU.

usage: check.py FOLDER RESULTS.json [--arch 90a] [--jobs N]

FOLDER: what `node scripts/bench-cuda.mjs FOLDER --check` wrote. Needs nvcc and Python alone.
"""
import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys


def build(source, arch):
    """The program of one unit, or what nvcc said."""
    program = source.with_suffix("")
    command = ["nvcc", "-O3", "-std=c++17", f"-gencode=arch=compute_{arch},code=sm_{arch}", "-o", str(program), str(source)]
    made = subprocess.run(command, capture_output=True, text=True)
    return program, made.returncode, made.stderr


def plain(line):
    """C's spellings of what is not finite as Python's json reads them."""
    return re.sub(r": (-?)nan\b", ": NaN", re.sub(r": (-?)inf\b", r": \1Infinity", line))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--arch", default="90a")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    rows, broken = [], []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        units = sorted(args.folder.glob("unit_*.cu"))
        for program, status, said in pool.map(lambda u: build(u, args.arch), units):
            if status != 0:
                broken.append({"unit": program.name, "nvcc": said[-4000:]})
                continue
            ran = subprocess.run([str(program), str(args.folder)], capture_output=True, text=True)
            rows += [json.loads(plain(line)) for line in ran.stdout.splitlines()]
            if ran.returncode != 0:
                broken.append({"unit": program.name, "status": ran.returncode, "stderr": ran.stderr[-4000:]})
    bad = [r for r in rows if r["outside"] or r["inexact"]]
    device = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True, text=True)
    report = {"schema": "bitloom.check/1", "device": device.stdout.strip(), "date": datetime.date.today().isoformat(),
              "command": "node scripts/bench-cuda.mjs OUT --check && python3 bench/cuda/check.py OUT RESULTS.json",
              "checked": len(rows), "wrong": len(bad), "broken": broken, "rows": rows}
    args.results.write_text(json.dumps(report, indent=1) + "\n")
    for row in bad:
        print("BAD", json.dumps(row))
    for entry in broken:
        print("BROKEN", json.dumps(entry)[:2000])
    print(f"{len(rows)} checked, {len(bad)} wrong, {len(broken)} programs broken, on {device.stdout.strip()}")
    sys.exit(1 if bad or broken else 0)


if __name__ == "__main__":
    main()
