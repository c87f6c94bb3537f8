"""Learning-rate policies: pure functions of the iteration, traceable. Caffe: sgd_solver.cpp."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from netc.schema import SolverParameter

Policy = Callable[["SolverParameter", Any], Any]


def _fixed(p: SolverParameter, it: Any) -> Any:
    """base_lr"""
    return jnp.ones_like(it, jnp.float32)


def _step(p: SolverParameter, it: Any) -> Any:
    """base_lr gamma^floor(it / stepsize)"""
    return jnp.float32(p.gamma) ** (it // p.stepsize).astype(jnp.float32)


def _exp(p: SolverParameter, it: Any) -> Any:
    """base_lr gamma^it"""
    return jnp.float32(p.gamma) ** it.astype(jnp.float32)


def _inv(p: SolverParameter, it: Any) -> Any:
    """base_lr (1 + gamma it)^-power"""
    return (1 + jnp.float32(p.gamma) * it.astype(jnp.float32)) ** jnp.float32(-p.power)


def _multistep(p: SolverParameter, it: Any) -> Any:
    """base_lr gamma^k, k the number of stepvalue entries that are <= it"""
    k = jnp.searchsorted(jnp.asarray(np.sort(p.stepvalue), jnp.int32), it, side="right")
    return jnp.float32(p.gamma) ** k.astype(jnp.float32)


def _poly(p: SolverParameter, it: Any) -> Any:
    """base_lr (1 - it / max_iter)^power"""
    return (1 - it.astype(jnp.float32) / jnp.float32(p.max_iter)) ** jnp.float32(p.power)


def _sigmoid(p: SolverParameter, it: Any) -> Any:
    """base_lr / (1 + exp(-gamma (it - stepsize)))"""
    return 1 / (1 + jnp.exp(-jnp.float32(p.gamma) * (it - p.stepsize).astype(jnp.float32)))


POLICIES: dict[str, Policy] = {
    "fixed": _fixed,
    "step": _step,
    "exp": _exp,
    "inv": _inv,
    "multistep": _multistep,
    "poly": _poly,
    "sigmoid": _sigmoid,
}


def schedule(p: SolverParameter) -> Callable[[Any], Any]:
    """The learning rate as a function of the iteration (int32), float32.

    `problem` says which messages have one.
    """
    policy = POLICIES[p.lr_policy]
    return lambda it: jnp.float32(p.base_lr) * policy(p, jnp.asarray(it, jnp.int32))


def problem(p: SolverParameter) -> tuple[str, str] | None:
    """Why the message describes no schedule, as (message, field); None if it does."""
    if p.lr_policy not in POLICIES:
        return f"Unknown learning rate policy: {p.lr_policy or '(none)'}", "lr_policy"
    if p.lr_policy in ("step", "sigmoid") and p.stepsize <= 0:
        return f"stepsize must be greater than 0 for lr_policy {p.lr_policy}", "stepsize"
    if p.lr_policy not in ("fixed", "poly") and p.gamma < 0:
        return f"gamma must be at least 0, got {p.gamma:g}", "gamma"
    return None
