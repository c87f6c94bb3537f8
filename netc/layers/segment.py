"""Layers of segmentation nets: back to the size of the image, and how well it was divided."""

from __future__ import annotations

import math

from netc import lowering
from netc.layers.base import (
    BlobSpec,
    LabelRule,
    Layer,
    LayerDef,
    Shape,
    dims,
    register,
    stateless,
)
from netc.layers.distance import check_count
from netc.layers.loss import check_first_axis
from netc.layers.select import of_indices
from netc.lazy import jnp, lax


def _unpooled_size(d: LayerDef) -> Shape:
    """(height, width) of the top. SegNet: upsample_layer.cpp."""
    p, size = d.param.upsample_param, d.bottoms[0].shape[2:]
    if p.HasField("upsample_h") and p.HasField("upsample_w"):
        for field in ("upsample_h", "upsample_w"):
            if getattr(p, field) <= 1:
                d.fail(f"{field} must be greater than 1, got {getattr(p, field)}", field)
        return p.upsample_h, p.upsample_w
    pair = [f for f in ("scale_h", "scale_w") if p.HasField(f)]
    if len(pair) == 1 or (pair and p.HasField("scale")):
        d.fail(
            "upsample_h & upsample_w are required, else (DEPRECATED) scale OR scale_h & scale_w "
            "are required.",
            pair[0],
        )
    fields = pair or ["scale", "scale"]
    for field, padded in zip(fields, ("pad_out_h", "pad_out_w"), strict=True):
        scale = getattr(p, field)
        if scale <= 1:
            d.fail(f"{field} must be greater than 1, got {scale}", field)
        if getattr(p, padded) and scale != 2:
            d.fail(
                f"Output padding compensation requires {field} == 2, otherwise the output size is "
                f"ill-defined; got {scale}",
                padded,
            )
    scales, less = (getattr(p, f) for f in fields), (p.pad_out_h, p.pad_out_w)
    return tuple(n * s - int(q) for n, s, q in zip(size, scales, less, strict=True))


@register(
    "Upsample", bottoms=2, tops=1, dialects=("segnet", "enet"),
    fields=("upsample_param",),
)  # fmt: skip
def unpool(d: LayerDef) -> Layer:
    """Put values back where a MAX Pooling found them: x, mask (N, C, H, W) -> (N, C, H', W').

    y[mask] = x, 0 elsewhere; the mask, the second top of the Pooling, holds h W' + w. The size is
    upsample_h x upsample_w, or scale times the bottom's, less 1 with pad_out_h or pad_out_w. No
    gradient goes to the mask.
    SegNet: upsample_layer.cpp.
    """
    d.check_images()
    shape, mask = (b.shape for b in d.bottoms)
    if shape != mask:
        d.fail(
            f"the mask '{d.param.bottom[1]}' ({dims(mask)}) must be of the shape of "
            f"'{d.param.bottom[0]}' ({dims(shape)})",
            "bottom",
            1,
        )
    size = _unpooled_size(d)
    d.check_sizes((*shape[:2], *size))
    layer = stateless(lambda blobs, x, mask: lowering.pool.unpool(d.plan, x, mask, size))
    return layer._replace(labels=LabelRule(1, size[0] * size[1], index=True))


@register(
    "Upsample", bottoms=1, tops=1, dialects=("darknet2caffe",), fields=("upsample_param.scale",)
)
def upsample_nearest(d: LayerDef) -> Layer:
    """Repeat every pixel: (N, C, H, W) -> (N, C, scale H, scale W); scale is 1 by default.

    Ports of YOLO: upsample_layer.cpp.
    """
    d.check_images()
    p = d.param.upsample_param
    scale = p.scale if p.HasField("scale") else 1
    if scale < 1:
        d.fail(f"scale must be at least 1, got {scale}", "scale")

    def forward(blobs, x, axes=(2, 3)):
        for axis in axes:
            x = jnp.repeat(x, scale, axis, total_repeat_length=scale * x.shape[axis])
        return x

    return stateless(forward, channels_last=lambda blobs, x: forward(blobs, x, (1, 2)))


