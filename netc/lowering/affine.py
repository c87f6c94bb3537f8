"""Factors per channel."""

from __future__ import annotations

import math

import jax
from jax import Array

from netc.lowering.geometry import per_channel
from netc.lowering.plan import Plan
from netc.lowering.reduce import channel_dot


def multiply(plan: Plan, x: Array, factor: Array, *, layout: str = "NCHW") -> Array:
    """x times factor, (C,) on every channel or () on all; its gradient is a channel sum."""
    if factor.ndim == 0:
        rows = x.reshape(x.shape[0], 1, math.prod(x.shape[1:]))
        return multiply(plan, rows, factor[None]).reshape(x.shape)

    @jax.custom_vjp
    def f(x, factor):
        return x * per_channel(factor, layout, x.ndim)

    def backward(saved, dy):
        x, factor = saved
        return f(dy, factor), channel_dot(plan, dy, x, layout)

    f.defvjp(lambda x, factor: (f(x, factor), (x, factor)), backward)
    return f(x, factor)
