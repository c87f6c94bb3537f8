"""Sessions that try something out and leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from netc.load import Loaded
from netc.lowering.plan import Plan
from netc.schema import SolverParameter
from netc.solvers.policies import EPOCHS
from netc.train.monitors import USES
from netc.train.run import from_files, named_weights
from netc.train.session import Session
from netc.weights.match import EXACT, Rules

TESTS = ("test_net", "test_net_param", "test_state", "test_iter", "test_interval", *USES)
SCHEDULE = ("warmup_iter", "warmup_start_lr", "min_lr", "stepsize", "stepvalue", "power", *EPOCHS)


def without(
    solver: Loaded[SolverParameter], fields: tuple[str, ...], **values: Any
) -> Loaded[SolverParameter]:
    """The solver with some fields unset and others given new values."""
    message = SolverParameter()
    message.CopyFrom(solver.message)
    for name in fields:
        message.ClearField(name)
    message.MergeFrom(SolverParameter(**values))
    return solver._replace(message=message)


@contextmanager
def opened(
    solver: Loaded[SolverParameter],
    plan: Plan,
    level: int | None = None,
    stages: tuple[str, ...] = (),
    weights: Sequence[str] = (),
    rules: Rules = EXACT,
) -> Iterator[Session]:
    """A session that starts from files of weights, or from fillers, and is closed in the end."""
    given = from_files(weights or named_weights(solver.message), rules)
    session = Session(solver, plan, level, stages, given=given)
    try:
        yield session
    finally:
        session.close()
