"""Sliding windows along one axis, as strided slices, and the way back."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from netc.lowering.geometry import spatial_axes


def pad_axis(x: Array, axis: int, low: int, high: int, fill: float = 0.0) -> Array:
    """x with `fill` before and after it along an axis; negative amounts cut."""
    edges = [(0, 0, 0)] * x.ndim
    edges[axis] = (low, high, 0)
    return lax.pad(x, jnp.asarray(fill, x.dtype), edges)


def append_zeros(x: Array, counts: Sequence[int], layout: str = "NCHW") -> Array:
    """x with so many zeros after each spatial axis."""
    for axis, count in zip(spatial_axes(layout, x.ndim), counts, strict=bool(counts)):
        x = pad_axis(x, axis, 0, count) if count else x
    return x


def slices(
    x: Array, axis: int, kernel: int, stride: int, out: int, dilation: int = 1
) -> Iterator[Array]:
    """Per position in a window: that element of all `out` windows."""
    for at in range(0, kernel * dilation, dilation):
        yield lax.slice_in_dim(x, at, at + (out - 1) * stride + 1, stride, axis)


def interleave(phases: Sequence[Array], axis: int) -> Array:
    """Arrays a, b, c as a0 b0 c0 a1 b1 c1 ... along an axis."""
    if len(phases) == 1:
        return phases[0]
    shape = list(phases[0].shape)
    shape[axis] *= len(phases)
    return jnp.stack(phases, axis + 1).reshape(shape)


def add_back(
    parts: Sequence[Array], axis: int, stride: int, pad: int, size: int, dilation: int = 1
) -> Array:
    """The transpose of `slices` of an array padded by `pad`: every part added where it came from.

    Positions of equal remainder by the stride are summed as dense arrays and interleaved, which
    vectorizes; padding each part by itself does not.
    """
    last, out = (len(parts) - 1) * dilation, parts[0].shape[axis]
    stride = last + 1 if out == 1 else stride  # one window: its parts lie side by side
    blocks = max(-(-(pad + size) // stride), out + last // stride)
    phases = []
    for remainder in range(stride):
        shape = list(parts[0].shape)
        shape[axis] = blocks
        total = jnp.zeros(shape, parts[0].dtype)
        for part, at in zip(parts, range(0, last + 1, dilation), strict=True):
            shift, phase = divmod(at, stride)
            if phase == remainder:
                total = total + pad_axis(part, axis, shift, blocks - out - shift)
        phases.append(total)
    return lax.slice_in_dim(interleave(phases, axis), pad, pad + size, 1, axis)


def patches(
    x: Array,
    *,
    kernel: Sequence[int],
    stride: Sequence[int],
    pad: Sequence[int],
    dilation: Sequence[int],
) -> Array:
    """Every window's elements as channels: (N, C, *S) -> (N, C prod(kernel), *S').

    Channel c prod(kernel) + k is channel c at place k of the window, in row-major order, zero
    outside the image.
    """
    rank, channels = len(kernel), x.shape[1] * math.prod(kernel)
    for i in reversed(range(rank)):
        axis = x.ndim - rank + i
        x = _unfold(_Along(axis, x.shape[axis], kernel[i], stride[i], pad[i], dilation[i]), x)
    return x.reshape(x.shape[0], channels, *x.shape[-rank:])


class _Along(NamedTuple):
    """Windows along one axis of that size."""

    axis: int
    size: int
    kernel: int
    stride: int
    pad: int
    dilation: int


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _unfold(a: _Along, x: Array) -> Array:
    """The windows along one axis; the place in them is a new axis 2."""
    out = (a.size + 2 * a.pad - a.dilation * (a.kernel - 1) - 1) // a.stride + 1
    x = pad_axis(x, a.axis, a.pad, a.pad)
    return jnp.stack(list(slices(x, a.axis, a.kernel, a.stride, out, a.dilation)), 2)


def _fold(a: _Along, _: None, d: Array) -> tuple[Array]:
    parts = [lax.index_in_dim(d, k, 2, keepdims=False) for k in range(a.kernel)]
    return (add_back(parts, a.axis, a.stride, a.pad, a.size, a.dilation),)


_unfold.defvjp(lambda a, x: (_unfold(a, x), None), _fold)
