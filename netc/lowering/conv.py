"""Convolution and its transpose with Caffe's meaning: cross-correlation, zero padding, groups."""

from __future__ import annotations

import functools

import jax
from jax import Array

from netc.lowering.conv_sides import run
from netc.lowering.geometry import Axes, Conv, per_channel, sizes
from netc.lowering.plan import Plan
from netc.lowering.reduce import channel_sum


def convolve(
    plan: Plan,
    x: Array,
    w: Array,
    *,
    stride: Axes,
    pad: Axes,
    dilation: Axes,
    group: int,
    layout: str = "NCHW",
) -> Array:
    """Correlate x with num_output filters: (N, C, *S) -> (N, num_output, *S').

    y[n, o, i] = Σ_{c, k} x[n, c, i stride + k dilation - pad] w[o, c, k], zero outside the image;
    S' = floor((S + 2 pad - dilation (K - 1) - 1) / stride) + 1. w is (num_output, C/group, *K) in
    either layout. Caffe: base_conv_layer.cpp.
    """
    batch, channels, size = sizes(x.shape, layout)
    g = Conv(
        batch, channels, w.shape[0], size, w.shape[2:], tuple(stride), tuple(pad),
        tuple(dilation), group, layout, x.dtype.itemsize,
    )  # fmt: skip
    return _convolve(plan, g, x, w)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _convolve(plan: Plan, g: Conv, x: Array, w: Array) -> Array:
    return run(plan, "conv.forward", g, x, w)


_convolve.defvjp(
    lambda plan, g, x, w: (_convolve(plan, g, x, w), (x, w)),
    lambda plan, g, saved, dy: (
        run(plan, "conv.input_gradient", g, dy, saved[1]),
        run(plan, "conv.weight_gradient", g, saved[0], dy),
    ),
)


def deconvolve(
    plan: Plan,
    x: Array,
    w: Array,
    *,
    stride: Axes,
    pad: Axes,
    dilation: Axes,
    group: int,
    layout: str = "NCHW",
) -> Array:
    """The input gradient of `convolve` as an operation: (N, C, *S) -> (N, num_output, *S').

    S' = stride (S - 1) + dilation (K - 1) + 1 - 2 pad; w is (C, num_output/group, *K).
    Caffe: deconv_layer.cpp.
    """
    batch, channels, out = sizes(x.shape, layout)
    kernel = w.shape[2:]
    axes = zip(out, kernel, stride, pad, dilation, strict=True)
    size = tuple(s * (o - 1) + d * (k - 1) + 1 - 2 * p for o, k, s, p, d in axes)
    g = Conv(
        batch, w.shape[1] * group, channels, size, kernel, tuple(stride), tuple(pad),
        tuple(dilation), group, layout, x.dtype.itemsize,
    )  # fmt: skip
    return _deconvolve(plan, g, x, w)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _deconvolve(plan: Plan, g: Conv, x: Array, w: Array) -> Array:
    return run(plan, "conv.input_gradient", g, x, w)


_deconvolve.defvjp(
    lambda plan, g, x, w: (_deconvolve(plan, g, x, w), (x, w)),
    lambda plan, g, saved, dy: (
        run(plan, "conv.forward", g, dy, saved[1]),
        run(plan, "conv.weight_gradient", g, dy, saved[0]),
    ),
)


def add_bias(plan: Plan, y: Array, b: Array, *, layout: str = "NCHW") -> Array:
    """y plus b (C,) on every channel; the gradient of b is a channel sum."""

    @jax.custom_vjp
    def add(y, b):
        return y + per_channel(b, layout, y.ndim)

    add.defvjp(lambda y, b: (add(y, b), None), lambda _, d: (d, channel_sum(plan, d, layout)))
    return add(y, b)
