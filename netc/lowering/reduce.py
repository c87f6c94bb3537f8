"""Sums over everything but the channels."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
from jax import Array

from netc.lowering.geometry import per_channel, sizes, spatial_axes
from netc.lowering.plan import Plan

DEVICES = "data"  # the axis of the devices in a program that several of them run together


def mean_of_devices(x: Array) -> Array:
    """The mean over the devices that run this program together; x where it is one alone."""
    try:
        return jax.lax.pmean(x, DEVICES)
    except NameError:  # there is no such axis
        return x


def wide(x: Array) -> Array:
    """x in float32 or wider."""
    return x if x.dtype.itemsize >= 4 else x.astype(jnp.float32)


def sum_by_product(x: Array, layout: str) -> Array:
    """Channel sums as products with vectors of ones.

    With channels last the pixels are added up in two steps of about equal length: ten times more
    exact than in one, and up to 15 times faster where channels are few.
    """
    ones = functools.partial(jnp.ones, dtype=x.dtype)
    if layout == "NHWC":
        channels = x.shape[-1]
        pixels = math.prod(x.shape[:-1])
        step = max((m for m in range(1, math.isqrt(pixels) + 1) if pixels % m == 0), default=1)
        long = x.reshape(pixels // step, step * channels)
        short = (ones((1, pixels // step)) @ long).reshape(step, channels)
        return (ones((1, step)) @ short)[0]
    planes = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    return (planes @ ones((planes.shape[2], 1)))[:, :, 0].sum(0)


def sum_natively(x: Array, layout: str) -> Array:
    """Channel sums as XLA's reduction."""
    return x.sum((0, *spatial_axes(layout, x.ndim)))


def dot_folded(a: Array, b: Array, layout: str) -> Array:
    """Channel sums of a b without an intermediate of their size: images are multiplied and added
    up a few at a time, and a product with ones finishes."""
    few = max(m for m in range(1, 9) if a.shape[0] % m == 0)
    a, b = (v.reshape(few, v.shape[0] // few, *v.shape[1:]) for v in (wide(a), wide(b)))
    return sum_by_product(functools.reduce(jnp.add, (a[i] * b[i] for i in range(few))), layout)


def dot_natively(a: Array, b: Array, layout: str) -> Array:
    """Channel sums of a b as XLA's reduction."""
    return sum_natively(wide(a) * wide(b), layout)


SUM_WAYS = {"product": sum_by_product, "native": sum_natively}
DOT_WAYS = {"folded": dot_folded, "native": dot_natively}


def channel_sum(plan: Plan, x: Array, layout: str) -> Array:
    """(C,): the sum of x over batch and space, added up in float32 or wider, in x's dtype."""
    way = SUM_WAYS[plan.pick("channel_sum", (*sizes(x.shape, layout), layout))]

    @jax.custom_vjp
    def total(x):
        return way(x, layout)

    def backward(_, d):
        return (jnp.broadcast_to(per_channel(d, layout, x.ndim), x.shape),)

    total.defvjp(lambda x: (way(x, layout), None), backward)
    return total(x)


def channel_dot(plan: Plan, a: Array, b: Array, layout: str) -> Array:
    """(C,): the sum of a b over batch and space, added up in float32 or wider, in a's dtype."""
    way = DOT_WAYS[plan.pick("channel_dot", (*sizes(a.shape, layout), layout))]

    @jax.custom_vjp
    def dot(a, b):
        return way(a, b, layout).astype(a.dtype)

    def backward(saved, d):
        a, b = saved
        d = per_channel(d, layout, a.ndim)
        return d * b, d * a

    dot.defvjp(lambda a, b: (dot(a, b), (a, b)), backward)
    return dot(a, b)
