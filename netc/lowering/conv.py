"""Convolution and its transpose with Caffe's meaning: cross-correlation, zero padding, groups."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from netc.lowering import conv_ways as ways
from netc.lowering.geometry import Axes, Conv, channel_axis, per_channel, sizes, spatial_axes
from netc.lowering.plan import Plan
from netc.lowering.reduce import channel_sum
from netc.lowering.windows import interleave

WAYS: dict[str, dict[str, ways.Way]] = {
    "conv.forward": {
        "native": ways.native,
        "pointwise": ways.pointwise,
        "whole": ways.whole,
        "depthwise": ways.depthwise,
    },
    "conv.input_gradient": {
        "native": ways.transposed_to_input(ways.native),
        "pointwise": ways.transposed_to_input(ways.pointwise),
        "whole": ways.transposed_to_input(ways.whole),
        "depthwise": ways.transposed_to_input(ways.depthwise),
    },
    "conv.weight_gradient": {
        "native": ways.transposed_to_weight(ways.native),
        "pointwise": ways.transposed_to_weight(ways.pointwise),
        "whole": ways.transposed_to_weight(ways.whole),
        "depthwise": ways.depthwise_weight_gradient,
        "positions": ways.by_positions,
    },
}


def run(plan: Plan, side: str, g: Conv, a: Array, b: Array) -> Array:
    """One side of the convolution, by the way the plan picks: see `conv_ways`."""
    name = plan.pick(side, g)
    if way := RECURSIVE[side].get(name):
        return way(plan, g, a, b)
    return WAYS[side][name](g, a, b)


def split(side: str, plan: Plan, g: Conv, a: Array, b: Array) -> Array:
    """Every group as a convolution of its own."""
    channels = channel_axis(g.layout)
    axis_a = channels
    axis_b = channels if side == "conv.weight_gradient" else 0
    axis_out = 0 if side == "conv.weight_gradient" else channels
    one = g.one_group()
    pairs = zip(jnp.split(a, g.group, axis_a), jnp.split(b, g.group, axis_b), strict=True)
    return jnp.concatenate([run(plan, side, one, *pair) for pair in pairs], axis_out)


def by_phases(plan: Plan, g: Conv, dy: Array, w: Array) -> Array:
    """The input gradient as unstrided convolutions of dy, one per phase of the stride.

    Along an axis, pixel i (counted from the start of the padding) meets kernel positions
    k = i mod stride, + stride, + 2 stride ...: pixels of one remainder form a dense convolution
    of dy with that part of the flipped kernel. The remainders are interleaved again.
    """
    axes = spatial_axes(g.layout, dy.ndim)
    w = _swapped(g, w)
    blocks = tuple(
        max(-(-(p + i) // s), o + (k - 1) // s)
        for p, i, s, o, k in zip(g.pad, g.size, g.stride, g.out, g.kernel, strict=True)
    )

    def phase(remainders: Axes) -> Array:
        part = w[(..., *(slice(r, None, s) for r, s in zip(remainders, g.stride, strict=True)))]
        kernel = part.shape[2:]
        if 0 in kernel:
            return jnp.zeros(g._replace(size=blocks).input_shape, dy.dtype)
        margins = [(0, 0, 0)] * dy.ndim
        for axis, k, m, o in zip(axes, kernel, blocks, g.out, strict=True):
            margins[axis] = (k - 1, m - o, 0)
        x = lax.pad(dy, jnp.zeros((), dy.dtype), margins)
        dense = Conv(
            batch=g.batch,
            channels=g.num_output,
            num_output=g.channels,
            size=tuple(m + k - 1 for m, k in zip(blocks, kernel, strict=True)),
            kernel=kernel,
            stride=(1,) * len(axes),
            pad=(0,) * len(axes),
            dilation=(1,) * len(axes),
            group=g.group,
            layout=g.layout,
            itemsize=g.itemsize,
        )
        return run(plan, "conv.forward", dense, x, lax.rev(part, range(2, part.ndim)))

    def along(depth: int, remainders: Axes) -> Array:
        if depth == len(axes):
            return phase(remainders)
        parts = [along(depth + 1, (*remainders, r)) for r in range(g.stride[depth])]
        return interleave(parts, axes[depth])

    dx = along(0, ())
    for axis, p, i in zip(axes, g.pad, g.size, strict=True):
        dx = lax.slice_in_dim(dx, p, p + i, 1, axis)
    return dx


def _swapped(g: Conv, w: Array) -> Array:
    """Weights with inputs and outputs exchanged: (channels, num_output/group, *kernel)."""
    grouped = w.reshape(g.group, g.num_output // g.group, *w.shape[1:])
    return jnp.swapaxes(grouped, 1, 2).reshape(g.channels, -1, *g.kernel)


# Ways that cut the work into smaller convolutions, for which the plan picks again.
RECURSIVE: dict[str, dict[str, Callable[[Plan, Conv, Array, Array], Array]]] = {
    side: {"split": functools.partial(split, side)} for side in WAYS
}
RECURSIVE["conv.input_gradient"]["phases"] = by_phases


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
