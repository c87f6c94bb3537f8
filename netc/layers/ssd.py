"""Single-shot detection: boxes to start from, detections, and which of them are right."""

from __future__ import annotations

import functools
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np

from netc import lowering
from netc.data.fail import missing
from netc.errors import DataError
from netc.layers.base import BlobSpec, Layer, LayerDef, dims, register, stateless
from netc.lazy import jax, jnp, lax
from netc.schema import DetectionOutputParameter, ResizeParameter

log = logging.getLogger(__name__)


@register("PriorBox", bottoms=(1, 2), tops=1, fields=("prior_box_param",))
def prior_box(d: LayerDef) -> Layer:
    """P boxes for every cell of a feature map (N, C, H, W): (1, 2, 4 H W P).

    Row 0: xmin, ymin, xmax, ymax in units of the sides of the image, bottom 1, or img_size; cell
    by cell; row 1: variances.
    The centres are ((x + offset) step_w, (y + offset) step_h). For each min_size s the boxes are
    s x s, then sqrt(s m) x sqrt(s m) where there is a max_size m, then s sqrt(r) x s / sqrt(r) for
    the aspect ratios r that are not 1; s and m without their fraction. OpenCV's width and height
    replace these sizes, its offset_w and offset_h give several centres. No gradient.
    SSD: prior_box_layer.cpp.
    """
    p = d.param.prior_box_param
    d.check_images()
    height, width = d.bottoms[0].shape[2:]
    image = _given_pair(d, "img_size", "img_h", "img_w") or _image_size(d)
    step = _given_pair(d, "step", "step_h", "step_w") or (image[0] / height, image[1] / width)
    sizes, offsets = _prior_sizes(d), _offsets(d)
    d.check_sizes((1, 2, 4 * height * width * len(sizes) * len(offsets)))
    wh = np.array([(w, h) for w, h in sizes for _ in offsets], np.float64)
    shift = np.array(offsets * len(sizes), np.float64)
    cells = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)[:, :, None]
    centers = (cells + shift) * np.array(step[::-1])
    boxes = np.concatenate([centers - wh / 2, centers + wh / 2], -1)
    boxes = boxes / np.tile(image[::-1], 2)
    if p.clip:
        boxes = boxes.clip(0, 1)
    top = np.stack([boxes, np.broadcast_to(_variances(d), boxes.shape)]).reshape(1, 2, -1)
    return stateless(lambda blobs, x, *image: jnp.asarray(top, x.dtype))


def _given_pair(d: LayerDef, both: str, *each: str) -> tuple[float, float] | None:
    """Height and width from a field for both or from one for each; None where none is given."""
    p = d.param.prior_box_param
    given = [f for f in each if p.HasField(f)]
    if given and p.HasField(both):
        d.fail(f"Either {both} or {'/'.join(each)} should be specified; not both.", given[0])
    if not given and not p.HasField(both):
        return None
    for field in each if given else (both,):
        if getattr(p, field) <= 0:
            d.fail(
                f"{field} should be larger than 0, got {getattr(p, field):g}",
                field if p.HasField(field) else given[0],
            )
    return tuple(getattr(p, field) for field in (each if given else (both, both)))


def _image_size(d: LayerDef) -> tuple[float, float]:
    if len(d.bottoms) < 2:
        d.fail(
            "the size of the image is not given", hint="a second bottom, img_size or img_h/img_w"
        )
    shape = d.bottoms[1].shape
    if len(shape) != 4:
        d.fail(f"the image '{d.param.bottom[1]}' must have 4 axes, got {dims(shape)}", "bottom", 1)
    return shape[2:]


def _prior_sizes(d: LayerDef) -> list[tuple[float, float]]:
    """Width and height of the boxes of a cell, in pixels."""
    p = d.param.prior_box_param
    if given := _pairs(d, "width", "height"):
        return given
    if not p.min_size:
        d.fail("must provide min_size.", "prior_box_param")
    if p.max_size and len(p.max_size) != len(p.min_size):
        d.fail(
            f"max_size must be given once per min_size: {len(p.min_size)} min_size, "
            f"{len(p.max_size)} max_size",
            "max_size",
        )
    ratios = _ratios(d)
    sizes: list[tuple[float, float]] = []
    for i, least in enumerate(p.min_size):
        if least <= 0:
            d.fail(f"min_size must be positive, got {least:g}", "min_size", i)
        side = int(least)  # Caffe: held as whole numbers
        sizes.append((side, side))
        if p.max_size:
            if p.max_size[i] <= least:
                d.fail(
                    f"max_size must be greater than min_size: {p.max_size[i]:g}, {least:g}",
                    "max_size",
                    i,
                )
            between = math.sqrt(side * int(p.max_size[i]))
            sizes.append((between, between))
        sizes += [(side * math.sqrt(r), side / math.sqrt(r)) for r in ratios]
    return sizes


