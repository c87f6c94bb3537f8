"""netc parse_log and netc plot, in this process."""

import csv
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from netc.chart import COLOURS
from netc.cli import main
from netc.logs import charts
from tests.train import tiny

GOLDEN = Path(__file__).parents[1] / "golden" / "data" / "caffe_train.log"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(GOLDEN, "caffe.log")
    return tmp_path


def rows(name, delimiter=","):
    with open(name, newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def test_parse_log(capsys):
    assert main(["parse_log", "caffe.log", "out", "--verbose"]) == 0
    assert capsys.readouterr().out == "Wrote out/caffe.log.train\nWrote out/caffe.log.test\n"
    train, test = rows("out/caffe.log.train"), rows("out/caffe.log.test")
    assert list(train[0]) == ["NumIters", "Seconds", "LearningRate", "loss"]
    assert (train[1]["NumIters"], train[1]["LearningRate"]) == ("20", "0.00998503")
    assert len(train) == 20 and float(train[1]["loss"]) == 1.86587
    assert test[-1]["NumIters"] == "400" and set(test[0]) - set(train[0]) == {"accuracy"}


def test_other_delimiters_and_old_logs(folder, capsys):
    (folder / "old.log").write_text("Iteration 3, loss = 0.5\nIteration 3, lr = 0.1\n")
    assert main(["parse_log", "old.log", ".", "--delimiter", ";"]) == 0
    assert capsys.readouterr().out == ""
    assert (folder / "old.log.train").read_text() == (
        "NumIters;Seconds;LearningRate;loss\n3;nan;0.1;0.5\n"
    )
    assert not (folder / "old.log.test").exists()
    two = "".join(f"Iteration 0, Testing net (#{i})\nTest net output #0: a = {i}\n" for i in (0, 1))
    (folder / "two.log").write_text(two)
    assert main(["parse_log", "two.log", "."]) == 0
    assert rows("two.log.test")[0]["a"] == "0" and rows("two.log.test1")[0]["a"] == "1"


def test_a_log_of_netcs(folder, monkeypatch, capsys):
    fields = {"max_iter": 4, "display": 2, "test_iter": 1, "test_interval": 2, "average_loss": 1}
    tiny.write_files(folder, tiny.SMALL, tiny.changed(tiny.SOLVER, **fields))
    monkeypatch.setattr("netc.lowering.platform.persistent_cache", lambda: None)
    assert main(["train", "solver.prototxt", "--run-dir", "run"]) == 0
    (folder / "netc.log").write_text(capsys.readouterr().err)
    for name in ("netc.log", "run/metrics.jsonl"):
        assert main(["parse_log", name, "."]) == 0
    glog, lines = rows("netc.log.train"), rows("metrics.jsonl.train")
    assert [row["NumIters"] for row in glog] == ["0", "2"] == [r["NumIters"] for r in lines]
    assert float(glog[1]["LearningRate"]) == pytest.approx(float(lines[1]["LearningRate"]), 1e-5)
    assert len(rows("netc.log.test")) == 3


def test_plot(folder, capsys):
    assert main(["plot", "caffe.log", "-o", "all.svg"]) == 0
    root = ElementTree.parse("all.svg").getroot()
    words = [t.text for t in root.findall("{*}text")]
    assert {"loss", "accuracy", "train", "test", "iteration"} <= set(words)
    curves = [p for p in root.findall("{*}polyline") if p.get("stroke") in COLOURS]
    assert [len(c.attrib["points"].split()) for c in curves] == [20, 5, 2, 2, 5, 2]
    assert main(["plot", "caffe.log", "-o", "all.png"]) == 0
    assert (folder / "all.png").read_bytes()[:4] == b"\x89PNG"
    assert main(["plot", "caffe.log", "-y", "accuracy"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("accuracy, test\n") and told.count("iteration") == 1


def test_several_logs_names_and_axes(folder):
    shutil.copy("caffe.log", "other.log")
    loss, rate = charts(["caffe.log", "other.log"], ["loss", "lr"], None, "seconds", 1, True)
    assert [c.name for c in loss.curves] == [
        "caffe.log train", "caffe.log test", "other.log train", "other.log test",
    ]  # fmt: skip
    assert [c.colour for c in rate.curves] == [0, 2] and rate.curves[0].y[0] == 0.01
    assert (loss.x_label, loss.log) == ("seconds", True) and loss.curves[0].x[-1] < 2
    (only,) = charts(["caffe.log"], ["loss"], "test")
    assert [c.name for c in only.curves] == ["test"]


def test_smoothed_curves():
    (plain,), (smooth,) = (charts(["caffe.log"], ["loss"], "train", smooth=n) for n in (1, 3))
    y = plain.curves[0].y
    wanted = [y[0], y[:2].mean(), *(y[i - 2 : i + 1].mean() for i in range(2, len(y)))]
    np.testing.assert_allclose(smooth.curves[0].y, wanted)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (
            ["plot", "caffe.log", "-y", "acuracy"],
            2,
            "an output 'acuracy': there are loss, accuracy",
        ),
        (["plot", "caffe.log", "--smooth", "0"], 2, "--smooth must be at least 1, got 0"),
        (["plot", "caffe.log", "-o", "a.gif"], 2, "a picture ends in .svg or .png, not 'a.gif'"),
        (["plot", "none.log"], 1, "none.log: Failed to open file"),
        (["parse_log", "caffe.log", "caffe.log"], 2, "caffe.log.train cannot be written: "),
        (["parse_log", "caffe.log", ".", "--delimiter", "ab"], 2, "a delimiter is one character"),
    ],
)
def test_mistakes_are_told(capsys, arguments, status, said):
    assert main(arguments) == status
    assert said in capsys.readouterr().err
