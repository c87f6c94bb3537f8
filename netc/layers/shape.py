"""Layers that join, cut, copy, reshape or drop blobs."""

from __future__ import annotations

import itertools
import math

from netc.layers.base import Layer, LayerDef, Shape, dims, elementwise, register, stateless
from netc.lazy import jnp, lax
from netc.schema import EltwiseParameter


@register("Split", bottoms=1, tops=(1, None))
def split(d: LayerDef) -> Layer:
    """The same blob under several names; their gradients add up. Caffe: split_layer.cpp."""
    return elementwise(lambda x: (x,) * d.tops)


@register("Silence", bottoms=(1, None), tops=0)
def silence(d: LayerDef) -> Layer:
    """Read blobs that nobody else reads, so that they are no outputs. Caffe: silence_layer.cpp."""
    return elementwise(lambda *xs: ())


@register("BlackHole", bottoms=(1, None), tops=1)
def black_hole(d: LayerDef) -> Layer:
    """Read blobs and give one 0, of 5 axes, that has no gradient. C3D: black_hole_layer.cpp."""
    return stateless(lambda blobs, *xs: jnp.zeros((1,) * 5, xs[0].dtype))


@register("Gather", bottoms=(1, None), tops=(1, None), equal=True)
def gather(d: LayerDef) -> Layer:
    """The bottoms of all processes; netc is one, so the bottoms. TSN: gather_layer.cpp."""
    return elementwise(lambda *xs: xs)


@register("Scatter", bottoms=(1, None), tops=(1, None), equal=True)
def scatter(d: LayerDef) -> Layer:
    """This process's part of the bottoms; netc is one, so the bottoms. TSN: scatter_layer.cpp."""
    return elementwise(lambda *xs: xs)


@register("Concat", bottoms=(1, None), tops=1)
def concat(d: LayerDef) -> Layer:
    """Join along `axis`; the other axes must agree. Caffe: concat_layer.cpp."""
    p, shape = d.param.concat_param, d.bottoms[0].shape
    if p.HasField("axis") and p.HasField("concat_dim"):
        d.fail("Either axis or concat_dim should be specified; not both.", "concat_dim")
    if p.concat_dim >= len(shape) and p.HasField("concat_dim"):
        d.fail(f"concat_dim out of range: {p.concat_dim} for {dims(shape)}.", "concat_dim")
    axis = p.concat_dim if p.HasField("concat_dim") else d.axis(p.axis)
    for i, bottom in enumerate(d.bottoms):
        other = bottom.shape
        if len(other) != len(shape):
            d.fail(
                f"All inputs must have the same #axes: bottom[0] is {dims(shape)}, "
                f"bottom[{i}] is {dims(other)}.",
                "bottom",
                i,
            )
        if any(a != b for j, (a, b) in enumerate(zip(shape, other, strict=True)) if j != axis):
            d.fail(
                "All inputs must have the same shape, except at concat_axis "
                f"{axis}: bottom[0] '{d.param.bottom[0]}' is {dims(shape)}, "
                f"bottom[{i}] '{d.param.bottom[i]}' is {dims(other)}.",
                "bottom",
                i,
            )
    last = in_channels_last(axis)
    return stateless(
        lambda blobs, *xs: jnp.concatenate(xs, axis),
        channels_last=lambda blobs, *xs: jnp.concatenate(xs, last),
    )


def in_channels_last(axis: int) -> int:
    """Where an axis of (N, C, H, W) stands in (N, H, W, C)."""
    return {0: 0, 1: 3}.get(axis, axis - 1)


@register("Slice", bottoms=1, tops=(1, None))
def slice_(d: LayerDef) -> Layer:
    """Cut along `axis` before each slice_point, or into equal parts. Caffe: slice_layer.cpp."""
    p, shape = d.param.slice_param, d.bottoms[0].shape
    if p.HasField("axis") and p.HasField("slice_dim"):
        d.fail("Either axis or slice_dim should be specified; not both.", "slice_dim")
    if p.HasField("slice_dim") and p.slice_dim >= len(shape):
        d.fail(f"slice_dim out of range: {p.slice_dim} for {dims(shape)}.", "slice_dim")
    axis = p.slice_dim if p.HasField("slice_dim") else d.axis(p.axis)
    sizes, last = _slice_sizes(d, shape[axis]), in_channels_last(axis)
    return stateless(
        lambda blobs, x: lax.split(x, sizes, axis),
        channels_last=lambda blobs, x: lax.split(x, sizes, last),
    )


