"""Every rule finds the solver it is for, and nothing else in it."""

from __future__ import annotations

import pytest

from netc.lint import lint_solver
from netc.lint.solver import RULES
from netc.load import parse_solver
from netc.schema import Phase
from tests.lint.nets import net

CLEAN = """net: "n" base_lr: 0.1 lr_policy: "step" stepsize: 10 gamma: 0.1 display: 5 max_iter: 50
test_iter: 3 test_interval: 10 snapshot_prefix: "tests/run"
"""
MULTISTEP = 'lr_policy: "multistep" stepvalue: 20 stepvalue: 20'
CASES = {
    "S001": ("display: 5", "", "display is 0 or missing"),
    "S002": ("test_interval: 10", "test_interval: 60", "test_interval 60 is beyond max_iter 50"),
    "S004": ("tests/run", "tests/none/run", "the folder 'tests/none' of snapshot_prefix"),
    "S006": ("gamma: 0.1", "gamma: 2", "gamma 2 with lr_policy step"),
    "S007": ('lr_policy: "step"', MULTISTEP, "stepvalue 20 is given twice"),
    "S008": ("stepsize: 10", "stepsize: 50", "the rate changes first at iteration 50"),
}


@pytest.fixture(autouse=True)
def in_repository(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)


def test_a_clean_solver_is_left_alone():
    assert lint_solver(parse_solver(CLEAN)) == []


def test_every_rule_has_a_case():
    assert [r.code for r in RULES] == sorted([*CASES, "S003", "S009"])


@pytest.mark.parametrize("code", CASES)
def test_a_rule_finds_its_solver_and_nothing_else(code):
    old, new, message = CASES[code]
    assert old in CLEAN
    found = lint_solver(parse_solver(CLEAN.replace(old, new)))
    assert [f.code for f in found] == [code]
    assert message in found[0].render() and "\nhint: " in found[0].render()


@pytest.mark.parametrize(
    ("batch", "iterations", "said"),
    [
        (60, 6, None),
        (60, 5, "5 batches of 60 are 300 examples; 'd' has 360"),
        (60, 7, "hint: test_iter: 6"),
        (100, 3, "hint: test_iter: auto"),
        (100, "auto", None),
    ],
)
def test_the_test_set_is_covered_once(golden, batch, iterations, said):
    text = f"""layer {{ name: "d" type: "Data" top: "x" data_param {{ backend: LMDB
      source: "{golden("data") / "digits_test_lmdb"}" batch_size: {batch} }} }}"""
    solver = parse_solver(CLEAN.replace("test_iter: 3", f"test_iter: {iterations}"))
    found = lint_solver(solver, [net(text, Phase.TEST)])
    assert [f.code for f in found] == (["S003"] if said else [])
    assert said is None or said in found[0].render()


NORMED = """
layer { name: "d" type: "DummyData" top: "x" dummy_data_param { shape { dim: 9 dim: 2 } } }
layer { name: "a" type: "BatchNorm" bottom: "x" top: "y" }
layer { name: "b" type: "BatchNorm" bottom: "y" top: "z" batch_norm_param { %s } }
"""


@pytest.mark.parametrize(
    ("fields", "phase", "said"),
    [
        ("use_global_stats: true", Phase.TRAIN, "iter_size 2 with BatchNorm ('a')"),
        ("", Phase.TRAIN, "iter_size 2 with BatchNorm ('a' and 1 more)"),
        ("", Phase.TEST, None),
    ],
)
def test_the_passes_of_an_iteration_are_normalized_one_by_one(fields, phase, said):
    trained = [net(NORMED % fields, phase)]
    found = lint_solver(parse_solver(CLEAN + "iter_size: 2"), trains=trained)
    assert [f.code for f in found] == (["S009"] if said else [])
    assert said is None or said in found[0].render()
    assert lint_solver(parse_solver(CLEAN), trains=trained) == []
