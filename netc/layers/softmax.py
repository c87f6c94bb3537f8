"""Softmax and its loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from netc.layers.base import LabelRule, Layer, LayerDef, dims, register, stateless
from netc.layers.loss import (
    check_first_axis,
    check_labels,
    counted,
    ignored_label,
    normalization,
    normalizer,
    one_hot,
    with_gradient_of,
)
from netc.lazy import jax, jnp, lax
from netc.schema import FocalLossParameter, LossParameter

MAX_NLL = -math.log(np.finfo(np.float32).tiny)  # 87.3365


@register("Softmax", bottoms=1, tops=1, in_place=True)
def softmax(d: LayerDef) -> Layer:
    """exp(x - max) / sum along `axis`. Caffe: softmax_layer.cpp."""
    axis = d.axis(d.param.softmax_param.axis)
    return stateless(lambda blobs, x: jax.nn.softmax(x, axis))


FORKS = ("weight_by_label_freqs", "class_weighting", "label_smoothing", "pre_fixed_normalizer")


@register(
    "SoftmaxWithLoss", bottoms=(2, 3), tops=(1, 2), loss=True, no_gradient=(1, 2),
    fields=tuple(f"loss_param.{f}" for f in FORKS),
)  # fmt: skip
def softmax_with_loss(d: LayerDef) -> Layer:
    """Multinomial logistic loss of the softmax of scores; a second top holds the probabilities.

    L = -sum log max(p_label, FLT_MIN) / norm over positions whose label is not ignore_label.
    Caffe: softmax_loss_layer.cpp.

    netc adds, in loss_param: class_weight w (one per class), label_smoothing e, focal_gamma g;
    and a third bottom a, a weight per position or per example, without a gradient. A position of
    label y then adds

        a sum_c t_c w_c (1 - p_c)^g (-log max(p_c, FLT_MIN)),  t_c = (1 - e) [c = y] + e / C.

    Under VALID, norm is then the sum of a w_y over the positions, or 1 if that is 0, so that the
    loss is a weighted mean; the other modes count positions. SegNet's class_weighting with
    weight_by_label_freqs is w too, but leaves norm the number of positions.

    Labels of the shape of the scores are class probabilities q, as mixed images have them: t_c is
    then (1 - e) q_c + e / C, and w_y is sum_c q_c w_c; no position is ignored.
    """
    check_first_axis(d)
    p, shape = d.param.loss_param, d.bottoms[0].shape
    axis = d.axis(d.param.softmax_param.axis)
    classes, rows = shape[axis], d.bottoms[1].shape == shape and shape[axis] > 1
    if rows:
        outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    else:
        outer, classes, inner = check_labels(d, axis, "softmax")
    smoothing, gamma = _fraction(d), _gamma(d)
    by_class, share = _class_weights(d, classes), _weight_shape(d, outer, inner)
    weighted = bool(p.class_weight) or share is not None
    mode, ignore = normalization(d), ignored_label(d)
    norm = normalizer(d, mode, outer, inner)

    def cost(log_p):
        """(1 - p)^g (-log p)"""
        nll = with_gradient_of(-log_p, jnp.minimum(-log_p, MAX_NLL))
        if not gamma:
            return nll
        # Bounded away from 0, where the power of a fraction has no gradient.
        rest = jnp.maximum(-jnp.expm1(log_p), float(jnp.finfo(log_p.dtype).tiny))
        return rest**gamma * nll

    def forward(blobs, x, label, *given):
        log_p = jax.nn.log_softmax(x.reshape(outer, classes, inner), axis=1)
        of_class = jnp.ones((), x.dtype) if by_class is None else jnp.asarray(by_class, x.dtype)
        if rows:
            q = of_class * label.reshape(outer, classes, inner)
            keep, of_label = jnp.ones((outer, inner), bool), q.sum(1)
            each = (q * cost(log_p)).sum(1)
        else:
            label = label.astype(jnp.int32).reshape(outer, inner)
            keep, true = counted(label, ignore), one_hot(label, classes)
            of_label = 1.0 if by_class is None else jnp.where(true, of_class, 0).sum(1)
            each = of_label * cost(jnp.where(true, log_p, 0).sum(1))
        if smoothing:
            each = (1 - smoothing) * each + smoothing * (of_class * cost(log_p)).mean(1)
        entered = of_label if p.class_weight else jnp.ones_like(each)
        if given:
            weight = _spread(lax.stop_gradient(given[0]).reshape(share), outer, inner)
            each, entered = weight * each, weight * entered
        if mode == LossParameter.VALID and weighted:
            total = jnp.where(keep, entered, 0).sum()
            divisor = jnp.where(total > 0, total, 1)
        else:
            divisor = norm(keep.sum().astype(x.dtype))
        each = jnp.where(keep, each, 0)
        told = jnp.exp(log_p).reshape(shape), each.reshape(-1 if rows else d.bottoms[1].shape)
        return (each.sum() / divisor, *lax.stop_gradient(told))[: d.tops]

    return stateless(forward)._replace(labels=None if rows else LabelRule(1, classes, ignore))


@register(
    "SoftmaxWithLossOHEM",
    bottoms=2,
    tops=(1, 3),
    loss=True,
    no_gradient=(1,),
    fields=("loss_param.pre_fixed_normalizer",),
)
def softmax_with_loss_ohem(d: LayerDef) -> Layer:
    """SoftmaxWithLoss with the loss of each position as a third top, of the shape of the labels.

    It has no gradient: BoxAnnotatorOHEM chooses by it. R-FCN: softmax_loss_ohem_layer.cpp.
    """
    return softmax_with_loss(d)


@register(
    "FocalLoss", bottoms=2, tops=(1, 2), loss=True, no_gradient=(1,), dialects=("focal-loss",),
    fields=("focal_loss_param",),
)  # fmt: skip
def focal_loss(d: LayerDef) -> Layer:
    """Multinomial logistic loss that hardly counts what is right: scores, labels.

    L = -alpha sum (1 - p)^gamma log max(p, FLT_MIN) / norm, p the label's softmax, over positions
    whose label is not ignore_label; alpha is 0.25 by default. The second top holds the
    probabilities. Lin et al. 2017; Focal-Loss: focal_loss_layer.cpp.
    """
    p = d.param.focal_loss_param
    if p.type == FocalLossParameter.ONEADDP:
        at = "focal_loss_param", "type"
        d.fail("ONEADDP is a type of happynear alone", at, hint='dialect: "happynear"')
    alpha = p.alpha if p.HasField("alpha") else 0.25
    return _focal(d, lambda own: (alpha * (1 - own) ** p.gamma, 1 - own, -1))


@register(
    "FocalLoss", bottoms=2, tops=(1, 2), loss=True, no_gradient=(1,), dialects=("happynear",),
    fields=("focal_loss_param",),
)  # fmt: skip
def focal_loss_of_faces(d: LayerDef) -> Layer:
    """Multinomial logistic loss weighted by (alpha - p)^gamma, or under ONEADDP (alpha + p)^gamma.

    As FocalLoss, alpha being 1 by default. The gradient of the weight w is taken as gamma w /
    (1 - p), or gamma w / (1 + p). happynear: focal_loss_layer.cpp.
    """
    p = d.param.focal_loss_param
    sign = 1 if p.type == FocalLossParameter.ONEADDP else -1
    return _focal(d, lambda own: ((p.alpha + sign * own) ** p.gamma, 1 + sign * own, sign))


TINY = 1e-10  # what 1 - p is at least, where it divides


def _focal(d: LayerDef, weight: Callable[[Any], tuple[Any, Any, int]]) -> Layer:
    """weight: p -> its weight, and what stands for the gradient of that: sign gamma w / distance.

    The gradient to the scores is (w + gamma sign w / distance p log p) (p - [label]).
    """
    check_first_axis(d)
    p, shape = d.param.focal_loss_param, d.bottoms[0].shape
    for field, least in (("gamma", 0), ("alpha", 1e-30)):
        if getattr(p, field) < least:
            bound = "larger than zero" if least else "larger than or equal to zero"
            d.fail(f"{field} must be {bound}, got {getattr(p, field):g}", field)
    axis = d.axis(d.param.softmax_param.axis)
    outer, classes, inner = check_labels(d, axis, "softmax")
    ignore = ignored_label(d)
    norm = normalizer(d, normalization(d), outer, inner)

    def forward(blobs, x, label):
        log_p = jax.nn.log_softmax(x.reshape(outer, classes, inner), axis=1)
        label = label.astype(jnp.int32).reshape(outer, inner)
        keep = counted(label, ignore)
        nll = -jnp.where(one_hot(label, classes), log_p, 0).sum(1)
        least = lax.stop_gradient(jnp.minimum(nll, MAX_NLL))
        own = lax.stop_gradient(jnp.exp(-nll))
        w, distance, sign = weight(own)
        slope = w - sign * p.gamma * w / jnp.maximum(distance, TINY) * least * own
        each = jnp.where(keep, with_gradient_of(slope * nll, w * least), 0)
        loss = each.sum() / norm(keep.sum().astype(x.dtype))
        return (loss, lax.stop_gradient(jnp.exp(log_p)).reshape(shape))[: d.tops]

    return stateless(forward)._replace(labels=LabelRule(1, classes, ignore))


def _fraction(d: LayerDef) -> float:
    smoothing = d.param.loss_param.label_smoothing
    if not 0 <= smoothing <= 1:
        d.fail(f"label_smoothing must be in [0, 1], got {smoothing:g}", "label_smoothing")
    return smoothing


def _gamma(d: LayerDef) -> float:
    gamma = d.param.loss_param.focal_gamma
    if gamma < 0:
        d.fail(f"focal_gamma must not be negative, got {gamma:g}", "focal_gamma")
    return gamma


def _class_weights(d: LayerDef, classes: int) -> np.ndarray | None:
    """The weights as (1, classes, 1), or None where there are none."""
    p = d.param.loss_param
    field = "class_weight"
    if p.weight_by_label_freqs:
        if p.class_weight:
            d.fail("class_weight and weight_by_label_freqs exclude each other", field)
        field = "class_weighting"
    given = list(getattr(p, field))
    if not given and field == "class_weight":
        return None
    if len(given) != classes:
        d.fail(
            f"{field} must be given once per class: {len(given)} weights, {classes} classes",
            field if given else "weight_by_label_freqs",
        )
    for i, weight in enumerate(given):
        if not 0 <= weight < math.inf:
            d.fail(f"{field} must be finite and not negative, got {weight:g}", field, i)
    return np.array(given).reshape(1, classes, 1)


def _weight_shape(d: LayerDef, outer: int, inner: int) -> tuple[int, int] | None:
    """How the third bottom is laid over (outer, inner): per position, or per example."""
    if len(d.bottoms) < 3:
        return None
    shape, examples = d.bottoms[2].shape, d.bottoms[0].shape[0]
    count = math.prod(shape)
    if count == outer * inner:
        return outer, inner
    if count == examples:
        return examples, 1
    d.fail(
        f"the weights must be one per position ({outer * inner}) or one per example ({examples}): "
        f"bottom[2] '{d.param.bottom[2]}' is {dims(shape)}",
        "bottom",
        2,
    )


def _spread(weight: Any, outer: int, inner: int) -> Any:
    """Weights per example, (N, 1), or per position as (outer, inner)."""
    if weight.shape == (outer, inner):
        return weight
    examples = weight.shape[0]
    whole = jnp.broadcast_to(weight, (examples, outer // examples * inner))
    return whole.reshape(outer, inner)
