"""Regions of Faster R-CNN, from scores and differences for the anchors of every cell."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from netc import lowering
from netc.layers.base import Layer, LayerDef, dims, register, stateless
from netc.lazy import jax, jnp, lax
from netc.schema import PriorBoxParameter

CENTER_SIZE = PriorBoxParameter.CENTER_SIZE
RATIOS, SCALES = (0.5, 1.0, 2.0), (8.0, 16.0, 32.0)


class Rule(NamedTuple):
    """How regions are chosen. anchors: (4, A), of one cell. stride: pixels between cells.

    smallest: the least side, times the scale of the image. entering, staying: how many go into
    non-maximum suppression at most, and how many come out.
    """

    anchors: np.ndarray
    stride: int
    smallest: float
    entering: int
    staying: int
    threshold: float


def anchors(base: int, ratios: Any, scales: Any) -> np.ndarray:
    """Boxes in pixels around the first cell, (4, A): each ratio (height / width) in each scale.

    Sides are whole numbers before they are scaled. py-faster-rcnn: generate_anchors.py.
    """
    width = np.round(np.sqrt(base * base / np.asarray(ratios, np.float64)))
    height = np.round(width * ratios)
    sides = np.stack([width, height])[:, :, None] * np.asarray(scales, np.float64)
    half = (sides.reshape(2, -1) - 1) / 2
    center = (base - 1) / 2
    return np.concatenate([center - half, center + half])


def spread(cell: np.ndarray, stride: int, height: int, width: int) -> np.ndarray:
    """The anchors (4, A) of every cell, (4, H W A)."""
    x, y = np.meshgrid(np.arange(width) * stride, np.arange(height) * stride)
    shift = np.stack([x, y, x, y]).reshape(4, -1, 1)
    return (shift + cell[:, None]).reshape(4, -1)


def by_cell(x: Any, each: int) -> Any:
    """(each A, H, W) -> (each, H W A), the order of `spread`."""
    return x.reshape(-1, each, *x.shape[1:]).transpose(1, 2, 3, 0).reshape(each, -1)


@register("Proposal", bottoms=3, tops=(1, 2), fields=("proposal_param",))
def proposal(d: LayerDef) -> Layer:
    """The best regions of each image: (R, 5), image, x1, y1, x2, y2; a second top has the scores.

    From scores (N, 2 A, H, W), of which the last A are those of objects, differences
    (N, 4 A, H, W) to the anchors, A = ratios x scales, and im_info (N, 3): height, width, scale;
    or (N, 4) with a scale for each axis. Boxes are clipped to the image; those with a side below
    min_size times the scale go; the pre_nms_topn best enter, those that overlap a better one by
    more than nms_thresh go, post_nms_topn stay. R depends on values: the regions that would be
    free before `Sizes` has counted have image -1. No gradient.
    happynear: proposal_layer.cpp; Faster R-CNN, arXiv 1506.01497.
    """
    return proposing(d, proposal_rule(d))


def proposal_rule(d: LayerDef) -> Rule:
    """How a Proposal layer chooses, checked."""
    p = d.param.proposal_param
    for field in ("feat_stride", "base_size", "pre_nms_topn", "post_nms_topn"):
        if getattr(p, field) == 0:
            d.fail(f"{field} must be greater than 0, got 0", field)
    for field in ("ratio", "scale"):
        for i, value in enumerate(getattr(p, field)):
            if value <= 0:
                d.fail(f"{field} must be greater than 0, got {value:g}", field, i)
    cell = anchors(p.base_size, list(p.ratio) or RATIOS, list(p.scale) or SCALES)
    return Rule(cell, p.feat_stride, p.min_size, p.pre_nms_topn, p.post_nms_topn, p.nms_thresh)


def proposing(d: LayerDef, rule: Rule, shape: tuple[int, ...] = (-1,)) -> Layer:
    """The layer that gives the regions of all images in turn, and their scores in `shape`."""
    scores, deltas, info = (b.shape for b in d.bottoms)
    count = rule.anchors.shape[1]
    d.check_images()
    images, _, height, width = scores
    for i, (given, each) in enumerate(((scores, 2), (deltas, 4))):
        if given != (images, each * count, height, width):
            d.fail(
                f"{count} anchors need {dims((images, each * count, height, width))}, "
                f"'{d.param.bottom[i]}' is {dims(given)}",
                "bottom",
                i,
            )
    if info not in ((images, 3), (images, 4), (1, 3), (1, 4)):
        d.fail(
            f"im_info must be {images} x 3: height, width, scale; '{d.param.bottom[2]}' is "
            f"{dims(info)}",
            "bottom",
            2,
        )
    every = spread(rule.anchors, rule.stride, height, width)
    entering = min(rule.entering, every.shape[1])
    staying = min(rule.staying, entering)
    size = images * staying if d.rows is None else d.rows

    def of_image(score, delta, info):
        """Boxes (4, entering), best first, their scores, and which of them stay."""
        score = by_cell(score[count:], 1)[0]
        boxes = lowering.boxes.decode(
            CENTER_SIZE, by_cell(delta, 4), jnp.asarray(every, delta.dtype), extra=1
        )
        boxes = jnp.clip(boxes, 0, jnp.tile(info[1::-1] - 1, 2)[:, None])
        sides = boxes[2:] - boxes[:2] + 1
        large = (sides >= rule.smallest * info[:1:-1, None]).all(0)
        score, index = lax.top_k(jnp.where(large, score, -jnp.inf), entering)
        boxes = boxes[:, index]
        stay = lowering.boxes.suppress(boxes, large[index], rule.threshold, most=staying, extra=1)
        return boxes, score, stay

    def propose(*bottoms):
        scores, deltas, info = map(lax.stop_gradient, bottoms)
        info = jnp.broadcast_to(info[:, jnp.array([0, 1, 2, info.shape[1] - 1])], (images, 4))
        return jax.vmap(of_image)(scores, deltas, info)

    def forward(blobs, *bottoms):
        boxes, scores, stay = propose(*bottoms)
        image, place = jnp.nonzero(stay, size=size, fill_value=images)
        found = (image < images)[:, None]
        box = jnp.where(found, boxes[image, :, place], 0)
        number = jnp.where(found, image[:, None], -1).astype(box.dtype)
        rois = jnp.concatenate([number, box], 1)
        best = jnp.where(image < images, scores[image, place], 0)
        return (rois, best.reshape(shape))[: d.tops]

    def rows(*bottoms):
        return propose(*bottoms)[2].sum()

    return stateless(forward)._replace(rows=rows, padded=True)