def _slice_sizes(d: LayerDef, size: int) -> tuple[int, ...]:
    points = list(d.param.slice_param.slice_point)
    if not points:
        if size % d.tops:
            d.fail(
                f"Number of top blobs ({d.tops}) should evenly divide input slice axis ({size})",
                "top",
                0,
                hint="slice_point gives parts of different sizes",
            )
        return (size // d.tops,) * d.tops
    if len(points) != d.tops - 1:
        d.fail(
            f"there must be one slice_point less than tops: {len(points)} slice_point, "
            f"{d.tops} tops",
            "slice_point",
        )
    if d.tops > size:
        d.fail(f"{d.tops} tops are more than the slice axis has elements ({size})", "top", size)
    for i, (before, point) in enumerate(itertools.pairwise([0, *points])):
        if not before < point <= size:
            d.fail(
                f"slice_point {point} must be greater than {before} and at most {size}, the size "
                "of the slice axis",
                "slice_point",
                i,
            )
    return tuple(b - a for a, b in itertools.pairwise([0, *points, size]))


@register("Tile", bottoms=1, tops=1)
def tile(d: LayerDef) -> Layer:
    """Repeat the whole of an axis: size S -> tiles S. Caffe: tile_layer.cpp."""
    p, shape = d.param.tile_param, d.bottoms[0].shape
    axis = d.axis(p.axis)
    if not p.HasField("tiles"):
        d.fail("Number of tiles must be specified", "tile_param")
    if p.tiles < 1:
        d.fail(f"Number of tiles must be positive, got {p.tiles}.", "tiles")

    def repeated(x, axis):
        return jnp.tile(x, [p.tiles if i == axis else 1 for i in range(len(shape))])

    last = in_channels_last(axis)
    return stateless(
        lambda blobs, x: repeated(x, axis), channels_last=lambda blobs, x: repeated(x, last)
    )


def _sum(xs, coefficients):
    terms = [c * x if c != 1 else x for c, x in zip(coefficients, xs, strict=True)]
    return sum(terms[1:], terms[0])


def _product(xs, coefficients):
    return math.prod(xs[1:], start=xs[0])


def _maximum(xs, coefficients):
    # Caffe: of the first two equal ones the second wins, later ones must be greater.
    top = jnp.where(xs[0] > xs[1], xs[0], xs[1])
    for x in xs[2:]:
        top = jnp.where(x > top, x, top)
    return top


_ELTWISE = {
    EltwiseParameter.SUM: _sum,
    EltwiseParameter.PROD: _product,
    EltwiseParameter.MAX: _maximum,
}


@register("Eltwise", bottoms=(2, None), tops=1, in_place=True)
def eltwise(d: LayerDef) -> Layer:
    """Sum (with coeff), product or maximum of blobs of one shape. Caffe: eltwise_layer.cpp.

    The gradient of a product is the product of the others, whatever stable_prod_grad says.
    """
    p, shape = d.param.eltwise_param, d.bottoms[0].shape
    if len(p.coeff) not in (0, len(d.bottoms)):
        d.fail(
            f"Eltwise Layer takes one coefficient per bottom blob: {len(d.bottoms)} bottoms, "
            f"{len(p.coeff)} coeff.",
            "coeff",
        )
    if p.operation == EltwiseParameter.PROD and p.coeff:
        d.fail("Eltwise layer only takes coefficients for summation.", "coeff")
    for i, bottom in enumerate(d.bottoms):
        if bottom.shape != shape:
            d.fail(
                f"bottom[0] '{d.param.bottom[0]}': {dims(shape)}, bottom[{i}] "
                f"'{d.param.bottom[i]}': {dims(bottom.shape)}; the shapes must be the same",
                "bottom",
                i,
            )
    if p.operation not in _ELTWISE:
        name = EltwiseParameter.EltwiseOp.Name(p.operation)
        d.fail(f"the operation {name} is not carried out", "operation")
    combine = _ELTWISE[p.operation]
    coefficients = tuple(p.coeff) or (1.0,) * len(d.bottoms)
    return elementwise(lambda *xs: combine(xs, coefficients))


@register("Flatten", bottoms=1, tops=1)
def flatten(d: LayerDef) -> Layer:
    """Merge the axes from `axis` to `end_axis`, both included. Caffe: flatten_layer.cpp."""
    p, shape = d.param.flatten_param, d.bottoms[0].shape
    start, end = d.axis(p.axis), d.axis(p.end_axis, field="end_axis")
    if end < start - 1:
        d.fail(f"end_axis {p.end_axis} comes before axis {p.axis} in {dims(shape)}", "end_axis")
    new = (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])
    return stateless(lambda blobs, x: x.reshape(new))


