"""The functions of `netc.export.functions_regions` as ONNX nodes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from netc.export.nodes import Writer

FLOAT, BOOL = 1, 9
LOWEST = float(np.finfo(np.float32).min)  # every score but -inf is above it


def _halves(w: Writer, boxes: Any) -> Any:
    """The first corners and the last ones of boxes, or likewise of differences."""
    return w.node("Split", boxes, outputs=2, axis=-1, num_outputs=2)


def _around(w: Writer, found: Any, center: Any, size: Any) -> Any:
    """The boxes that `found` moves and enlarges from centres and sizes."""
    moved, grown = _halves(w, found)
    center = w.node("Add", center, w.node("Mul", moved, size))
    half = w.node("Div", w.node("Mul", w.node("Exp", grown), size), 2.0)
    return w.node("Concat", w.node("Sub", center, half), w.node("Add", center, half), axis=-1)


def _decoded(w: Writer, found: Any, boxes: Any, code: str, extra: float) -> Any:
    n = w.node
    if code == "CORNER":
        return n("Add", boxes, found)
    first, last = _halves(w, boxes)
    size = n("Sub", last, first)
    size = n("Add", size, extra) if extra else size
    if code == "CORNER_SIZE":
        return n("Add", boxes, n("Mul", found, n("Concat", size, size, axis=-1)))
    return _around(w, found, n("Add", first, n("Div", size, 2.0)), size)


def _suppressed(
    w: Writer, boxes: Any, scores: Any, most: int, threshold: float, least: float, extra: float
) -> Any:
    """Which boxes (B, P, 4) stay by scores (B, C, P) above `least`: (M, 3) of b, c and p.

    A box that is turned inside out overlaps none, as one without an area.
    """
    first, last = _halves(w, boxes)
    last = w.node("Max", first, w.node("Add", last, extra) if extra else last)
    boxes = w.node("Concat", first, last, axis=-1)
    numbers = [most], [min(threshold, 1.0)], [max(least, LOWEST)]
    return w.node("NonMaxSuppression", boxes, scores, *numbers)


def _column(w: Writer, rows: Any, first: int, count: int = 1) -> Any:
    """Columns of rows (M, K)."""
    return w.node("Slice", rows, [first], [first + count], [1])


def _filled(w: Writer, like: Any, value: Any) -> Any:
    """An array of one number, of the shape of another."""
    return w.node("Expand", value, w.node("Shape", like))


def detection_output(
    w: Writer, loc, conf, prior, priors, classes, background=0, shared=True, code="CORNER",
    encoded=False, confidence=-math.inf, top_k=None, threshold=0.3, keep_top_k=None, extra=0.0,
):  # fmt: skip
    n = w.node
    names = [c for c in range(classes) if c != background]
    count = len(names)
    boxes, variances = n("Split", n("Reshape", prior, [2, priors, 4]), outputs=2, num_outputs=2)
    found = n("Reshape", loc, [-1, priors, 1 if shared else classes, 4])
    if not shared and count < classes:
        found = n("Gather", found, names, axis=2)
    found = n("Transpose", found, perm=[0, 2, 1, 3])
    boxes = _decoded(w, found if encoded else n("Mul", found, variances), boxes, code, extra)
    scores = n("Reshape", conf, [-1, priors, classes])
    scores = n("Gather", scores, names, axis=2) if count < classes else scores
    scores = n("Transpose", scores, perm=[0, 2, 1])
    entering = scores
    if top_k is not None:
        best, places = n("TopK", scores, [top_k], outputs=2)
        entering = n("ScatterElements", _filled(w, scores, -math.inf), places, best, axis=2)
    boxes = n("Reshape", boxes, [-1, priors, 4])
    entering = entering if shared else n("Reshape", entering, [-1, 1, priors])
    if keep_top_k == 0:
        keep_top_k, confidence = None, math.inf
    picked = _suppressed(w, boxes, entering, top_k or priors, threshold, confidence, extra)
    if not shared:
        picked = _by_class(w, picked, count)
    if keep_top_k is not None and keep_top_k < count * priors:
        picked = _best(w, picked, scores, count * priors, keep_top_k)
    image, label, place = (_column(w, picked, i) for i in range(3))
    row = image if shared else n("Add", n("Mul", image, [count]), label)
    found = [
        n("Cast", image, to=FLOAT),
        n("Gather", np.array(names, np.float32), label),
        n("Unsqueeze", n("GatherND", scores, picked), [1]),
        n("GatherND", boxes, n("Concat", row, place, axis=1)),
    ]
    rows = n("Concat", *found, axis=1)
    rows = n("Concat", rows, _nothing(w, scores, picked), axis=0)
    return n("Unsqueeze", rows, [0, 1])


def _by_class(w: Writer, picked: Any, classes: int) -> Any:
    """(image classes + class, 0, place) as (image, class, place)."""
    both, place = _column(w, picked, 0), _column(w, picked, 2)
    parts = w.node("Div", both, [classes]), w.node("Mod", both, [classes]), place
    return w.node("Concat", *parts, axis=1)


def _best(w: Writer, picked: Any, scores: Any, count: int, most: int) -> Any:
    """Of the picks (M, 3) in scores (N, C, P), `count` of each image, the `most` best."""
    n = w.node
    own = n("ScatterND", _filled(w, scores, -math.inf), picked, n("GatherND", scores, picked))
    places = n("TopK", n("Reshape", own, [-1, count]), [most], outputs=2)[1]
    zeros = _filled(w, n("Reshape", scores, [-1, count]), 0.0)
    ones = _filled(w, places, 1.0)
    chosen = n("Reshape", n("ScatterElements", zeros, places, ones, axis=1), n("Shape", scores))
    chosen = n("Cast", n("GatherND", chosen, picked), to=BOOL)
    return n("Compress", picked, chosen, axis=0)


def _nothing(w: Writer, scores: Any, picked: Any) -> Any:
    """A row for each image, its number and -1s, where nothing is picked; no rows elsewhere."""
    n = w.node
    images = n("Shape", scores, end=1)
    none = n("Equal", n("Shape", picked, end=1), [0])
    count = n("Where", none, images, [0])
    number = n("Range", 0, n("Squeeze", count), 1)
    number = n("Unsqueeze", n("Cast", number, to=FLOAT), [1])
    rest = n("Expand", np.array([[-1]], np.float32), n("Concat", count, [6], axis=0))
    return n("Concat", number, rest, axis=1)


def proposals(w: Writer, scores, deltas, info, anchors, smallest, entering, staying, threshold):
    n = w.node
    height, width, each, _ = anchors.shape
    sides = anchors[..., 2:] - anchors[..., :2] + 1
    center = anchors[..., :2] + sides / 2
    score = n("Slice", scores, [each], [2 * each], [1])
    score = n("Reshape", n("Transpose", score, perm=[0, 2, 3, 1]), [0, -1])
    found = n("Reshape", deltas, [0, each, 4, height, width])
    found = n("Transpose", found, perm=[0, 3, 4, 1, 2])
    boxes = n("Reshape", _around(w, found, center, sides), [0, -1, 4])
    limit = n("Sub", n("Gather", info, [1, 0, 1, 0], axis=1), 1.0)
    boxes = n("Min", n("Max", boxes, 0.0), n("Unsqueeze", limit, [1]))
    least = n("Mul", n("Gather", info, [-1, 2], axis=1), smallest)
    first, last = _halves(w, boxes)
    spare = n("Sub", n("Add", n("Sub", last, first), 1.0), n("Unsqueeze", least, [1]))
    large = n("GreaterOrEqual", n("ReduceMin", spare, [2], keepdims=0), 0.0)
    score, places = n("TopK", n("Where", large, score, -math.inf), [entering], outputs=2)
    boxes = n("GatherND", boxes, n("Unsqueeze", places, [2]), batch_dims=1)
    ranked = n("Unsqueeze", score, [1])
    picked = _suppressed(w, boxes, ranked, staying, threshold, LOWEST, 1.0)
    image, place = _column(w, picked, 0), _column(w, picked, 2)
    picked = n("Concat", image, place, axis=1)
    rois = n("Concat", n("Cast", image, to=FLOAT), n("GatherND", boxes, picked), axis=1)
    return rois, n("GatherND", score, picked)


def roi_pool(w: Writer, x, rois, size, scale=1.0):
    return w.node("MaxRoiPool", x, rois, pooled_shape=size, spatial_scale=scale)


def position_sensitive_pool(w: Writer, x, rois, group, scale):
    n = w.node
    _, channels, height, width = w.shapes[x]
    corners = _column(w, rois, 1, 4)
    half = n("Mul", n("Sign", corners), n("Floor", n("Add", n("Abs", corners), 0.5)))
    corners = n("Mul", n("Add", half, np.array([0, 0, 1, 1], np.float32)), scale)
    left, top, right, bottom = n("Split", corners, outputs=4, axis=1, num_outputs=4)

    def covered(start: Any, end: Any, size: int) -> tuple[Any, Any]:
        """Which pixels each bin covers, (R, group, size), and how many, (R, group)."""
        index, pixel = np.arange(group, dtype=np.float32), np.arange(size, dtype=np.float32)
        step = n("Div", n("Max", n("Sub", end, start), 0.1), float(group))
        first = n("Floor", n("Add", n("Mul", step, index), start))
        last = n("Ceil", n("Add", n("Mul", step, index + 1), start))
        after = n("GreaterOrEqual", pixel, n("Unsqueeze", first, [2]))
        before = n("Less", pixel, n("Unsqueeze", last, [2]))
        covers = n("Cast", n("And", after, before), to=FLOAT)
        return covers, n("ReduceSum", covers, [2], keepdims=0)

    (rows, tall), (columns, wide) = covered(top, bottom, height), covered(left, right, width)
    area = n("Einsum", tall, wide, equation="ri,rj->rij")
    area = n("Unsqueeze", n("Max", area, 1.0), [1])
    images = n("Range", 0, n("Squeeze", n("Shape", x, end=1)), 1)
    own = n("Equal", _column(w, rois, 0), n("Cast", images, to=FLOAT))
    rows = n("Einsum", n("Cast", own, to=FLOAT), rows, equation="rn,rih->rinh")
    maps = n("Reshape", x, [-1, channels // group**2, group, group, height, width])
    bands = n("Einsum", rows, maps, equation="rinh,ndijhw->ridjw")
    return n("Div", n("Einsum", bands, columns, equation="ridjw,rjw->rdij"), area)
