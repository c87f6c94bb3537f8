"""Detection on a grid: the loss of YOLO 2, and the boxes that YOLO 3 finds."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from netc import lowering
from netc.data.fail import failing
from netc.data.lists import lines
from netc.errors import DataError
from netc.layers.base import BlobSpec, Layer, LayerDef, dims, register, stateless
from netc.layers.loss import check_first_axis, with_gradient_of
from netc.lazy import jax, jnp, lax

BOXES = 30  # that the labels of an image have room for
FIRST = 12800  # images, during which boxes are drawn to the anchors
DRAWN = 0.01


def _check_pairs(d: LayerDef, given: Any, least: int) -> np.ndarray:
    """Width and height of each anchor, of which there must be so many."""
    if len(given) % 2 or len(given) < 2 * least:
        d.fail(
            f"biases must be width and height of each anchor, {2 * least} numbers at least, got "
            f"{len(given)}",
            "biases" if given else None,
        )
    return np.array(given, np.float32).reshape(-1, 2)


def _grid(d: LayerDef, bottom: int, anchors: int, classes: int) -> int:
    """The side of a bottom (N, anchors (5 + classes), S, S)."""
    d.check_images(bottom)
    shape = d.bottoms[bottom].shape
    if shape[1] != anchors * (5 + classes) or shape[2] != shape[3]:
        d.fail(
            f"bottom[{bottom}] '{d.param.bottom[bottom]}' must be N x {anchors * (5 + classes)} x "
            f"S x S for {anchors} boxes and {classes} classes, it is {dims(shape)}",
            "bottom",
            bottom,
        )
    return shape[2]


def _cells(side: int) -> np.ndarray:
    """x and y of every cell: (S S, 1, 2)."""
    rows, columns = np.indices((side, side), np.float32)
    return np.stack([columns, rows], -1).reshape(-1, 1, 2)


def _rows(x: Any, anchors: int) -> Any:
    """(N, A K, S, S) as (N, S S, A, K)."""
    each = x.shape[1] // anchors
    return x.reshape(x.shape[0], anchors, each, math.prod(x.shape[2:])).transpose(0, 3, 1, 2)


def _sigmoid(x: Any) -> Any:
    return 0.5 * jnp.tanh(0.5 * x) + 0.5


def _corners(boxes: Any) -> Any:
    """Boxes (..., 4) of centre and size as (4, ...) of corners."""
    center, half = boxes[..., :2], boxes[..., 2:] / 2
    return jnp.moveaxis(jnp.concatenate([center - half, center + half], -1), -1, 0)


@register("RegionLoss", bottoms=2, tops=1, loss=True, no_gradient=(1,))
def region_loss(d: LayerDef) -> Layer:
    """The loss of YOLO 2: x (N, num (5 + num_class), S, S), labels (N, 30, 5), S = side.

    Of each box x holds x, y, w, h, the object and the classes, a label is class, x, y, w, h in
    units of the image; the first of width 0 ends the list. D, of the shape of x, is

    - of the object noobject_scale o o (1 - o), o = sigmoid(x), where the box overlaps no label by
      more than thresh; where the label is of the cell and nearest to the anchor's size, or with
      bias_match: 0 to the box's, object_scale (o - 1) o (1 - o);
    - of such a box coord_scale times (s - t) s (1 - s) for x and y, s = sigmoid(x), and x - t for w
      and h, t the label in cells and log(label / anchor); in the first 12800 images 0.01 times the
      same towards the anchor for all others;
    - of its classes class_scale (p - [c = class]), p the softmax; class_map, a file of numbers,
      tells the class of a label. A later label takes a box from an earlier one.

    L = sum D^2, and its gradient is taken as D / N. Redmon and Farhadi 2017; Intel:
    region_loss_layer.cpp. jitter, rescore, absolute, random and softmax do nothing.
    """
    p, (count, *_) = d.param.region_loss_param, d.bottoms[0].shape
    check_first_axis(d)
    if p.coords != 4:
        d.fail(f"coords must be 4, got {p.coords}", "coords")
    if p.softmax_tree:
        d.fail("softmax_tree is not carried out", "softmax_tree")
    side = _grid(d, 0, p.num, p.num_class)
    if side != p.side:
        d.fail(
            f"side is {p.side}, bottom '{d.param.bottom[0]}' is {dims(d.bottoms[0].shape)}",
            "side" if p.HasField("side") else "bottom",
            0,
        )
    if math.prod(d.bottoms[1].shape[1:]) != BOXES * 5:
        d.fail(
            f"the labels '{d.param.bottom[1]}' must be N x {BOXES} x 5, they are "
            f"{dims(d.bottoms[1].shape)}",
            "bottom",
            1,
        )
    anchors = _check_pairs(d, p.biases, p.num)[: p.num]
    names = _class_map(d)
    cells, warm = _cells(side), FIRST // max(count, 1)

    def deltas(own, anchor, target, scale):
        """D of x, y, w, h for numbers (..., 4) and a target in cells (..., 4)."""
        s = _sigmoid(own[..., :2])
        size = jnp.log(target[..., 2:] / anchor)
        move = (s - target[..., :2]) * s * (1 - s)
        return scale * jnp.concatenate([move, own[..., 2:] - size], -1)

    def of_image(x, label, drawn):
        """D (S S, A, 5 + C) of an image's numbers and labels (30, 5)."""
        place = jnp.concatenate(
            [cells + _sigmoid(x[..., :2]), jnp.exp(x[..., 2:4]) * anchors[None]], -1
        )
        o, share = _sigmoid(x[..., 4:5]), jax.nn.softmax(x[..., 5:], -1)
        boxes = place / side
        listed = jnp.cumprod(label[:, 1] != 0, dtype=jnp.int32) > 0
        truth = _corners(label[:, 1:])
        iou = lowering.boxes.overlap(_corners(boxes)[..., None], truth[:, None, None])
        near = jnp.where(listed[None, None], iou, 0).max(-1, keepdims=True) > p.thresh
        d_object = jnp.where(near, 0, p.noobject_scale * o * o * (1 - o))
        rest = jnp.concatenate(
            [jnp.full_like(x[..., :2], 0.5), jnp.broadcast_to(anchors[None], x[..., 2:4].shape)], -1
        )
        d_box = jnp.where(drawn, deltas(x[..., :4], jnp.asarray(anchors)[None], rest, DRAWN), 0)
        start = jnp.concatenate([d_box, d_object, jnp.zeros_like(share)], -1)

        def match(found, row):
            own, valid = row
            at = own[1:3] * side
            i, j = jnp.clip(at.astype(jnp.int32), 0, side - 1)
            cell = j * side + i
            sizes = anchors / side if p.bias_match else boxes[cell, :, 2:]
            both = jnp.minimum(sizes, own[None, 3:]).prod(-1)
            union = sizes.prod(-1) + own[3:].prod() - both
            n = jnp.argmax(both / union)
            target = jnp.concatenate([at - jnp.stack([i, j]).astype(at.dtype), own[3:] * side])
            scale = o[cell, n, 0]
            c = own[0].astype(jnp.int32)
            c = c if names is None else jnp.asarray(names)[c]
            hit = (jnp.arange(p.num_class, dtype=jnp.int32) == c).astype(x.dtype)
            value = jnp.concatenate(
                [
                    deltas(x[cell, n, :4], jnp.asarray(anchors)[n], target, p.coord_scale),
                    (p.object_scale * (scale - 1) * scale * (1 - scale))[None],
                    p.class_scale * (share[cell, n] - hit),
                ]
            )
            return found.at[cell, n].set(jnp.where(valid, value, found[cell, n])), None

        given = jnp.cumprod(label[:, 3] != 0, dtype=jnp.int32) > 0
        return lax.scan(match, start, (label, given))[0]

    def apply(blobs, memory, rng, x, label):
        rows = _rows(lax.stop_gradient(x).astype(jnp.float32), p.num)
        label = lax.stop_gradient(label).astype(jnp.float32).reshape(count, BOXES, 5)
        drawn = memory[0] < warm
        difference = jax.vmap(of_image, (0, 0, None))(rows, label, drawn)
        moving = (difference * _rows(x.astype(jnp.float32), p.num)).sum() / max(count, 1)
        loss = with_gradient_of(moving, (difference * difference).sum())
        return (loss.astype(x.dtype),), (memory[0] + 1,)

    return Layer(apply, memory=(BlobSpec(()),))


