"""Boxes in corners, coordinates first: (4, ...) of xmin, ymin, xmax, ymax. Caffe: bbox_util.cpp."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from netc.schema import PriorBoxParameter

CORNER = PriorBoxParameter.CORNER
CORNER_SIZE = PriorBoxParameter.CORNER_SIZE
CENTER_SIZE = PriorBoxParameter.CENTER_SIZE


def area(boxes: Array, extra: int = 0) -> Array:
    """(4, ...) -> (...): width times height; 0 where a side is negative.

    extra: 1 for boxes in whole pixels, whose last column and row belong to them.
    """
    width, height = boxes[2] - boxes[0], boxes[3] - boxes[1]
    size = (width + extra) * (height + extra)
    return jnp.where((width < 0) | (height < 0), jnp.zeros_like(size), size)


def overlap(a: Array, b: Array, extra: int = 0) -> Array:
    """Intersection over union of boxes that broadcast against each other, 0 where they are apart.

    extra: as in `area`.
    """
    width = jnp.minimum(a[2], b[2]) - jnp.maximum(a[0], b[0]) + extra
    height = jnp.minimum(a[3], b[3]) - jnp.maximum(a[1], b[1]) + extra
    shared = jnp.maximum(width, 0) * jnp.maximum(height, 0)
    union = area(a, extra) + area(b, extra) - shared
    return jnp.where(shared > 0, shared / jnp.where(shared > 0, union, 1), 0)


def _geometry(boxes: Array, extra: int) -> tuple[Array, Array]:
    """Sizes and centres, (2, ...) each."""
    size = boxes[2:] - boxes[:2] + extra
    return size, boxes[:2] + size / 2


def encode(
    code: int, boxes: Array, priors: Array, variances: Array | float = 1.0, extra: int = 0
) -> Array:
    """The differences from priors to boxes, over the variances; (4, ...), broadcast.

    CORNER: of the corners; CORNER_SIZE: over the prior's size; CENTER_SIZE: of the centres over
    the prior's size, and log(size / prior's size). extra: as in `area`.
    """
    if code == CORNER:
        return (boxes - priors) / variances
    size, center = _geometry(priors, extra)
    if code == CORNER_SIZE:
        return (boxes - priors) / jnp.concatenate([size, size]) / variances
    own_size, own_center = _geometry(boxes, extra)
    moved = (own_center - center) / size
    return jnp.concatenate([moved, jnp.log(own_size / size)]) / variances


def decode(
    code: int, found: Array, priors: Array, variances: Array | float = 1.0, extra: int = 0
) -> Array:
    """The boxes that `encode` gives `found` for."""
    found = found * variances
    if code == CORNER:
        return priors + found
    size, center = _geometry(priors, extra)
    if code == CORNER_SIZE:
        return priors + found * jnp.concatenate([size, size])
    center, half = center + found[:2] * size, jnp.exp(found[2:]) * size / 2
    return jnp.concatenate([center - half, center + half])


def suppress(
    boxes: Array,
    alive: Array,
    threshold: float,
    *,
    eta: float = 1.0,
    most: int | None = None,
    extra: int = 0,
) -> Array:
    """Which boxes (4, K), best first, no kept one before them overlaps by more than `threshold`.

    alive: (K,), those that take part. most: no more than that are kept. A threshold above 0.5
    falls by the factor `eta` with every box that is kept. One step per box kept, O(K) each.
    Caffe: bbox_util.cpp, ApplyNMSFast.
    """
    count = boxes.shape[1]
    place = jnp.arange(count, dtype=jnp.int32)
    end = jnp.int32(count)

    def step(carry):
        worst, kept, limit, i, left = carry
        box = lax.dynamic_slice_in_dim(boxes, i, 1, 1)
        worst = jnp.maximum(worst, overlap(boxes, box, extra))
        if eta < 1:
            limit = jnp.where(limit > 0.5, limit * eta, limit)
        free = alive & (place > i) & (worst <= limit)
        return worst, kept | (place == i), limit, jnp.where(free, place, end).min(), left - 1

    first = jnp.where(alive, place, end).min(initial=end)
    worst, kept = jnp.zeros(count, boxes.dtype), jnp.zeros(count, bool)
    left = jnp.int32(count if most is None else most)
    start = (worst, kept, jnp.asarray(threshold, boxes.dtype), first, left)
    return lax.while_loop(lambda c: (c[3] < end) & (c[4] > 0), step, start)[1]


def best(scores: Array, count: Array | int) -> Array:
    """Which of the scores along the last axis are the `count` greatest, the first of equals first.

    count: a number, or one for each row; NaN and -inf count as least.
    """
    order = jnp.argsort(-scores, axis=-1, stable=True)
    rank = jnp.argsort(order, axis=-1)
    return rank < jnp.expand_dims(jnp.asarray(count, rank.dtype), -1)


def listed(image: Array, found: Array, images: int) -> Array:
    """Rows (K, 7) of detections as (1, 1, K, 7), -1 where `image` is none of the `images`.

    Where all are none, the first begin with the numbers of the images.
    """
    row = jnp.arange(len(image))
    number = jnp.where((image < images).any() | (row >= images), -1, row).astype(found.dtype)
    nothing = jnp.pad(number[:, None], [(0, 0), (0, 6)], constant_values=-1)
    return jnp.where((image < images)[:, None], found, nothing)[None, None]
