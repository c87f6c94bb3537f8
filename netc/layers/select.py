"""Layers that pick, reorder or sum up elements."""

from __future__ import annotations

import math

from netc import lowering
from netc.layers.base import LabelRule, Layer, LayerDef, dims, register, stateless
from netc.lazy import jnp, lax
from netc.schema import ReductionParameter

_REDUCTIONS = {
    ReductionParameter.SUM: lambda x: x,
    ReductionParameter.ASUM: lambda x: lowering.elementwise.absolute(x),
    ReductionParameter.SUMSQ: lambda x: x * x,
    ReductionParameter.MEAN: lambda x: x,
}


@register("Reduction", bottoms=1, tops=1)
def reduction(d: LayerDef) -> Layer:
    """Sum over all axes from `axis` to the last: (A, B) -> (A), () when axis is 0.

    SUM: y = coeff sum x; ASUM: coeff sum |x|, whose gradient at 0 is 0; SUMSQ: coeff sum x^2;
    MEAN: coeff sum x / B.
    Caffe: reduction_layer.cpp.
    """
    p, shape = d.param.reduction_param, d.bottoms[0].shape
    axis = d.axis(p.axis)
    batch, count = shape[:axis], math.prod(shape[axis:])
    mean = p.operation == ReductionParameter.MEAN
    coefficient = p.coeff / max(count, 1) if mean else p.coeff
    if p.operation not in _REDUCTIONS:
        name = ReductionParameter.ReductionOp.Name(p.operation)
        d.fail(f"the operation {name} is not carried out", "operation")
    term = _REDUCTIONS[p.operation]

    def forward(blobs, x):
        rows = term(x).reshape(1, math.prod(batch), count)
        if math.prod(batch) == 1:
            y = rows.sum().reshape(batch)
        else:
            y = lowering.reduce.channel_sum(d.plan, rows, "NCHW").reshape(batch)
        return y if coefficient == 1 else coefficient * y

    return stateless(forward)


@register("ArgMax", bottoms=1, tops=1, no_gradient=(0,))
def argmax(d: LayerDef) -> Layer:
    """Indices of the top_k largest elements in falling order; of equals the last comes first.

    Over everything but the batch: (N, ...) -> (N, 1, top_k), or (N, 2, top_k) with the values in
    row 1 under out_max_val; with ones behind where the bottom has more than three axes. Along
    `axis`, whose size becomes top_k: the indices, or under out_max_val the values. No gradient.
    Caffe: argmax_layer.cpp.
    """
    p, shape = d.param.argmax_param, d.bottoms[0].shape
    if p.top_k < 1:
        d.fail(f"top k must not be less than 1, got {p.top_k}.", "top_k")
    if not shape:
        d.fail(f"bottom '{d.param.bottom[0]}' has no axes to search", "bottom")
    axis = d.axis(p.axis) if p.HasField("axis") else None
    length = math.prod(shape[1:]) if axis is None else shape[axis]
    if p.top_k > length:
        whole = "the flattened bottom blob per instance" if axis is None else "the axis"
        d.fail(
            f"top_k must be less than or equal to the dimension of {whole}: top_k {p.top_k}, "
            f"{length} elements in {dims(shape)}.",
            "top_k" if p.HasField("top_k") else "bottom",
        )

    def largest(rows):
        """Values and indices of the top_k along the last axis."""
        if p.top_k == 1:
            value = rows.max(-1, keepdims=True)
            places = jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32), rows.shape)
            return value, jnp.where(rows < value, -1, places).max(-1, keepdims=True)
        values, found = lax.top_k(jnp.flip(rows, -1), p.top_k)  # of equals, the first
        return values, length - 1 - found

    def forward(blobs, x):
        x = lax.stop_gradient(x)
        wide = x.dtype if x.dtype.itemsize >= 4 else jnp.dtype(jnp.float32)
        if axis is None:
            values, indices = largest(x.reshape(shape[0], length))
            rows = [indices, values] if p.out_max_val else [indices]
            y = jnp.stack([row.astype(wide) for row in rows], 1)
            return y.reshape(*y.shape, *(1,) * (len(shape) - 3))
        values, indices = largest(jnp.moveaxis(x, axis, -1))
        return jnp.moveaxis(values if p.out_max_val else indices.astype(wide), -1, axis)

    return stateless(forward)


@register("Permute", bottoms=1, tops=1, fields=("permute_param",))
def permute(d: LayerDef) -> Layer:
    """Transpose: axis i of the top is axis order[i] of the bottom; missing ones follow in order.

    SSD: permute_layer.cpp.
    """
    shape = d.bottoms[0].shape
    order: list[int] = []
    for i, axis in enumerate(d.param.permute_param.order):
        if axis >= len(shape):
            d.fail(
                "order should be less than the input dimension: "
                f"{axis}, '{d.param.bottom[0]}' is {dims(shape)}.",
                "order",
                i,
            )
        if axis in order:
            d.fail(f"there are duplicate orders: {axis}", "order", i)
        order.append(axis)
    order += [i for i in range(len(shape)) if i not in order]
    return stateless(lambda blobs, x: x.transpose(order))