def _reshaped(d: LayerDef) -> Shape:
    p, shape = d.param.reshape_param, d.bottoms[0].shape
    start = p.axis if p.axis >= 0 else len(shape) + p.axis + 1
    if not 0 <= start <= len(shape):
        d.fail(
            f"axis {p.axis} out of range for {len(shape)}-D input blob with shape {dims(shape)}",
            "axis",
        )
    if p.num_axes < -1:
        d.fail(f"num_axes must be >= 0, or -1 for all, got {p.num_axes}", "num_axes")
    end = len(shape) if p.num_axes == -1 else start + p.num_axes
    if end > len(shape):
        d.fail(
            f"end_axis = axis + num_axes is out of range: {start} + {p.num_axes} in "
            f"{len(shape)}-D {dims(shape)}",
            "num_axes",
        )
    new = list(p.shape.dim)
    if new.count(-1) > 1:
        d.fail(
            "new shape contains multiple -1 dims; at most a single (1) value of -1 may be "
            f"specified: {dims(new)}",
            "dim",
        )
    for i, dim in enumerate(new):
        if dim < -1:
            d.fail(f"dim must be -1, 0 or a size, got {dim}", "dim", i)
        if dim == 0:
            if start + i >= len(shape):
                d.fail(
                    "new shape contains a 0, but there was no corresponding bottom axis to copy: "
                    f"axis {start + i} of {dims(shape)}",
                    "dim",
                    i,
                )
            new[i] = shape[start + i]
    full = [*shape[:start], *new, *shape[end:]]
    count = math.prod(shape)
    if -1 in new:
        known = -math.prod(full)
        if known == 0 or count % known:
            d.fail(
                f"bottom count ({count}) must be divisible by the product of the specified "
                f"dimensions ({known})",
                "dim",
                new.index(-1),
            )
        full[start + new.index(-1)] = count // known
    if math.prod(full) != count:
        d.fail(
            f"output count must match input count: {dims(full)} has {math.prod(full)} elements, "
            f"bottom '{d.param.bottom[0]}' ({dims(shape)}) has {count}",
            "shape",
        )
    return tuple(full)


@register("Reshape", bottoms=1, tops=1)
def reshape(d: LayerDef) -> Layer:
    """Replace the axes [axis, axis + num_axes) by `shape`: 0 copies a dim, -1 is inferred.

    Caffe: reshape_layer.cpp.
    """
    new = _reshaped(d)
    return stateless(lambda blobs, x: x.reshape(new))


@register("ShuffleChannel", bottoms=1, tops=1)
def shuffle_channel(d: LayerDef) -> Layer:
    """Deal the channels of `group` groups out in turn: (N, C, *S) -> the same shape.

    Channel i C/group + j becomes channel j group + i. ShuffleNet: shuffle_channel_layer.cpp.
    """
    group, shape = d.param.shuffle_channel_param.group, d.bottoms[0].shape
    channels = shape[d.axis(1, field="bottom")]
    if not group or channels % group:
        d.fail(
            f"the {channels} channels of bottom '{d.param.bottom[0]}' ({dims(shape)}) must divide "
            f"by group {group}",
            "group",
        )

    def forward(blobs, x, axis=1):
        before, after = x.shape[:axis], x.shape[axis + 1 :]
        dealt = x.reshape(*before, group, channels // group, *after)
        return jnp.swapaxes(dealt, axis, axis + 1).reshape(x.shape)

    return stateless(forward, channels_last=lambda blobs, x: forward(blobs, x, axis=3))
