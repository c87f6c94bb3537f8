"""Functions of one number that XLA's own are slow, or wrong at 0, for."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax

from netc.lowering.reduce import wide


def power(x: Array, exponent: float) -> Array:
    """x ^ exponent for a constant exponent.

    Powers that are no whole numbers go through exp and log, ten times faster than `x ** exponent`
    on CPU and right to |log y| 6e-8 of y. Their gradient exponent y / x is taken as 0 where x is 0
    and the exponent positive.
    """
    if float(exponent).is_integer() and abs(exponent) < 64:
        return lax.integer_pow(x, int(exponent))

    @jax.custom_vjp
    def f(x):
        if exponent in (0.5, -0.5):
            return lax.sqrt(x) if exponent > 0 else lax.rsqrt(x)
        return jnp.exp(exponent * jnp.log(wide(x))).astype(x.dtype)

    def forward(x):
        y = f(x)
        return y, (x, y)

    def backward(saved, dy):
        x, y = saved
        if exponent > 0:
            x = jnp.where(x == 0, jnp.inf, x).astype(y.dtype)
        return (dy * (exponent * y / x),)

    f.defvjp(forward, backward)
    return f(x)


@jax.custom_vjp
def softplus(x: Array) -> Array:
    """log(1 + exp(x)); its gradient is the sigmoid of x.

    With e = exp(-|x|) it is max(x, 0) + log(1 + e), and log(1 + e) = 2 atanh(e / (2 + e)), whose
    series ends here at an error of 1e-8: 3 times faster than XLA's log1p on CPU.
    """
    v = wide(x)
    e = jnp.exp(-jnp.abs(v))
    s = e / (2 + e)
    series = jnp.zeros_like(s)
    for odd in range(13, 0, -2):
        series = series * (s * s) + 1 / odd
    return (jnp.maximum(v, 0) + 2 * s * series).astype(x.dtype)


softplus.defvjp(
    lambda x: (softplus(x), x),
    lambda x, dy: (dy * (0.5 * jnp.tanh(0.5 * x) + 0.5),),
)


def absolute(x: Array) -> Array:
    """|x|; its gradient at 0 is 0, where JAX's own is 1."""
    return x * lax.sign(x)
