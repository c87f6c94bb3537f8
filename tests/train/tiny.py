"""A tiny net with everything that draws, a solver for it, and a run of it from the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from netc.cli import main
from netc.data.datum import encode_raw
from netc.data.writer import write_database
from netc.load import parse_solver
from netc.lowering.plan import Plan
from netc.train.loop import Loop
from netc.train.session import Session
from netc.train.signals import Signals

FILLED = 'weight_filler { type: "xavier" }'
LMDB = """
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { crop_size: 4 mirror: true scale: 0.01 }
  data_param { source: "images" batch_size: 5 backend: LMDB } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 4 scale: 0.01 }
  data_param { source: "images" batch_size: 4 backend: LMDB } }
"""
HDF5 = """
layer { name: "data" type: "HDF5Data" top: "data" top: "label"
  hdf5_data_param { source: "files.txt" batch_size: 5 shuffle: true } }
"""
HEAD = f"""
layer {{ name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param {{ num_output: 6 {FILLED} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "ip1" top: "ip1" }}
layer {{ name: "drop" type: "Dropout" bottom: "ip1" top: "ip1" }}
layer {{ name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  param {{ lr_mult: 1 }} param {{ lr_mult: 2 }}
  inner_product_param {{ num_output: 3 {FILLED} }} }}
layer {{ name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy"
  include {{ phase: TEST }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }}
"""
SMALL = f"""
layer {{ name: "data" type: "HDF5Data" top: "data" top: "label"
  hdf5_data_param {{ source: "files.txt" batch_size: 4 }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param {{ num_output: 3 {FILLED} }} }}
layer {{ name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy"
  include {{ phase: TEST }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }}
"""
SOLVER = """
net: "net.prototxt" test_iter: 3 test_interval: 20 base_lr: 0.05 momentum: 0.9 weight_decay: 0.001
lr_policy: "inv" gamma: 0.01 power: 0.75 max_iter: 100 display: 10 average_loss: 5 iter_size: 2
random_seed: 7 snapshot_prefix: "tiny"
"""


def write_files(folder: Path, net: str = LMDB + HEAD, solver: str = SOLVER) -> Path:
    """Write a net, its solver and all data into a folder, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.RandomState(0)
    images = draw.randint(0, 256, (17, 1, 6, 6)).astype(np.uint8)
    with write_database(str(folder / "images")) as writer:
        for i, image in enumerate(images):
            writer.put(b"%08d" % i, encode_raw(image, i % 3))
    for name, rows in (("a.h5", 11), ("b.h5", 8)):
        with h5py.File(folder / name, "w") as file:
            file["data"] = draw.standard_normal((rows, 4)).astype(np.float32)
            file["label"] = np.arange(rows, dtype=np.float32) % 3
    (folder / "files.txt").write_text("a.h5\nb.h5\n")
    (folder / "net.prototxt").write_text(f'name: "tiny"\n{net}')
    (folder / "solver.prototxt").write_text(solver)
    return folder


def changed(solver: str, **fields: object) -> str:
    """A solver's text with scalar fields replaced, or left out where they are None."""
    for name, value in fields.items():
        solver = re.sub(rf"(?<!\w){name}: \S+", "", solver)
        solver += "" if value is None else f" {name}: {value} "
    return solver


def run(*arguments: str) -> None:
    """`netc train solver.prototxt` in the current folder, which must succeed."""
    assert main(["train", "solver.prototxt", "--no-run-dir", *arguments]) == 0


def session(solver: str, **options: object) -> Session:
    """A session of a solver's text on the files of the current folder."""
    return Session(parse_solver(solver, "solver.prototxt"), Plan("cpu"), **options)  # type: ignore[arg-type]


def loop(solver: str, signals: Signals | None = None) -> Loop:
    """A loop over such a session, with snapshots under "tiny"."""
    return Loop(session(solver), "tiny", signals, progress=False)


class Kept(NamedTuple):
    """Everything that a snapshot holds, to the bit."""

    model: bytes
    state: bytes
    run: dict[str, object]


def kept(folder: Path, iteration: int, end: str = "") -> Kept:
    base = f"tiny_iter_{iteration}"
    return Kept(
        (folder / f"{base}.caffemodel{end}").read_bytes(),
        (folder / f"{base}.solverstate{end}").read_bytes(),
        json.loads((folder / f"{base}.run.json").read_text()),
    )


def told(log: str, *words: str) -> list[str]:
    """The texts of log lines that hold one of the words, without stamps and speeds."""
    texts = [line.partition("] ")[2] for line in log.splitlines()]
    return [re.sub(r" \(\S+ iter/s.*?\)", "", t) for t in texts if any(w in t for w in words)]
