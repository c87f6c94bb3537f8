"""Losses, softmax and accuracy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from netc.layers.base import LabelRule, Layer, LayerDef, dims, register, stateless
from netc.lazy import jax, jnp, lax
from netc.schema import LossParameter

MAX_NLL = -math.log(np.finfo(np.float32).tiny)  # 87.3365


def check_first_axis(d: LayerDef) -> None:
    """Predictions and labels must be equally many. Caffe: loss_layer.cpp."""
    a, b = d.bottoms[0].shape, d.bottoms[1].shape
    if not a or a[:1] != b[:1]:
        d.fail(
            "The data and label should have the same first dimension: bottom[0] "
            f"'{d.param.bottom[0]}' is {dims(a)}, bottom[1] '{d.param.bottom[1]}' is {dims(b)}.",
            "bottom",
            1,
        )


def check_labels(d: LayerDef, axis: int, noun: str) -> tuple[int, int, int]:
    """The sizes around the class axis: outer, classes, inner; each position has a label."""
    shape, labels = d.bottoms[0].shape, d.bottoms[1].shape
    outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    if math.prod(labels) != outer * inner:
        d.fail(
            "Number of labels must match number of predictions; "
            f"e.g., if {noun} axis == 1 and prediction shape is (N, C, H, W), label count (number "
            "of labels) must be N*H*W, with integer values in {0, 1, ..., C-1}: predictions "
            f"'{d.param.bottom[0]}' "
            f"{dims(shape)} on axis {axis} need {outer * inner} labels, "
            f"'{d.param.bottom[1]}' is {dims(labels)}.",
            "bottom",
            1,
        )
    return outer, shape[axis], inner


def normalization(d: LayerDef, default: int = LossParameter.VALID) -> int:
    """The mode, the legacy flag `normalize` heeded. Caffe: softmax_loss_layer.cpp."""
    p = d.param.loss_param
    if p.HasField("normalization"):
        return p.normalization
    if p.HasField("normalize"):
        return LossParameter.VALID if p.normalize else LossParameter.BATCH_SIZE
    return default


def normalizer(mode: int, outer: int, inner: int, valid: Any) -> Any:
    """What the summed loss is divided by, at least 1."""
    counts: dict[int, int] = {
        LossParameter.FULL: outer * inner,
        LossParameter.BATCH_SIZE: outer,
        LossParameter.NONE: 1,
    }
    return jnp.maximum(valid, 1.0) if mode == LossParameter.VALID else max(counts[mode], 1)


@register("Softmax", bottoms=1, tops=1, in_place=True)
def softmax(d: LayerDef) -> Layer:
    """exp(x - max) / sum along `axis`. Caffe: softmax_layer.cpp."""
    axis = d.axis(d.param.softmax_param.axis)
    return stateless(lambda blobs, x: jax.nn.softmax(x, axis))


@register("SoftmaxWithLoss", bottoms=2, tops=(1, 2), loss=True)
def softmax_with_loss(d: LayerDef) -> Layer:
    """Multinomial logistic loss of the softmax of scores; a second top holds the probabilities.

    L = -sum log max(p_label, FLT_MIN) / norm over positions whose label is not ignore_label.
    Caffe: softmax_loss_layer.cpp.
    """
    check_first_axis(d)
    p, shape = d.param.loss_param, d.bottoms[0].shape
    axis = d.axis(d.param.softmax_param.axis)
    outer, classes, inner = check_labels(d, axis, "softmax")
    mode, ignore = normalization(d), p.ignore_label if p.HasField("ignore_label") else None

    def forward(blobs, x, label):
        label = label.astype(jnp.int32).reshape(outer, 1, inner)
        log_p = jax.nn.log_softmax(x.reshape(outer, classes, inner), axis=1)
        true = label == jnp.arange(classes, dtype=jnp.int32).reshape(1, classes, 1)
        nll = -jnp.where(true, log_p, jnp.zeros_like(log_p)).sum(1)
        # Caffe clamps the loss at -log(FLT_MIN), not its gradient.
        nll = lax.stop_gradient(jnp.minimum(nll, MAX_NLL)) + (nll - lax.stop_gradient(nll))
        keep = jnp.ones((outer, inner), bool) if ignore is None else label[:, 0] != ignore
        valid = keep.sum().astype(x.dtype)
        loss = jnp.where(keep, nll, jnp.zeros_like(nll)).sum() / normalizer(
            mode, outer, inner, valid
        )
        return (loss, lax.stop_gradient(jnp.exp(log_p)).reshape(shape))[: d.tops]

    return stateless(forward)._replace(labels=LabelRule(1, classes, ignore))


@register("EuclideanLoss", bottoms=2, tops=1, loss=True)
def euclidean_loss(d: LayerDef) -> Layer:
    """sum (a - b)^2 / 2N, N the first axis; the gradient goes to both.

    Caffe: euclidean_loss_layer.cpp.
    """
    check_first_axis(d)
    a, b = d.bottoms[0].shape, d.bottoms[1].shape
    if math.prod(a[1:]) != math.prod(b[1:]):
        d.fail(
            f"Inputs must have the same dimension: '{d.param.bottom[0]}' is {dims(a)}, "
            f"'{d.param.bottom[1]}' is {dims(b)}.",
            "bottom",
            1,
        )

    def forward(blobs, x, y):
        difference = x - y.reshape(x.shape)
        return (difference * difference).sum() / (2 * a[0])

    return stateless(forward)


@register("Accuracy", bottoms=2, tops=(1, 2))
def accuracy(d: LayerDef) -> Layer:
    """The share of positions whose true class is among the top_k; ties count against it.

    A second top holds the accuracy of each class, 0 for absent ones. No gradient.
    Caffe: accuracy_layer.cpp.
    """
    p = d.param.accuracy_param
    axis = d.axis(p.axis)
    outer, classes, inner = check_labels(d, axis, "label")
    if p.top_k > classes:
        d.fail(
            "top_k must be less than or equal to the number of classes: "
            f"top_k {p.top_k}, {classes} classes.",
            "top_k",
        )
    ignore = p.ignore_label if p.HasField("ignore_label") else None

    def forward(blobs, x, label):
        x = lax.stop_gradient(x).reshape(outer, classes, inner)
        label = label.astype(jnp.int32).reshape(outer, 1, inner)
        true = label == jnp.arange(classes, dtype=jnp.int32).reshape(1, classes, 1)
        score = jnp.where(true, x, jnp.zeros_like(x)).sum(1, keepdims=True)
        rivals = ((x >= score) & ~true).sum(1)
        keep = jnp.ones((outer, inner), bool) if ignore is None else label[:, 0] != ignore
        right = keep & (rivals < p.top_k)
        overall = _share(right.sum(), keep.sum(), x.dtype)
        if d.tops == 1:
            return overall
        counted = true & keep[:, None]
        per_class = _share((counted & right[:, None]).sum((0, 2)), counted.sum((0, 2)), x.dtype)
        return overall, per_class

    return stateless(forward)._replace(labels=LabelRule(1, classes, ignore))


def _share(part: Any, whole: Any, dtype: Any) -> Any:
    """part / whole as dtype, 0 where whole is 0."""
    return part.astype(dtype) / jnp.maximum(whole, 1).astype(dtype)
