"""AdaGrad: rates that fall with the sum of squared gradients. Caffe: adagrad_solver.cpp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from netc.solvers.base import Solver, Tree, no_momentum

if TYPE_CHECKING:
    from netc.schema import SolverParameter


class State(NamedTuple):
    """sum_of_squares: of all gradients, one tree."""

    sum_of_squares: Tree


def rule(
    p: SolverParameter, local_rate: optax.GradientTransformation
) -> optax.GradientTransformation:
    """H' = H + g^2;  W' = W - rate g / (sqrt(H') + delta)."""

    def init(params: Tree) -> State:
        return State(optax.tree.zeros_like(params))

    def update(updates: Tree, state: Any, params: Tree = None) -> tuple[Tree, State]:
        h = jax.tree.map(lambda h, g: h + g * g, state.sum_of_squares, updates)
        return jax.tree.map(lambda g, h: g / (jnp.sqrt(h) + p.delta), updates, h), State(h)

    # optax.scale_by_rss has delta inside the root.
    return optax.chain(optax.GradientTransformation(init, update), local_rate)


ADAGRAD = Solver("AdaGrad", rule, ("sum_of_squares",), no_momentum)
