"""A solver's learning rate over its whole run, to look at before it is run."""

from __future__ import annotations

import numpy as np

from netc.chart import Chart
from netc.schema import SolverParameter
from netc.solvers import schedule
from netc.solvers.schedules import milestones

POINTS = 1000
ROWS = 24


def chart(p: SolverParameter, log: bool = False) -> Chart:
    """The rate at POINTS iterations, at every milestone and right before it."""
    turns = np.array(milestones(p))
    even = np.linspace(0, max(p.max_iter - 1, 0), POINTS).astype(int)
    iterations = np.unique(np.concatenate([even, turns, np.maximum(turns - 1, 0)]))
    title = f"learning rate: {p.lr_policy}, base_lr {p.base_lr:g}"
    return Chart(title, "iteration", iterations, np.asarray(schedule(p)(iterations)), log)


def table(p: SolverParameter) -> str:
    """The rate at the milestones, at most ROWS of them."""
    turns = milestones(p)
    shown = turns if len(turns) <= ROWS else [*turns[: ROWS - 1], turns[-1]]
    rates = np.asarray(schedule(p)(np.array(shown)))
    lines = [f"{it:>10}  {rate:.6g}" for it, rate in zip(shown, rates, strict=True)]
    if len(shown) < len(turns):
        lines.insert(-1, f"{'...':>10}  {len(turns) - len(shown)} more")
    return "\n".join([f"{'iteration':>10}  rate", *lines])
