"""What losses have in common, and the losses over classes other than the softmax's own."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from netc.data.fail import failing
from netc.errors import DataError
from netc.layers.base import LabelRule, Layer, LayerDef, dims, register, stateless
from netc.lazy import jax, jnp, lax
from netc.load import read_blob_proto
from netc.schema import HingeLossParameter, LossParameter

LOG_THRESHOLD = 1e-20


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


def check_one_each(d: LayerDef, bottom: int) -> None:
    """The bottom holds one number per example: (N), (N, 1), (N, 1, 1) or (N, 1, 1, 1)."""
    shape, count = d.bottoms[bottom].shape, d.bottoms[0].shape[0]
    if len(shape) > 4 or shape[:1] != (count,) or any(n != 1 for n in shape[1:]):
        d.fail(
            f"bottom[{bottom}] must be {count} x 1 x 1 x 1, one number per example: "
            f"'{d.param.bottom[bottom]}' is {dims(shape)}",
            "bottom",
            bottom,
        )


def ignored_label(d: LayerDef) -> int | None:
    p = d.param.loss_param
    return p.ignore_label if p.HasField("ignore_label") else None


def normalization(d: LayerDef, default: int = LossParameter.VALID) -> int:
    """The mode, the legacy flag `normalize` heeded. Caffe: softmax_loss_layer.cpp."""
    p = d.param.loss_param
    if p.HasField("normalization"):
        return p.normalization
    if p.HasField("normalize"):
        return LossParameter.VALID if p.normalize else LossParameter.BATCH_SIZE
    return default


def normalizer(d: LayerDef, mode: int, outer: int, inner: int) -> Callable[[Any], Any]:
    """What the summed loss is divided by, as a function of the number of valid positions.

    FULL: all positions; VALID: those not ignored; BATCH_SIZE: the axes before the classes;
    NONE: 1; PRE_FIXED: pre_fixed_normalizer. At least 1.
    """
    fixed: dict[int, float] = {
        LossParameter.FULL: outer * inner,
        LossParameter.BATCH_SIZE: outer,
        LossParameter.NONE: 1,
        LossParameter.PRE_FIXED: d.param.loss_param.pre_fixed_normalizer,
    }
    if mode == LossParameter.VALID:
        return lambda valid: jnp.maximum(valid, 1)
    return lambda valid: max(fixed[mode], 1)


def counted(label: Any, ignore: int | None) -> Any:
    """Which positions count: those whose label is not `ignore`."""
    return jnp.ones(label.shape, bool) if ignore is None else label != ignore


def one_hot(label: Any, classes: int) -> Any:
    """(outer, inner) -> (outer, classes, inner): where the class is the label's."""
    return label[:, None] == jnp.arange(classes, dtype=label.dtype).reshape(1, classes, 1)


def with_gradient_of(x: Any, value: Any) -> Any:
    """`value`, differentiated as if it were `x`: Caffe clamps a loss, not its gradient."""
    return lax.stop_gradient(value) + (x - lax.stop_gradient(x))


def clamped_log(p: Any) -> Any:
    """log max(p, 1e-20), whose gradient is 1 / max(p, 1e-20) below the bound as well."""
    bound = max(LOG_THRESHOLD, float(jnp.finfo(p.dtype).tiny))
    return jnp.log(with_gradient_of(p, jnp.maximum(p, bound)))


@register("MultinomialLogisticLoss", bottoms=2, tops=1, loss=True, no_gradient=(1,))
def multinomial_logistic_loss(d: LayerDef) -> Layer:
    """Cross entropy of probabilities (N, ...), flattened to (N, C), and labels (N).

    L = -sum log max(p_label, 1e-20) / N; dL/dp_label = -1 / (max(p_label, 1e-20) N).
    Caffe: multinomial_logistic_loss_layer.cpp.
    """
    check_first_axis(d)
    check_one_each(d, 1)
    count, classes = flattened(d)

    def forward(blobs, p, label):
        true = one_hot(label.astype(jnp.int32).reshape(count, 1), classes)[..., 0]
        picked = jnp.where(true, clamped_log(p.reshape(count, classes)), jnp.zeros((), p.dtype))
        return -picked.sum() / max(count, 1)

    return stateless(forward)._replace(labels=LabelRule(1, classes))


def flattened(d: LayerDef) -> tuple[int, int]:
    """The sizes of bottom 0 as (examples, everything else)."""
    shape = d.bottoms[0].shape
    return shape[0], math.prod(shape[1:])


