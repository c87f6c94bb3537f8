"""Layers that pick, reorder or sum up elements."""

from __future__ import annotations

import math

import numpy as np

from netc import lowering
from netc.layers.base import LabelRule, Layer, LayerDef, dims, merged, register, stateless
from netc.lazy import jax, jnp, lax
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


@register("BatchReduction", bottoms=1, tops=1, fields=("batch_reduction_param",))
def batch_reduction(d: LayerDef) -> Layer:
    """Sum, mean or mean of the k largest along `axis`: (A, T, B) -> (A, B).

    With levels other than one of 1: (A, L, B), the levels being parts of the axis of level^2
    elements each. operation SUM, MEAN, or with a single level TOPK; coeff does not count. pos:
    (A, T, T, B) -> (A, B), along the diagonal. TSN: batch_reduction_layer.cpp.
    """
    p, shape = d.param.batch_reduction_param, d.bottoms[0].shape
    reduce = p.reduction_param
    axis, levels = d.axis(reduce.axis), list(p.level) or [1]
    whole, size = levels == [1], shape[axis]
    parts = [size] if whole else [level * level for level in levels]
    if min(levels) < 1:
        place = next(i for i, level in enumerate(levels) if level < 1)
        d.fail(f"level must be positive, got {levels[place]}", "level", place)
    if sum(parts) != size:
        d.fail(
            f"the squares of the levels must add up to the {size} elements of axis {axis} of "
            f"'{d.param.bottom[0]}' ({dims(shape)}), they are {sum(parts)}",
            "level",
        )
    if reduce.operation in (ReductionParameter.SUMSQ, ReductionParameter.ASUM):
        name = ReductionParameter.ReductionOp.Name(reduce.operation)
        d.fail(f"the operation {name} is not implemented", "operation")
    top_k = reduce.operation == ReductionParameter.TOPK
    if len(levels) > 1 and (p.pos or top_k):
        d.fail(
            "Cannot do pos-sensitive reduction when level is more than 1"
            if p.pos
            else "For now top-k reduction only works with 1 level",
            "pos" if p.pos else "operation",
        )
    if p.pos and shape[axis + 1 : axis + 2] != (size,):
        d.fail(
            f"In pos mode, there are two axis reduced: axes {axis} and {axis + 1} of "
            f"'{d.param.bottom[0]}' must be of one size, it is {dims(shape)}",
            "pos",
        )
    if top_k and not 1 <= reduce.k <= size:
        d.fail(
            f"k must be in [1, {size}], got {reduce.k}",
            "k" if reduce.HasField("k") else "operation",
        )
    mean = reduce.operation == ReductionParameter.MEAN

    def forward(blobs, x):
        if p.pos:
            x = jnp.moveaxis(jnp.diagonal(x, 0, axis, axis + 1), -1, axis)
        if len(levels) > 1:
            owner = np.repeat(np.arange(len(parts)), parts)
            weights = np.zeros((len(parts), size), np.float32)
            weights[owner, np.arange(size)] = 1 / np.take(parts, owner) if mean else 1
            y = jnp.tensordot(
                jnp.asarray(weights, x.dtype), x, (1, axis), precision=lax.Precision.HIGHEST
            )
            return jnp.moveaxis(y, 0, axis)
        if top_k:
            y = lax.top_k(jnp.moveaxis(x, axis, -1), reduce.k)[0].mean(-1)
        else:
            y = x.mean(axis) if mean else x.sum(axis)
        return y if whole else jnp.expand_dims(y, axis)

    return stateless(forward)


def of_indices(dtype):
    """The type of tops that hold whole numbers, for bottoms of a type: float32 or wider."""
    return dtype if dtype.itemsize >= 4 else jnp.dtype(jnp.float32)


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
        wide = of_indices(x.dtype)
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


@register("Grouping", bottoms=2, tops=1, no_gradient=(1,))
def grouping(d: LayerDef) -> Layer:
    """The mean of x over the pixels of a group: (N, C, H, W), (N, G, H, W) -> (N, C, H, W).

    Channel g of bottom 1 holds whole numbers, and equal ones make a group of pixels; the tops of
    the G channels are averaged. ParseNet: grouping_layer.cpp.
    """
    shapes = [b.shape for b in d.bottoms]
    for i in range(2):
        d.check_images(i)
    for axis, name in ((0, "num"), (2, "height"), (3, "width")):
        if shapes[0][axis] != shapes[1][axis]:
            d.fail(
                f"both bottoms must have the same {name}: '{d.param.bottom[0]}' is "
                f"{dims(shapes[0])}, '{d.param.bottom[1]}' is {dims(shapes[1])}",
                "bottom",
                1,
            )
    _, channels, height, width = shapes[0]
    pixels, kinds = height * width, max(shapes[1][1], 1)

    def of_channel(x, ids):
        """Means (pixels, C) of the pixels (pixels, C) with the same id."""
        order = jnp.argsort(ids)
        step = jnp.diff(ids[order], prepend=ids[order][:1]) != 0
        group = jnp.zeros(pixels, jnp.int32).at[order].set(jnp.cumsum(step, dtype=jnp.int32))
        total = jnp.zeros_like(x).at[group].add(x)
        count = jnp.zeros(pixels, jnp.int32).at[group].add(1).astype(x.dtype)
        return (total / jnp.maximum(count, 1)[:, None])[group]

    def of_image(x, ids):
        def step(total, ids):
            return total + of_channel(x, ids), None

        return lax.scan(step, jnp.zeros_like(x), ids)[0] / kinds

    def forward(blobs, x, ids):
        ids = merged(lax.stop_gradient(ids).astype(jnp.int32), 2)
        rows = jnp.moveaxis(x.reshape(len(x), channels, pixels), 1, 2)
        y = jax.vmap(of_image)(lowering.reduce.wide(rows), ids)
        return jnp.moveaxis(y, 2, 1).reshape(x.shape).astype(x.dtype)

    return stateless(forward)
