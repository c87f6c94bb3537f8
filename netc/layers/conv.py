"""Convolution and its relatives."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

from netc import lowering
from netc.layers.base import BlobSpec, Layer, LayerDef, Shape, dims, register, stateless
from netc.schema import LayerParameter


class Window(NamedTuple):
    """Kernel, stride, pad and dilation, one number per spatial axis."""

    kernel: Shape
    stride: Shape
    pad: Shape
    dilation: Shape

    @property
    def extent(self) -> Shape:
        """What the dilated kernel covers: dilation (kernel - 1) + 1."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))


class Images(NamedTuple):
    """A bottom as images: its axes before, at and after the channel axis, and the window on it."""

    batch: Shape
    channels: int
    spatial: Shape
    window: Window


def _field(stem: str) -> str:
    return "kernel_size" if stem == "kernel" else stem


def _halves(d: LayerDef, stem: str) -> list[str]:
    """Which of *_h and *_w are given; there is no dilation_h."""
    pair = (f"{stem}_h", f"{stem}_w") if stem != "dilation" else ()
    return [h for h in pair if d.param.convolution_param.HasField(h)]


def per_axis(d: LayerDef, stem: str, rank: int, default: int | None) -> Shape:
    """A field given once, once per spatial axis, or as *_h and *_w for two axes.

    stem: "kernel", "stride", "pad" or "dilation". Caffe: base_conv_layer.cpp.
    """
    p, field = d.param.convolution_param, _field(stem)
    given = list(getattr(p, field))
    if halves := _halves(d, stem):
        if rank != 2:
            d.fail(
                f"{stem}_h & {stem}_w can only be used for 2D convolution, not {rank}-D", halves[0]
            )
        if given:
            d.fail(f"Either {field} or {stem}_h/w should be specified; not both.", halves[0])
        return getattr(p, f"{stem}_h"), getattr(p, f"{stem}_w")
    if not given and default is not None:
        return (default,) * rank
    if len(given) not in (1, rank) or (rank and not given):
        d.fail(
            f"{field} must be specified once, or once per spatial dimension "
            f"({field} specified {len(given)} times; {rank} spatial dims)",
            field if given else "convolution_param",
        )
    return tuple(given * rank if len(given) == 1 else given)


def window(d: LayerDef, rank: int) -> Window:
    """The window that convolution_param describes, checked."""
    w = Window(
        per_axis(d, "kernel", rank, None),
        per_axis(d, "stride", rank, 1),
        per_axis(d, "pad", rank, 0),
        per_axis(d, "dilation", rank, 1),
    )
    for noun, stem in (("Filter", "kernel"), ("Stride", "stride"), ("Dilation", "dilation")):
        if 0 in getattr(w, stem):
            halves = _halves(d, stem)
            d.fail(
                f"{noun} dimensions must be nonzero, got {dims(getattr(w, stem))}.",
                halves[0] if halves else _field(stem),
                hint=f"give both {stem}_h and {stem}_w" if len(halves) == 1 else None,
            )
    return w