def _pairs(d: LayerDef, x: str, y: str) -> list[tuple[float, float]]:
    """The values of two fields side by side, of which there must be equally many."""
    xs, ys = getattr(d.param.prior_box_param, x), getattr(d.param.prior_box_param, y)
    if len(xs) != len(ys):
        message = f"{x} and {y} must be equally many: {len(xs)} and {len(ys)}"
        d.fail(message, x if xs else y)
    return list(zip(xs, ys, strict=True))


def _ratios(d: LayerDef) -> list[float]:
    """The aspect ratios beside 1, each once, with their inverses under flip."""
    p = d.param.prior_box_param
    ratios = [1.0]
    for i, ratio in enumerate(p.aspect_ratio):
        if ratio <= 0:
            d.fail(f"aspect_ratio must be positive, got {ratio:g}", "aspect_ratio", i)
        if all(abs(ratio - r) >= 1e-6 for r in ratios):
            ratios += [ratio, 1 / ratio] if p.flip else [ratio]
    return ratios[1:]


def _offsets(d: LayerDef) -> list[tuple[float, float]]:
    """Where in a cell the centres are, as (x, y)."""
    p = d.param.prior_box_param
    return _pairs(d, "offset_w", "offset_h") or [(p.offset, p.offset)]


def _variances(d: LayerDef) -> list[float]:
    given = d.param.prior_box_param.variance
    if len(given) not in (0, 1, 4):
        d.fail(f"variance must be given once or 4 times, got {len(given)}", "variance")
    for i, v in enumerate(given):
        if v <= 0:
            d.fail(f"variance must be greater than 0, got {v:g}", "variance", i)
    return list(given) or [0.1]


def check_predictions(d: LayerDef, p: Any) -> tuple[int, int, int]:
    """How many images, priors and boxes per prior the bottoms loc, conf and prior hold."""
    message = "multibox_loss_param" if d.param.type == "MultiBoxLoss" else "detection_output_param"
    if not p.HasField("num_classes"):
        d.fail("Must specify num_classes", message)
    if p.num_classes < 1:
        d.fail(f"num_classes should not be less than 1, got {p.num_classes}.", "num_classes")
    loc, conf, prior = (b.shape for b in d.bottoms[:3])
    if len(prior) != 3 or prior[:2] != (1, 2) or prior[2] % 4:
        d.fail(
            f"priors must be 1 x 2 x 4P, got {dims(prior)} in '{d.param.bottom[2]}'", "bottom", 2
        )
    priors = prior[2] // 4
    each = 1 if p.share_location else p.num_classes
    for i, (shape, count, what) in enumerate(
        ((loc, 4 * each, "location"), (conf, p.num_classes, "confidence"))
    ):
        if not shape or shape[0] != loc[0] or math.prod(shape[1:]) != priors * count:
            d.fail(
                f"Number of priors must match number of {what} predictions: {priors} priors need "
                f"{loc[0] if loc else 'N'} x {priors * count}, '{d.param.bottom[i]}' is "
                f"{dims(shape)}.",
                "bottom",
                i,
            )
    return loc[0], priors, each