def _interpolated_size(d: LayerDef, size: Shape) -> Shape:
    """The size of the top for a bottom of this size, cropped. DeepLab: interp_layer.cpp."""
    p = d.param.interp_param
    if len(d.bottoms) == 2:
        return d.bottoms[1].shape[2:]
    for field in ("shrink_factor", "zoom_factor"):
        if getattr(p, field) < 1:
            noun = field.partition("_")[0].capitalize()
            d.fail(f"{noun} factor must be positive, got {getattr(p, field)}", field)
    factors = p.HasField("shrink_factor"), p.HasField("zoom_factor")
    if p.HasField("height") and p.HasField("width") and factors in ((False, False), (True, True)):
        return p.height, p.width
    if not any(factors):
        d.fail(
            "the size of the top is not given",
            "interp_param",
            hint="height and width, zoom_factor, shrink_factor, or a second bottom of that size",
        )
    shrunk = ((n - 1) // p.shrink_factor + 1 for n in size)
    return tuple(n + (n - 1) * (p.zoom_factor - 1) for n in shrunk)


@register("Interp", bottoms=(1, 2), tops=1)
def interp(d: LayerDef) -> Layer:
    """Resize bilinearly, corners on corners: (N, C, H, W) -> (N, C, H', W').

    y[i] = x at i (H - 1) / (H' - 1). H' is that of a second bottom; (H - 1) / shrink_factor + 1;
    H + (H - 1) (zoom_factor - 1); the two in turn; or height. pad_beg and pad_end, not above 0,
    crop the bottom first. The second bottom has no gradient. DeepLab, PSPNet: interp_layer.cpp.
    """
    d.check_images()
    p, shape = d.param.interp_param, d.bottoms[0].shape
    if len(d.bottoms) == 2 and len(d.bottoms[1].shape) != 4:
        d.fail(f"bottom[1] must have 4 axes, it is {dims(d.bottoms[1].shape)}", "bottom", 1)
    for field in ("pad_beg", "pad_end"):
        if getattr(p, field) > 0:
            d.fail(
                f"Only supports non-pos padding (cropping) for now; {field} is {getattr(p, field)}",
                field,
            )
    size = tuple(n + p.pad_beg + p.pad_end for n in shape[2:])
    if min(size) < 1:
        d.fail(f"nothing is left of {dims(shape[2:])}: {dims(size)}", "interp_param")
    out = _interpolated_size(d, size)
    if min(out) < 1:
        d.fail(f"height and width should be positive, got {dims(out)}", "interp_param")
    d.check_sizes((*shape[:2], *out))
    weights = [lowering.resize.between_corners(n, m) for n, m in zip(size, out, strict=True)]

    def forward(blobs, x, *like, layout="NCHW"):
        for name, cropped in zip("HW", size, strict=True):
            x = lax.slice_in_dim(x, -p.pad_beg, cropped - p.pad_beg, axis=layout.index(name))
        return lowering.resize.resize(x, weights, layout)

    return stateless(forward, channels_last=lambda blobs, *xs: forward(blobs, *xs, layout="NHWC"))


CARRY = 2.0**20  # counts above it go to the second half of the memory, so that float32 is exact


@register("SegAccuracy", bottoms=2, tops=1, no_gradient=(0, 1))
def seg_accuracy(d: LayerDef) -> Layer:
    """Share of right pixels, mean recall of the classes, mean IoU: (N, C, H, W) -> (1, 1, 1, 3).

    The labels are (N, 1, H, W); pixels of an ignore_label do not count. Recall is averaged over the
    classes that occur, intersection over union over all (1 where a class is neither there nor
    found). reset: false goes on counting from batch to batch. No gradient.
    DeepLab: seg_accuracy_layer.cpp.
    """
    d.check_images()
    p, shape = d.param.seg_accuracy_param, d.bottoms[0].shape
    classes, want = shape[1], (shape[0], 1, *shape[2:])
    if d.bottoms[1].shape != want:
        d.fail(
            f"the labels '{d.param.bottom[1]}' must be {dims(want)} for '{d.param.bottom[0]}' "
            f"({dims(shape)}), they are {dims(d.bottoms[1].shape)}",
            "bottom",
            1,
        )
    ignored = list(p.ignore_label)

    def count(x, label):
        """How often a class (row) is taken for another (column)."""
        found = jnp.argmax(lax.stop_gradient(x), axis=1).ravel()
        label = label.astype(jnp.int32).ravel()
        keep = ~jnp.isin(label, jnp.asarray(ignored, jnp.int32))
        cell = jnp.where(keep, label * classes + found, classes * classes)
        return jnp.bincount(cell, length=classes * classes).reshape(classes, classes)

    def scores(confusion, dtype):
        right, total = jnp.diagonal(confusion), confusion.sum()
        there, taken = confusion.sum(1), confusion.sum(0)
        occurs = there > 0
        recall = jnp.where(occurs, right / jnp.where(occurs, there, 1), 0)
        union = there + taken - right
        iou = jnp.where(right == union, 1, right / jnp.where(union > 0, union, 1))
        three = (
            right.sum() / jnp.where(total > 0, total, 1),
            recall.sum() / jnp.maximum(occurs.sum().astype(recall.dtype), 1),
            iou.mean(),
        )
        return jnp.stack(three).astype(dtype).reshape(1, 1, 1, 3)

    def apply(blobs, memory, rng, x, label):
        seen = count(x, label).astype(jnp.float32)
        if not memory:
            return (scores(seen, x.dtype),), ()
        low = memory[0][0] + seen
        carried = jnp.floor(low / CARRY)
        low, high = low - carried * CARRY, memory[0][1] + carried
        return (scores(high * CARRY + low, x.dtype),), (jnp.stack([low, high]),)

    memory = () if p.reset else (BlobSpec((2, classes, classes)),)
    rule = LabelRule(1, classes, ignored[0] if ignored else None)
    return Layer(apply, memory=memory, labels=None if len(ignored) > 1 else rule)


@register("ParseOutput", bottoms=1, tops=(1, 2), no_gradient=(0,))
def parse_output(d: LayerDef) -> Layer:
    """The class with the greatest score: (N, C, H, W) -> (N, 1, H, W), of equals the first.

    A second top holds the score. No gradient. ParseNet: parse_output_layer.cpp.
    """
    d.check_images()
    if not d.bottoms[0].shape[1]:
        d.fail(f"bottom '{d.param.bottom[0]}' has no classes: {dims(d.bottoms[0].shape)}", "bottom")

    def forward(blobs, x, axis=1):
        x = lax.stop_gradient(x)
        found = jnp.argmax(x, axis, keepdims=True).astype(of_indices(x.dtype))
        return (found, x.max(axis, keepdims=True))[: d.tops]

    return stateless(forward, channels_last=lambda blobs, x: forward(blobs, x, 3))


@register("ParseEvaluate", bottoms=2, tops=1, no_gradient=(0, 1), fields=("parse_evaluate_param",))
def parse_evaluate(d: LayerDef) -> Layer:
    """Count pixels of each class: found and true classes (N, 1, H, W) -> (1, num_labels, 1, 3).

    Those found rightly, those that are of the class, and those found to be; pixels whose true
    class is an ignore_label do not count. ParseNet: parse_evaluate_layer.cpp.
    """
    p, names = d.param.parse_evaluate_param, d.param.bottom
    found, true = (b.shape for b in d.bottoms)
    if not p.HasField("num_labels"):
        d.fail("Must have num_labels!!", "parse_evaluate_param")
    if p.num_labels < 1:
        d.fail(f"num_labels must be positive, got {p.num_labels}", "num_labels")
    if found != true or len(found) != 4 or found[1] != 1:
        d.fail(
            f"both bottoms must be N x 1 x H x W: '{names[0]}' is {dims(found)}, '{names[1]}' is "
            f"{dims(true)}",
            "bottom",
            1 if found != true else 0,
        )
    ignored, size = list(p.ignore_label), p.num_labels

    def forward(blobs, *bottoms):
        found, true = (lax.stop_gradient(b).astype(jnp.int32).ravel() for b in bottoms)
        keep = ~jnp.isin(true, jnp.asarray(ignored, jnp.int32))

        def count(label, keep):
            inside = keep & (label >= 0) & (label < size)
            return jnp.bincount(jnp.where(inside, label, size), length=size)

        columns = count(true, keep & (found == true)), count(true, keep), count(found, keep)
        counts = jnp.stack(columns, -1).astype(of_indices(bottoms[0].dtype))
        return counts.reshape(1, size, 1, 3)

    rule = LabelRule(1, size, ignored[0] if ignored else None)
    return stateless(forward)._replace(labels=None if len(ignored) > 1 else rule)


@register(
    "SigmoidCrossEntropyLoss", bottoms=2, tops=1, loss=True, no_gradient=(1,), dialects=("hed",),
)  # fmt: skip
def balanced_sigmoid_loss(d: LayerDef) -> Layer:
    """Cross entropy of the sigmoid of scores x with targets t, edges and the rest balanced.

    L = sum_images [q sum_{t = 1} l(x) + (1 - q) sum_{t = 0} l(-x)] / N, l(x) = log(1 + exp(-x)), q
    the share of 0 among the targets of the image that are 0 or 1; others count nowhere, and none
    of loss_param does. HED: sigmoid_cross_entropy_loss_layer.cpp.
    """
    check_first_axis(d)
    check_count(d, 1, "SIGMOID_CROSS_ENTROPY_LOSS layer inputs must have the same count")
    shape = d.bottoms[0].shape
    rows = shape[0], math.prod(shape[1:])

    def forward(blobs, x, target):
        x, target = x.reshape(rows), lax.stop_gradient(target).reshape(rows)
        edge, rest = target == 1, target == 0
        cost = lowering.elementwise.softplus(jnp.where(edge, -x, x))
        edges, others = (jnp.where(part, cost, 0).sum(1) for part in (edge, rest))
        ones, zeros = (part.sum(1).astype(x.dtype) for part in (edge, rest))
        total = (edges * zeros + others * ones) / jnp.maximum(ones + zeros, 1)
        return total.sum() / max(shape[0], 1)

    return stateless(forward)
