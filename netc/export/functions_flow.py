"""Layers of optical flow and disparity, on images (N, C, H, W)."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax


def bilinear(x, at, zeros=False):
    """x between its pixels, at rows and columns (N, 2, P): (N, C, P).

    Beyond the edges are the pixels of the edges, or zeros.
    """
    height, width = x.shape[2:]
    flat = x.reshape(*x.shape[:2], -1)
    row, column = jnp.floor(at[:, :1]), jnp.floor(at[:, 1:])
    down, right = at[:, :1] - row, at[:, 1:] - column
    total = 0.0
    for y, tall in ((row, 1 - down), (row + 1, down)):
        for z, wide in ((column, 1 - right), (column + 1, right)):
            i, j = jnp.clip(y, 0, height - 1), jnp.clip(z, 0, width - 1)
            place = i.astype(jnp.int32) * width + j.astype(jnp.int32)
            share = jnp.where((i == y) & (j == z), tall * wide, 0.0) if zeros else tall * wide
            total = total + share * jnp.take_along_axis(flat, place, axis=2)
    return total


def flow_warp(x, flow, fill=0.0):
    """Every pixel of x from where the flow (N, 2, H, W), across and down, points; `fill` from
    outside of x."""
    size = x.shape[2:]
    at = jnp.indices(size, flow.dtype).reshape(1, 2, -1) + flow[:, ::-1].reshape(len(x), 2, -1)
    inside = ((at >= 0) & (at < jnp.array(size, at.dtype).reshape(1, 2, 1))).all(1, keepdims=True)
    y = jnp.where(inside, bilinear(x, jnp.where(inside, at, 0.0)), fill)
    return y.reshape(x.shape)


def correlation(a, b, first, size, down, across, kernel=1, stride=1, subtract=False):
    """The mean over channels and a patch of a b, or of |a - b|: (N, C, H, W) -> (N, D, *size).

    Patches of a are kernel x kernel and begin at `first`, `stride` apart; those of b are displaced
    by the range of rows `down` and the range of columns `across`. All is 0 outside of the images.
    """
    n, channels = a.shape[:2]
    span = [stride * (m - 1) + kernel for m in size]

    def window(x, start, count):
        edges = [(-s, s + c - m, 0) for s, c, m in zip(start, count, x.shape[2:], strict=True)]
        return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), (0, 0, 0), *edges])

    ranges = range(*down), range(*across)
    reach = [r[-1] - r[0] for r in ranges]
    a = window(a, first, span)
    start = [s + r[0] for s, r in zip(first, ranges, strict=True)]
    b = window(b, start, [s + r for s, r in zip(span, reach, strict=True)])
    shifts = [(i - ranges[0][0], j - ranges[1][0]) for i in ranges[0] for j in ranges[1]]

    def compare(shift):
        other = lax.dynamic_slice(b, (0, 0, shift[0], shift[1]), (n, channels, *span))
        y = (jnp.abs(a - other) if subtract else a * other).sum(1)
        return lax.reduce_window(y, 0.0, lax.add, (1, kernel, kernel), (1, stride, stride), "VALID")

    y = lax.map(compare, jnp.array(shifts)).swapaxes(0, 1)
    return y / (channels * kernel * kernel)
