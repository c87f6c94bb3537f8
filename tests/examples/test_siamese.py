"""examples/siamese: pairs of digits, and a net that learns from them."""

from __future__ import annotations

import re
import subprocess
import sys

from netc.cli import main
from netc.data.datum import parse, pixels
from netc.data.sources import find_source


def test_pairs_train_the_net(example, capfd):
    folder = example("siamese")
    mnist = folder.parent / "mnist"
    mnist.mkdir()
    assert main(["dataset", "digits", str(mnist)]) == 0
    for part in ("train", "test"):
        (mnist / f"digits_{part}_lmdb").rename(mnist / f"mnist_{part}_lmdb")
    command = [sys.executable, str(folder / "pairs.py"), str(mnist), str(folder)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert re.findall(r": (\d+) pairs", told) == ["1437", "360"]

    single, pair = (
        find_source(str(path))
        for path in (mnist / "mnist_test_lmdb", folder / "mnist_siamese_test_lmdb")
    )
    digits = [parse(record) for record in single.read(range(360))]
    classes = {pixels(d).tobytes(): d.label for d in digits}
    pairs = [parse(record) for record in pair.read(range(360))]
    assert 0 < sum(p.label for p in pairs) < 360
    for p in pairs:
        first, second = (classes[channel.tobytes()] for channel in pixels(p))
        assert p.label == (first == second)

    settings = [w for s in ("max_iter=40", "test_interval=40", "test_iter=4") for w in ("--set", s)]
    assert main(["train", "examples/siamese/solver.prototxt", "--no-run-dir", *settings]) == 0
    before, after = re.findall(r"Test net output #0: loss = (\S+)", capfd.readouterr().err)
    assert float(after) < float(before) / 2
