"""`netc convert`: its flags."""

import numpy as np
import pytest

from netc.cli import main
from netc.schema import NetParameter
from netc.weights import read_weights, write_weights


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_weights("a.npz", NetParameter(layer=[{"name": "ip1"}]), {"ip1": [np.ones((2, 2))]})
    return tmp_path


def test_a_conversion(capsys):
    assert (
        main(["convert", "a.npz", "b.caffemodel", "--map", r"ip(\d)=fc\1", "--map", "fc1=z"]) == 0
    )
    assert capsys.readouterr().out == "1 blobs of 1 layers\n"
    assert [y.name for y in read_weights("b.caffemodel").layers] == ["z"]


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--map", "a"], 2, "--map takes REGEX=NAME, not 'a'"),
        (["--map", "(=a"], 2, "--map (=a: missing ), unterminated subpattern"),
        (["--map", r"a=\1"], 2, r"--map a=\1: invalid group reference 1"),
        (["--map", r"a=\g<x>"], 2, r"--map a=\g<x>: unknown group name 'x'"),
        (["--map", "ip=a"], 1, "a.npz: no layer's whole name matches 'ip'"),
        (["--fold-bn", "f"], 2, "--fold-bn and --skip-mismatch go with --net"),
        (["--skip-mismatch"], 2, "--fold-bn and --skip-mismatch go with --net"),
        (["--net", "solver"], 1, "solver: this is a solver, where a net is expected"),
        (["--net", "nothing"], 1, "nothing: Failed to open file"),
    ],
)
def test_mistakes(flags, status, message, folder, capsys):
    (folder / "solver").write_text('net: "n" base_lr: 1')
    assert main(["convert", "a.npz", "b.h5", *flags]) == status
    assert capsys.readouterr().err.startswith(message)
    assert sorted(p.name for p in folder.iterdir()) == ["a.npz", "solver"]
