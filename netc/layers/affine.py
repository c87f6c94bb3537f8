"""Factors and offsets, learnt or computed, along some axes of a blob."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from netc import lowering
from netc.layers.base import BlobSpec, Layer, LayerDef, Shape, dims, register, stateless
from netc.schema import BiasParameter, FillerParameter, ScaleParameter

# (blob of some rank, one array of values per channel or more, layout) -> blob
Operation = Callable[..., Any]


class Span(NamedTuple):
    """The axes [first, first + len(shape)) of a bottom, and how many elements come around them."""

    first: int
    shape: Shape
    outer: int
    inner: int

    def run(self, operation: Operation, x: Any, values: list[Any]) -> Any:
        """The operation on x as (outer, channels, inner), with values of the span's shape."""
        size = math.prod(self.shape)
        view, layout = (self.outer, size, self.inner), "NCHW"
        if self.inner == 1:
            view, layout = view[:2], "NHWC"
        flat = [v.reshape(size) for v in values]
        return operation(x.reshape(view), *flat, layout=layout).reshape(x.shape)

    def channels_last(self, operation: Operation) -> Operation | None:
        """`run` for arrays whose channels are last; None where their order matters."""
        if self.first == 1 and len(self.shape) == 1:
            return lambda x, values: operation(x, *values, layout="NHWC")
        ahead = not self.shape or self.first + len(self.shape) == 1
        return (lambda x, values: self.run(operation, x, values)) if ahead else None


def span(d: LayerDef, p: ScaleParameter | BiasParameter, what: str) -> Span:
    """bottom[axis : axis + num_axes], or the axes that a second bottom covers from `axis` on.

    what: "scale" or "bias", in Caffe's sentences. Caffe: scale_layer.cpp, bias_layer.cpp.
    """
    whole = d.bottoms[0].shape
    if len(d.bottoms) == 2:
        shape, given = d.bottoms[1].shape, ("bottom", 1)
        first = d.axis(p.axis) if shape else 0
        end = first + len(shape)
    else:
        first, given = d.axis(p.axis), ("num_axes", -1)
        end = len(whole) if p.num_axes == -1 else first + p.num_axes
        shape = whole[first:end]
    if end < first:
        d.fail(
            "num_axes must be non-negative, or -1 to extend to the end of bottom[0], "
            f"got {p.num_axes}",
            "num_axes",
        )
    if end > len(whole):
        d.fail(
            f"{what} blob's shape extends past bottom[0]'s shape when applied starting with "
            f"bottom[0] axis = {first}: {end - first} axes, bottom[0] '{d.param.bottom[0]}' is "
            f"{dims(whole)}",
            *given,
        )
    for i, (a, b) in enumerate(zip(whole[first:end], shape, strict=True)):
        if a != b:
            d.fail(
                f"dimension mismatch between bottom[0]->shape({first + i}) and {what}->shape({i}): "
                f"'{d.param.bottom[0]}' is {dims(whole)}, '{d.param.bottom[1]}' is {dims(shape)}",
                *given,
            )
    return Span(first, shape, math.prod(whole[:first]), math.prod(whole[end:]))


def _layer(d: LayerDef, at: Span, operation: Operation, blobs: list[BlobSpec]) -> Layer:
    """operation(x, values, ...), where the values are the second bottom's, then the blobs."""
    last = at.channels_last(operation) if len(d.bottoms) == 1 else None
    return stateless(
        lambda blobs, x, *given: at.run(operation, x, [*given, *blobs]),
        blobs,
        channels_last=last and (lambda blobs, x: last(x, list(blobs))),
    )


@register("Scale", bottoms=(1, 2), tops=1, in_place=True)
def scale(d: LayerDef) -> Layer:
    """Multiply by a factor along axes [axis, axis + num_axes): (N, C, *S) -> the same shape.

    y = x s, + b with bias_term. s is a blob, or the second bottom, whose gradient is summed over
    the other axes too. num_axes: -1 goes to the end, 0 is a single factor.
    Caffe: scale_layer.cpp.
    """
    p = d.param.scale_param
    at = span(d, p, "scale")
    one = FillerParameter(type="constant", value=1)
    blobs = []
    if len(d.bottoms) == 1:
        blobs.append(d.blob(at.shape, p.filler if p.HasField("filler") else one, "filler"))
    if p.bias_term:
        blobs.append(d.blob(at.shape, p.bias_filler, "bias_filler"))

    def multiply(x, factor, *offset, layout):
        y = lowering.affine.multiply(d.plan, x, factor, layout=layout)
        return lowering.conv.add_bias(d.plan, y, *offset, layout=layout) if offset else y

    return _layer(d, at, multiply, blobs)


@register("Bias", bottoms=(1, 2), tops=1, in_place=True)
def bias(d: LayerDef) -> Layer:
    """Add an offset along axes [axis, axis + num_axes): (N, C, *S) -> the same shape.

    y = x + b. b is a blob, or the second bottom; num_axes as in Scale. Caffe: bias_layer.cpp.
    """
    p = d.param.bias_param
    at = span(d, p, "bias")
    blobs = [d.blob(at.shape, p.filler, "filler")] if len(d.bottoms) == 1 else []

    def add(x, offset, layout):
        return lowering.conv.add_bias(d.plan, x, offset, layout=layout)

    return _layer(d, at, add, blobs)


@register("Axpy", bottoms=3, tops=1)
def axpy(d: LayerDef) -> Layer:
    """a x + y, with a factor a (N, C), (N, C, 1) or (N, C, 1, 1) for each channel of each example.

    x and y are of one shape (N, C, *S); the gradient goes to all three. SENet: axpy_layer.cpp.
    """
    a, x, y = (b.shape for b in d.bottoms)
    if len(x) < 2 or a[:2] != x[:2] or any(n != 1 for n in a[2:]):
        d.fail(
            f"bottom[0] '{d.param.bottom[0]}' must be a factor for each channel of bottom[1] "
            f"'{d.param.bottom[1]}' ({dims(x)}), it is {dims(a)}",
            "bottom",
            0,
        )
    if y != x:
        d.fail(
            f"bottom[2] '{d.param.bottom[2]}' ({dims(y)}) must be of the shape of bottom[1] "
            f"'{d.param.bottom[1]}' ({dims(x)})",
            "bottom",
            2,
        )

    def forward(blobs, factor, x, y, layout="NCHW"):
        rows = (1, -1, math.prod(x.shape[2:]))  # all examples' channels as those of one
        if layout == "NHWC":
            return x * factor.reshape(x.shape[0], 1, 1, -1) + y
        product = lowering.affine.multiply(d.plan, x.reshape(rows), factor.ravel())
        return product.reshape(x.shape) + y

    return stateless(forward, channels_last=lambda blobs, *xs: forward(blobs, *xs, layout="NHWC"))
