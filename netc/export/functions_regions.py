"""Layers of detection: boxes are corners x1, y1, x2, y2 along the last axis."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax


def overlap(a, b, extra=0.0):
    """Intersection over union; extra: 1 for boxes whose last row and column belong to them."""

    def area(box):
        sides = box[..., 2:] - box[..., :2]
        return jnp.where((sides < 0).any(-1), 0.0, (sides + extra).prod(-1))

    sides = jnp.minimum(a[..., 2:], b[..., 2:]) - jnp.maximum(a[..., :2], b[..., :2]) + extra
    shared = jnp.maximum(sides, 0.0).prod(-1)
    union = area(a) + area(b) - shared
    return jnp.where(shared > 0, shared / jnp.where(shared > 0, union, 1.0), 0.0)


def suppress(boxes, alive, most, threshold, extra=0.0):
    """Which boxes (K, 4), best first, stay: the first `most` that no better one which stays
    overlaps by more than the threshold. alive (K): those that take part."""
    place = jnp.arange(len(boxes))

    def step(i, stay):
        covered = (overlap(boxes, boxes[i][None], extra) > threshold) & (place > i)
        return jnp.where(stay[i], stay & ~covered, stay)

    stay = lax.fori_loop(0, len(boxes), step, alive)
    return stay & (jnp.cumsum(stay) <= most)


def decode(found, boxes, code, extra=0.0):
    """The boxes that lie by `found` from others: by corners, by corners in units of their sizes, or
    by centres in units of their sizes and logarithms of sizes."""
    if code == "CORNER":
        return boxes + found
    size = boxes[..., 2:] - boxes[..., :2] + extra
    if code == "CORNER_SIZE":
        return boxes + found * jnp.concatenate([size, size], -1)
    center = boxes[..., :2] + size / 2 + found[..., :2] * size
    half = jnp.exp(found[..., 2:]) * size / 2
    return jnp.concatenate([center - half, center + half], -1)


def detection_output(
    loc,
    conf,
    prior,
    priors,
    classes,
    background=0,
    shared=True,
    code="CORNER",
    encoded=False,
    confidence=-jnp.inf,
    top_k=None,
    threshold=0.3,
    keep_top_k=None,
    extra=0.0,
):
    """Rows image, class, score, x1, y1, x2, y2 of what is found: (1, 1, K, 7), by image and class.

    loc (N, 4 P) or, unless the classes share it, (N, 4 P classes) are differences to P priors in
    units of variances, prior (1, 2, 4 P), or `encoded` with these in them; conf (N, P classes). Of
    each class the top_k best scores above `confidence` count, of an image the keep_top_k best
    boxes. Of K rows the last ones are -1; where nothing is found, the first tell the images.
    """
    names = jnp.array([c for c in range(classes) if c != background])
    prior, variance = prior.reshape(2, 1, 1, priors, 4)
    score = conf.reshape(-1, priors, classes)[:, :, names].swapaxes(1, 2)
    found = loc.reshape(len(score), priors, -1, 4)
    found = (found if shared else found[:, :, names]).swapaxes(1, 2)
    boxes = decode(found if encoded else found * variance, prior, code, extra)
    score, index = lax.top_k(score, priors if top_k is None else top_k)
    boxes = jnp.take_along_axis(boxes, index[..., None], axis=2)

    def kept(boxes, score):
        return suppress(boxes, score > confidence, len(score), threshold, extra)

    stay = jax.vmap(jax.vmap(kept))(boxes, score)
    most = score[0].size
    if keep_top_k is not None:
        most = min(most, keep_top_k)
        flat = jnp.where(stay, score, -jnp.inf).reshape(len(score), -1)
        rank = jnp.argsort(jnp.argsort(-flat))
        stay = stay & (rank < most).reshape(stay.shape)
    images, count = len(score), len(score) * max(most, 1)
    image, label, place = jnp.nonzero(stay, size=count, fill_value=images)
    rows = [image, names[label], score[image, label, place], *boxes[image, label, place].T]
    rows = jnp.stack([row.astype(score.dtype) for row in rows], 1)
    row = jnp.arange(len(rows))
    empty = jnp.full_like(rows, -1.0)
    told = jnp.where(~stay.any() & (row < images), row, -1)
    empty = empty.at[:, 0].set(told.astype(rows.dtype))
    return jnp.where((image < images)[:, None], rows, empty)[None, None]


def proposals(scores, deltas, info, anchors, smallest, entering, staying, threshold):
    """Regions image, x1, y1, x2, y2 of objects (R, 5), and their scores (R).

    scores (N, 2 A, H, W), the last A of objects, deltas (N, 4 A, H, W) to the anchors (H, W, A, 4);
    info: height, width and scale of each image or of all. Of each image the `entering` best whose
    sides are `smallest` times the scale at least count, `staying` of them stay at most; of R rows
    the last ones have image -1.
    """
    images, each = len(scores), anchors.shape[2]
    score = scores[:, each:].transpose(0, 2, 3, 1).reshape(images, -1)
    deltas = deltas.reshape(images, each, 4, *deltas.shape[2:]).transpose(0, 3, 4, 1, 2)
    boxes = decode(deltas, anchors[None], "CENTER_SIZE", 1.0).reshape(images, -1, 4)
    limit = info[:, jnp.array([1, 0, 1, 0])][:, None] - 1
    boxes = jnp.minimum(jnp.maximum(boxes, 0.0), limit)
    sides = boxes[..., 2:] - boxes[..., :2] + 1
    large = (sides >= smallest * info[:, jnp.array([-1, 2])][:, None]).all(-1)
    score, index = lax.top_k(jnp.where(large, score, -jnp.inf), entering)
    boxes = jnp.take_along_axis(boxes, index[..., None], axis=1)

    def kept(boxes, score):
        return suppress(boxes, score > -jnp.inf, staying, threshold, 1.0)

    stay = jax.vmap(kept)(boxes, score)
    image, place = jnp.nonzero(stay, size=images * staying, fill_value=images)
    found = image < images
    number = jnp.where(found, image, -1).astype(boxes.dtype)
    corners = jnp.where(found[:, None], boxes[image, place], 0.0)
    rois = jnp.concatenate([number[:, None], corners], 1)
    return rois, jnp.where(found, score[image, place], 0.0)


def half_up(x):
    """To the nearest whole number, halves away from zero."""
    return jnp.trunc(x + jnp.copysign(0.5, x))


def bins(start, length, count, size, shift=0.0):
    """Which of `size` pixels each of `count` bins of a side covers, (count, size)."""
    step = length / (count + 0 * length)  # a division: a product with 1 / count is not exact
    index = jnp.arange(count, dtype=step.dtype)[:, None]
    first, last = jnp.floor(index * step + start), jnp.ceil((index + 1) * step + start)
    pixel = jnp.arange(size, dtype=step.dtype)[None] - shift
    return (pixel >= first) & (pixel < last)


def roi_pool(x, rois, size, scale=1.0):
    """The maximum of each bin of regions of x (N, C, H, W): (R, C, *size), 0 for an empty one.

    Regions (R, 5): image, x1, y1, x2, y2, `scale` of them one pixel; zeros for image -1.
    """

    def pool(roi):
        x1, y1, x2, y2 = half_up(roi[1:] * scale)
        tall, wide = jnp.maximum(y2 - y1 + 1, 1.0), jnp.maximum(x2 - x1 + 1, 1.0)
        rows = bins(0.0, tall, size[0], x.shape[2], shift=y1)
        columns = bins(0.0, wide, size[1], x.shape[3], shift=x1)
        image = x[jnp.maximum(roi[0], 0.0).astype(jnp.int32)]
        y = jnp.where(rows[None, :, :, None], image[:, None], -jnp.inf).max(2)
        y = jnp.where(columns[None, None], y[:, :, None], -jnp.inf).max(3)
        seen = rows.any(1)[:, None] & columns.any(1)[None] & (roi[0] >= 0)
        return jnp.where(seen[None], y, 0.0)

    return lax.map(pool, rois)


def position_sensitive_pool(x, rois, group, scale):
    """The mean of each of group x group bins of regions, over channels of its own.

    x (N, D group^2, H, W), regions (R, 5) as for roi_pool -> (R, D, group, group): bin (i, j) of d
    is over channel (d group + i) group + j. 0 for an empty bin and for image -1.
    """
    images, _, height, width = x.shape
    maps = x.reshape(images, -1, group, group, height, width)

    def pool(roi):
        x1, y1 = half_up(roi[1:3]) * scale
        x2, y2 = (half_up(roi[3:]) + 1) * scale
        tall, wide = jnp.maximum(y2 - y1, 0.1), jnp.maximum(x2 - x1, 0.1)
        rows = bins(y1, tall, group, height).astype(x.dtype)
        columns = bins(x1, wide, group, width).astype(x.dtype)
        area = jnp.maximum(rows.sum(1)[:, None] * columns.sum(1)[None], 1.0)
        image = maps[jnp.maximum(roi[0], 0.0).astype(jnp.int32)]
        y = jnp.einsum("dijhw,ih,jw->dij", image, rows, columns) / area[None]
        return jnp.where(roi[0] >= 0, y, 0.0)

    return lax.map(pool, rois)
