"""caffe.coord_map: where the pixels of one top lie on another, in nets that NetSpec writes.

A map (axis, a, b) takes coordinate u of a bottom to a u + b of the top, on the axes from `axis` on,
the batch aside; a and b are numbers or an array of one for each axis. The axis is None where all of
them stay as they are. Caffe: coord_map.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from netc.errors import NetcError, UsageError
from netc.graph.coords import STILL
from netc.layers import LAYERS
from netc.pycaffe.net_spec import Function, Top, layers

Map = tuple[int | None, Any, Any]
IDENTITY: Map = (None, 1, 0)
WINDOWS = ("Convolution", "Pooling", "Im2col")
BY_SIDE = {f"{stem}_{side}" for stem in ("kernel", "stride", "pad") for side in "hw"}


class UndefinedMapException(NetcError):
    """A layer that says nothing of coordinates."""


class AxisMismatchException(NetcError):
    """Maps of different axes."""


class _Apart(UsageError, RuntimeError):
    """Tops that nothing connects."""


def crop(top_from: Top, top_to: Top) -> Any:
    """A Crop layer that cuts the first top to where the second one lies in it.

    Raises UsageError where they are of different scales, or apart by no whole number of pixels.
    """
    axis, a, b = coord_map_from_to(top_from, top_to)
    a, b = np.asarray(a, float), np.asarray(b, float)
    if (a != 1).any():
        raise UsageError(f"scale mismatch on crop (a = {a})")
    if (b > 0).any():
        raise UsageError(f"cannot crop negative offset (b = {b})")
    if (np.round(b) != b).any():
        raise UsageError(f"cannot crop noninteger offset (b = {b})")
    offset = [int(-x) for x in np.atleast_1d(b)]
    first = 2 if axis is None else axis + 1
    return layers.Crop(top_from, top_to, crop_param={"axis": first, "offset": offset})


def coord_map_from_to(top_from: Top, top_to: Top) -> Map:
    """The map from one top to another, by way of a top that both come from.

    Raises RuntimeError where there is none, or nothing that maps coordinates leads to it.
    """
    ancestors = dict(_back(top_from))
    for top, way in _back(top_to):
        if top in ancestors:
            return compose(way, inverse(ancestors[top]))
    raise _Apart("Could not compute map between tops; are they connected by spatial layers?")


def _back(end: Top) -> Iterator[tuple[Top, Map]]:
    """The tops that `end` comes from, itself first, each with the map from it to `end`."""
    seen, waiting = set(), [(end, IDENTITY)]
    while waiting:
        top, way = waiting.pop(0)
        if top in seen:
            continue
        seen.add(top)
        yield top, way
        inputs = top.fn.inputs[:1] if top.fn.type_name == "Crop" else top.fn.inputs
        try:
            before = compose(way, coord_map(top.fn)) if inputs else way
        except UndefinedMapException:
            continue
        waiting += [(bottom, before) for bottom in inputs]


def coord_map(fn: Function) -> Map:
    """What a layer does to coordinates. Raises UndefinedMapException."""
    kind = fn.type_name
    if kind in WINDOWS:
        axis, stride, kernel, pad = conv_params(fn)
        return axis, 1 / stride, (pad - (kernel - 1) / 2) / stride
    if kind == "Deconvolution":
        axis, stride, kernel, pad = conv_params(fn)
        return axis, stride, (kernel - 1) / 2 - pad
    if kind == "Crop":
        axis, offset = crop_params(fn)
        return axis - 1, 1, -offset
    if kind in STILL or (kind in LAYERS and LAYERS[kind].in_place):
        return IDENTITY
    raise UndefinedMapException(f"a layer of type {kind} says nothing of coordinates")


def compose(base_map: Map, next_map: Map) -> Map:
    """The second map, then the first. Raises AxisMismatchException."""
    (one, a, b), (two, c, d) = base_map, next_map
    if one is not None and two is not None and one != two:
        raise AxisMismatchException(f"one map is of the axes from {one} on, the other from {two}")
    return two if one is None else one, a * c, a * d + b


def inverse(coord_map: Map) -> Map:
    """The map from the top to the bottom."""
    axis, a, b = coord_map
    return axis, 1 / a, -b / a


def conv_params(fn: Function) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """The axis, and stride, extent and padding of the windows of a layer.

    Raises UsageError for a layer without kernel_size, or with fields for each side.
    """
    given = fn.params.get("convolution_param", fn.params.get("pooling_param", fn.params))
    if sides := sorted(BY_SIDE & {*fn.params, *given}):
        raise UsageError(
            f"cropping does not support legacy _h/_w params: {fn.type_name} has {', '.join(sides)}",
            hint="kernel_size: [3, 5] gives height and width",
        )
    if "kernel_size" not in given:
        raise UsageError(f"the windows of {fn.type_name} have no kernel_size")
    kernel, dilation, stride, pad = (
        np.array(given.get(field, usual), ndmin=1)
        for field, usual in (("kernel_size", 1), ("dilation", 1), ("stride", 1), ("pad", 0))
    )
    return given.get("axis", 1), stride, (kernel - 1) * dilation + 1, pad


def crop_params(fn: Function) -> tuple[int, np.ndarray]:
    """The axis and the offset of a Crop layer."""
    given = fn.params.get("crop_param", fn.params)
    return given.get("axis", 2), np.array(given.get("offset", 0), ndmin=1)
