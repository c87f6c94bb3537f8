"""Nesterov's accelerated gradient. Caffe: nesterov_solver.cpp."""

from __future__ import annotations

from typing import TYPE_CHECKING

import optax
from netc.solvers.base import Solver

if TYPE_CHECKING:
    from netc.schema import SolverParameter


def rule(
    p: SolverParameter, local_rate: optax.GradientTransformation
) -> optax.GradientTransformation:
    """V' = momentum V + rate g;  W' = W - ((1 + momentum) V' - momentum V)."""
    return optax.chain(local_rate, optax.trace(p.momentum, nesterov=True))


NESTEROV = Solver("Nesterov", rule, history=("trace",))
