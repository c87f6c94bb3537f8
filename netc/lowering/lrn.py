"""Local response normalization. Caffe: lrn_layer.cpp."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from netc.lowering import pool
from netc.lowering.geometry import channel_axis, sizes, spatial_axes
from netc.lowering.plan import Plan
from netc.lowering.windows import pad_axis, slices


def power(x: Array, beta: float) -> Array:
    """x ** -beta for positive x, by roots where they are exact and much faster."""
    if beta == 0.75:
        root = lax.rsqrt(x)
        return root * lax.sqrt(root)
    if beta == 0.5:
        return lax.rsqrt(x)
    if beta == 1:
        return 1 / x
    return x**-beta


def _normalize(x: Array, window: Callable[[Array], Array], k: float, alpha: float, beta: float):
    """x (k + alpha window(x²))^-beta, for a window sum that is its own transpose.

    With s = k + alpha window(x²): dx = s^-beta dy - 2 alpha beta x window(dy x s^-beta / s).
    """

    def scale(x):
        return k + alpha * window(x * x)

    @jax.custom_vjp
    def f(x):
        return x * power(scale(x), beta)

    def forward(x):
        s = scale(x)
        return x * power(s, beta), (x, s)

    def backward(saved, dy):
        x, s = saved
        t = dy * power(s, beta)
        return (t - (2 * alpha * beta) * x * window(t * x / s),)

    f.defvjp(forward, backward)
    return f(x)


def _window_native(x: Array, axis: int, size: int) -> Array:
    """XLA's windowed sum."""
    dims, edges = [1] * x.ndim, [(0, 0)] * x.ndim
    dims[axis], edges[axis] = size, (size // 2, size // 2)
    return lax.reduce_window(x, x.dtype.type(0), lax.add, dims, [1] * x.ndim, edges)


def _window_slices(x: Array, axis: int, size: int) -> Array:
    """Shifted copies added up."""
    n = x.shape[axis]
    return functools.reduce(
        jnp.add, slices(pad_axis(x, axis, size // 2, size // 2), axis, size, 1, n)
    )


WAYS = {"native": _window_native, "slices": _window_slices}


def across_channels(
    plan: Plan, x: Array, *, size: int, alpha: float, beta: float, k: float, layout: str = "NCHW"
) -> Array:
    """x (k + alpha/size Σ x²)^-beta, summed over the `size` (odd) channels around each one."""
    way = WAYS[plan.pick("lrn", (*sizes(x.shape, layout), size, layout))]
    axis = channel_axis(layout) % x.ndim
    return _normalize(x, lambda v: way(v, axis, size), k, alpha / size, beta)


def within_channel(
    plan: Plan, x: Array, *, size: int, alpha: float, beta: float, layout: str = "NCHW"
) -> Array:
    """x (1 + alpha/size^r Σ x²)^-beta over the size × ... × size (odd) pixels around each one.

    The divisor counts the zeros outside the image: with Caffe's padding of (size - 1)/2 every
    window of its average pooling has the full area.
    """
    r = len(spatial_axes(layout, x.ndim))
    window = functools.partial(
        pool.ave_pool, plan, kernel=(size,) * r, stride=(1,) * r, pad=(size // 2,) * r,
        ceil=True, layout=layout,
    )  # fmt: skip
    return _normalize(x, window, 1.0, alpha, beta)
