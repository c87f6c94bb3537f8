"""Lion: steps of one size, along the sign of a mean gradient. Chen et al., 2023."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from netc.solvers.base import Solver, Tree, fractions, mean

if TYPE_CHECKING:
    from netc.schema import SolverParameter


class State(NamedTuple):
    """mu: moving mean of the gradients."""

    mu: Tree


def rule(
    p: SolverParameter, local_rate: optax.GradientTransformation
) -> optax.GradientTransformation:
    """W' = W - rate (sign(b1 M + (1 - b1) g) + weight_decay W);  M' = b2 M + (1 - b2) g;
    b1 = momentum, b2 = momentum2.
    """

    def init(params: Tree) -> State:
        return State(optax.tree.zeros_like(params))

    def update(updates: Tree, state: Any, params: Tree = None) -> tuple[Tree, State]:
        signs = jax.tree.map(lambda m, g: jnp.sign(mean(p.momentum, m, g)), state.mu, updates)
        return signs, State(jax.tree.map(lambda m, g: mean(p.momentum2, m, g), state.mu, updates))

    # optax.scale_by_lion counts iterations, which is no history.
    return optax.chain(optax.GradientTransformation(init, update), local_rate)


LION = Solver(
    "Lion", rule, ("mu",), lambda p: fractions(p, "momentum", "momentum2"), decoupled=True
)
