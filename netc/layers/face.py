"""Layers for faces: features of one length, and near the others of their class."""

from __future__ import annotations

import math

import numpy as np

from netc import lowering
from netc.layers.base import LabelRule, Layer, LayerDef, dims, merged, register, stateless
from netc.layers.loss import check_first_axis, check_one_each, one_hot, with_gradient_of
from netc.lazy import jax, jnp, lax

EPSILON = float(np.float32(1e-6))


@register("CenterLoss", bottoms=2, tops=1, no_gradient=(1,))
def center_loss(d: LayerDef) -> Layer:
    """Half the squared distance of features (N, ...) to the centre of their class, labels (N).

    L = sum |x - c_y|^2 / 2N, all axes from `axis` on being one of length K. The gradient to x is
    (x - c_y) / N; each centre moves to its class, whatever the loss weight, by the gradient
    sum_{y = j} (c_j - x) / (1 + n_j) for the n_j examples of its class. There is no loss weight by
    default. Wen et al. 2016; caffe-face: center_loss_layer.cpp.
    """
    check_first_axis(d)
    check_one_each(d, 1)
    p, shape = d.param.center_loss_param, d.bottoms[0].shape
    axis = d.axis(p.axis)
    if axis != 1:
        d.fail(f"axis must be 1, the one after the examples, got {p.axis}", "axis")
    if p.num_output == 0:
        field = "num_output" if p.HasField("num_output") else "center_loss_param"
        d.fail("num_output, the number of classes, must be greater than 0, got 0", field)
    if p.distance_type != "L2":
        d.fail(f"Unknown distance type: {p.distance_type} (known types: L2)", "distance_type")
    count, length = shape[0], math.prod(shape[1:])
    centers = d.blob((p.num_output, length), p.center_filler, "center_filler")

    def value(x, center, label):
        apart = x - jnp.take(center, label, axis=0)
        return (apart * apart).sum() / (2 * max(count, 1)), (apart, label)

    def backward(saved, scale):
        apart, label = saved
        member = one_hot(label[:, None], p.num_output)[..., 0].astype(apart.dtype)
        pull = -(member.T @ apart) / (1 + member.sum(0))[:, None]
        return scale * apart / max(count, 1), pull, None

    f = jax.custom_vjp(lambda *args: value(*args)[0])
    f.defvjp(value, backward)

    def forward(blobs, x, label):
        label = label.astype(jnp.int32).reshape(count)
        return f(x.reshape(count, length), blobs[0], label)

    return stateless(forward, [centers])._replace(labels=LabelRule(1, p.num_output))


@register("Normalize", bottoms=1, tops=(1, 2), dialects=("happynear",), fields=("normalize_param",))
def normalize_features(d: LayerDef) -> Layer:
    """Divide by the norm over channels: (N, C, *S) -> the same shape; a second top holds the norm.

    L2: sqrt(sum x^2 + 1e-6); L1: sum |x| + 1e-6. The norm is (N, 1, H, W); only with bp_norm does
    its gradient go back. With fix_gradient the gradient through the quotient is multiplied by the
    norm. Wang et al. 2017; happynear: normalize_layer.cpp.
    """
    p, shape = d.param.normalize_param, d.bottoms[0].shape
    if not 2 <= len(shape) <= 4:
        d.fail(
            f"the axes of bottom '{d.param.bottom[0]}' must be 2 to 4, it is {dims(shape)}",
            "bottom",
        )
    if p.normalize_type not in ("L1", "L2"):
        d.fail(
            f"Unknown normalize type: {p.normalize_type} (known types: L1, L2)", "normalize_type"
        )
    told = (*shape, 1, 1)[:4]
    told = (told[0], 1, *told[2:])

    def forward(blobs, x):
        if p.normalize_type == "L2":
            norm = jnp.sqrt((x * x).sum(1, keepdims=True) + EPSILON)
        else:
            norm = lowering.elementwise.absolute(x).sum(1, keepdims=True) + EPSILON
        seen = norm if p.bp_norm else lax.stop_gradient(norm)
        y = x / norm
        y = with_gradient_of(lax.stop_gradient(norm) * y, y) if p.fix_gradient else y
        return (y, seen.reshape(told))[: d.tops]

    return stateless(forward)


@register("TripletLoss", bottoms=3, tops=1, loss=True)
def triplet_loss(d: LayerDef) -> Layer:
    """Features nearer to one of their kind than to another, by a margin; all three (N, C).

    L = sum max(margin + |a - b|^2 - |a - c|^2, 0) / 2N, b of a's kind and c not; the gradient goes
    to all. Schroff et al. 2015; happynear: triplet_loss_layer.cpp.
    """
    shape, margin = d.bottoms[0].shape, d.param.triplet_loss_param.margin
    for i, other in enumerate(d.bottoms):
        if other.shape != shape or not shape:
            d.fail(
                "the three bottoms must be of one shape with a batch axis: bottom[0] is "
                f"{dims(shape)}, bottom[{i}] is {dims(other.shape)}",
                "bottom",
                i,
            )

    def forward(blobs, *features):
        a, b, c = (merged(x, 1) for x in features)
        gap = margin + ((a - b) ** 2 - (a - c) ** 2).sum(1)
        return jnp.where(gap > 0, gap, jnp.zeros_like(gap)).sum() / (2 * max(shape[0], 1))

    return stateless(forward)
