"""A solver's learning rate as a whole: its policy, its warm-up, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from netc.solvers.base import Problem
from netc.solvers.policies import EPOCHS, NEEDS, POLICIES, restarts, steps

if TYPE_CHECKING:
    from netc.schema import SolverParameter

RATES = ("base_lr", "min_lr", "max_lr", "warmup_start_lr")


def schedule(p: SolverParameter) -> Callable[..., Any]:
    """The learning rate as a function of the iteration (int32 of any shape), float32.

    The policy's rate or min_lr, whichever is higher. Before warmup_iter, a straight line from
    warmup_start_lr to what that gives at warmup_iter. A second argument is what `plateau` makes of
    it: min(rate, max(rate factor, minimum)). A third one is taken for base_lr. `problems` tells
    messages that have no schedule.
    """
    policy, warmup = POLICIES[p.lr_policy], p.warmup_iter
    start, floor = jnp.float32(p.warmup_start_lr), jnp.float32(p.min_lr)

    def rate(it: Any, factor: Any = None, base_lr: Any = None) -> Any:
        it = jnp.asarray(it, jnp.int32)
        given: Any = p if base_lr is None else _Based(p, base_lr)
        rate = jnp.maximum(policy(given, jnp.maximum(it, warmup)), floor)
        if warmup:
            line = start + (rate - start) * (it.astype(jnp.float32) / jnp.float32(warmup))
            rate = jnp.where(it < warmup, line, rate)
        if factor is None:
            return rate
        return jnp.minimum(rate, jnp.maximum(rate * factor, jnp.float32(p.plateau.minimum)))

    return rate


class _Based:
    """A solver's message with another base_lr, which may be traced."""

    def __init__(self, p: SolverParameter, base_lr: Any) -> None:
        self._p, self.base_lr = p, base_lr

    def __getattr__(self, name: str) -> Any:
        return getattr(self._p, name)


def problems(p: SolverParameter) -> Iterator[Problem]:
    """Why the message describes no schedule, everything at once, as (message, field).

    A repeated field is followed by the index in it.

    That base_lr and max_iter are there is for others to see to.
    """
    policy = p.lr_policy
    if policy not in POLICIES:
        yield f"Unknown learning rate policy: {policy or '(none)'}", "lr_policy"
        return
    needs = NEEDS.get(policy, ())
    given = {EPOCHS.get(field.name, field.name) for field, _ in p.ListFields()}
    if missing := [f for f in needs if f not in given]:
        yield f"lr_policy {policy} needs {' and '.join(missing)}", "lr_policy"
    for field in ("stepsize", "restart_period"):
        if field in needs and p.HasField(field) and getattr(p, field) <= 0:
            yield _must(p, field, f"be greater than 0 for lr_policy {policy}")
    if "gamma" in needs and p.gamma < 0:
        yield _must(p, "gamma", "be at least 0")
    if policy == "multistep":
        for field in ("stepvalue", "stepvalue_epoch"):
            for i, (before, value) in enumerate(pairwise(getattr(p, field)), 1):
                if value < before:
                    yield f"{field} must not fall, got {value:.12g} after {before:.12g}", field, i
    if policy == "cosine_restarts" and p.restart_mult < 1:
        yield _must(p, "restart_mult", "be at least 1")
    if policy == "one_cycle" and not 0 < p.peak_at < 1:
        yield _must(p, "peak_at", "lie between 0 and 1")
    for field in (*RATES, "warmup_iter"):
        if getattr(p, field) < 0:
            yield _must(p, field, "not be negative")


def _must(p: SolverParameter, field: str, what: str) -> Problem:
    return f"{field} must {what}, got {getattr(p, field):g}", field


def milestones(p: SolverParameter) -> list[int]:
    """The iterations worth a look: the first, the last, and where the schedule turns.

    Where it never does, the quarters of the way.
    """
    turns = {
        "step": lambda: range(p.stepsize, p.max_iter, p.stepsize),
        "multistep": lambda: steps(p),
        "sigmoid": lambda: [p.stepsize],
        "cosine_restarts": lambda: [p.warmup_iter + r for r in restarts(p, p.max_iter)],
        "one_cycle": lambda: [
            p.warmup_iter + round(p.peak_at * max(p.max_iter - p.warmup_iter, 0))
        ],
    }
    quarters = [p.max_iter * i // 4 for i in range(4)]
    own = turns.get(p.lr_policy, lambda: quarters)()
    found = {0, p.warmup_iter, p.max_iter - 1, *own}
    return sorted(it for it in found if 0 <= it < max(p.max_iter, 1))
