"""netc plot-lr, in this process."""

from __future__ import annotations

import pytest

from netc.cli import main
from tests.train import tiny

SOLVER = """net: "none.prototxt" base_lr: 0.1 max_iter: 100
lr_policy: "multistep" gamma: 0.5 stepvalue: 40 stepvalue: 80
"""
TABLE = """ iteration  rate
         0  0.1
        40  0.05
        80  0.025
        99  0.025
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return tmp_path


def test_the_terminal_gets_the_curve_and_the_table(capsys):
    assert main(["plot-lr", "-solver", "solver.prototxt"]) == 0
    drawn, table = capsys.readouterr().out.split("\n\n")
    assert table == TABLE
    lines = drawn.splitlines()
    assert lines[0] == "learning rate: multistep, base_lr 0.1"
    assert lines[1].startswith(" 0.1 ┤⠉⠉") and lines[-1].strip() == "iteration"


@pytest.mark.parametrize("name", ["rate.svg", "rate.png"])
def test_a_picture_instead(folder, capsys, name):
    assert main(["plot-lr", "solver.prototxt", "-o", name, "--log"]) == 0
    assert capsys.readouterr().out == TABLE
    assert (folder / name).stat().st_size > 1000


def test_a_setting_from_the_command_line(capsys):
    assert main(["plot-lr", "solver.prototxt", "--set", "warmup_iter=20"]) == 0
    assert "\n         0  0\n        20  0.1\n        40  0.05\n" in capsys.readouterr().out


def test_epochs_need_the_net_and_its_data(folder, capsys):
    steps = "stepvalue_epoch: 10 stepvalue_epoch: 20"  # 17 images, 5 in an iteration
    solver = SOLVER.replace("none", "net").replace("stepvalue: 40 stepvalue: 80", steps)
    tiny.write_files(folder, solver=solver)
    assert main(["plot-lr", "solver.prototxt"]) == 0
    assert "\n        34  0.05\n        68  0.025\n" in capsys.readouterr().out
    (folder / "net.prototxt").unlink()
    assert main(["plot-lr", "solver.prototxt"]) == 1
    assert "solver.prototxt:1:6: there is no file 'net.prototxt'" in capsys.readouterr().err


def test_plateau_depends_on_the_run(folder, capsys):
    (folder / "solver.prototxt").write_text(
        SOLVER + 'plateau { monitor: "accuracy" factor: 0.5 } test_interval: 5'
    )
    assert main(["plot-lr", "solver.prototxt"]) == 0
    told = "times 0.5 whenever accuracy stalls, which depends on the run\n"
    assert capsys.readouterr().out.endswith(TABLE + told)


def test_many_milestones_are_cut_short(capsys):
    fields = ("lr_policy=step", "stepsize=1", "gamma=1")
    assert main(["plot-lr", "solver.prototxt", *(w for f in fields for w in ("--set", f))]) == 0
    rows = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert len(rows) == 26 and rows[-2:] == ["       ...  76 more", "        99  0.1"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "lr_policy=cosin"], "did you mean 'cosine'?"),
        (["--set", "lr_policy=plateau"], "lr_policy plateau needs plateau"),
        (["--set", "lr_policy=sigmoid"], "lr_policy sigmoid needs stepsize"),
        (["-o", "rate.gif"], "a picture ends in .svg or .png, not 'rate.gif'"),
        (["-o", "solver.prototxt/rate.svg"], "solver.prototxt/rate.svg cannot be written: "),
    ],
)
def test_mistakes_are_told(capsys, arguments, said):
    assert main(["plot-lr", "solver.prototxt", *arguments]) in (1, 2)
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
