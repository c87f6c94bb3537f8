"""`netc diff` as a user calls it: 0 the same, 1 different, 2 trouble."""

import numpy as np
import pytest

from netc.cli import main
from netc.load import read_net
from netc.weights import write_weights

NET = 'layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" }'


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.prototxt").write_text(NET)
    (tmp_path / "b.prototxt").write_text(NET.replace('top: "ip"', 'top: "y"'))
    (tmp_path / "bad.prototxt").write_text("layer {")
    (tmp_path / "solver.prototxt").write_text('net: "a.prototxt" base_lr: 0.1')
    for name, value in (("a.caffemodel", 1.0), ("b.npz", 1.0), ("c.h5", 2.0)):
        blobs = {"ip": [np.array([value, 1.0])]}
        write_weights(name, read_net("a.prototxt").message, blobs)


@pytest.mark.parametrize(
    ("a", "b", "status", "said"),
    [
        ("a.prototxt", "a.prototxt", 0, ""),
        ("a.caffemodel", "b.npz", 0, ""),
        ("a.prototxt", "b.prototxt", 1, 'top: ["ip"] -> ["y"]  (a.prototxt:1:58, b.prototxt:1:58)'),
        ("solver.prototxt", "solver.prototxt", 0, ""),
        ("b.npz", "c.h5", 1, "ip     0     2 (2)  1                   0.707"),
        ("a.prototxt", "bad.prototxt", 2, 'to close the message that starts at bad.prototxt:1:1'),
        ("a.prototxt", "c.prototxt", 2, "Couldn't open c.prototxt: No such file"),
        ("a.prototxt", "solver.prototxt", 2, "a.prototxt is a net and solver.prototxt is a solver"),
        ("a.caffemodel", "a.prototxt", 2, "only files of one kind can be compared"),
    ],
)  # fmt: skip
def test_status_and_text(capsys, a, b, status, said):
    assert main(["diff", a, b]) == status
    out, err = capsys.readouterr()
    assert said in (err if status == 2 else out) and not (out if status == 2 else err)
