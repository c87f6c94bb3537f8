"""RMSProp: gradient over the root of its mean square. Caffe: rmsprop_solver.cpp."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import optax
from netc.solvers.base import Problem, Solver, no_momentum

if TYPE_CHECKING:
    from netc.schema import SolverParameter


def rule(
    p: SolverParameter, local_rate: optax.GradientTransformation
) -> optax.GradientTransformation:
    """H' = rms_decay H + (1 - rms_decay) g^2;  W' = W - rate g / (sqrt(H') + delta)."""
    return optax.chain(optax.scale_by_rms(p.rms_decay, p.delta, eps_in_sqrt=False), local_rate)


def check(p: SolverParameter) -> Iterator[Problem]:
    """Momentum, and an rms_decay outside [0, 1)."""
    yield from no_momentum(p)
    if not 0 <= p.rms_decay < 1:
        yield f"rms_decay should lie between 0 and 1, got {p.rms_decay:g}", "rms_decay"


RMSPROP = Solver("RMSProp", rule, ("nu",), check)