@register("HingeLoss", bottoms=2, tops=1, loss=True, no_gradient=(1,))
def hinge_loss(d: LayerDef) -> Layer:
    """One-against-all margins of scores (N, ...), flattened to (N, C), and labels (N).

    m = max(0, 1 - x) for the label's class, max(0, 1 + x) for the others; L = sum m / N (L1) or
    sum m^2 / N (L2). The gradient of m at its kink is 0.
    Caffe: hinge_loss_layer.cpp.
    """
    check_first_axis(d)
    check_one_each(d, 1)
    count, classes = flattened(d)
    square = d.param.hinge_loss_param.norm == HingeLossParameter.L2

    def forward(blobs, x, label):
        true = one_hot(label.astype(jnp.int32).reshape(count, 1), classes)[..., 0]
        x = x.reshape(count, classes)
        margin = 1 + jnp.where(true, -x, x)
        margin = jnp.where(margin > 0, margin, jnp.zeros_like(margin))
        return (margin * margin if square else margin).sum() / max(count, 1)

    return stateless(forward)._replace(labels=LabelRule(1, classes))


@register(
    "InfogainLoss", bottoms=(2, 3), tops=(1, 2), loss=True, no_gradient=(1, 2),
    fields=("loss_param.pre_fixed_normalizer",),
)  # fmt: skip
def infogain_loss(d: LayerDef) -> Layer:
    """Cross entropy of the softmax of scores with a row of gains per label.

    L = -sum_positions sum_c H[label, c] log max(p_c, 1e-20) / norm over positions whose label is
    not ignore_label. H (C, C) is bottom[2] or in the file `source`, a binary BlobProto; a second
    top holds the probabilities. Gradient: p_c sum H[label] - H[label, c]; none to H.
    Caffe: infogain_loss_layer.cpp.
    """
    check_first_axis(d)
    p = d.param.infogain_loss_param
    if d.param.loss_param.HasField("normalize"):
        d.fail('normalize is deprecated. use "normalization"', "normalize")
    shape, axis = d.bottoms[0].shape, d.axis(p.axis)
    outer, classes, inner = check_labels(d, axis, "infogain")
    stored = _gains(d) if len(d.bottoms) == 2 else None
    field, given = ("bottom", d.bottoms[-1]) if stored is None else ("source", stored)
    if math.prod(given.shape) != classes**2:
        d.fail(
            f"the infogain matrix must be {classes} x {classes} for {classes} classes, got "
            f"{dims(given.shape)}",
            field,
        )
    ignore = ignored_label(d)
    norm = normalizer(d, d.param.loss_param.normalization, outer, inner)

    def forward(blobs, x, label, *gains):
        gain = lax.stop_gradient(gains[0]) if gains else jnp.asarray(stored, x.dtype)
        label = label.astype(jnp.int32).reshape(outer, inner)
        keep = counted(label, ignore)
        log_p = jax.nn.log_softmax(x.reshape(outer, classes, inner), axis=1)
        log_p = with_gradient_of(log_p, jnp.maximum(log_p, math.log(LOG_THRESHOLD)))
        row = jnp.take(gain.reshape(classes, classes), jnp.where(keep, label, 0), axis=0)
        terms = jnp.where(keep[:, None], jnp.moveaxis(row, 2, 1) * log_p, jnp.zeros_like(log_p))
        loss = -terms.sum() / norm(keep.sum().astype(x.dtype))
        return (loss, lax.stop_gradient(jax.nn.softmax(x, axis)).reshape(shape))[: d.tops]

    return stateless(forward)._replace(labels=LabelRule(1, classes, ignore))


def _gains(d: LayerDef) -> Any:
    """The matrix H in the file `source`."""
    p = d.param.infogain_loss_param
    if not p.HasField("source"):
        d.fail(
            "Infogain matrix source must be specified.",
            "infogain_loss_param",
            hint="source: a binaryproto file, or a third bottom",
        )
    with failing(functools.partial(d.fail, kind=DataError), "source"):
        blob = read_blob_proto(p.source)
        values = np.array(blob.double_data or blob.data, np.float32)
        shape = tuple(blob.shape.dim) or (blob.num, blob.channels, blob.height, blob.width)
        if values.size != math.prod(shape):
            raise DataError(f"a blob of shape {dims(shape)} holds {values.size} values", p.source)
    return values.reshape(shape)
