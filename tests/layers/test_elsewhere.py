"""What is said of a layer type that a public fork has and netc has not."""

from __future__ import annotations

from collections import Counter

import pytest

from netc.check import check
from netc.cli import main
from netc.doctor import examine
from netc.errors import UsageError
from netc.layers import LAYERS
from netc.layers.elsewhere import ELSEWHERE, FORKS
from netc.manual import page

NET = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "y" type: "%s" bottom: "x" top: "y" }
"""


def test_no_type_is_both_here_and_elsewhere():
    assert set(ELSEWHERE).isdisjoint(LAYERS)
    assert set(Counter(name for _, names, _ in FORKS for name in names.split()).values()) == {1}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_check_names_the_forks_and_what_to_do(name, tmp_path):
    forks, instead = ELSEWHERE[name]
    file = tmp_path / "net.prototxt"
    file.write_text(NET % name)
    (error,) = check(str(file)).errors
    head = f"Unknown layer type: {name}, a layer of {forks[0]}"
    assert error.message.startswith(head) and all(fork in error.message for fork in forks)
    assert (str(error.where), error.hint) == (f"{file}:2:25", instead)


def test_the_command_prints_it(tmp_path, capsys):
    file = tmp_path / "net.prototxt"
    file.write_text(NET % "SegData")
    assert main(["check", str(file)]) == 1
    said = "".join(capsys.readouterr())
    assert "that netc does not have (known types: " in said
    assert "hint: fill its tops from an Input layer, or write what it reads to a database" in said


def test_doctor_and_the_manual_name_them_too(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET % "EvalDetection")
    (entry,) = examine(str(tmp_path), lambda command: ())
    missing = next(f for f in entry.findings if f.mark == "missing")
    whose = "a layer of intel/caffe and eric612/MobileNet-YOLO that netc does not have"
    assert missing.what == f"layer type 'EvalDetection' (layer 'y'), {whose}"
    assert missing.instead == "write it in Python: docs/extending.md"
    with pytest.raises(UsageError, match=f"^no layer type 'EvalDetection': it is {whose}") as told:
        page("EvalDetection")
    assert told.value.hint == "write it in Python: docs/extending.md"
