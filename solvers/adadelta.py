"""AdaDelta: steps of the size of the past steps. Caffe: adadelta_solver.cpp."""

from __future__ import annotations

from typing import TYPE_CHECKING

import optax
from netc.solvers.base import Solver, fractions

if TYPE_CHECKING:
    from netc.schema import SolverParameter


def rule(
    p: SolverParameter, local_rate: optax.GradientTransformation
) -> optax.GradientTransformation:
    """H' = m H + (1 - m) g^2;  u = g sqrt((D + delta) / (H' + delta));  D' = m D + (1 - m) u^2;
    W' = W - rate u,  m = momentum.

    The published rule has rate 1.
    """
    return optax.chain(optax.scale_by_adadelta(p.momentum, p.delta), local_rate)


ADADELTA = Solver("AdaDelta", rule, ("e_g", "e_x"), lambda p: fractions(p, "momentum"))
