"""Learning-rate policies: pure functions of the iteration, traceable. Caffe: sgd_solver.cpp.

Caffe's seven count iterations from 0. netc's own begin where the warm-up ends: their t is the part
of the iterations from warmup_iter to max_iter that is done, and 1 from then on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

if TYPE_CHECKING:
    from netc.schema import SolverParameter

Policy = Callable[["SolverParameter", Any], Any]
LAST = 2**31 - 1
EPOCHS = {  # fields that count in epochs -> the fields that count the same in iterations
    "max_epoch": "max_iter",
    "test_interval_epoch": "test_interval",
    "snapshot_epoch": "snapshot",
    "stepsize_epoch": "stepsize",
    "stepvalue_epoch": "stepvalue",
    "warmup_epoch": "warmup_iter",
    "restart_period_epoch": "restart_period",
}


def _fixed(p: SolverParameter, it: Any) -> Any:
    """base_lr"""
    return jnp.full_like(it, p.base_lr, jnp.float32)


def _step(p: SolverParameter, it: Any) -> Any:
    """base_lr gamma^floor(it / stepsize)"""
    return _power(p, it // p.stepsize)


def _exp(p: SolverParameter, it: Any) -> Any:
    """base_lr gamma^it, or base_lr gamma^(it / stepsize) with stepsize_epoch"""
    return _power(p, _ratio(it, jnp.full_like(it, p.stepsize)) if p.stepsize_epoch else it)


def _plateau(p: SolverParameter, it: Any) -> Any:
    """base_lr factor^k, k how often what plateau monitors has stalled"""
    return _fixed(p, it)  # the factor comes from outside: it depends on the run


def _inv(p: SolverParameter, it: Any) -> Any:
    """base_lr (1 + gamma it)^-power"""
    falling = (1 + jnp.float32(p.gamma) * it.astype(jnp.float32)) ** jnp.float32(-p.power)
    return jnp.float32(p.base_lr) * falling


def _multistep(p: SolverParameter, it: Any) -> Any:
    """base_lr gamma^k, k the number of stepvalue entries that are <= it"""
    return _power(p, jnp.searchsorted(jnp.array(steps(p), jnp.int32), it, side="right"))


def _poly(p: SolverParameter, it: Any) -> Any:
    """min_lr + (base_lr - min_lr) (1 - it / max_iter)^power"""
    part = 1 - it.astype(jnp.float32) / jnp.float32(p.max_iter)
    return _between(p.min_lr, p.base_lr, part ** jnp.float32(p.power))


def _sigmoid(p: SolverParameter, it: Any) -> Any:
    """base_lr / (1 + exp(-gamma (it - stepsize)))"""
    rising = jnp.exp(-jnp.float32(p.gamma) * (it - p.stepsize).astype(jnp.float32))
    return jnp.float32(p.base_lr) / (1 + rising)


def _linear(p: SolverParameter, it: Any) -> Any:
    """base_lr + (min_lr - base_lr) t"""
    return _between(p.min_lr, p.base_lr, _left(p, it))


def _cosine(p: SolverParameter, it: Any) -> Any:
    """min_lr + (base_lr - min_lr) (1 + cos(pi t)) / 2"""
    return _between(p.min_lr, p.base_lr, _wave(_left(p, it)))


def _cosine_restarts(p: SolverParameter, it: Any) -> Any:
    """as cosine, t the part done of a period; the k-th lasts restart_period restart_mult^k"""
    it = it - p.warmup_iter
    if p.restart_mult == 1:
        period = jnp.full_like(it, p.restart_period)
        left = period - it % period
    else:
        bounds = jnp.array([*restarts(p, LAST), LAST], jnp.int32)
        k = jnp.searchsorted(bounds, it, side="right")
        left, period = bounds[k] - it, bounds[k] - bounds[k - 1]
    return _between(p.min_lr, p.base_lr, _wave(_ratio(left, period)))


def _one_cycle(p: SolverParameter, it: Any) -> Any:
    """base_lr to max_lr while t < peak_at, then to min_lr, both along half a cosine"""
    left, fall = _left(p, it), 1 - jnp.float32(p.peak_at)
    rising = _between(p.base_lr, p.max_lr, _wave((1 - left) / jnp.float32(p.peak_at)))
    falling = _between(p.min_lr, p.max_lr, _wave(left / fall))
    return jnp.where(left > fall, rising, falling)


def steps(p: SolverParameter) -> list[int]:
    """The iterations at which multistep steps.

    Caffe: goes on to the next stepvalue in the order given, and by one per iteration at most.
    """
    return list(itertools.accumulate(p.stepvalue, lambda last, value: max(value, last + 1)))


def restarts(p: SolverParameter, end: int) -> list[int]:
    """Where the periods of cosine_restarts begin, counted from the warm-up's end, before `end`."""
    begins, at, period = [], 0, float(p.restart_period)
    while at < end:
        begins.append(at)
        at, period = at + round(period), period * p.restart_mult
    return begins


def _power(p: SolverParameter, k: Any) -> Any:
    """base_lr gamma^k"""
    return jnp.float32(p.base_lr) * jnp.float32(p.gamma) ** k.astype(jnp.float32)


def _left(p: SolverParameter, it: Any) -> Any:
    """1 - t"""
    span = jnp.full_like(it, max(p.max_iter - p.warmup_iter, 1))
    return jnp.clip(_ratio(p.max_iter - it, span), 0, 1)


def _ratio(a: Any, b: Any) -> Any:
    return a.astype(jnp.float32) / b.astype(jnp.float32)


def _between(low: float, high: float, part: Any) -> Any:
    return jnp.float32(low) + jnp.float32(high - low) * part


def _wave(part: Any) -> Any:
    """(1 - cos(pi part)) / 2, which loses no digits near 0 in this form."""
    return jnp.sin(jnp.float32(jnp.pi / 2) * part) ** 2


POLICIES: dict[str, Policy] = {
    "fixed": _fixed,
    "step": _step,
    "exp": _exp,
    "inv": _inv,
    "multistep": _multistep,
    "poly": _poly,
    "sigmoid": _sigmoid,
    "linear": _linear,
    "cosine": _cosine,
    "cosine_restarts": _cosine_restarts,
    "one_cycle": _one_cycle,
    "plateau": _plateau,
}
NEEDS: dict[str, tuple[str, ...]] = {
    "step": ("stepsize", "gamma"),
    "exp": ("gamma",),
    "inv": ("gamma", "power"),
    "multistep": ("stepvalue", "gamma"),
    "poly": ("power",),
    "sigmoid": ("stepsize", "gamma"),
    "cosine_restarts": ("restart_period",),
    "one_cycle": ("max_lr",),
    "plateau": ("plateau",),
}
