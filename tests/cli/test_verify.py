"""`netc verify` as a user calls it."""

import json

import numpy as np
import pytest

from netc.cli import main

NET = """layer { name: "in" type: "Input" top: "x" input_param { shape { dim: [2, 3] } } }
layer { name: "exp" type: "Exp" bottom: "x" top: "y" }
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("netc.lowering.platform.persistent_cache", lambda: None)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text('net: "net.prototxt" base_lr: 1')
    np.savez("good.npz", x=np.zeros((1, 3)), y=np.ones((1, 3)))
    np.savez("bad.npz", x=np.zeros((1, 3)), y=np.ones((1, 3)) * 2)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["net.prototxt", "--against", "good.npz"], 0, "1 tops agree within 0.0001"),
        (["-model", "net.prototxt", "-against", "bad.npz"], 1, "departs by itself is 'exp' (Exp"),
        (["net.prototxt", "--against", "bad.npz", "--tolerance", "0.6"], 0, "agree within 0.6"),
        (["net.prototxt"], 2, "nothing to do: give --against RECORDING, or --record OUT.npz"),
        (["net.prototxt", "--against", "bda.npz"], 1, "hint: did you mean 'bad.npz'?"),
        (["solver.prototxt", "--against", "bad.npz"], 1, "this is a solver, where a net is"),
    ],
)
def test_status_and_text(capsys, arguments, status, said):
    assert main(["verify", *arguments]) == status
    assert said in "".join(capsys.readouterr())


def test_json(capsys):
    assert main(["verify", "net.prototxt", "--against", "bad.npz", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["agrees"], found["tolerance"]) == (False, 1e-4)
    (top,) = found["tops"]
    assert (top["layer"], top["top"], top["departs"]) == ("exp", "y", True)
    assert top["alone"]["largest"] == 1 and top["where"] == "net.prototxt:2:1"


def test_recordings_of_its_own(capsys):
    assert main(["verify", "net.prototxt", "--record", "own.npz"]) == 0
    assert main(["verify", "net.prototxt", "--against", "own.npz"]) == 0
    arguments = ["--against", "bad.npz", "--record", "new.npz"]
    assert main(["verify", "net.prototxt", *arguments]) == 1
    with np.load("new.npz") as new:
        assert new["exp/y"].tolist() == [[1, 1, 1]] and new["in/x"].tolist() == [[0, 0, 0]]
    capsys.readouterr()
