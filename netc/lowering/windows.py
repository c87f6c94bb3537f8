"""Sliding windows along one axis, as strided slices, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import jax.numpy as jnp
from jax import Array, lax


def pad_axis(x: Array, axis: int, low: int, high: int, fill: float = 0.0) -> Array:
    """x with `fill` before and after it along an axis; negative amounts cut."""
    edges = [(0, 0, 0)] * x.ndim
    edges[axis] = (low, high, 0)
    return lax.pad(x, jnp.asarray(fill, x.dtype), edges)


def slices(x: Array, axis: int, kernel: int, stride: int, out: int) -> Iterator[Array]:
    """Per position in a window: that element of all `out` windows."""
    for k in range(kernel):
        yield lax.slice_in_dim(x, k, k + (out - 1) * stride + 1, stride, axis)


def interleave(phases: Sequence[Array], axis: int) -> Array:
    """Arrays a, b, c as a0 b0 c0 a1 b1 c1 ... along an axis."""
    if len(phases) == 1:
        return phases[0]
    shape = list(phases[0].shape)
    shape[axis] *= len(phases)
    return jnp.stack(phases, axis + 1).reshape(shape)


def add_back(parts: Sequence[Array], axis: int, stride: int, pad: int, size: int) -> Array:
    """The transpose of `slices` of an array padded by `pad`: every part added where it came from.

    Positions of equal remainder by the stride are summed as dense arrays and interleaved, which
    vectorizes; padding each part by itself does not.
    """
    kernel, out = len(parts), parts[0].shape[axis]
    stride = kernel if out == 1 else stride  # one window: its parts lie side by side
    blocks = max(-(-(pad + size) // stride), out + (kernel - 1) // stride)
    phases = []
    for remainder in range(stride):
        shape = list(parts[0].shape)
        shape[axis] = blocks
        total = jnp.zeros(shape, parts[0].dtype)
        for k in range(remainder, kernel, stride):
            shift = k // stride
            total = total + pad_axis(parts[k], axis, shift, blocks - out - shift)
        phases.append(total)
    return lax.slice_in_dim(interleave(phases, axis), pad, pad + size, 1, axis)
