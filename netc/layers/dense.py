"""Fully connected layers and tables of vectors."""

from __future__ import annotations

import math

from netc import lowering
from netc.layers.base import BlobSpec, LabelRule, Layer, LayerDef, register, stateless
from netc.layers.select import rows_at


@register("InnerProduct", bottoms=1, tops=1)
def inner_product(d: LayerDef) -> Layer:
    """Multiply by a matrix: (..., K axes) -> (..., num_output).

    y = x W^T + b, K the product of the axes from `axis` on; W is (num_output, K), or
    (K, num_output) under transpose.
    Caffe: inner_product_layer.cpp.
    """
    p, shape = d.param.inner_product_param, d.bottoms[0].shape
    axis = d.axis(p.axis)
    batch, k, n = shape[:axis], math.prod(shape[axis:]), p.num_output
    if n == 0:
        d.fail(
            "num_output must be greater than 0, got 0",
            "num_output" if p.HasField("num_output") else "inner_product_param",
        )
    blobs = [BlobSpec((k, n) if p.transpose else (n, k), p.weight_filler)]
    if p.bias_term:
        blobs.append(BlobSpec((n,), p.bias_filler))

    def forward(blobs, x):
        flat = x.reshape(math.prod(batch), k)
        y = lowering.dense.inner_product(d.plan, flat, blobs[0], transpose=p.transpose)
        if p.bias_term:
            y = y + blobs[1][None]
        return y.reshape(*batch, n)

    return stateless(forward, blobs)


@register("Embed", bottoms=1, tops=1, no_gradient=(0,))
def embed(d: LayerDef) -> Layer:
    """Look up rows of a table: indices (...) -> (..., num_output), y = W[index] + b.

    W is (input_dim, num_output). An index outside the table gives NaN.
    Caffe: embed_layer.cpp.
    """
    p = d.param.embed_param
    for field in ("num_output", "input_dim"):
        if getattr(p, field) == 0:
            d.fail(
                f"EmbedLayer {field} must be positive, got 0.",
                field if p.HasField(field) else "embed_param",
            )
    blobs = [BlobSpec((p.input_dim, p.num_output), p.weight_filler)]
    if p.bias_term:
        blobs.append(BlobSpec((p.num_output,), p.bias_filler))

    def forward(blobs, index):
        y = rows_at(blobs[0], index)
        return y + blobs[1].reshape(*(1,) * index.ndim, -1) if p.bias_term else y

    return stateless(forward, blobs)._replace(labels=LabelRule(0, p.input_dim, index=True))
