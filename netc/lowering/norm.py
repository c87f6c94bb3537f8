"""Normalization by the mean and the variance of each channel."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
from jax import Array

from netc.lowering.geometry import per_channel, sizes
from netc.lowering.plan import Plan
from netc.lowering.reduce import channel_dot, channel_sum, mean_of_devices, wide


def _count(x: Array, layout: str) -> int:
    """How many elements a channel has; 1 if none, so that it can divide."""
    batch, _, spatial = sizes(x.shape, layout)
    return max(batch * math.prod(spatial), 1)


def center(plan: Plan, x: Array, *, layout: str = "NCHW") -> Array:
    """x minus the mean of its channel; dx is dy minus the mean of dy."""

    @jax.custom_vjp
    def f(x):
        mean = channel_sum(plan, wide(x), layout) / _count(x, layout)
        return (wide(x) - per_channel(mean, layout, x.ndim)).astype(x.dtype)

    f.defvjp(lambda x: (f(x), None), lambda _, dy: (f(dy),))
    return f(x)


def standardize(
    plan: Plan,
    x: Array,
    inverse: Callable[[Array], Array],
    *,
    layout: str = "NCHW",
    together: bool = False,
) -> tuple[Array, Array, Array]:
    """y = (x - mean) inverse(variance) per channel; with the mean and the variance, (C,).

    together: mean and variance are those over all devices.
    They are float32 or wider and pass no gradient; the variance is that of x itself (biased).
    dx = (dy - mean(dy) - y mean(dy y)) inverse(variance).
    """
    count = _count(x, layout)
    over = mean_of_devices if together else lambda mean: mean

    def column(values):
        return per_channel(values, layout, x.ndim)

    def compute(x):
        mean = over(channel_sum(plan, wide(x), layout) / count)
        # E(x²) - E(x)² would save a pass, and lose all digits where the mean is large.
        centred = wide(x) - column(mean)
        variance = over(channel_dot(plan, centred, centred, layout) / count)
        scale = inverse(variance)
        y = (centred * column(scale)).astype(x.dtype)
        return (y, mean, variance), (y, scale)

    def backward(saved, cotangents):
        y, scale = saved
        dy = wide(cotangents[0])
        mean = column(over(channel_sum(plan, dy, layout) / count))
        along = column(over(channel_dot(plan, dy, y, layout) / count))
        return (((dy - mean - wide(y) * along) * column(scale)).astype(y.dtype),)

    f = jax.custom_vjp(lambda x: compute(x)[0])
    f.defvjp(compute, backward)
    return f(x)


def normalize(x: Array, mean: Array, variance: Array, eps: float, *, layout: str = "NCHW") -> Array:
    """(x - mean) / sqrt(variance + eps) for given statistics, (C,), in their type."""
    scale = jax.lax.rsqrt(variance + eps)
    centred = x.astype(mean.dtype) - per_channel(mean, layout, x.ndim)
    return (centred * per_channel(scale, layout, x.ndim)).astype(x.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def scaled_to_unit(axes: tuple[int, ...], eps: float, x: Array, a: Array) -> Array:
    """a x / sqrt(sum x^2 + eps), the sum along axes; a is () or broadcasts along axis 1.

    The gradient of x is a times that of the quotient: Caffe multiplies by a last, as if it were
    the same for all channels.
    """
    return _scaled_to_unit_forward(axes, eps, x, a)[0]


def _scaled_to_unit_forward(axes, eps, x, a):
    square = wide(x) * wide(x)
    inverse = jax.lax.rsqrt(square.sum(axes, keepdims=True) + eps).astype(x.dtype)
    unit = x * inverse
    return a * unit, (unit, inverse, a)


def _scaled_to_unit_backward(axes, eps, saved, dy):
    unit, inverse, a = saved
    along = unit * dy
    dx = a * inverse * (dy - unit * along.sum(axes, keepdims=True))
    rest = [i for i in range(dy.ndim) if not a.ndim or i != 1]
    return dx, along.sum(rest).reshape(a.shape)


scaled_to_unit.defvjp(_scaled_to_unit_forward, _scaled_to_unit_backward)
