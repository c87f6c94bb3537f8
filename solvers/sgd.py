"""Stochastic gradient descent with momentum. Caffe: sgd_solver.cpp."""

from __future__ import annotations

from typing import TYPE_CHECKING

import optax
from netc.solvers.base import Solver

if TYPE_CHECKING:
    from netc.schema import SolverParameter


def rule(
    p: SolverParameter, local_rate: optax.GradientTransformation
) -> optax.GradientTransformation:
    """V' = momentum V + rate g;  W' = W - V'.

    The rate is inside V, so a drop of the rate does not rescale past steps.
    """
    return optax.chain(local_rate, optax.trace(p.momentum))


SGD = Solver("SGD", rule, history=("trace",))
