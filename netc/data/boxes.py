"""Boxes of images: rows item, label, instance, xmin, ymin, xmax, ymax, difficult, in float32.

Corners are in units of the sides of the image. SSD: bbox_util.cpp, im_transforms.cpp, sampler.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netc.data.fail import Fail
from netc.schema import (
    AnnotatedDatum,
    BatchSampler,
    EmitConstraint,
    ResizeParameter,
    SampleConstraint,
)

CORNERS = slice(3, 7)
ROW = 8  # numbers


def rows_of(message: AnnotatedDatum) -> np.ndarray:
    """The boxes of a record, (G, 8), of item 0."""
    rows = [
        (0, group.group_label, a.instance_id, *_corners(a.bbox), a.bbox.difficult)
        for group in message.annotation_group
        for a in group.annotation
    ]
    return np.array(rows, np.float32).reshape(-1, ROW)


def _corners(box: object) -> list[float]:
    return [getattr(box, field) for field in ("xmin", "ymin", "xmax", "ymax")]


def of_item(rows: np.ndarray, item: int) -> np.ndarray:
    """The boxes (G, 8) of one item of a batch (1, 1, G, 8)."""
    return rows[0, 0, rows[0, 0, :, 0] == item]


def inside(rows: np.ndarray, window: np.ndarray, emit: EmitConstraint | None = None) -> np.ndarray:
    """The boxes (G, 8) that overlap a window, (4,) as corners, and meet `emit`: relative to the
    window, and clipped to it."""
    boxes, view = rows[:, CORNERS], window.astype(np.float32)
    kept = ((boxes[:, :2] < view[2:]) & (boxes[:, 2:] > view[:2])).all(1)
    if emit is not None:
        kept &= _emitted(boxes, view, emit)
    moved = (boxes - np.tile(view[:2], 2)) / np.tile(view[2:] - view[:2], 2)
    moved = moved.clip(0, 1)
    kept &= area(moved) > 0
    found = rows[kept]
    found[:, CORNERS] = moved[kept]
    return found


def _emitted(boxes: np.ndarray, view: np.ndarray, emit: EmitConstraint) -> np.ndarray:
    if emit.emit_type == EmitConstraint.MIN_OVERLAP:
        return coverage(boxes, view) > np.float32(emit.emit_overlap)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.all((centre >= view[:2]) & (centre <= view[2:]), axis=1)


def mirrored(rows: np.ndarray) -> np.ndarray:
    """The boxes of an image that is flipped from left to right."""
    flipped = rows.copy()
    flipped[:, [3, 5]] = 1 - rows[:, [5, 3]]
    return flipped


def fitted_size(size: Sequence[int], p: ResizeParameter) -> tuple[np.float32, np.float32]:
    """Height and width to which an image of (height, width) is resized, fractions included.

    Both are those of `p` with WARP. FIT_LARGE_SIZE_AND_PAD keeps the aspect and stays inside of
    them, FIT_SMALL_SIZE keeps it and covers them.
    """
    height, width = np.float32(p.height), np.float32(p.width)
    aspect = np.float32(size[1]) / np.float32(size[0])
    if p.resize_mode == ResizeParameter.WARP:
        return height, width
    large = p.resize_mode == ResizeParameter.FIT_LARGE_SIZE_AND_PAD
    # Where both aspects are equal, SSD goes by the height: the other way may round to less.
    if aspect > width / height if large else aspect < width / height:
        return width / aspect, width
    return height, aspect * height


def resized(rows: np.ndarray, size: Sequence[int], p: ResizeParameter) -> np.ndarray:
    """The boxes of an image of (height, width) that is resized, padding included."""
    inner = np.array(fitted_size(size, p)[::-1])
    whole = inner
    if p.resize_mode == ResizeParameter.FIT_LARGE_SIZE_AND_PAD:
        whole = np.array([p.width, p.height], np.float32)
    pad = (whole - inner) / 2
    old = np.array(size[::-1], np.float32)
    ends = rows[:, CORNERS].reshape(-1, 2, 2) * old * (whole - 2 * pad) / old
    ends[:, 0] = np.maximum(ends[:, 0], 0)
    ends[:, 1] = np.minimum(ends[:, 1], whole)
    found = rows.copy()
    found[:, CORNERS] = ((ends + pad) / whole).reshape(-1, 4)
    return found


def scaled(
    rows: np.ndarray, size: Sequence[int], window: np.ndarray, p: ResizeParameter
) -> np.ndarray:
    """The boxes in a window of a resized image in units of height_scale and width_scale, where
    FIT_SMALL_SIZE gives these; size: (height, width) before."""
    if p.resize_mode != ResizeParameter.FIT_SMALL_SIZE or not (p.height_scale and p.width_scale):
        return rows
    view = (window[2:] - window[:2]) * fitted_size(size, p)[::-1]
    found = rows.copy()
    found[:, CORNERS] *= np.tile(view / np.array([p.width_scale, p.height_scale], np.float32), 2)
    return found


def padded(rows: np.ndarray, least: int) -> np.ndarray:
    """Rows of -1, which stand for no box, behind (1, 1, G, 8): `least` rows, or a power of 2.

    A program has boxes of one number; so there are few of them.
    """
    count = len(rows[0, 0])
    short = max(least, length(count)) - count
    return np.pad(rows, [(0, 0), (0, 0), (0, short), (0, 0)], constant_values=-1)


def length(count: int) -> int:
    """The power of 2 that so many rows are brought to."""
    return 1 << max(count - 1, 7).bit_length()


def area(boxes: np.ndarray) -> np.ndarray:
    """(..., 4) -> (...)."""
    return np.maximum(boxes[..., 2:] - boxes[..., :2], 0).prod(-1)


def shared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The area of the intersections."""
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    return area(np.concatenate([low, high], -1))


