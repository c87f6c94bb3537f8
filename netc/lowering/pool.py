"""Max and average pooling with Caffe's windows, divisors and tie rule. Caffe: pooling_layer.cpp."""

from __future__ import annotations

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from netc.lowering.geometry import Axes, Pool, sizes, spatial_axes
from netc.lowering.plan import Plan
from netc.lowering.windows import add_back, pad_axis, slices


def output_size(size: int, kernel: int, stride: int, pad: int, ceil: bool) -> int:
    """Windows along an axis: ceil or floor((size + 2 pad - kernel) / stride) + 1, without a last
    one that would start beyond the image.

    # Caffe drops that window only where there is padding, and reads outside the image otherwise.
    """
    room = size + 2 * pad - kernel
    out = (-(-room // stride) if ceil else room // stride) + 1
    return out - 1 if (out - 1) * stride >= size + pad else out


def _lowest(dtype) -> float:
    """What a maximum starts from: -FLT_MAX, or the lowest value of a narrower type."""
    return max(float(jnp.finfo(jnp.float32).min), float(jnp.finfo(dtype).min))


def geometry(
    x: Array, *, kernel: Axes, stride: Axes, pad: Axes, ceil: bool, layout: str = "NCHW"
) -> Pool:
    """The facts of a pooling of x."""
    batch, channels, size = sizes(x.shape, layout)
    axes = zip(size, kernel, stride, pad, strict=True)
    out = tuple(output_size(*a, ceil) for a in axes)
    return Pool(batch, channels, size, tuple(kernel), tuple(stride), tuple(pad), out, layout)


def _along(g: Pool, axis: int) -> tuple[int, int, int, int, int, int]:
    """(axis of the array, size, kernel, stride, pad, out) of a spatial axis."""
    return _spatial(g)[axis], g.size[axis], g.kernel[axis], g.stride[axis], g.pad[axis], g.out[axis]


def _spatial(g: Pool) -> Axes:
    return spatial_axes(g.layout, len(g.size) + 2)


def _padded(g: Pool, x: Array, fill: float, axis: int) -> Array:
    return pad_axis(x, _along(g, axis)[0], g.pad[axis], g.overhang[axis], fill)


def _reduce_window(g: Pool, x: Array, start: float, operation) -> Array:
    """XLA's windowed reduction over the padded image."""
    dims, strides, edges = [1] * x.ndim, [1] * x.ndim, [(0, 0)] * x.ndim
    for axis in range(len(g.size)):
        at, _, dims[at], strides[at], pad, _ = _along(g, axis)
        x = pad_axis(x, at, 0, min(g.overhang[axis], 0))
        edges[at] = (pad, max(g.overhang[axis], 0))
    return lax.reduce_window(x, np.asarray(start, x.dtype)[()], operation, dims, strides, edges)


def native_max(g: Pool, x: Array) -> Array:
    """XLA's windowed maximum; its gradient goes to the first maximum in row-major order."""
    return jnp.maximum(_reduce_window(g, x, -jnp.inf, lax.max), _lowest(x.dtype))


def separable_max(g: Pool, x: Array) -> Array:
    """The maximum along the last axis, then along the one before it, and so on.

    The first column of each row's maximum, then the first row of the greatest: the first maximum
    in row-major order.
    """
    for axis in reversed(range(len(g.size))):
        x = _axis_max(g, axis, x)
    return x


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _axis_max(g: Pool, axis: int, x: Array) -> Array:
    return _axis_max_forward(g, axis, x)[0]


def _axis_max_forward(g: Pool, axis: int, x: Array):
    """The maximum and the position in its window where it was first seen, -1 if nowhere."""
    at, _, kernel, stride, _, out = _along(g, axis)
    lowest = _lowest(x.dtype)
    best = jnp.full([out if a == at else n for a, n in enumerate(x.shape)], lowest, x.dtype)
    first = jnp.full(best.shape, -1, jnp.int8)
    for k, value in enumerate(slices(_padded(g, x, lowest, axis), at, kernel, stride, out)):
        better = value > best
        best = jnp.where(better, value, best)
        first = jnp.where(better, jnp.int8(k), first)
    return best, first


def _axis_max_backward(g: Pool, axis: int, first: Array, dy: Array):
    at, size, kernel, stride, pad, _ = _along(g, axis)
    nothing = jnp.zeros((), dy.dtype)
    parts = [jnp.where(first == jnp.int8(k), dy, nothing) for k in range(kernel)]
    return (add_back(parts, at, stride, pad, size),)


_axis_max.defvjp(_axis_max_forward, _axis_max_backward)

MAX_WAYS = {"native": native_max, "separable": separable_max}


def max_pool(
    plan: Plan,
    x: Array,
    *,
    kernel: Axes,
    stride: Axes,
    pad: Axes,
    ceil: bool,
    layout: str = "NCHW",
) -> Array:
    """The maximum of each window clipped to the image: (N, C, *S) -> (N, C, *S').

    Starts from -FLT_MAX; the gradient goes to the first maximum in row-major order.
    """
    g = geometry(x, kernel=kernel, stride=stride, pad=pad, ceil=ceil, layout=layout)
    return MAX_WAYS[plan.pick("max_pool", g)](g, x)


def max_pool_with_mask(
    plan: Plan,
    x: Array,
    *,
    kernel: Axes,
    stride: Axes,
    pad: Axes,
    ceil: bool,
    layout: str = "NCHW",
) -> tuple[Array, Array]:
    """`max_pool` and the place of each maximum in its channel's plane, h W + w, as a float.

    -1 where a window holds nothing above -FLT_MAX. The mask has no gradient, and is at least
    float32: a narrower type could not count the pixels.
    """
    y = max_pool(plan, x, kernel=kernel, stride=stride, pad=pad, ceil=ceil, layout=layout)
    g = geometry(x, kernel=kernel, stride=stride, pad=pad, ceil=ceil, layout=layout)
    return y, lax.stop_gradient(_mask(g, lax.stop_gradient(x)))


def _mask(g: Pool, x: Array) -> Array:
    dtype = x.dtype if x.dtype.itemsize >= 4 else jnp.dtype(jnp.float32)
    places = [_along(g, axis) for axis in range(len(g.size))]
    plane = jnp.arange(math.prod(g.size), dtype=dtype)
    plane = plane.reshape([n if a in _spatial(g) else 1 for a, n in enumerate(x.shape)])
    for axis in range(len(g.size)):
        x, plane = _padded(g, x, _lowest(x.dtype), axis), _padded(g, plane, -1.0, axis)

    def windows(a: Array):
        for position in itertools.product(*map(range, g.kernel)):
            part = a
            for k, (at, _, _, stride, _, out) in zip(position, places, strict=True):
                part = lax.slice_in_dim(part, k, k + (out - 1) * stride + 1, stride, at)
            yield part

    best = jnp.asarray(_lowest(x.dtype), x.dtype)
    mask = jnp.asarray(-1, dtype)
    for value, index in zip(windows(x), windows(plane), strict=True):
        better = value > best
        mask = jnp.where(better, index, mask)
        best = jnp.where(better, value, best)
    return mask


def put_in_turn(x: Array, places: Array, room: int) -> Array:
    """Rows of values put at their places one after the other, as XLA's CPU scatter does."""
    row = jnp.arange(x.shape[0])[:, None]
    return jnp.zeros((x.shape[0], room), x.dtype).at[row, places].set(x, mode="drop")


def take_last(x: Array, places: Array, room: int) -> Array:
    """The same where a scatter has no order: each place takes the last value that is for it."""
    row, order = jnp.arange(x.shape[0])[:, None], jnp.arange(x.shape[1])
    last = jnp.full((x.shape[0], room), -1).at[row, places].max(order[None], mode="drop")
    values = jnp.take_along_axis(x, jnp.maximum(last, 0), axis=1)
    return jnp.where(last < 0, jnp.zeros_like(values), values)


UNPOOL_WAYS = {"in_turn": put_in_turn, "native": take_last}


def unpool(plan: Plan, x: Array, places: Array, size: Axes) -> Array:
    """Put each value where a mask of `max_pool_with_mask` says: (N, C, *S) -> (N, C, *size).

    Of several values for one place the last one stays; each of them takes the place's gradient.
    """
    rows, room = (math.prod(x.shape[:2]), math.prod(x.shape[2:])), math.prod(size)
    put = UNPOOL_WAYS[plan.pick("unpool", (*rows, room))]

    def scatter(x, index):
        return put(x.reshape(rows), index, room).reshape(*x.shape[:2], *size)

    def gather(index, dy):
        flat = dy.reshape(rows[0], room)
        values = jnp.take_along_axis(flat, index, axis=1, mode="fill", fill_value=0)
        return values.reshape(x.shape), None

    f = jax.custom_vjp(scatter)
    f.defvjp(lambda x, index: (scatter(x, index), index), gather)
    return f(x, lax.stop_gradient(places).astype(jnp.int32).reshape(rows))


def native_sum(g: Pool, x: Array) -> Array:
    """XLA's windowed sum."""
    return _reduce_window(g, x, 0.0, lax.add)


def separable_sum(g: Pool, x: Array) -> Array:
    """Sums along one axis after the other."""
    for axis in reversed(range(len(g.size))):
        x = _axis_sum(g, axis, x)
    return x


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _axis_sum(g: Pool, axis: int, x: Array) -> Array:
    at, _, kernel, stride, _, out = _along(g, axis)
    return functools.reduce(jnp.add, slices(_padded(g, x, 0.0, axis), at, kernel, stride, out))


def _axis_sum_backward(g: Pool, axis: int, _, dy: Array):
    at, size, kernel, stride, pad, _ = _along(g, axis)
    return (add_back([dy] * kernel, at, stride, pad, size),)


_axis_sum.defvjp(lambda g, axis, x: (_axis_sum(g, axis, x), None), _axis_sum_backward)


def whole_sum(g: Pool, x: Array) -> Array:
    """One window over all of the image: a product with a vector of ones."""
    pixels = math.prod(g.size)
    ones = jnp.ones(pixels, x.dtype)
    if g.layout == "NCHW":
        sums = x.reshape(g.batch, g.channels, pixels) @ ones
    else:
        sums = jnp.einsum("ipc,p->ic", x.reshape(g.batch, pixels, g.channels), ones)
    return sums.reshape([1 if a in _spatial(g) else n for a, n in enumerate(x.shape)])


SUM_WAYS = {"native": native_sum, "separable": separable_sum, "whole": whole_sum}


def ave_pool(
    plan: Plan,
    x: Array,
    *,
    kernel: Axes,
    stride: Axes,
    pad: Axes,
    ceil: bool,
    layout: str = "NCHW",
) -> Array:
    """The sum of each window over its area: (N, C, *S) -> (N, C, *S').

    The area is that of the window clipped to [-pad, S + pad): padding counts, what reaches over
    it does not.
    """
    g = geometry(x, kernel=kernel, stride=stride, pad=pad, ceil=ceil, layout=layout)
    y = SUM_WAYS[plan.pick("ave_pool", g)](g, x)
    share = np.ones((1,) * x.ndim)
    for axis in range(len(g.size)):
        at, size, kernel_, stride_, pad_, out = _along(g, axis)
        start = np.arange(out) * stride_ - pad_
        length = np.minimum(start + kernel_, size + pad_) - start
        share = share / length.reshape([-1 if a == at else 1 for a in range(x.ndim)])
    return y * jnp.asarray(share, x.dtype)