@register(
    "DetectionOutput",
    bottoms=(3, 4),
    tops=1,
    no_gradient=(0, 1, 2, 3),
    fields=("detection_output_param",),
)
def detection_output(d: LayerDef) -> Layer:
    """The boxes that are left of the predictions for P priors: (1, 1, K, 7), by image and class.

    loc (N, 4 P) or, without share_location, (N, 4 C P); conf (N, C P); prior (1, 2, 4 P). A row is
    image, class, score, xmin, ymin, xmax, ymax. Of each class but the background, the top_k best
    with a score above confidence_threshold enter; those that overlap a better one by more than
    nms_threshold go; the keep_top_k best of an image stay. K depends on values: the rows that
    would be free before `Sizes` has counted are -1. An image's number and -1s, once per image,
    where nothing is found in any.
    SSD: detection_output_layer.cpp. Files of results (save_output_param) are not written.
    """
    p = d.param.detection_output_param
    images, priors, each = check_predictions(d, p)
    _check_output(d)
    classes = [c for c in range(p.num_classes) if c != p.background_label_id]
    if not classes:
        d.fail("there is no class beside the background", "num_classes")
    limit, entering = entry(p, priors)
    staying = len(classes) * entering
    if p.keep_top_k >= 0:
        staying = min(staying, p.keep_top_k)
    extra = 0 if p.normalized_bbox else 1
    size = max(images * staying, images) if d.rows is None else d.rows

    def of_image(loc, conf, prior, variance):
        """Scores (C', entering), boxes (4, C', entering), and which of them stay."""
        score, index = lax.top_k(conf[:, np.array(classes, int)].T, entering)
        found = jnp.moveaxis(loc.reshape(priors, each, 4), -1, 0)
        own = np.zeros(len(classes), int) if each == 1 else np.array(classes, int)
        boxes = lowering.boxes.decode(
            p.code_type,
            found[:, index, own[:, None]],
            prior[:, index],
            1.0 if p.variance_encoded_in_target else variance[:, index],
            extra,
        )

        def kept(boxes, alive):
            nms = p.nms_param
            return lowering.boxes.suppress(
                boxes, alive, nms.nms_threshold, eta=nms.eta, extra=extra
            )

        stay = jax.vmap(kept, (1, 0))(boxes, score > limit)
        if p.keep_top_k >= 0:
            chosen = jnp.where(stay, score, -jnp.inf).ravel()
            stay &= lowering.boxes.best(chosen, p.keep_top_k).reshape(stay.shape)
        return score, boxes, stay

    def detect(loc, conf, prior):
        loc, conf, prior = map(lax.stop_gradient, (loc, conf, prior))
        prior, variance = jnp.moveaxis(prior.reshape(2, priors, 4), -1, 1)
        conf = conf.reshape(images, priors, p.num_classes)
        return jax.vmap(of_image, (0, 0, None, None))(loc, conf, prior, variance)

    def forward(blobs, loc, conf, prior, *data):
        score, boxes, stay = detect(loc, conf, prior)
        image, label, place = jnp.nonzero(stay, size=size, fill_value=images)
        boxes = jnp.moveaxis(boxes, 1, -1)
        label_of = jnp.asarray(classes, score.dtype)
        found = jnp.stack(
            [image.astype(score.dtype), label_of[label], score[image, label, place]], 1
        )
        found = jnp.concatenate([found, boxes[image, label, place]], 1)
        return lowering.boxes.listed(image, found, images)

    def rows(loc, conf, prior, *data):
        count = detect(loc, conf, prior)[2].sum()
        return jnp.where(count > 0, count, images)

    return stateless(forward)._replace(rows=rows, padded=True)


def entry(p: DetectionOutputParameter, priors: int) -> tuple[float, int]:
    """The score above which boxes enter, and how many of a class enter at most, 1 at least."""
    limit = p.confidence_threshold if p.HasField("confidence_threshold") else -math.inf
    most = p.nms_param.top_k if p.nms_param.HasField("top_k") else -1
    return math.inf if most == 0 else limit, priors if most < 0 else max(min(most, priors), 1)


def _check_output(d: LayerDef) -> None:
    p = d.param.detection_output_param
    if p.nms_param.nms_threshold < 0:
        d.fail(
            f"nms_threshold must be non negative, got {p.nms_param.nms_threshold:g}.",
            "nms_threshold",
        )
    if not 0 < p.nms_param.eta <= 1:
        d.fail(f"eta must be above 0 and at most 1, got {p.nms_param.eta:g}", "eta")
    for field in ("save_output_param", "visualize", "save_file"):
        if d.rows is None and p.HasField(field):
            log.warning("layer '%s': %s has no effect in netc", d.param.name, field)


