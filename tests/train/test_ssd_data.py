"""A small SSD trains from a database of images with boxes, through the command line."""

from __future__ import annotations

import re

import numpy as np

from netc.cli import main

from ..data.boxed import database, record
from .test_detection import BATCH, SIZE, SSD

DATA = f"""layer {{ name: "data" type: "AnnotatedData" top: "data" top: "label"
  data_param {{ source: "db" batch_size: {BATCH} backend: LMDB }}
  annotated_data_param {{ batch_sampler {{ max_sample: 1 max_trials: 1 }}
    batch_sampler {{ sampler {{ min_scale: 0.7 }} sample_constraint {{ min_object_coverage: 1 }}
      max_sample: 1 max_trials: 10 }} }}
  transform_param {{ force_gray: true mirror: true mean_value: 128 scale: 0.01
    resize_param {{ height: {SIZE} width: {SIZE} }} }} }}
"""
NET = DATA + SSD[SSD.index('layer { name: "a"') :].replace(
    'top: "loss"',
    'top: "loss" propagate_down: true propagate_down: true propagate_down: false '
    "propagate_down: false",
)
SOLVER = """net: "net.prototxt" type: "Adam" base_lr: 0.01 lr_policy: "fixed" momentum: 0.9
  momentum2: 0.999 max_iter: 60 display: 20 snapshot: 40 snapshot_prefix: "{}" random_seed: 3
  average_loss: 20"""


def pictures(count):
    """Records of gray images with a bright (1) or dark (2) rectangle; the last has two of them."""
    rng = np.random.default_rng(0)
    for n in range(count):
        image = rng.normal(128, 10, (40, 50, 3))
        boxes = []
        for left in (0, 25)[: 1 + (n == count - 1)]:
            height, width, label = *rng.integers(12, 20, 2), int(rng.integers(1, 3))
            y, x = rng.integers(0, 40 - height), left + rng.integers(0, 25 - width)
            image[y : y + height, x : x + width] += 100 if label == 1 else -100
            boxes.append((label, x / 50, y / 40, (x + width) / 50, (y + height) / 40))
        yield record(image.clip(0, 255).astype(np.uint8), boxes)


def test_an_ssd_trains_and_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    database(tmp_path, *pictures(24))
    (tmp_path / "net.prototxt").write_text(NET)
    for name in ("a", "b"):
        (tmp_path / f"{name}.prototxt").write_text(SOLVER.format(name))
    assert main(["train", "--solver=a.prototxt"]) == 0
    log = capsys.readouterr().err
    losses = [float(x) for x in re.findall(r"Iteration \d+.*loss = ([\d.]+)", log)]
    assert losses[-1] < losses[0] / 2, log
    state = "a_iter_40.solverstate"
    assert main(["train", "--solver=b.prototxt", f"--snapshot={state}"]) == 0
    final = (tmp_path / f"{name}_iter_60.caffemodel" for name in "ab")
    assert next(final).read_bytes() == next(final).read_bytes()
