"""py-faster-rcnn's Python layers, which run in the program here instead of on the host.

Their settings are those of its faster_rcnn_end2end.yml; `param_str` may give them, under their
names in lower case, beside what it gives there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from netc import lowering
from netc.errors import did_you_mean
from netc.layers.base import TRAIN, Layer, LayerDef, dims, stochastic
from netc.layers.proposal import CENTER_SIZE, RATIOS, SCALES, Rule, anchors, proposing, spread
from netc.lazy import jax, jnp, lax

Settings = dict[str, Any]
NUMBERS = (tuple, list)
STRIDE: Settings = {"feat_stride": 16, "scales": SCALES, "ratios": RATIOS}


def _settings(d: LayerDef, defaults: Settings) -> Settings:
    """The defaults with what `param_str` says: YAML of one level, "'feat_stride': 16"."""
    text = d.param.python_param.param_str
    entry = r"""['"]?(\w+)['"]?\s*:\s*(?:!!python/\w+\s*)?(\[[^]]*\]|\([^)]*\)|[^,\s{}]+)"""
    given = re.findall(entry, text)
    if re.sub(entry, "", text).strip(" \t\r\n,{}"):
        d.fail(f"param_str is not a list of 'key: value': {text!r}", "param_str")
    found = dict(defaults)
    for key, value in given:
        if key not in defaults:
            d.fail(
                f"{d.param.python_param.layer} has no setting '{key}'",
                "param_str",
                hint=did_you_mean(key, defaults) or f"there are {', '.join(defaults)}",
            )
        try:
            found[key] = ast.literal_eval(value)
        except (SyntaxError, ValueError):
            found[key] = None
        many = isinstance(defaults[key], NUMBERS)
        values = found[key] if isinstance(found[key], NUMBERS) else (found[key],)
        whole = all(isinstance(v, int | float) for v in values) and len(values) > 0
        if not whole or many != isinstance(found[key], NUMBERS):
            d.fail(f"{key} must be {'numbers' if many else 'a number'}, got {value}", "param_str")
    return found


def _bottoms(d: LayerDef, least: int, most: int, tops: tuple[int, int]) -> None:
    name = d.param.python_param.layer
    if not least <= len(d.bottoms) <= most:
        d.fail(f"{name} takes {least} to {most} bottoms, got {len(d.bottoms)}", "bottom")
    if not tops[0] <= d.tops <= tops[1]:
        d.fail(f"{name} makes {tops[0]} to {tops[1]} tops, got {d.tops}", "top")


def _boxes_of(d: LayerDef, bottom: int) -> None:
    shape = d.bottoms[bottom].shape
    if len(shape) != 2 or shape[1] != 5:
        d.fail(
            f"'{d.param.bottom[bottom]}' must have rows of 5 numbers, got {dims(shape)}",
            "bottom",
            bottom,
        )


def proposal_layer(d: LayerDef) -> Layer:
    """rpn.proposal_layer.ProposalLayer: `Proposal` with other numbers in TRAIN than in TEST."""
    return proposing(d, proposal_layer_rule(d), (-1, 1))


def proposal_layer_rule(d: LayerDef) -> Rule:
    """How a ProposalLayer chooses, checked."""
    _bottoms(d, 3, 3, (1, 2))
    train = d.phase == TRAIN
    s = _settings(
        d,
        STRIDE
        | {
            "rpn_pre_nms_top_n": 12000 if train else 6000,
            "rpn_post_nms_top_n": 2000 if train else 300,
            "rpn_nms_thresh": 0.7,
            "rpn_min_size": 16,
        },
    )
    cell = anchors(16, s["ratios"], s["scales"])
    counts = s["rpn_pre_nms_top_n"], s["rpn_post_nms_top_n"]
    return Rule(cell, s["feat_stride"], s["rpn_min_size"], *counts, s["rpn_nms_thresh"])


def _random(key: Any, count: int) -> Any:
    return jax.random.uniform(key, (count,))


def _some(key: Any, among: Any, count: Any) -> Any:
    """`count` of those `among`, drawn without replacement; all where they are fewer."""
    draw = jnp.where(among, _random(key, len(among)), -jnp.inf)
    return among & lowering.boxes.best(draw, count)


def anchor_target_layer(d: LayerDef) -> Layer:
    """rpn.anchor_target_layer.AnchorTargetLayer: which anchors are objects, and where these are.

    Scores (1, 2 A, H, W), boxes (G, 5): x1, y1, x2, y2, class, im_info (1, 3) -> labels
    (1, 1, A H, W): 1, 0 or -1 for neither, targets, inside and outside weights (1, 4 A, H, W). An
    anchor inside the image is 1 where it overlaps a box by rpn_positive_overlap, or overlaps it
    most; 0 below rpn_negative_overlap. rpn_batchsize of them are drawn, rpn_fg_fraction of these
    from the 1s at most. Boxes with a class below 0 do not count.
    """
    _bottoms(d, 3, 4, (4, 4))
    s = _settings(
        d,
        STRIDE
        | {
            "allowed_border": 0,
            "rpn_negative_overlap": 0.3,
            "rpn_positive_overlap": 0.7,
            "rpn_clobber_positives": 0,
            "rpn_fg_fraction": 0.5,
            "rpn_batchsize": 256,
            "rpn_bbox_inside_weights": (1.0, 1.0, 1.0, 1.0),
            "rpn_positive_weight": -1.0,
        },
    )
    d.check_images()
    _boxes_of(d, 1)
    cell = anchors(16, s["ratios"], s["scales"])
    count = cell.shape[1]
    images, channels, height, width = d.bottoms[0].shape
    if images != 1 or channels != 2 * count:
        d.fail(
            f"Only single item batches are supported, of {2 * count} channels for {count} anchors: "
            f"'{d.param.bottom[0]}' is {dims(d.bottoms[0].shape)}",
            "bottom",
            0,
        )
    every = spread(cell, s["feat_stride"], height, width)

    def forward(rng, scores, boxes, info, *data):
        boxes, info = lax.stop_gradient((boxes, info))
        all_anchors, border = jnp.asarray(every, boxes.dtype), s["allowed_border"]
        far = all_anchors[2:] < info[0, 1::-1, None] + border
        inside = (all_anchors[:2] >= -border).all(0) & far.all(0)
        corners, real = boxes[:, :4].T, boxes[:, 4] >= 0
        shared = lowering.boxes.overlap(all_anchors[:, :, None], corners[:, None], extra=1)
        shared = jnp.where(inside[:, None] & real[None], shared, -1)
        most = shared.max(1, initial=0)
        closest = (real[None] & (shared == shared.max(0)[None]) & (shared >= 0)).any(1)
        low = most < s["rpn_negative_overlap"]
        positive = closest | (most >= s["rpn_positive_overlap"])
        if s["rpn_clobber_positives"]:
            positive &= ~low
        positive &= inside
        keys = jax.random.split(rng)
        chosen = _some(keys[0], positive, int(s["rpn_fg_fraction"] * s["rpn_batchsize"]))
        rest = s["rpn_batchsize"] - chosen.sum()
        negative = _some(keys[1], inside & low & ~positive, rest)
        label = jnp.where(chosen, 1, jnp.where(negative, 0, -1))
        target = lowering.boxes.encode(
            CENTER_SIZE, corners[:, shared.argmax(1)], all_anchors, extra=1
        )
        weight, share = s["rpn_positive_weight"], 1 / jnp.maximum((label >= 0).sum(), 1)
        if weight < 0:
            outside = jnp.where(label >= 0, share, 0)
        else:
            each = weight / jnp.maximum(chosen.sum(), 1)
            other = (1 - weight) / jnp.maximum(negative.sum(), 1)
            outside = jnp.where(chosen, each, jnp.where(negative, other, 0))
        inner = np.array(s["rpn_bbox_inside_weights"])[:, None]

        def laid_out(x):
            x = jnp.broadcast_to(x, every.shape).reshape(4, height, width, count)
            top = x.transpose(3, 0, 1, 2).reshape(1, 4 * count, height, width)
            return top.astype(boxes.dtype)

        label = label.reshape(height, width, count).transpose(2, 0, 1)
        return (
            label.reshape(1, 1, count * height, width).astype(boxes.dtype),
            laid_out(jnp.where(inside[None], target, 0)),
            laid_out(jnp.where(chosen[None], inner, 0)),
            laid_out(outside[None]),
        )

    return stochastic(forward)


def proposal_target_layer(d: LayerDef) -> Layer:
    """rpn.proposal_target_layer.ProposalTargetLayer: regions to train on, their classes and boxes.

    Regions (R, 5), boxes (G, 5): x1, y1, x2, y2, class -> B = batch_size regions of these and the
    boxes: (B, 5), classes (B), targets and weights, twice, (B, 4 num_classes). fg_fraction of them
    at most overlap a box by fg_thresh; the others, of class 0, by bg_thresh_lo and less than
    bg_thresh_hi. Where there are fewer, they are repeated. Targets are divided by
    bbox_normalize_stds. Regions of image -1 and boxes with a class below 0 do not count.
    """
    _bottoms(d, 2, 2, (5, 5))
    s = _settings(
        d,
        {
            "num_classes": 0,
            "batch_size": 128,
            "fg_fraction": 0.25,
            "fg_thresh": 0.5,
            "bg_thresh_hi": 0.5,
            "bg_thresh_lo": 0.0,
            "bbox_normalize_means": (0.0, 0.0, 0.0, 0.0),
            "bbox_normalize_stds": (0.1, 0.1, 0.2, 0.2),
            "bbox_inside_weights": (1.0, 1.0, 1.0, 1.0),
        },
    )
    classes, size = s["num_classes"], s["batch_size"]
    if classes < 1:
        d.fail("param_str must give num_classes", "python_param", hint="\"'num_classes': 21\"")
    for bottom in (0, 1):
        _boxes_of(d, bottom)
    means, stds, inner = (
        np.array(s[k])[:, None]
        for k in ("bbox_normalize_means", "bbox_normalize_stds", "bbox_inside_weights")
    )

    def forward(rng, rois, boxes):
        rois, boxes = lax.stop_gradient((rois, boxes))
        number = jnp.where(boxes[:, 4:] >= 0, 0, -1).astype(boxes.dtype)
        own = jnp.concatenate([number, boxes[:, :4]], 1)
        rois = jnp.concatenate([rois, own.astype(rois.dtype)])
        there, real, corners = rois[:, 0] >= 0, boxes[:, 4] >= 0, boxes[:, :4].T
        shared = lowering.boxes.overlap(rois[:, 1:].T[:, :, None], corners[:, None], extra=1)
        shared = jnp.where(real[None], shared, -1)
        most = shared.max(1, initial=0)
        keys = jax.random.split(rng, 3)
        near = _some(
            keys[0], there & (most >= s["fg_thresh"]), int(np.round(s["fg_fraction"] * size))
        )
        far = there & (most < s["bg_thresh_hi"]) & (most >= s["bg_thresh_lo"])
        far = _some(keys[1], far, size - near.sum())
        order = jnp.lexsort((_random(keys[2], len(most)), ~near & ~far, ~near))
        index = order[jnp.arange(size) % jnp.maximum(near.sum() + far.sum(), 1)]
        box = shared[index].argmax(1)
        label = jnp.where(near[index], boxes[box, 4], 0)
        target = lowering.boxes.encode(CENTER_SIZE, corners[:, box], rois[index, 1:].T, extra=1)
        target = (target - jnp.asarray(means, rois.dtype)) / jnp.asarray(stds, rois.dtype)
        of_class = label[:, None] == jnp.arange(classes, dtype=label.dtype)[None]
        of_class &= (label > 0)[:, None]

        def laid_out(x):
            top = jnp.where(of_class[..., None], jnp.broadcast_to(x, (4, size)).T[:, None], 0)
            return top.reshape(size, 4 * classes).astype(rois.dtype)

        weights = laid_out(inner)
        return rois[index], label, laid_out(target), weights, (weights > 0).astype(rois.dtype)

    return stochastic(forward)


NATIVE: dict[tuple[str, str], Callable[[LayerDef], Layer]] = {
    ("rpn.proposal_layer", "ProposalLayer"): proposal_layer,
    ("rpn.anchor_target_layer", "AnchorTargetLayer"): anchor_target_layer,
    ("rpn.proposal_target_layer", "ProposalTargetLayer"): proposal_target_layer,
}
