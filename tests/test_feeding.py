"""The data layers of what a user points at, and what their batches are made of."""

import re

import numpy as np
import pytest

from netc.cli import main
from netc.errors import DataError, ParseError, UsageError
from netc.feeding import open_layers, tell_step
from netc.schema import Phase
from tests.train import tiny


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tiny.write_files(tmp_path, tiny.LMDB + tiny.HEAD)


def test_an_iteration_is_what_training_took(folder):
    (layer,) = open_layers("solver.prototxt", Phase.TRAIN)
    session = tiny.session(tiny.SOLVER)
    told = list(tell_step(layer, 3))
    heads = [line for line in told if not line.startswith(" ")]
    assert heads == [f"layer 'data' (Data) in TRAIN, batch {k} (seed 7):" for k in (6, 7)]
    raw = np.random.RandomState(0).randint(0, 256, (17, 1, 6, 6)).astype(np.float32)
    for k in (6, 7):
        taken = np.asarray(session.batches.batch(k)["data"])
        for i, image in enumerate(taken):
            line = told[(k - 6) * 6 + 1 + i]
            record, label = (int(re.search(rf"{x} (\d+)", line)[1]) for x in ("record", "label"))
            top, left = map(int, re.search(r"crop 4 x 4 at \((\d), (\d)\)", line).groups())
            window = raw[record, :, top : top + 4, left : left + 4]
            window = window[..., ::-1] if "mirrored" in line else window
            assert label == record % 3 and np.allclose(image, window * np.float32(0.01))
    session.close()


def test_all_nets_of_a_solver_and_one_phase_of_a_net():
    assert [layer.phase for layer in open_layers("solver.prototxt")] == [Phase.TRAIN, Phase.TEST]
    assert [layer.phase for layer in open_layers("net.prototxt")] == [Phase.TRAIN]
    (layer,) = open_layers("net.prototxt", Phase.TEST)
    assert len(list(tell_step(layer, 3))) == 5


def test_the_seed(folder):
    (given,) = open_layers("solver.prototxt", Phase.TRAIN, seed=5)
    (other,) = open_layers("solver.prototxt", Phase.TRAIN)
    assert list(tell_step(given, 0))[1:] != list(tell_step(other, 0))[1:]


def test_sources_by_themselves(folder):
    for path, kind in (("images", "Data"), ("a.h5", "HDF5Data"), ("files.txt", "HDF5Data")):
        (layer,) = open_layers(path)
        assert layer.param.type == kind
    assert [line.strip() for line in tell_step(layer, 12)] == [
        "layer 'data' (HDF5Data) in TEST, batch 12 (seed 0):", "0  b.h5, row 1, label 1",
    ]  # fmt: skip


def test_mistakes(folder):
    with pytest.raises(DataError, match="nowhere: there is no such file or folder"):
        open_layers("nowhere")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    with pytest.raises(ParseError, match=r"picture.png: Failed to parse .*: 10 bytes"):
        open_layers("picture.png")
    (folder / "net.prototxt").write_text(tiny.HEAD)
    with pytest.raises(UsageError, match=r"net.prototxt: no layer reads data \(.*Data, HDF5Data"):
        open_layers("net.prototxt")
    (folder / "net.prototxt").write_text(tiny.LMDB.replace("images", "imagse"))
    with pytest.raises(DataError, match=r"net.prototxt:4:24: imagse: cannot open LMDB: .*\(layer"):
        open_layers("net.prototxt")


def test_the_command(capsys):
    assert main(["data", "solver.prototxt"]) == 0
    out = capsys.readouterr().out
    assert "layer 'data' (Data) in TEST:\nimages: LMDB of 17 records" in out
    assert main(["data", "solver.prototxt", "-phase", "TRAIN", "--step", "1"]) == 0
    assert capsys.readouterr().out.count("crop 4 x 4") == 10
    assert main(["data", "images", "--sheet", "sheet.png"]) == 0
    assert capsys.readouterr().out.startswith("sheet.png: 17 examples")
    assert main(["data", "images", "--sheet", "sheet.png", "--count", "9"]) == 0
    assert capsys.readouterr().out == "sheet.png: 9 examples of layer 'data' (Data) in TEST\n"
    for arguments, message in (
        ((), "give either a SOURCE to look at, or --copy SRC DST"),
        (("images", "--copy", "a", "b"), "give either a SOURCE"),
        (("images", "--step", "-1"), "--step must be at least 0, got -1"),
        (("images", "--count", "0"), "--count must be at least 1, got 0"),
    ):
        assert main(["data", *arguments]) == 2
        assert message in capsys.readouterr().err