@register("Convolution", bottoms=(1, None), tops=(1, None), equal=True)
def convolution(d: LayerDef) -> Layer:
    """Correlate with num_output filters: (N, C, *S) -> (N, num_output, *S'), zero padding.

    y = W * x + b per group; S' = (S + 2 pad - (dilation (kernel - 1) + 1)) / stride + 1, the
    quotient rounded towards 0: a window may hang over the image by less than a stride.
    `axis` is the channel axis: all axes before it are batch, all after it are spatial.
    Caffe: base_conv_layer.cpp, conv_layer.cpp.
    """
    p, images = d.param.convolution_param, _images(d)
    check_groups(d, images.channels)
    shape = (p.num_output, images.channels // p.group, *images.window.kernel)
    return _filtering(d, images, shape, lowering.conv.convolve, overhang(d, images))


@register("ConvolutionDepthwise", bottoms=(1, None), tops=(1, None), equal=True)
@register("DepthwiseConvolution", bottoms=(1, None), tops=(1, None), equal=True)
def depthwise_convolution(d: LayerDef) -> Layer:
    """Correlate each channel with a filter of its own: Convolution with group = num_output = C.

    The group need not be given. W is (C, 1, *kernel).
    Add-ons for MobileNet and ShuffleNet: conv_dw_layer.cpp, depthwise_conv_layer.cpp.
    """
    p, shape = d.param.convolution_param, d.bottoms[0].shape
    channels = shape[d.axis(p.axis)]
    for field, given in (("num_output", True), ("group", p.HasField("group"))):
        if given and getattr(p, field) != channels:
            d.fail(
                f"{field} must be the {channels} channels of bottom '{d.param.bottom[0]}' "
                f"({dims(shape)}), got {getattr(p, field)}",
                field if p.HasField(field) else "convolution_param",
            )
    param = LayerParameter()
    param.CopyFrom(d.param)
    param.convolution_param.group = channels
    return convolution(replace(d, param=param))


@register("Deconvolution", bottoms=(1, None), tops=(1, None), equal=True)
def deconvolution(d: LayerDef) -> Layer:
    """The transpose of Convolution: (N, C, *S) -> (N, num_output, *S').

    S' = stride (S - 1) + dilation (kernel - 1) + 1 - 2 pad; every pixel of x adds W times its
    value to the window of y that a Convolution would read for it. W is (C, num_output / group,
    *kernel). Caffe: base_conv_layer.cpp, deconv_layer.cpp.
    """
    p, images = d.param.convolution_param, _images(d)
    check_groups(d, images.channels)
    w = images.window
    axes = zip(images.spatial, w.extent, w.stride, w.pad, strict=True)
    out = tuple(s * (n - 1) + e - 2 * pad for n, e, s, pad in axes)
    if any(n < 1 for n in out):
        d.fail(
            f"pad {dims(w.pad)} leaves nothing of the output: {dims(out)} for bottom "
            f"'{d.param.bottom[0]}' ({dims(d.bottoms[0].shape)}) and kernel {dims(w.kernel)}",
            "convolution_param",
        )
    shape = (images.channels, p.num_output // p.group, *w.kernel)
    return _filtering(d, images, shape, lowering.conv.deconvolve)


@register("Im2col", bottoms=1, tops=1)
def im2col(d: LayerDef) -> Layer:
    """The windows of a Convolution as channels: (N, C, *S) -> (N, C prod(kernel), *S').

    Channel c prod(kernel) + k holds channel c under kernel position k, zero outside the image.
    num_output, group and bias_term count for nothing. Caffe: im2col_layer.cpp.
    """
    images = _images(d)
    if not images.spatial:
        d.fail(
            f"Im2col needs a spatial axis after axis {d.param.convolution_param.axis} of bottom "
            f"'{d.param.bottom[0]}' ({dims(d.bottoms[0].shape)})",
            "axis" if d.param.convolution_param.HasField("axis") else "bottom",
        )
    w, over = images.window, overhang(d, images)
    geometry = {"kernel": w.kernel, "stride": w.stride, "pad": w.pad, "dilation": w.dilation}

    def forward(blobs, x):
        flat = x.reshape(math.prod(images.batch), images.channels, *images.spatial)
        flat = lowering.windows.append_zeros(flat, over)
        y = lowering.windows.patches(flat, **geometry)
        return y.reshape(*images.batch, *y.shape[1:])

    return stateless(forward)


def _images(d: LayerDef) -> Images:
    """How the bottoms divide into batch, channels and space; they must all be of one shape."""
    p, shape = d.param.convolution_param, d.bottoms[0].shape
    axis = d.axis(p.axis)
    for i, other in enumerate(d.bottoms):
        if other.shape != shape:
            d.fail(
                f"All inputs must have the same shape: bottom[0] is {dims(shape)}, "
                f"bottom[{i}] is {dims(other.shape)}.",
                "bottom",
                i,
            )
    spatial = shape[axis + 1 :]
    return Images(shape[:axis], shape[axis], spatial, window(d, len(spatial)))


def _filtering(
    d: LayerDef, images: Images, weight: Shape, operation: Any, over: Shape = ()
) -> Layer:
    """A layer that applies `operation` with its weights, then adds a bias, to every bottom.

    over: zeros that follow each spatial axis.
    """
    p, w = d.param.convolution_param, images.window
    blobs = [BlobSpec(weight, p.weight_filler)]
    if p.bias_term:
        blobs.append(BlobSpec((p.num_output,), p.bias_filler))
    plain = len(images.batch) == 1
    how = {"stride": w.stride, "pad": w.pad, "dilation": w.dilation, "group": p.group}

    def forward(blobs, *bottoms, layout="NCHW"):
        tops = []
        for x in bottoms:
            flat = (
                x if plain else x.reshape(math.prod(images.batch), images.channels, *images.spatial)
            )
            flat = lowering.windows.append_zeros(flat, over, layout)
            y = operation(d.plan, flat, blobs[0], layout=layout, **how)
            if p.bias_term:
                y = lowering.conv.add_bias(d.plan, y, blobs[1], layout=layout)
            tops.append(y if plain else y.reshape(*images.batch, *y.shape[1:]))
        return tops

    def channels_last(blobs, *bottoms):
        return forward(blobs, *bottoms, layout="NHWC")

    return stateless(forward, blobs, channels_last if plain else None, prefers_last=True)


def overhang(d: LayerDef, images: Images) -> Shape:
    """How far the window reaches beyond the padded image on each axis, less than its stride."""
    w = images.window
    padded = [size + 2 * pad for size, pad in zip(images.spatial, w.pad, strict=True)]
    over = tuple(max(0, extent - size) for size, extent in zip(padded, w.extent, strict=True))
    if any(beyond >= stride for beyond, stride in zip(over, w.stride, strict=True)):
        d.fail(
            f"kernel {dims(w.kernel)} with dilation {dims(w.dilation)} covers {dims(w.extent)}, "
            f"more than the padded input {dims(padded)} of bottom '{d.param.bottom[0]}' "
            f"({dims(d.bottoms[0].shape)})",
            "convolution_param",
        )
    return over


def check_groups(d: LayerDef, channels: int) -> None:
    """num_output and the input channels must both divide by group. Caffe: base_conv_layer.cpp."""
    p = d.param.convolution_param
    if p.num_output == 0:
        d.fail(
            "num_output must be greater than 0, got 0",
            "num_output" if p.HasField("num_output") else "convolution_param",
        )
    if p.group == 0:
        d.fail("group must be greater than 0", "group")
    if channels % p.group:
        d.fail(
            f"The {channels} input channels of bottom '{d.param.bottom[0]}' must divide by "
            f"group {p.group}",
            "group",
        )
    if p.num_output % p.group:
        d.fail(
            f"Number of output should be multiples of group: num_output {p.num_output}, "
            f"group {p.group}.",
            "group",
        )
