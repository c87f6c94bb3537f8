"""Pooling of regions of a feature map (N, C, H, W); a region is image, x1, y1, x2, y2."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import Array, lax

CHUNK = 32  # regions worked on at a time


def _round(x: Array) -> Array:
    """To the nearest whole number, halves away from zero."""
    return jnp.trunc(x + jnp.copysign(jnp.asarray(0.5, x.dtype), x))


def _edges(length: Array, bins: int, start: Array | float = 0.0) -> tuple[Array, Array]:
    """Where bins of equal length begin and end, in whole pixels: (bins,) each."""
    # Caffe divides; XLA multiplies by the reciprocal of what it sees to be one number for all,
    # and a bin would then begin or end a pixel off.
    step = length / (bins + 0 * length)
    index = jnp.arange(bins, dtype=step.dtype)
    return jnp.floor(index * step + start), jnp.ceil((index + 1) * step + start)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def max_pool(x: Array, rois: Array, pooled: tuple[int, int], scale: float) -> Array:
    """The maximum of each bin: (N, C, H, W), (R, 5) -> (R, C, *pooled); 0 for an empty one.

    The gradient goes to the first maximum in row-major order. Regions of an image that is not
    there give NaN, those of image -1 zeros. Caffe: roi_pooling_layer.cu.
    """
    return _max_pool_forward(x, rois, pooled, scale)[0]


def _max_pool_forward(x, rois, pooled, scale):
    images, channels, height, width = x.shape
    pixels = x.transpose(0, 2, 3, 1).reshape(images * height * width, channels)
    if not images:
        pixels = jnp.zeros((1, channels), x.dtype)  # to be looked at, if never to be taken
    lowest = jnp.asarray(jnp.finfo(x.dtype).min, x.dtype)

    def pool(roi):
        """Maxima and their pixels of one region, (bins, C); the bins are walked in step."""
        image = roi[0].astype(jnp.int32)
        x1, y1, x2, y2 = _round(roi[1:] * jnp.asarray(scale, roi.dtype))
        top, bottom = (
            (edge + y1).clip(0, height).astype(jnp.int32)
            for edge in _edges(jnp.maximum(y2 - y1 + 1, 1), pooled[0])
        )
        left, right = (
            (edge + x1).clip(0, width).astype(jnp.int32)
            for edge in _edges(jnp.maximum(x2 - x1 + 1, 1), pooled[1])
        )
        rows, columns = (bottom - top).max(), (right - left).max()
        there = (image >= 0) & (image < images)

        def step(carry):
            k, best, place = carry
            y, x_ = top + k // columns, left + k % columns
            inside = ((y < bottom)[:, None] & (x_ < right)[None]).reshape(-1, 1)
            pixel = (y[:, None] * width + x_[None] + image * height * width).reshape(-1, 1)
            value = pixels[pixel[:, 0]]
            better = inside & (value > best)
            best = jnp.where(better, value, best)
            return k + 1, best, jnp.where(better, pixel, place)

        shape = pooled[0] * pooled[1], channels
        start = jnp.int32(0), jnp.full(shape, lowest), jnp.full(shape, -1, jnp.int32)
        steps = jnp.where(there, rows * columns, 0)
        _, best, place = lax.while_loop(lambda c: c[0] < steps, step, start)
        empty = ~((bottom > top)[:, None] & (right > left)[None]).reshape(-1, 1)
        none = jnp.where(image == -1, 0, jnp.nan).astype(x.dtype)
        return jnp.where(there, jnp.where(empty, 0, best), none), place

    best, place = lax.map(pool, rois, batch_size=CHUNK)
    shape = rois.shape[0], *pooled, channels
    best, place = (a.reshape(shape).transpose(0, 3, 1, 2) for a in (best, place))
    return best, (place, x, rois)


def _max_pool_backward(pooled, scale, saved, dy):
    place, x, rois = saved
    images, channels, height, width = x.shape
    flat = jnp.where(place < 0, images * height * width, place)
    channel = jnp.arange(channels)[:, None, None]
    dx = jnp.zeros((images * height * width, channels), dy.dtype)
    dx = dx.at[flat, channel[None]].add(dy, mode="drop")
    return dx.reshape(images, height, width, channels).transpose(0, 3, 1, 2), jnp.zeros_like(rois)


max_pool.defvjp(_max_pool_forward, _max_pool_backward)


def position_sensitive(x: Array, rois: Array, group: int, scale: float) -> Array:
    """The mean of each of group x group bins, over channels of its own.

    (N, D group^2, H, W), (R, 5) -> (R, D, group, group): bin (i, j) of d is over channel
    (d group + i) group + j. 0 for an empty bin. Images as in `max_pool`.
    R-FCN: psroi_pooling_layer.cu.
    """
    images, channels, height, width = x.shape
    maps = x.reshape(images, channels // group**2, group, group, height, width)

    def weights(start, end, size):
        """Which pixels each bin covers, (group, size), and how many."""
        first, last = _edges(jnp.maximum(end - start, 0.1), group, start)
        pixel = jnp.arange(size, dtype=first.dtype)[None]
        covers = (pixel >= first[:, None]) & (pixel < last[:, None])
        return covers.astype(x.dtype), covers.sum(1)

    def pool(roi):
        x1, y1 = _round(roi[1:3]) * scale
        x2, y2 = (_round(roi[3:]) + 1) * scale
        (rows, tall), (columns, wide) = weights(y1, y2, height), weights(x1, x2, width)
        area = jnp.maximum(tall[:, None] * wide[None], 1).astype(x.dtype)
        image = (roi[0] == jnp.arange(images, dtype=roi.dtype)).astype(x.dtype)
        y = jnp.einsum("n,ndijhw,ih,jw->dij", image, maps, rows, columns) / area[None]
        known = (roi[0] == -1) | (image > 0).any()
        return jnp.where(known, y, jnp.nan)

    return lax.map(pool, lax.stop_gradient(rois), batch_size=CHUNK)
