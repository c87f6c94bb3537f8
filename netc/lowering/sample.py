"""Values of images between their pixels."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import Array, lax


def bilinear(x: Array, at: Array, repeat: bool = True) -> Array:
    """x at fractional places: (N, C, H, W), (N, 2, P) -> (N, C, P).

    at: rows, then columns. Beyond the edge are the pixels of the edge, or zeros without `repeat`.
    The gradient to a place is that by the pixels below and above it.
    """
    n, channels, *size = x.shape
    flat = x.reshape(n, channels, math.prod(size))
    limit = np.array(size, np.int32)[None, :, None]
    low = lax.stop_gradient(jnp.floor(at))
    part = at - low
    total = jnp.zeros((n, channels, at.shape[2]), x.dtype)
    for corner in np.ndindex(2, 2):
        shift = np.array(corner, np.int32)[None, :, None]
        pixel = low.astype(jnp.int32) + shift
        share = jnp.where(shift == 1, part, 1 - part).prod(1)
        if not repeat:
            share = jnp.where(((pixel >= 0) & (pixel < limit)).all(1), share, 0)
        row, column = jnp.moveaxis(jnp.clip(pixel, 0, limit - 1), 1, 0)
        picked = jnp.take_along_axis(flat, (row * size[1] + column)[:, None], axis=2)
        total = total + picked * share[:, None]
    return total
