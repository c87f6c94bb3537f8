"""The well-known nets among the examples: they are what was published, they check, they train."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from netc.check import check
from netc.cli import main
from netc.compile import compile_net
from netc.load import read_net, read_solver
from netc.lowering.plan import Plan
from netc.opening import open_nets, stand_in
from netc.overrides import in_training_net, override_solver
from netc.phase import net_state
from netc.schema import Phase
from netc.summary import summarize
from netc.train.session import Session
from netc.train.timing import noise
from netc.transfer import shared_blobs

from .conftest import EXAMPLES, commands
from .zoo import ZOO

PLAN = Plan("cpu")

# A folder for snapshots that is made when needed; slashes in published names; windows of pooling
# that hang over the edge, as Caffe's do.
INTENDED = {"S004", "N015", "N017"}

every = pytest.mark.parametrize("name", ZOO)


@pytest.fixture(autouse=True)
def _from_the_top(monkeypatch):
    monkeypatch.chdir(EXAMPLES.parent)


@every
def test_nets_have_the_published_size_and_share_their_blobs(name):
    row, folder = ZOO[name], EXAMPLES / name
    nets = open_nets(folder / "solver.prototxt", shapes=row.shapes)
    train, *tests = (compile_net(n.net, n.state, PLAN).graph for n in nets)
    deploy = compile_net(read_net(folder / "deploy.prototxt"), net_state(Phase.TEST), PLAN).graph
    assert summarize(train).total("params") == row.learnt
    assert summarize(deploy).total("params") == (row.deployed or row.learnt)
    for graph in (*tests, deploy):
        assert shared_blobs(train, graph).keys() == graph.param_by_key.keys()


@every
def test_check_finds_what_is_meant_only(name):
    for file, shapes in (("solver", ZOO[name].shapes), ("deploy", None)):
        report = check(EXAMPLES / name / f"{file}.prototxt", shapes=shapes)
        assert not report.errors and not report.notes
        assert {w.code for w in report.warnings} <= INTENDED, file


@every
def test_the_first_line_of_the_readme_works(name, capfd):
    first, *_ = commands(EXAMPLES / name / "README.md")
    assert main([*first, "--no-compile"]) == 0
    row = ZOO[name]
    assert f"{row.deployed or row.learnt:,}" in capfd.readouterr().out


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if z.slow else ()) for n, z in ZOO.items()]
)
def test_takes_a_step(name):
    row = ZOO[name]
    solver = override_solver(read_solver(EXAMPLES / name / "solver.prototxt"), ["iter_size=1"])
    solver = in_training_net(solver, lambda net: stand_in(net, row.small or row.shapes))
    session = Session(
        solver,
        PLAN,
        provide=lambda k: noise(session.train),
        test_provide=lambda i: lambda k: noise(session.tests[i].program),
    )
    before = {k: np.array(x) for k, x in session.blobs().items()}
    metrics = session.step()
    after = session.blobs()
    session.close()
    assert math.isfinite(metrics.loss) and metrics.bad < 0
    assert any((before[k] != x).any() for k, x in after.items())


def test_the_list_of_examples_is_whole():
    listed = re.findall(r"\| \[(\w+)\]\(\1/README\.md\)", (EXAMPLES / "README.md").read_text())
    assert sorted(listed) == sorted(path.parent.name for path in EXAMPLES.glob("*/README.md"))
    assert set(ZOO) < set(listed)
