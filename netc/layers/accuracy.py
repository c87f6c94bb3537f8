"""Accuracy."""

from __future__ import annotations

from typing import Any

from netc.layers.base import LabelRule, Layer, LayerDef, register, stateless
from netc.layers.loss import check_labels, counted, one_hot
from netc.lazy import jnp, lax


@register("Accuracy", bottoms=2, tops=(1, 2), no_gradient=(0, 1))
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
        label = label.astype(jnp.int32).reshape(outer, inner)
        true = one_hot(label, classes)
        score = jnp.where(true, x, jnp.zeros_like(x)).sum(1, keepdims=True)
        rivals = ((x >= score) & ~true).sum(1)
        keep = counted(label, ignore)
        right = keep & (rivals < p.top_k)
        overall = _share(right.sum(), keep.sum(), x.dtype)
        if d.tops == 1:
            return overall
        seen = true & keep[:, None]
        per_class = _share((seen & right[:, None]).sum((0, 2)), seen.sum((0, 2)), x.dtype)
        return overall, per_class

    return stateless(forward)._replace(labels=LabelRule(1, classes, ignore))


def _share(part: Any, whole: Any, dtype: Any) -> Any:
    """part / whole as dtype, 0 where whole is 0."""
    return part.astype(dtype) / jnp.maximum(whole, 1).astype(dtype)