@register("Reorg", bottoms=1, tops=1, fields=("reorg_param",))
def reorg(d: LayerDef) -> Layer:
    """Blocks of stride s to channels: (N, C, H, W) -> (N, C s^2, H / s, W / s), reverse: back.

    In darknet's order, which reads the bottom as (N, C / s^2, H, s, W, s). Intel: reorg_layer.cpp.
    """
    p = d.param.reorg_param
    d.check_images()
    if not p.stride:
        d.fail(
            f"stride must be positive, got {p.stride}",
            "stride" if p.HasField("stride") else "reorg_param",
        )
    s = p.stride
    n, c, h, w = d.bottoms[0].shape
    if c % (s * s) or (not p.reverse and (h % s or w % s)):
        d.fail(
            f"channels must divide by stride^2, height and width by stride {s}: "
            f"'{d.param.bottom[0]}' is {dims((n, c, h, w))}",
            "stride",
        )
    blocks = (n, c // (s * s), h, s, w, s)
    if p.reverse:
        tall = (n, s, s, c // (s * s), h, w)
        top = (n, c // (s * s), h * s, w * s)
        return stateless(lambda blobs, x: x.reshape(tall).transpose(0, 3, 4, 1, 5, 2).reshape(top))
    top = (n, c * s * s, h // s, w // s)
    return stateless(lambda blobs, x: x.reshape(blocks).transpose(0, 3, 5, 1, 2, 4).reshape(top))


@register("BatchReindex", bottoms=2, tops=1, no_gradient=(1,))
def batch_reindex(d: LayerDef) -> Layer:
    """Pick items of a batch by index: (N, ...), (M) -> (M, ...), y[i] = x[index[i]].

    Gradients of an item that is picked several times add up. An index outside the batch gives NaN.
    Caffe: batch_reindex_layer.cpp.
    """
    shape, index = d.bottoms[0].shape, d.bottoms[1].shape
    if len(index) != 1:
        d.fail(
            f"the indices must have 1 axis: bottom[1] '{d.param.bottom[1]}' is {dims(index)}",
            "bottom",
            1,
        )
    if not shape:
        d.fail(f"bottom[0] '{d.param.bottom[0]}' has no batch axis", "bottom", 0)
    layer = stateless(lambda blobs, x, index: rows_at(x, index))
    return layer._replace(labels=LabelRule(1, shape[0], index=True))


def rows_at(x, index):
    """x[index] along the first axis for a blob of indices; NaN for an index outside."""
    place = lax.stop_gradient(index).astype(jnp.int32)
    place = jnp.where(place < 0, x.shape[0], place)  # JAX counts negative ones from the end
    return jnp.take(x, place, axis=0, mode="fill", fill_value=jnp.nan)


@register("Filter", bottoms=(2, None), tops=(1, None), no_gradient=(-1,), separate=True)
def filter_(d: LayerDef) -> Layer:
    """Keep the items whose selector, the last bottom (N, 1, ...), is not 0: (N, ...) -> (M, ...).

    The gradient of the items left out is 0; the selector gets none. M depends on values: it is N
    until `Sizes` sets the layer up for the batch at hand. Items that are then missing are NaN.
    Caffe: filter_layer.cpp.
    """
    names, shapes = d.param.bottom, [b.shape for b in d.bottoms]
    if d.tops != len(shapes) - 1:
        d.fail(
            f"Filter Layer has one top for each bottom but the selector: {len(shapes)} bottoms, "
            f"{d.tops} tops",
            "top",
            0,
        )
    selector = shapes[-1]
    if not selector or any(n != 1 for n in selector[1:]):
        d.fail(
            "Selector blob dimensions must be singletons (1), except the first: bottom "
            f"'{names[-1]}' is {dims(selector)}",
            "bottom",
            d.tops,
        )
    for i, shape in enumerate(shapes[:-1]):
        if shape[:1] != selector[:1]:
            d.fail(
                "Each bottom should have the same 0th dimension as the selector blob: "
                f"bottom[{i}] '{names[i]}' is {dims(shape)}, the selector '{names[-1]}' is "
                f"{dims(selector)}",
                "bottom",
                i,
            )
    size = selector[0] if d.rows is None else d.rows

    def forward(blobs, *bottoms):
        chosen = lax.stop_gradient(bottoms[-1]).reshape(-1) != 0
        (index,) = jnp.nonzero(chosen, size=size, fill_value=selector[0])
        return [jnp.take(x, index, axis=0, mode="fill", fill_value=jnp.nan) for x in bottoms[:-1]]

    def rows(*bottoms):
        return (bottoms[-1] != 0).sum()

    return stateless(forward)._replace(rows=rows)