def _class_map(d: LayerDef) -> np.ndarray | None:
    """The first number of each line of class_map."""
    p = d.param.region_loss_param
    if not p.class_map:
        return None
    with failing(functools.partial(d.fail, kind=DataError), "class_map"):
        numbers = []
        for line, where in lines(p.class_map):
            word = line.split()[0]
            if not word.isdigit() or int(word) >= p.num_class:
                raise DataError(f"expected a class below {p.num_class}, got '{word}'", where)
            numbers.append(int(word))
        if not numbers:
            raise DataError("the list is empty", p.class_map)
    return np.array(numbers, np.int32)


@register("Yolov3DetectionOutput", bottoms=(1, None), tops=1, no_gradient=(0,))
def yolov3_detection_output(d: LayerDef) -> Layer:
    """The boxes that YOLO 3 finds on grids (N, num_box (5 + num_classes), S, S): (1, 1, K, 7).

    A row is image, class from 1 on, score, xmin, ymin, xmax, ymax in units of the image, by image,
    best first. A box is ((i + sigmoid x) / S, (j + sigmoid y) / S, e^w a / (S anchors_scale), e^h b
    / (S anchors_scale)), a x b the anchor that the grid's part of `mask` names; its score for each
    class is sigmoid(object) sigmoid(class). Those above confidence_threshold enter, of whatever
    class; one that overlaps a better one by nms_threshold goes. K depends on values: the rows that
    would be free before `Sizes` has counted are -1. An image's number and -1s, once per image,
    where nothing is found in any. MobileNet-YOLO: yolov3_detection_output_layer.cpp, which takes
    all images for one.
    """
    p, images = d.param.yolov3_detection_output_param, 0
    if not p.HasField("num_classes"):
        d.fail("Must specify num_classes", "yolov3_detection_output_param")
    sides = [_grid(d, i, p.num_box, p.num_classes) for i in range(len(d.bottoms))]
    images = d.bottoms[0].shape[0]
    if len(d.bottoms) != p.mask_group_num:
        d.fail(
            f"mask_group_num is {p.mask_group_num}, there are {len(d.bottoms)} bottoms",
            "mask_group_num" if p.HasField("mask_group_num") else "bottom",
        )
    each = len(p.mask) // max(p.mask_group_num, 1)
    if each < p.num_box:
        d.fail(
            f"mask must name {p.num_box} anchors for each of {len(sides)} bottoms, it names "
            f"{len(p.mask)}",
            "mask" if p.mask else "yolov3_detection_output_param",
        )
    if len(p.anchors_scale) < len(sides):
        d.fail(
            f"anchors_scale must be given once per bottom: {len(p.anchors_scale)} for "
            f"{len(sides)} bottoms",
            "anchors_scale" if p.anchors_scale else "yolov3_detection_output_param",
        )
    every = _check_pairs(d, p.biases, max(p.mask, default=0) + 1)
    for i, x in enumerate(d.bottoms):
        if x.shape[0] != images:
            d.fail(
                f"bottom[{i}] '{d.param.bottom[i]}' has {x.shape[0]} images, bottom[0] {images}",
                "bottom",
                i,
            )
    anchors = [
        every[list(p.mask[i * each : i * each + p.num_box])] / (side * scale)
        for i, (side, scale) in enumerate(zip(sides, p.anchors_scale, strict=False))
    ]
    total = sum(side * side for side in sides) * p.num_box * p.num_classes
    size = max(images * total, images) if d.rows is None else d.rows
    limit = float(np.nextafter(np.float32(p.nms_threshold), np.float32(-np.inf)))

    def of_grid(x, side, anchor):
        """Boxes (P, 4) in corners and scores (P, C) of one image's grid."""
        x = _rows(x[None], p.num_box)[0]
        center = (_cells(side) + _sigmoid(x[..., :2])) / side
        boxes = jnp.concatenate([center, jnp.exp(x[..., 2:4]) * anchor[None]], -1)
        scores = _sigmoid(x[..., 4:5]) * _sigmoid(x[..., 5:])
        return boxes.reshape(-1, 4), scores.reshape(-1, p.num_classes)

    def of_image(*grids):
        found = [of_grid(*one) for one in zip(grids, sides, anchors, strict=True)]
        boxes, scores = (jnp.concatenate(part) for part in zip(*found, strict=True))
        order = jnp.argsort(-scores.ravel(), stable=True)
        score, place = scores.ravel()[order], order // p.num_classes
        corners = _corners(boxes)[:, place]
        stay = lowering.boxes.suppress(corners, score > p.confidence_threshold, limit)
        return corners, score, order % p.num_classes + 1, stay

    def detect(*bottoms):
        return jax.vmap(of_image)(*(lax.stop_gradient(x).astype(jnp.float32) for x in bottoms))

    def forward(blobs, *bottoms):
        corners, score, label, stay = detect(*bottoms)
        image, place = jnp.nonzero(stay, size=size, fill_value=images)
        told = [image, label[image, place]]
        found = jnp.stack([*(v.astype(score.dtype) for v in told), score[image, place]], 1)
        found = jnp.concatenate([found, corners[image, :, place]], 1)
        return lowering.boxes.listed(image, found, images).astype(bottoms[0].dtype)

    def rows(*bottoms):
        count = detect(*bottoms)[3].sum()
        return jnp.where(count > 0, count, images)

    return stateless(forward)._replace(rows=rows, padded=True)
