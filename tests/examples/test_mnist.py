"""examples/mnist: what its README says to type, on a few digits in MNIST's files."""

from __future__ import annotations

import gzip

import numpy as np

from netc.cli import main
from netc.data.digits import load_digits

from .conftest import commands

FEWER = {"8000": "200", "2000": "40", "../shared/mnist": "files"}
SHORT = ("max_iter=2", "test_interval=2", "test_iter=[1]")


def test_the_commands_of_the_readme(example, capfd):
    folder = example("mnist")
    images, labels = load_digits()
    large = np.kron(images[:240] * 15, np.ones((1, 3, 3), np.uint8))
    images = np.pad(large, ((0, 0), (2, 2), (2, 2)))
    files = folder.parents[1] / "files"
    files.mkdir()
    for name, array in (("images-idx3", images), ("labels-idx1", labels[:240])):
        head = np.array([0x800 + array.ndim, *array.shape], ">u4").tobytes()
        path = files / f"t10k-{name}-ubyte.gz"
        path.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))
    for command in commands(folder / "README.md"):
        words = [FEWER.get(word, word) for word in command]
        extra = [w for s in SHORT for w in ("--set", s)] if words[0] == "train" else []
        assert main([*words, *extra]) == 0, command
    out, err = capfd.readouterr()
    assert "mnist_train_lmdb: 200 images of 1 x 28 x 28" in out and "  mean_value: " in out
    assert "mean_value channel [0]: " in err and "Optimization Done." in err
    assert (folder / "run" / "lenet_iter_2.caffemodel").exists()
    assert (folder / "run" / "sheet.png").exists() and "batch 1234 (seed 1)" in out
