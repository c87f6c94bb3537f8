"""How fast examples reach the device: `python benchmarks/data.py [PART ...]`.

raw: examples that one thread makes of raw Datums in a second.
jpeg: 256 x 256 JPEG Datums decoded, cropped and mirrored, against OpenCV's decoding alone.
Both count the thread's processor time, in turn, and the best of the rounds.
open: a database of --records records, opened and shuffled: seconds and memory, in a new process.
train: the share of `netc train --profile` that is spent waiting for data.

All data are generated, in a folder that is removed in the end.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from netc.data import datum
from netc.data.feeds import Feed, open_feed
from netc.data.order import Order
from netc.data.sources import open_source
from netc.data.writer import write_database
from netc.load import parse_net, read_net
from netc.schema import DataParameter

EXAMPLES = Path(__file__).parent.parent / "examples"
LAYER = """layer { name: "data" type: "Data" top: "data" top: "label"
    data_param { source: "%s" backend: LMDB batch_size: %d %s } transform_param { %s } }"""
SHUFFLE = "shuffle: true"
CROPS = "mean_value: [104, 117, 123] crop_size: %d mirror: true"
RAW = (  # name, database, transform_param, data_param
    ("28 x 28", "gray", "scale: 0.00390625", ""),
    ("28 x 28, shuffled", "gray", "scale: 0.00390625", SHUFFLE),
    ("32 x 32 x 3", "color", "mean_value: [104, 117, 123]", ""),
    ("32 x 32 x 3, shuffled", "color", "mean_value: [104, 117, 123]", SHUFFLE),
    ("32 x 32 x 3, crop 28, mirror", "color", CROPS % 28, ""),
)
NETS = (("lenet", "gray", 64), ("cifar10_quick", "color", 100))
SOLVER = """net: "%s" base_lr: 0.001 momentum: 0.9 lr_policy: "fixed" max_iter: %d random_seed: 1
    display: 100 snapshot_after_train: false"""


def photo(draw: np.random.Generator, side: int = 256) -> np.ndarray:
    """Something that takes JPEG about as many bytes as a photograph: uint8 (side, side, 3)."""
    smooth = cv2.GaussianBlur(draw.uniform(0, 256, (side, side, 3)), (0, 0), 2)
    rough = draw.uniform(-8, 8, smooth.shape)
    return np.clip(128 + 8 * (smooth - smooth.mean()) + rough, 0, 255).astype(np.uint8)


def write(folder: Path) -> None:
    """The databases gray, color and jpeg."""
    draw = np.random.default_rng(0)
    for name, shape in (("gray", (1, 28, 28)), ("color", (3, 32, 32))):
        with write_database(str(folder / name)) as writer:
            for i in range(20_000):
                image = draw.integers(0, 256, shape, np.uint8)
                writer.put(b"%08d" % i, datum.encode_raw(image, i % 10))
    with write_database(str(folder / "jpeg")) as writer:
        for i in range(256):
            file = cv2.imencode(".jpg", photo(draw))[1].tobytes()  # as convert_imageset encodes
            writer.put(b"%08d" % i, datum.encode_file(file, i % 10))


def feed(path: Path, batch: int, transform: str, data: str = "") -> Feed:
    net = parse_net(LAYER % (path, batch, data, transform))
    return open_feed(net.message.layer[0], "TRAIN", 1)


def raw(folder: Path, rounds: int) -> None:
    print("| Datums | examples/s, batches of 64 | of 256 |\n|---|---|---|")
    for name, database, transform, data in RAW:
        calls = {
            str(batch): feed(folder / database, batch, transform, data).batch for batch in (64, 256)
        }
        speeds = [int(n) / t for n, t in zip(calls, best_of(calls, 20 * rounds), strict=True)]
        print(f"| {name} | {speeds[0]:,.0f} | {speeds[1]:,.0f} |", flush=True)


def jpeg(folder: Path, rounds: int) -> None:
    batch, source = 32, open_source(DataParameter.LMDB, str(folder / "jpeg"))
    files = [datum.parse(record).data for record in source.read(range(len(source)))]
    buffers = [np.frombuffer(file, np.uint8) for file in files]

    def decode(k: int) -> None:
        for i in range(k * batch, (k + 1) * batch):
            cv2.imdecode(buffers[i % len(buffers)], cv2.IMREAD_UNCHANGED)

    print(f"\n{len(buffers)} JPEG files of {np.mean([b.size for b in buffers]):,.0f} bytes\n")
    print("| crop 227, mirror | decoding alone, µs | Data layer, µs | share |\n|---|---|---|---|")
    for name, data in (("in order", ""), ("shuffled", SHUFFLE)):
        layer = feed(folder / "jpeg", batch, CROPS % 227, data)
        alone, whole = best_of({"alone": decode, "whole": layer.batch}, 10 * rounds)
        each = [1e6 * seconds / batch for seconds in (alone, whole)]
        print(f"| {name} | {each[0]:.0f} | {each[1]:.0f} | {alone / whole:.0%} |", flush=True)


def best_of(calls: dict[str, Callable[[int], object]], rounds: int) -> list[float]:
    """The least processor time of each, taken in turn."""
    times = dict.fromkeys(calls, float("inf"))
    for k in range(rounds):
        for name, call in calls.items():
            began = time.thread_time()
            call(k)
            times[name] = min(times[name], time.thread_time() - began)
    return list(times.values())


def opening(folder: Path, records: int) -> None:
    path, image = folder / "large", np.zeros((1, 28, 28), np.uint8)
    with write_database(str(path)) as writer:
        for i in range(records):
            writer.put(b"%08d" % i, datum.encode_raw(image, i % 10))
    command = [sys.executable, __file__, "--large", str(path)]
    print(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def open_large(path: str) -> None:
    """Open and shuffle a database, and say what it took."""
    before, began = memory(), time.perf_counter()
    source = open_source(DataParameter.LMDB, path)
    order = Order(len(source), True, 0, 1, "data")
    source.read(order.at(0, 64))
    seconds, after = time.perf_counter() - began, memory()
    anonymous, mapped = ((b - a) / 1024 for a, b in zip(before, after, strict=True))
    print("\n| records | open, shuffle, first batch, s | memory, MB | pages of the file, MB |")
    print("|---|---|---|---|")
    print(f"| {len(source):,} | {seconds:.2f} | {anonymous:.0f} | {mapped:.0f} |")


def memory() -> tuple[int, int]:
    """Resident kilobytes of this process: its own, and those of files."""
    status = Path("/proc/self/status").read_text()
    own, file = (re.search(rf"{name}:\s+(\d+)", status) for name in ("RssAnon", "RssFile"))
    assert own and file
    return int(own[1]), int(file[1])


def train(folder: Path, iterations: int) -> None:
    print("| net | batch | waiting for data |\n|---|---|---|")
    for name, database, batch in NETS:
        layers = read_net(EXAMPLES / name / "train_val.prototxt").message
        inputs = [layer for layer in layers.layer if not layer.bottom]
        for layer in inputs:
            layers.layer.remove(layer)
        head = LAYER % (folder / database, batch, SHUFFLE, "scale: 0.00390625")
        (folder / "net.prototxt").write_text(f"{head}\n{layers}")
        solver = folder / "solver.prototxt"
        solver.write_text(SOLVER % (folder / "net.prototxt", iterations))
        command = [sys.executable, "-m", "netc", "train", str(solver), "--profile", "--no-run-dir"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        told = re.search(r"Profile: .*", done.stderr)
        print(f"| {name} | {batch} | {told[0] if told else done.stderr} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="raw, jpeg, open or train; by default all")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--large", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.large:
        open_large(args.large)
        return
    parts: dict[str, Callable[[Path], None]] = {
        "raw": lambda folder: raw(folder, args.rounds),
        "jpeg": lambda folder: jpeg(folder, args.rounds),
        "open": lambda folder: opening(folder, args.records),
        "train": lambda folder: train(folder, args.iterations),
    }
    with tempfile.TemporaryDirectory() as name:
        write(Path(name))
        for part in args.parts or parts:
            parts[part](Path(name))


if __name__ == "__main__":
    main()
