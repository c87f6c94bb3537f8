"""Ways to compute a convolution and its two gradients.

A convolution is one trilinear form seen from three sides:

    forward          y  = x ⋆ w        (x, w)
    input_gradient   dx = ∂⟨dy, y⟩/∂x  (dy, w)
    weight_gradient  dw = ∂⟨dy, y⟩/∂w  (x, dy)

A way is a function `(geometry, a, b)` for one side. Weights are (num_output, C/group, *kernel).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from netc.lowering.dense import product_natively
from netc.lowering.geometry import Conv, channel_axis, per_channel, spatial_axes
from netc.lowering.reduce import dot_folded

Way = Callable[[Conv, Array, Array], Array]
Product = Callable[[Array, Array], Array]


def native(g: Conv, x: Array, w: Array) -> Array:
    """XLA's own convolution."""
    spatial = "".join(chr(ord("a") + i) for i in range(len(g.size)))
    data = f"NC{spatial}" if g.layout == "NCHW" else f"N{spatial}C"
    return lax.conv_general_dilated(
        x,
        w,
        g.stride,
        [(p, p) for p in g.pad],
        rhs_dilation=g.dilation,
        dimension_numbers=(data, f"OI{spatial}", data),
        feature_group_count=g.group,
    )


def pointwise(g: Conv, x: Array, w: Array, product: Product = product_natively) -> Array:
    """A convolution of kernel 1 and no padding: a matrix product over the channels."""
    axes = spatial_axes(g.layout, x.ndim)
    for axis, stride in zip(axes, g.stride, strict=True):
        x = lax.slice_in_dim(x, 0, None, stride, axis)
    matrix = w.reshape(g.num_output, g.channels)
    if g.layout == "NHWC":
        return product(x.reshape(-1, g.channels), matrix).reshape(g.output_shape)
    y = lax.dot_general(matrix, x, (((1,), (1,)), ((), ())))
    return jnp.moveaxis(y, 0, 1)


def whole(g: Conv, x: Array, w: Array, product: Product = product_natively) -> Array:
    """A kernel as large as the unpadded image: one matrix product over all of it."""
    if g.layout == "NHWC":
        x = jnp.moveaxis(x, -1, 1)  # the image is smaller than the weights
    y = product(x.reshape(g.batch, -1), w.reshape(g.num_output, -1))
    return y.reshape(g.output_shape)


def _shifted(g: Conv, x: Array):
    """Per kernel position: its index, and the pixels of the padded x under it, sized like y."""
    axes = spatial_axes(g.layout, x.ndim)
    edges = [(0, 0, 0)] * x.ndim
    for axis, p in zip(axes, g.pad, strict=True):
        edges[axis] = (p, p, 0)
    x = lax.pad(x, jnp.zeros((), x.dtype), edges)
    for at in itertools.product(*map(range, g.kernel)):
        window = x
        steps = zip(axes, at, g.dilation, g.out, g.stride, strict=True)
        for axis, k, d, out, stride in steps:
            window = lax.slice_in_dim(window, k * d, k * d + (out - 1) * stride + 1, stride, axis)
        yield at, window


def depthwise(g: Conv, x: Array, w: Array) -> Array:
    """One channel per group: shifted copies of x, each times its weights, added up."""
    x = _repeat_channels(g, x)
    y = jnp.zeros((), x.dtype)
    for at, window in _shifted(g, x):
        y = y + window * per_channel(w[(slice(None), 0, *at)], g.layout, x.ndim)
    return y


def _repeat_channels(g: Conv, x: Array) -> Array:
    """x with every channel once per output that reads it."""
    times = g.num_output // g.channels
    return x if times == 1 else jnp.repeat(x, times, channel_axis(g.layout))


def depthwise_weight_gradient(g: Conv, x: Array, dy: Array) -> Array:
    """Per kernel position, the sum over the image of shifted x times dy, channel by channel."""
    x = _repeat_channels(g, x)
    sums = [dot_folded(window, dy, g.layout) for _, window in _shifted(g, x)]
    return jnp.stack(sums, -1).reshape(g.weight_shape).astype(dy.dtype)


def by_positions(g: Conv, x: Array, dy: Array) -> Array:
    """The weight gradient as one matrix product per kernel position."""
    every = (0, *spatial_axes(g.layout, x.ndim))
    dims = ((every, every), ((), ()))
    parts = [lax.dot_general(dy, window, dims) for _, window in _shifted(g, x)]
    return jnp.stack(parts, -1).reshape(g.weight_shape)


def transposed_to_input(forward: Way) -> Way:
    """The input gradient that belongs to a forward way."""

    def way(g: Conv, dy: Array, w: Array) -> Array:
        x = jax.ShapeDtypeStruct(g.input_shape, dy.dtype)
        return jax.linear_transpose(lambda x: forward(g, x, w), x)(dy)[0]

    return way


def transposed_to_weight(forward: Way) -> Way:
    """The weight gradient that belongs to a forward way."""

    def way(g: Conv, x: Array, dy: Array) -> Array:
        w = jax.ShapeDtypeStruct(g.weight_shape, dy.dtype)
        return jax.linear_transpose(lambda w: forward(g, x, w), w)(dy)[0]

    return way
