"""Weights of the size of VGG-16 onto a net: `python benchmarks/weights.py`.

A .caffemodel of 553 MB is written to a temporary folder. In a process of its own per round it is
opened, matched with the net, copied into memory and put on the device; the best round counts. The
peak is what the process held at most beyond what it held before, pages of the file included, as
a part of the file's size. The copy is NumPy's, of an array of that size into a new one.

--rounds N: 5 by default.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from netc.compile import compile_net
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.schema import NetState, Phase
from netc.train.score import loaded
from netc.transfer import by_key, by_layer, file_message, targets
from netc.weights import read_weights, write_weights
from netc.weights.match import match

STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
INPUT = """layer { name: "x" type: "Input" top: "x"
  input_param { shape { dim: [1, 3, 224, 224] } } }
"""
CONVOLUTION = """layer {{ name: "{0}" type: "Convolution" bottom: "{1}" top: "{0}"
  convolution_param {{ num_output: {2} kernel_size: 3 pad: 1 }} }}
layer {{ name: "{0}_relu" type: "ReLU" bottom: "{0}" top: "{0}" }}
"""
POOLING = """layer {{ name: "{0}" type: "Pooling" bottom: "{1}" top: "{0}"
  pooling_param {{ kernel_size: 2 stride: 2 }} }}
"""
DENSE = """layer {{ name: "{0}" type: "InnerProduct" bottom: "{1}" top: "{0}"
  inner_product_param {{ num_output: {2} }} }}
"""


def vgg16() -> str:
    """A net with VGG-16's blobs."""
    text = INPUT
    last = "x"
    for i, (count, channels) in enumerate(STAGES, 1):
        for k in range(1, count + 1):
            text += CONVOLUTION.format(f"conv{i}_{k}", last, channels)
            last = f"conv{i}_{k}"
        text += POOLING.format(f"pool{i}", last)
        last = f"pool{i}"
    for name, outputs in (("fc6", 4096), ("fc7", 4096), ("fc8", 1000)):
        text += DENSE.format(name, last, outputs)
        last = name
    return text


def compiled():
    return compile_net(parse_net(vgg16()), NetState(phase=Phase.TEST), Plan("cpu"))


def peak() -> int:
    """The most that this process has held, in bytes. Linux tells."""
    (line,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) * 1024


def one_round(path: str) -> dict[str, float]:
    program = compiled()
    before, size = peak(), Path(path).stat().st_size
    start = time.perf_counter()
    found = match(targets(program.graph), read_weights(path))
    matched = time.perf_counter()
    values = by_key(program.graph, found)
    copied = time.perf_counter()
    del values, found
    held = loaded(program, path)
    for array in (*held[0].values(), *held[1].values()):
        array.block_until_ready()
    done = time.perf_counter()
    most = peak()
    source = np.ones(size, np.uint8)
    copying = time.perf_counter()
    source.copy()
    end = time.perf_counter()
    return {
        "open and match": matched - start,
        "copy into memory": copied - matched,
        "all of it": done - copied,
        "a copy by NumPy": end - copying,
        "peak / size": (most - before) / size,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one_round(args.one)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "vgg16.caffemodel")
        graph = compiled().graph
        values = {p.key: np.ones(p.spec.shape, np.float32) for p in graph.params}
        write_weights(path, file_message(graph), by_layer(graph, values))
        del values
        rounds = [
            json.loads(subprocess.check_output([sys.executable, __file__, "--one", path]))
            for _ in range(args.rounds)
        ]
    print("| what | best of the rounds |\n|---|---|")
    for what in rounds[0]:
        unit = "" if "/" in what else " s"
        print(f"| {what} | {min(r[what] for r in rounds):.3f}{unit} |")


if __name__ == "__main__":
    main()
