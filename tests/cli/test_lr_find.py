"""netc lr-find, in this process."""

from __future__ import annotations

import numpy as np
import pytest

from netc.cli import main
from netc.train.lr_find import Sweep, advice

FEW = ("-iterations", "40", "--from", "1e-3", "--to", "1e4")


def files(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_the_curve_the_table_and_a_rate_and_nothing_is_written(folder, capsys):
    before = files(folder)
    assert main(["lr-find", "solver.prototxt", *FEW]) == 0
    drawn, table, said = capsys.readouterr().out.split("\n\n")
    assert drawn.startswith("smoothed loss\n") and drawn.rstrip().endswith("learning rate")
    rows = [line.split() for line in table.splitlines()]
    assert rows[0] == ["iteration", "rate", "loss", "smoothed"]
    assert rows[1][:2] == ["0", "0.001"] and 5 <= len(rows) <= 21
    rate = float(said.splitlines()[0].removeprefix("base_lr: "))
    assert 1e-3 < rate < 1e3 and "the loss falls fastest there" in said
    assert files(folder) == before


def test_a_picture_weights_and_frozen_layers(folder, capsys):
    flags = (
        "-o",
        "loss.svg",
        "-weights",
        "tiny_iter_2.caffemodel",
        "--freeze",
        "ip",
        "--smoothing",
        "0.95",
    )
    assert main(["lr-find", "solver.prototxt", *FEW, *flags]) == 1
    told = capsys.readouterr()
    assert "learning rate" in (folder / "loss.svg").read_text()
    assert "Finetuning from tiny_iter_2.caffemodel" in told.err
    assert "The loss does not fall anywhere from 0.001 to 1e+04, where it does not" in told.out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--from", "0"), "--from must be above 0 and below --to, got 0 and 10"),
        (("--from", "2", "--to", "1"), "--from must be above 0 and below --to, got 2 and 1"),
        (("-iterations", "9"), "-iterations must be at least 10, got 9"),
        (("--smoothing", "1"), "--smoothing must be in [0, 1) and --stop above 1, got 1 and 3"),
        (("--stop", "1"), "--smoothing must be in [0, 1) and --stop above 1, got 0.8 and 1"),
        (("-o", "loss.gif"), "a picture ends in .svg or .png, not 'loss.gif'"),
    ],
)
def test_mistakes_are_told(folder, capsys, flags, said):
    assert main(["lr-find", "solver.prototxt", *flags]) == 2
    assert said in capsys.readouterr().err


def test_a_loss_that_is_bad_from_the_start(folder, capsys):
    filler = "layer.ip.inner_product_param.weight_filler"
    flags = ("--set", f"{filler}.type=constant", "--set", f"{filler}.value=3e38")
    assert main(["lr-find", "solver.prototxt", *flags]) == 1
    assert "Iteration 0: the loss is not finite; top blob 'ip'" in capsys.readouterr().err


def found(losses, diverged=False):
    losses = np.array(losses, float)
    return Sweep(10.0 ** np.arange(len(losses)), losses, losses, diverged)


@pytest.mark.parametrize(
    ("losses", "steepest"),
    [
        ([4, 4, 3.9, 2, 1, 0.9, 8, 1], 3),
        ([4, 3.99, 3.98, 3.97], None),
        ([4, 5, 6, 7], None),
        ([4, 1], None),
    ],
)
def test_where_the_loss_falls_fastest(losses, steepest):
    assert found(losses).steepest == steepest


def test_advice():
    fallen = [4, 4, 2, 1, 1, 9]
    assert advice(found(fallen, diverged=True)) == (
        "base_lr: 1e+02\n"
        "  the loss falls fastest there, and is lowest at 1e+03; it diverges at 1e+05"
    )
    assert advice(found(fallen)).splitlines()[-1] == (
        "  it did not diverge up to 1e+05: a higher --to may show a higher rate"
    )
    assert advice(found([4, 5, 9], diverged=True)) == (
        "The loss does not fall anywhere from 1 to 100, where it diverges: try another range, and "
        "netc overfit to see whether the net can learn"
    )
