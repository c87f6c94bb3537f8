"""AdaDelta: steps of the size of the past steps. Caffe: adadelta_solver.cpp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from netc.solvers.base import Solver, Tree, fractions, mean

if TYPE_CHECKING:
    from netc.schema import SolverParameter


class State(NamedTuple):
    """e_g, e_x: moving means of the squares of the gradients and of the steps at rate 1."""

    e_g: Tree
    e_x: Tree


def rule(
    p: SolverParameter, local_rate: optax.GradientTransformation
) -> optax.GradientTransformation:
    """H' = m H + (1 - m) g^2;  u = g sqrt((D + delta) / (H' + delta));  D' = m D + (1 - m) u^2;
    W' = W - rate u,  m = momentum.

    The published rule has rate 1.
    """

    def init(params: Tree) -> State:
        return State(optax.tree.zeros_like(params), optax.tree.zeros_like(params))

    def update(updates: Tree, state: Any, params: Tree = None) -> tuple[Tree, State]:
        e_g = jax.tree.map(lambda h, g: mean(p.momentum, h, g * g), state.e_g, updates)
        u = jax.tree.map(
            lambda g, d, h: g * jnp.sqrt((d + p.delta) / (h + p.delta)), updates, state.e_x, e_g
        )
        return u, State(e_g, jax.tree.map(lambda d, u: mean(p.momentum, d, u * u), state.e_x, u))

    # optax.scale_by_adadelta takes two roots, which costs twice the time.
    return optax.chain(optax.GradientTransformation(init, update), local_rate)


ADADELTA = Solver("AdaDelta", rule, ("e_g", "e_x"), lambda p: fractions(p, "momentum"))
