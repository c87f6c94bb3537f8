"""Products of the patches of one feature map with the displaced patches of another."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array, lax

from netc.lowering.elementwise import absolute
from netc.lowering.windows import pad_axis, slices


def correlate(
    a: Array,
    b: Array,
    *,
    first: Sequence[int],
    out: Sequence[int],
    shifts: Sequence[range],
    kernel: int,
    stride: int,
    subtract: bool = False,
) -> Array:
    """The mean over channels and patch of a b, or of |a - b|: (N, C, H, W) twice -> (N, D, *out).

    Patch (i, j) of a begins at first + stride (i, j) and is kernel x kernel; that of b is displaced
    by the d-th pair of shifts down and across, in row-major order. All is 0 outside the images.
    """
    channels, whole = a.shape[1], kernel > 1
    # A sum over patches is made of sums over pixels, which are then wanted at every place.
    step = 1 if whole else stride
    count = [(n - 1) * stride + kernel for n in out] if whole else list(out)
    for axis, start, n, shift in zip((2, 3), first, count, shifts, strict=True):
        span = step * (n - 1) + 1
        a = _window(a, axis, start, span)
        b = _window(b, axis, start + shift[0], span + shift[-1] - shift[0])
    a = a[:, :, ::step, ::step]
    y = (_differences if subtract else _products)(a, b, step, shifts)
    if whole:
        for axis, n in zip((2, 3), out, strict=True):
            y = sum(slices(y, axis, kernel, stride, n), jnp.zeros((), y.dtype))
    return y / (kernel * kernel * channels)


def _window(x: Array, axis: int, start: int, count: int) -> Array:
    """`count` elements from `start` on; those outside are 0."""
    return pad_axis(x, axis, -start, start + count - x.shape[axis])


def _products(a: Array, b: Array, step: int, shifts: Sequence[range]) -> Array:
    """Sums of a b over channels: (N, C, Y, X) and the window of b -> (N, D, Y, X).

    Row times row is a matrix product (X, C) (C, V) whose element (x, step x + d) is wanted, a band.
    It computes more than that, and is 60 times faster on CPU than a product for each displacement.
    """
    n, _, rows, columns = a.shape
    down, across = shifts
    a, b = a.transpose(0, 2, 3, 1), b.transpose(0, 2, 1, 3)
    bands = []
    for d in down:
        start = d - down[0]
        others = lax.slice_in_dim(b, start, start + step * (rows - 1) + 1, step, 1)
        m = jnp.einsum("nyxc,nycv->nyxv", a, others, precision=lax.Precision.HIGHEST)
        flat = m.reshape(n, rows, columns * m.shape[3])
        flat = pad_axis(flat, 2, 0, step * columns)  # a row is longer by `step`: columns line up
        skewed = flat.reshape(n, rows, columns, m.shape[3] + step)
        bands.append(skewed[..., : len(across) * across.step : across.step])
    y = jnp.stack(bands, 1).transpose(0, 1, 4, 2, 3)
    return y.reshape(n, y.shape[1] * y.shape[2], rows, columns)


def _differences(a: Array, b: Array, step: int, shifts: Sequence[range]) -> Array:
    """Sums of |a - b| over channels: (N, C, Y, X) and the window of b -> (N, D, Y, X)."""
    down, across = shifts
    size = [step * (n - 1) + 1 for n in a.shape[2:]]
    ones = jnp.ones(a.shape[1], a.dtype)

    @jax.checkpoint
    def one(shift: Array) -> Array:
        other = b
        for axis, start, n in zip((2, 3), shift, size, strict=True):
            other = lax.dynamic_slice_in_dim(other, start, n, axis)
        apart = absolute(a - other[:, :, ::step, ::step])
        return jnp.einsum("ncyx,c->nyx", apart, ones, precision=lax.Precision.HIGHEST)

    pairs = [(d - down[0], e - across[0]) for d in down for e in across]
    return lax.map(one, jnp.array(pairs, jnp.int32)).swapaxes(0, 1)
