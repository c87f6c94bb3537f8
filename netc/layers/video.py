"""Layers on videos (N, C, L, H, W), as C3D has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netc import lowering
from netc.layers.base import Layer, LayerDef, Shape, dims, register
from netc.layers.conv import convolution, deconvolution
from netc.layers.pool import pooled
from netc.schema import LayerParameter, Pooling3DParameter


def _check(d: LayerDef) -> None:
    shape = d.bottoms[0].shape
    if len(shape) != 5:
        d.fail(
            "Input must have 5 axes, corresponding to (num, channels, length, height, width); "
            f"bottom '{d.param.bottom[0]}' is {dims(shape)}",
            "bottom",
            0,
        )


def _fields(d: LayerDef, own: str, other: str) -> Any:
    """The message of C3D 1.1, or else the one that C3D 1.0 gives its fields in."""
    return getattr(d.param, own if d.param.HasField(own) or not d.param.HasField(other) else other)


def _once(value: Any, default: int) -> int:
    """A field that is given once, in C3D 1.0 as the first of a list."""
    return value if isinstance(value, int) else next(iter(value), default)


def _sizes(d: LayerDef, p: Any) -> tuple[Shape, Shape]:
    """Kernel and stride: in time, down and across."""
    sides = _once(p.kernel_size, 0)
    if sides < 1 or p.kernel_depth < 1:
        field = "kernel_size" if sides < 1 else "kernel_depth"
        d.fail(
            f"{field} must be greater than 0, got {sides if sides < 1 else p.kernel_depth}",
            field if p.HasField("kernel_depth") else None,
            hint="kernel_size is that in space, kernel_depth that in time",
        )
    stride = _once(p.stride, 1)
    return (p.kernel_depth, sides, sides), (p.temporal_stride, stride, stride)


def videos_as_images(d: LayerDef) -> LayerDef:
    """The Convolution or Deconvolution on three axes that convolution3d_param describes."""
    _check(d)
    p = _fields(d, "convolution3d_param", "convolution_param")
    kernel, stride = _sizes(d, p)
    pad = _once(p.pad, 0)
    param = LayerParameter()
    param.CopyFrom(d.param)
    param.ClearField("convolution_param")
    given = param.convolution_param
    given.num_output, given.bias_term, given.group = p.num_output, p.bias_term, p.group
    given.kernel_size.extend(kernel)
    given.stride.extend(stride)
    given.pad.extend((p.temporal_pad, pad, pad))
    given.weight_filler.CopyFrom(p.weight_filler)
    given.bias_filler.CopyFrom(p.bias_filler)
    return replace(d, param=param)


TIME = tuple(f"convolution_param.{f}" for f in ("kernel_depth", "temporal_pad", "temporal_stride"))
POOLED_TIME = tuple(f"pooling_param.{f}" for f in ("kernel_depth", "temporal_stride"))


@register("Convolution3D", bottoms=(1, None), tops=(1, None), equal=True, fields=TIME)
def convolution3d(d: LayerDef) -> Layer:
    """Correlate videos with num_output filters: (N, C, L, H, W) -> (N, num_output, L', H', W').

    As Convolution on three axes: the kernel is kernel_depth x kernel_size x kernel_size, stride and
    pad likewise, with temporal_stride and temporal_pad. C3D: convolution3d_layer.cpp.
    """
    return convolution(videos_as_images(d))


@register("Deconvolution3D", bottoms=(1, None), tops=(1, None), equal=True, fields=TIME)
def deconvolution3d(d: LayerDef) -> Layer:
    """The transpose of Convolution3D: (N, C, L, H, W) -> (N, num_output, L', H', W').

    As Deconvolution on three axes. C3D: deconvolution3d_layer.cpp.
    """
    return deconvolution(videos_as_images(d))


@register("Pooling3D", bottoms=1, tops=1, fields=POOLED_TIME)
def pooling3d(d: LayerDef) -> Layer:
    """Take the maximum or the mean of windows of a video: (N, C, L, H, W) -> (N, C, L', H', W').

    As Pooling, sizes rounded up, on three axes: the window is kernel_depth x kernel_size x
    kernel_size, the stride has temporal_stride in time; only height and width are padded.
    C3D: pooling3d_layer.cpp.
    """
    method, kernel, stride, pad = pooling_of_video(d)
    return pooled(d, method, {"kernel": kernel, "stride": stride, "pad": pad, "ceil": True})


def pooling_of_video(d: LayerDef) -> tuple[int, Shape, Shape, Shape]:
    """The method, kernel, stride and pad that pooling3d_param describes, checked."""
    _check(d)
    p = _fields(d, "pooling3d_param", "pooling_param")
    kernel, stride = _sizes(d, p)
    pad, shape = (0, p.pad, p.pad), d.bottoms[0].shape
    if 0 in stride:
        field = "stride" if p.stride == 0 else "temporal_stride"
        d.fail(f"Stride dimensions cannot be zero, got {dims(stride)}.", field)
    if p.pad >= p.kernel_size:
        d.fail(f"pad {p.pad} must be smaller than the kernel {p.kernel_size}", "pad")
    if p.pool not in (Pooling3DParameter.MAX, Pooling3DParameter.AVE):
        d.fail("only MAX and AVE pool videos", "pool")
    axes = zip(shape[2:], kernel, stride, pad, strict=True)
    if any(lowering.pool.output_size(*axis, True) < 1 for axis in axes):
        d.fail(
            f"a window of {dims(kernel)} with pad {dims(pad)} does not fit into bottom "
            f"'{d.param.bottom[0]}' ({dims(shape)})",
            "kernel_size",
        )
    return p.pool, kernel, stride, pad
