"""LARS: momentum with steps in proportion to the weights of each blob. You et al., 2017."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import optax
from netc.solvers.base import Solver, Tree, stateless

if TYPE_CHECKING:
    from netc.schema import SolverParameter


def rule(
    p: SolverParameter, local_rate: optax.GradientTransformation
) -> optax.GradientTransformation:
    """V' = momentum V + rate r g;  W' = W - V';  r = local_gw_ratio ||W|| / ||g||, blob by blob.

    g holds the weight decay, so rate r g is rate local_gw_ratio ||W|| long. r is 1 where a norm
    is 0, and for biases and scales: blobs of fewer than two axes.
    """

    def scale(g: jax.Array, w: jax.Array) -> jax.Array:
        if w.ndim < 2:
            return g
        weight, gradient = jnp.linalg.norm(w.ravel()), jnp.linalg.norm(g.ravel())
        r = p.local_gw_ratio * weight / jnp.where(gradient > 0, gradient, 1)
        return g * jnp.where((weight > 0) & (gradient > 0), r, 1)

    def layer_wise(updates: Tree, params: Tree, **extra: Any) -> Tree:
        return jax.tree.map(scale, updates, params)

    return optax.chain(stateless(layer_wise), local_rate, optax.trace(p.momentum))


LARS = Solver("LARS", rule, history=("trace",))
