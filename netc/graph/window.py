"""The windows of pooling layers, as their messages give them."""

from __future__ import annotations

from typing import NamedTuple

from netc.layers.base import Shape
from netc.schema import PoolingParameter


class PoolingWindow(NamedTuple):
    """Kernel, stride and pad of a pooling layer, (height, width) each."""

    kernel: Shape
    stride: Shape
    pad: Shape


def pooling_window(p: PoolingParameter, size: Shape) -> PoolingWindow:
    """The window on an image of `size` (height, width), which is the kernel of global_pooling.

    Caffe: pooling_layer.cpp.
    """

    def pair(stem: str, field: str, default: int) -> Shape:
        if p.HasField(f"{stem}_h") or p.HasField(f"{stem}_w"):
            return getattr(p, f"{stem}_h"), getattr(p, f"{stem}_w")
        return (getattr(p, field) if p.HasField(field) else default,) * 2

    kernel = size if p.global_pooling else pair("kernel", "kernel_size", 0)
    return PoolingWindow(kernel, pair("stride", "stride", 1), pair("pad", "pad", 0))
