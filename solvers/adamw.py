"""AdamW: Adam whose weight decay bypasses the moments. Loshchilov and Hutter, 2019."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import optax
from netc.solvers.adam import scale_by_moments, unbias
from netc.solvers.base import Solver, fractions

if TYPE_CHECKING:
    from netc.schema import SolverParameter


def rule(
    p: SolverParameter, local_rate: optax.GradientTransformation
) -> optax.GradientTransformation:
    """M' = b1 M + (1 - b1) g;  V' = b2 V + (1 - b2) g^2;  t = iteration + 1;
    W' = W - rate (M' / (1 - b1^t) / (sqrt(V' / (1 - b2^t)) + delta) + weight_decay W);
    b1 = momentum, b2 = momentum2.
    """

    def ratio(m: jax.Array, v: jax.Array, iteration: jax.Array) -> jax.Array:
        m = m / unbias(p.momentum, iteration).astype(m.dtype)
        v = v / unbias(p.momentum2, iteration).astype(v.dtype)
        return m / (jnp.sqrt(v) + p.delta)

    return optax.chain(scale_by_moments(p, ratio), local_rate)


ADAMW = Solver(
    "AdamW",
    rule,
    ("mu", "nu"),
    lambda p: fractions(p, "momentum", "momentum2"),
    decoupled=True,
)
