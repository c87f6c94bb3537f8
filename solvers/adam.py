"""Adam: mean gradient over the root of the mean squared gradient. Caffe: adam_solver.cpp."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from netc.solvers.base import Solver, Tree, fractions, mean

if TYPE_CHECKING:
    from netc.schema import SolverParameter


class State(NamedTuple):
    """mu, nu: moving means of the gradients and of their squares."""

    mu: Tree
    nu: Tree


def rule(
    p: SolverParameter, local_rate: optax.GradientTransformation
) -> optax.GradientTransformation:
    """M' = b1 M + (1 - b1) g;  V' = b2 V + (1 - b2) g^2;  t = iteration + 1;
    W' = W - rate sqrt(1 - b2^t) / (1 - b1^t) M' / (sqrt(V') + delta);
    b1 = momentum, b2 = momentum2.

    delta stands beside the root of V' itself, not of V' freed of its bias.
    """

    def ratio(m: jax.Array, v: jax.Array, iteration: jax.Array) -> jax.Array:
        correction = jnp.sqrt(unbias(p.momentum2, iteration)) / unbias(p.momentum, iteration)
        return correction.astype(m.dtype) * m / (jnp.sqrt(v) + p.delta)

    return optax.chain(scale_by_moments(p, ratio), local_rate)


def scale_by_moments(p: SolverParameter, ratio: Any) -> optax.GradientTransformationExtraArgs:
    """The gradient to ratio(M', V', iteration), blob by blob."""

    def init(params: Tree) -> State:
        return State(optax.tree.zeros_like(params), optax.tree.zeros_like(params))

    def update(updates: Tree, state: Any, params: Tree = None, **extra: Any) -> tuple[Tree, State]:
        mu = jax.tree.map(lambda m, g: mean(p.momentum, m, g), state.mu, updates)
        nu = jax.tree.map(lambda v, g: mean(p.momentum2, v, g * g), state.nu, updates)
        return jax.tree.map(lambda m, v: ratio(m, v, extra["iteration"]), mu, nu), State(mu, nu)

    return optax.GradientTransformationExtraArgs(init, update)


def unbias(beta: float, iteration: jax.Array) -> jax.Array:
    """1 - beta^(iteration + 1), without the cancellation of the difference where beta is near 1."""
    t = (iteration + 1).astype(float)
    return -jnp.expm1(t * math.log(beta)) if beta else jnp.ones_like(t)


ADAM = Solver("Adam", rule, ("mu", "nu"), lambda p: fractions(p, "momentum", "momentum2"))
