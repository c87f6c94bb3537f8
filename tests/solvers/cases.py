"""The table of solver types. A solver type without a row fails a test."""

from __future__ import annotations

from typing import NamedTuple

from . import reference as ref


class SolverCase(NamedTuple):
    """fields: prototxt of the type's own fields. history: how many arrays it keeps per blob.

    decoupled: weight decay is added to the step instead of to the gradient.
    """

    type: str
    fields: str
    rule: ref.Rule
    history: int = 1
    decoupled: bool = False


SOLVER_CASES = [
    SolverCase("SGD", "", ref.sgd),
    SolverCase("SGD", "momentum: 0.9", ref.sgd),
    SolverCase("Nesterov", "momentum: 0.9", ref.nesterov),
    SolverCase("AdaGrad", "", ref.adagrad),
    SolverCase("AdaGrad", "delta: 0.1", ref.adagrad),
    SolverCase("RMSProp", "", ref.rmsprop),
    SolverCase("RMSProp", "rms_decay: 0 delta: 0.1", ref.rmsprop),
    SolverCase("AdaDelta", "momentum: 0.95 delta: 1e-6", ref.adadelta, history=2),
    SolverCase("Adam", "momentum: 0.9", ref.adam, history=2),
    SolverCase("Adam", "momentum2: 0.9 delta: 0.1", ref.adam, history=2),
    SolverCase("AdamW", "momentum: 0.9 delta: 0.01", ref.adamw, history=2, decoupled=True),
    SolverCase("LARS", "momentum: 0.9 local_gw_ratio: 0.1", ref.lars),
    SolverCase("Lion", "momentum: 0.9 momentum2: 0.99", ref.lion, decoupled=True),
]
