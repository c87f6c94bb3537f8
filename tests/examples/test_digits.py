"""examples/digits: every solver type with the settings that are shipped."""

from __future__ import annotations

import re

import pytest
from netc.solvers import SOLVERS

from netc.cli import main
from netc.load import read_solver

from .conftest import EXAMPLES

SHIPPED = sorted(p.stem for p in (EXAMPLES / "digits" / "solvers").glob("*.prototxt"))


def test_there_is_one_for_every_solver_type():
    types = {read_solver(EXAMPLES / f"digits/solvers/{s}.prototxt").message.type for s in SHIPPED}
    assert types == set(SOLVERS)
    readme = (EXAMPLES / "digits" / "README.md").read_text()
    assert sorted(re.findall(r"`solvers/(\w+)\.prototxt`", readme)) == SHIPPED


@pytest.mark.slow
@pytest.mark.parametrize("solver", SHIPPED)
def test_reaches_97_percent(example, capfd, solver):
    folder = example("digits")
    assert main(["dataset", "digits", str(folder)]) == 0
    assert main(["train", f"examples/digits/solvers/{solver}.prototxt", "--no-run-dir"]) == 0
    told = re.findall(r"Test net output #0: accuracy = (\S+)", capfd.readouterr().err)
    assert float(told[-1]) > 0.97