def coverage(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The share of `a` that `b` covers."""
    return shared(a, b) / np.maximum(area(a), np.finfo(np.float32).tiny)


def jaccard(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union."""
    common = shared(a, b)
    return common / np.maximum(area(a) + area(b) - common, np.finfo(np.float32).tiny)


MEASURES = {
    "jaccard_overlap": jaccard,
    "sample_coverage": coverage,
    "object_coverage": lambda sample, box: coverage(box, sample),
}


def check_sampler(p: BatchSampler, fail: Fail) -> None:
    """Calls `fail` where nothing can be drawn."""
    s = p.sampler
    for field, bound in (("scale", 1.0), ("aspect_ratio", float("inf"))):
        low, high = getattr(s, f"min_{field}"), getattr(s, f"max_{field}")
        if not low > 0:
            fail(f"min_{field} must be greater than 0, got {low:g}", f"min_{field}")
        if not low <= high <= bound:
            limit = f"and at most {bound:g}" if bound == 1 else "and finite"
            fail(
                f"max_{field} must be at least min_{field}, {low:g}, {limit}, got {high:g}",
                f"max_{field}" if s.HasField(f"max_{field}") else f"min_{field}",
            )


def sampled(p: BatchSampler, boxes: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """The windows that a sampler finds among as many as it tries, (M, 4).

    boxes: (G, 4). uniform: numbers of [0, 1), (max_trials, 4), for scale, aspect, left and top.
    A window fits if some box meets all of the constraints.
    """
    if not p.use_original_image:
        return np.empty((0, 4), np.float32)
    s, u = p.sampler, uniform.T
    scale = s.min_scale + (s.max_scale - s.min_scale) * u[0]
    aspect = s.min_aspect_ratio + (s.max_aspect_ratio - s.min_aspect_ratio) * u[1]
    aspect = aspect.clip(scale**2, scale**-2)
    side = np.stack([scale * np.sqrt(aspect), scale / np.sqrt(aspect)], 1).clip(0, 1)
    start = uniform[:, 2:] * (1 - side)
    windows = np.concatenate([start, start + side], 1).astype(np.float32)
    windows = windows[_meets(p.sample_constraint, windows[:, None], boxes)]
    return windows[: p.max_sample] if p.HasField("max_sample") else windows


def _meets(p: SampleConstraint, windows: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which windows (T, 1, 4) some box (G, 4) agrees with; all, without a constraint."""
    if not p.ListFields():
        return np.ones(len(windows), bool)
    fits = np.ones((len(windows), len(boxes)), bool)
    for name, measure in MEASURES.items():
        value = measure(windows, boxes)
        if p.HasField(f"min_{name}"):
            fits &= value >= np.float32(getattr(p, f"min_{name}"))
        if p.HasField(f"max_{name}"):
            fits &= value <= np.float32(getattr(p, f"max_{name}"))
    return np.any(fits, axis=1)
