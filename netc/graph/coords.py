"""Where the pixels of one blob lie on another: for Crop layers that find their own offset.

A layer before takes coordinate u of its bottom to scale u + shift of its top, on each axis.
FCN's branch of Caffe: coord_map.hpp, crop_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

from netc.errors import GraphError
from netc.graph.ir import Node
from netc.graph.window import pooling_window
from netc.schema import LayerParameter

AUTOMATIC = "Crop (fcn)"
WINDOWS = {"Convolution", "ConvolutionDepthwise", "Deconvolution", "DepthwiseConvolution", "Im2col"}
STILL = {
    "AbsVal",
    "Concat",
    "Split",
}  # types that move no pixel, besides those that can work in place


class Along(NamedTuple):
    """u -> scale u + shift on one axis."""

    scale: Fraction = Fraction(1)
    shift: Fraction = Fraction(0)

    def then(self, other: Along) -> Along:
        return Along(self.scale * other.scale, other.scale * self.shift + other.shift)

    def back(self) -> Along:
        return Along(1 / self.scale, -self.shift / self.scale)


Map = tuple[Along, Along]  # down and across the image


def _window(kernel: int, stride: int, pad: int) -> Along:
    """Pixel u of the bottom is in the middle of the window of pixel scale u + shift of the top."""
    return Along(Fraction(1, stride), Fraction(2 * pad - kernel + 1, 2 * stride))


def _pair(p: Any, stem: str, field: str, default: int) -> Sequence[int]:
    if field != "dilation" and (p.HasField(f"{stem}_h") or p.HasField(f"{stem}_w")):
        return getattr(p, f"{stem}_h"), getattr(p, f"{stem}_w")
    given = list(getattr(p, field)) or [default]
    return given * 2 if len(given) == 1 else given


def _map(node: Node) -> Map:
    """What a layer does to the coordinates of its first bottom. Raises GraphError."""
    p, kind = node.param, node.param.type
    if kind == "Pooling" and not p.pooling_param.global_pooling:
        axes = zip(*pooling_window(p.pooling_param, ()), strict=True)
        return tuple(_window(*axis) for axis in axes)  # pyright: ignore[reportReturnType]
    if kind in WINDOWS:
        c = p.convolution_param
        kernel, dilation = _pair(c, "kernel", "kernel_size", 1), _pair(c, "dilation", "dilation", 1)
        extent = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        rest = _pair(c, "stride", "stride", 1), _pair(c, "pad", "pad", 0)
        down, across = (_window(*axis) for axis in zip(extent, *rest, strict=True))
        return (down.back(), across.back()) if kind == "Deconvolution" else (down, across)
    if kind == "Crop":
        given = list(p.crop_param.offset)
        each = given * (4 - p.crop_param.axis % 4) if len(given) == 1 else given
        down, across = (Along(shift=Fraction(-n)) for n in [0, 0, *each][-2:])
        return down, across
    if node.kind.in_place or kind in STILL:
        return Along(), Along()
    raise GraphError(
        f"Cannot align through layer '{node.name}' ({kind}), which says nothing of coordinates",
        node.source.span,
    )


def offsets(nodes: Sequence[Node], crop: Node) -> tuple[int, int]:
    """How far down and across the second bottom of a Crop lies in the first.

    Both are followed back, along first bottoms, to a value that they come from.
    Raises GraphError when there is none, or when they are of different scales or apart by no whole
    number of pixels.
    """
    maker = {t: n for n in nodes for t in n.tops}

    def path(value: str) -> list[str]:
        values = [value]
        while maker[values[-1]].bottoms:
            values.append(maker[values[-1]].bottoms[0])
        return values

    def fail(message: str) -> GraphError:
        bottoms = " and ".join(f"'{b}'" for b in crop.param.bottom)
        where = crop.source.at("bottom", 0)
        hint = "crop_param { offset: ... } says where to start"
        return GraphError(f"{message}: {bottoms} (layer '{crop.name}', Crop)", where, hint)

    first, second = (path(b) for b in crop.bottoms)
    common = next((v for v in second if v in first), None)
    if common is None:
        raise fail("Cannot align apparently disconnected blobs")
    ways = []
    for values in (first, second):
        way = Along(), Along()
        for value in reversed(values[: values.index(common)]):
            way = tuple(a.then(b) for a, b in zip(way, _map(maker[value]), strict=True))
        ways.append(way)
    found = []
    for a, b in zip(*ways, strict=True):
        scale, shift = b.scale / a.scale, a.shift - b.shift
        if scale != 1:
            raise fail(f"Cannot align blobs of different scales (one is {scale} times the other)")
        if shift < 0 or shift.denominator != 1:
            raise fail(f"Cannot align blobs that are {float(shift):g} pixels apart")
        found.append(int(shift))
    return found[0], found[1]


def align(nodes: Sequence[Node]) -> list[Node]:
    """The nodes, every Crop of FCN's branch with the offset that it finds. Raises GraphError."""
    aligned: list[Node] = []
    for node in nodes:
        if node.kind.label == AUTOMATIC and not node.param.crop_param.offset:
            param = LayerParameter()
            param.CopyFrom(node.param)
            param.crop_param.axis = 2
            param.crop_param.offset.extend(offsets(aligned, node))
            node = replace(node, param=param)
        aligned.append(node)
    return aligned
