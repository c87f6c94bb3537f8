"""A solver's learning rate over its whole run, to look at before it is run."""

from __future__ import annotations

import numpy as np

from netc.chart import Chart, Curve
from netc.compile import compile_net
from netc.load import Loaded
from netc.lowering.plan import Plan
from netc.schema import SolverParameter
from netc.solvers import schedule
from netc.solvers.schedules import milestones
from netc.train import epochs
from netc.train.nets import resolve

POINTS = 1000
ROWS = 24


def in_iterations(solver: Loaded[SolverParameter]) -> SolverParameter:
    """The solver's message, epochs counted in iterations: where there are any, the training net is
    read and its data opened. Raises NetcError of every kind for what is wrong with those."""
    if not epochs.given(solver.message):
        return solver.message
    net = resolve(solver).train
    return epochs.in_iterations(solver, compile_net(net.net, net.state, Plan("cpu")).graph)


def chart(p: SolverParameter, log: bool = False) -> Chart:
    """The rate at POINTS iterations, at every milestone and right before it."""
    turns = np.array(milestones(p))
    even = np.linspace(0, max(p.max_iter - 1, 0), POINTS).astype(int)
    iterations = np.unique(np.concatenate([even, turns, np.maximum(turns - 1, 0)]))
    title = f"learning rate: {p.lr_policy}, base_lr {p.base_lr:g}"
    curve = Curve(iterations, np.asarray(schedule(p)(iterations)))
    return Chart(title, "iteration", (curve,), log)


def table(p: SolverParameter) -> str:
    """The rate at the milestones, at most ROWS of them."""
    turns = milestones(p)
    shown = turns if len(turns) <= ROWS else [*turns[: ROWS - 1], turns[-1]]
    rates = np.asarray(schedule(p)(np.array(shown)))
    lines = [f"{it:>10}  {rate:.6g}" for it, rate in zip(shown, rates, strict=True)]
    if len(shown) < len(turns):
        lines.insert(-1, f"{'...':>10}  {len(turns) - len(shown)} more")
    if p.HasField("plateau"):
        stalls = f"whenever {p.plateau.monitor} stalls, which depends on the run"
        lines.append(f"times {p.plateau.factor:g} {stalls}")
    return "\n".join([f"{'iteration':>10}  rate", *lines])
