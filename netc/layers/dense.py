"""Fully connected layers and tables of vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from netc import lowering
from netc.layers.base import BlobSpec, LabelRule, Layer, LayerDef, dims, register, stateless
from netc.layers.loss import check_one_each, one_hot, with_gradient_of
from netc.layers.select import rows_at
from netc.lazy import jax, jnp, lax


@register("InnerProduct", bottoms=1, tops=1)
def inner_product(d: LayerDef) -> Layer:
    """Multiply by a matrix: (..., K axes) -> (..., num_output).

    y = x W^T + b, K the product of the axes from `axis` on; W is (num_output, K), or
    (K, num_output) under transpose.
    Caffe: inner_product_layer.cpp.
    """
    p, shape = d.param.inner_product_param, d.bottoms[0].shape
    axis = d.axis(p.axis)
    batch, k, n = shape[:axis], math.prod(shape[axis:]), outputs(d, "inner_product_param")
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


def outputs(d: LayerDef, message: str) -> int:
    """num_output of the layer's own message, checked."""
    p = getattr(d.param, message)
    if p.num_output == 0:
        field = "num_output" if p.HasField("num_output") else message
        d.fail("num_output must be greater than 0, got 0", field)
    return p.num_output


def unit_rows(weights: Any, epsilon: float = 0) -> Any:
    """Each row w as w / sqrt(sum w^2 + epsilon); a row of zeros stays."""
    square = (weights * weights).sum(1, keepdims=True) + epsilon
    return weights / jnp.sqrt(jnp.where(square == 0, 1, square))


def over_first(f: Callable[[Any], Any]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """A pass that writes f(W) over its first blob, W."""
    return lambda blobs: (f(blobs[0]), *blobs[1:])


def read_from(weights: Any, f: Callable[[Any], Any]) -> Any:
    """f(W), which the pass has written over W: W's gradient is that of f(W)."""
    return with_gradient_of(weights, f(weights))


def rows_of(d: LayerDef, bottom: int, k: int) -> int:
    """How many rows of k weights a bottom holds."""
    shape = d.bottoms[bottom].shape
    if not shape or math.prod(shape[1:]) != k:
        d.fail(
            f"bottom[{bottom}] '{d.param.bottom[bottom]}' must hold rows of {k} weights, it is "
            f"{dims(shape)}",
            "bottom",
            bottom,
        )
    return shape[0]


UNIT = 1e-12  # added to the square of a row


@register(
    "InnerProduct", bottoms=(1, 3), tops=1, dialects=("happynear",),
    fields=("inner_product_param.normalize",),
)  # fmt: skip
def inner_product_of_units(d: LayerDef) -> Layer:
    """Multiply by a matrix of unit rows, or by a bottom: (..., K axes) -> (..., num_output).

    As InnerProduct. With `normalize` a pass first writes w / sqrt(sum w^2 + 1e-12) over each row of
    W, whose gradient is then that of these. A second bottom takes the place of W, its first axis
    that of num_output, and a third that of b. Wang et al. 2017; happynear: inner_product_layer.cu.
    """
    p, shape = d.param.inner_product_param, d.bottoms[0].shape
    axis = d.axis(p.axis)
    batch, k, given = shape[:axis], math.prod(shape[axis:]), len(d.bottoms) - 1
    n = rows_of(d, 1, k) if given else outputs(d, "inner_product_param")
    if given == 2 and math.prod(d.bottoms[2].shape) != n:
        d.fail(
            f"bottom[2] '{d.param.bottom[2]}' must hold {n} numbers, it is "
            f"{dims(d.bottoms[2].shape)}",
            "bottom",
            2,
        )
    normal = p.normalize and not given
    if p.transpose and (given or normal):
        d.fail("weights of a bottom, and those of normalize, are one row per output", "transpose")
    blobs = []
    if not given:
        blobs.append(BlobSpec((k, n) if p.transpose else (n, k), p.weight_filler))
    if p.bias_term and given < 2:
        blobs.append(BlobSpec((n,), p.bias_filler))

    def units(weights):
        return unit_rows(weights, UNIT)

    def forward(blobs, x, *others):
        weights, *bias = (*others[:1], *blobs, *others[1:])
        if normal:
            weights = read_from(weights, units)
        flat, weights = x.reshape(math.prod(batch), k), weights.reshape(n, k) if given else weights
        y = lowering.dense.inner_product(d.plan, flat, weights, transpose=p.transpose)
        y = y + bias[0].reshape(1, n) if p.bias_term else y
        return y.reshape(*batch, n)

    return stateless(forward, blobs)._replace(rewrite=over_first(units) if normal else None)


DISTANCES = {"L2": lambda x: x * x, "L1": lambda x: lowering.elementwise.absolute(x)}


@register("InnerDistance", bottoms=(1, 3), tops=1)
def inner_distance(d: LayerDef) -> Layer:
    """The distance to each row of a matrix: (..., K axes) -> (..., num_output).

    y_n = sum_k (x_k - W_nk)^2, or with distance_type L1 sum_k |x_k - W_nk|; W is (num_output, K),
    or a second bottom. With `normalize` a pass first writes w / |w| over each row of W, as in
    InnerProduct of happynear. With update_center_only the last bottom holds labels, and W's
    gradient comes only from the distance of each example to its label's row. bias_term does
    nothing. happynear: inner_distance_layer.cu.
    """
    p, shape = d.param.inner_distance_param, d.bottoms[0].shape
    axis = d.axis(p.axis)
    batch, k = shape[:axis], math.prod(shape[axis:])
    if p.distance_type not in DISTANCES:
        d.fail(f"Unknown distance type: {p.distance_type} (known types: L1, L2)", "distance_type")
    if p.transpose:
        d.fail("transpose is not carried out", "transpose")
    labelled = p.update_center_only
    if len(d.bottoms) not in (1 + labelled, 2 + labelled):
        d.fail(
            f"the labels of update_center_only are the last bottom, there are {len(d.bottoms)}",
            "update_center_only" if labelled else "bottom",
        )
    own = len(d.bottoms) == 1 + labelled
    n = outputs(d, "inner_distance_param") if own else rows_of(d, 1, k)
    count = math.prod(batch)
    if labelled:
        check_one_each(d, len(d.bottoms) - 1)
    each = DISTANCES[p.distance_type]
    normal = p.normalize and own

    @jax.checkpoint  # the differences of all to all are not kept for the way back
    def to_all(x, weights):
        return each(x[:, None] - weights[None]).sum(-1)

    def forward(blobs, x, *others):
        weights = blobs[0] if own else others[0].reshape(n, k)
        if normal:
            weights = read_from(weights, unit_rows)
        x = x.reshape(count, k)
        if not labelled:
            return to_all(x, weights).reshape(*batch, n)
        label = others[-1].astype(jnp.int32).reshape(count, 1)
        near = each(x - jnp.take(weights, label[:, 0], axis=0)).sum(-1)
        hit = one_hot(label, n)[..., 0]
        y = jnp.where(hit, near[:, None], to_all(x, lax.stop_gradient(weights)))
        return y.reshape(*batch, n)

    layer = stateless(forward, [BlobSpec((n, k), p.weight_filler)] if own else [])
    rule = LabelRule(len(d.bottoms) - 1, n) if labelled else None
    return layer._replace(labels=rule, rewrite=over_first(unit_rows) if normal else None)


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