@register(
    "DetectionEvaluate",
    bottoms=2,
    tops=1,
    no_gradient=(0, 1),
    fields=("detection_evaluate_param",),
)
def detection_evaluate(d: LayerDef) -> Layer:
    """Which detections (1, 1, K, 7) are right about the boxes (1, 1, G, 8): (1, 1, C - 1 + K, 5).

    First a row -1, class, its number of boxes, -1, -1 for every class but the background, then
    image, class, score, 1 or 0 for right, 1 or 0 for wrong, by image and class, best first. A
    detection is right where it overlaps a box of its class by overlap_threshold at least, and no
    better detection overlaps the same box most. One of a difficult box is neither, without
    evaluate_difficult_gt. Rows of 0 stand for detections of image -1. With a name_size_file boxes
    are clipped to the image and counted in whole pixels.
    SSD: detection_evaluate_layer.cpp. `netc test` makes average precisions of it.
    """
    p = d.param.detection_evaluate_param
    found, truth = (b.shape for b in d.bottoms)
    for i, (shape, width) in enumerate(((found, 7), (truth, 8))):
        if len(shape) != 4 or shape[:2] != (1, 1) or shape[3] != width:
            d.fail(
                f"bottom[{i}] '{d.param.bottom[i]}' must be 1 x 1 x N x {width}, got {dims(shape)}",
                "bottom",
                i,
            )
    if not p.HasField("num_classes"):
        d.fail("Must provide num_classes.", "detection_evaluate_param")
    if p.overlap_threshold <= 0:
        d.fail(
            f"overlap_threshold must be greater than 0, got {p.overlap_threshold:g}",
            "overlap_threshold",
        )
    background = min(p.background_label_id, p.num_classes)
    others = p.num_classes - (background < p.num_classes)
    d.check_sizes((1, 1, others + found[2], 5))
    sizes = _image_sizes(d)

    def apply(blobs, state, rng, *bottoms):
        found, truth = (lax.stop_gradient(b)[0, 0] for b in bottoms)
        counted = (truth[:, 0] != -1) & ((truth[:, 7] == 0) | p.evaluate_difficult_gt)
        names = jnp.arange(others)
        names = jnp.where(names < background, names, names + 1).astype(found.dtype)
        counts = ((truth[None, :, 1] == names[:, None]) & counted[None]).sum(1)
        counts = counts.astype(found.dtype)
        least = jnp.full_like(counts, -1)
        head = jnp.stack([least, names, counts, least, least], 1)
        same = (found[:, None, :2] == truth[None, :, :2]).all(-1)
        known = found[:, 0] != -1
        # Caffe: sorts by score only where the image has boxes of the class.
        by_score = jnp.where(same.any(1), -found[:, 2], 0)
        order = jnp.lexsort((by_score, found[:, 1], found[:, 0], ~known))
        found, same, known = found[order], same[order], known[order]
        size, state = None, tuple(state)
        if sizes is not None:
            new = known & jnp.diff(found[:, 0], prepend=-1).astype(bool)
            before = state[0].astype(jnp.int32)
            image = (before + jnp.cumsum(new, dtype=jnp.int32) - 1) % len(sizes)
            size = jnp.asarray(sizes, found.dtype)[image]
            after = (before + new.sum(dtype=jnp.int32)) % len(sizes)
            state = (after.astype(state[0].dtype),)
        right, wrong = _judge(p, found, truth, same, size)
        marks = jnp.stack([right, wrong], 1).astype(found.dtype)
        rows = jnp.where(known[:, None], jnp.concatenate([found[:, :3], marks], 1), 0)
        return (jnp.concatenate([head, rows])[None, None],), state

    return Layer(apply, memory=() if sizes is None else (BlobSpec((1,)),))


def _judge(p: Any, found: Any, truth: Any, same: Any, size: Any) -> tuple[Any, Any]:
    """Which detections (K, 7), sorted, are right and which are wrong about the boxes (G, 8).

    same: (K, G), where image and class are the same. size: (K, 2), height and width of the image.
    """
    count = len(found)
    a, b = found[:, 3:].T[:, :, None], truth[:, 3:7].T[:, None]
    if size is not None:
        scale = jnp.tile(size[:, ::-1], 2).T[:, :, None]
        a, b = (boxes.clip(0, 1) * scale for boxes in (a, b))
    shared = lowering.boxes.overlap(a, b, extra=int(size is not None))
    shared = jnp.pad(jnp.where(same, shared, -1), [(0, 0), (0, 1)], constant_values=-1)
    box = shared.argmax(1)
    hit = shared.max(1) >= p.overlap_threshold
    row = jnp.arange(count)
    first = jnp.full(len(truth) + 1, count).at[box].min(jnp.where(hit, row, count))
    difficult = jnp.append(truth[:, 7] != 0, False)[box]
    ignored = hit & difficult & (not p.evaluate_difficult_gt)
    right = hit & (first[box] == row)
    return right & ~ignored, ~right & ~ignored


def _image_sizes(d: LayerDef) -> np.ndarray | None:
    """Height and width of the test images, (S, 2), from name_size_file: "name height width"."""
    p = d.param.detection_evaluate_param
    if not p.name_size_file:
        return None
    if p.HasField("resize_param") and p.resize_param.resize_mode != ResizeParameter.WARP:
        d.fail(
            "boxes are mapped back to images that were resized with WARP only, got "
            f"{ResizeParameter.Resize_mode.Name(p.resize_param.resize_mode)}",
            "resize_param",
        )
    path = Path(p.name_size_file)
    fail = functools.partial(d.fail, field="name_size_file", kind=DataError)
    if not path.is_file():
        fail(f"Failed to open name size file: {path}", hint=missing(str(path)))
    sizes = []
    for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.rsplit(maxsplit=2)
        if words and not (len(words) == 3 and all(w.isdecimal() and int(w) for w in words[1:])):
            fail(f"{path}:{i}: expected 'name height width', got '{line}'")
        sizes += [tuple(map(int, words[1:]))] if words else []
    if not sizes:
        fail(f"{path} holds no sizes")
    return np.array(sizes)
