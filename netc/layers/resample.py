"""Layers that bring feature maps and flow fields to other sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netc import lowering
from netc.layers.base import Layer, LayerDef, Shape, dims, register, stateless
from netc.lazy import jnp, lax
from netc.schema import ResampleParameter


def _size(d: LayerDef, message: str, fields: tuple[str, str], given: Sequence[int] = ()) -> Shape:
    """(height, width) of the top: of a second bottom, as given, or what the fields say."""
    for i in range(len(d.bottoms)):
        d.check_images(i)
    if len(d.bottoms) == 2:
        return d.bottoms[1].shape[2:]
    p = getattr(d.param, message)
    size = tuple(given) or tuple(getattr(p, field) for field in fields)
    for n, field in zip(size, fields, strict=True):
        if n < 1:
            d.fail(
                f"{d.param.type}Layer must have {field} > 0, got {n}",
                field if p.HasField(field) else message,
                hint="or a second bottom of the size",
            )
    return size


def _cubic(x: np.ndarray) -> np.ndarray:
    """The kernel of cubic convolution with a = -1/2. Keys 1981."""
    x = np.abs(x)
    near = x * x * (np.float32(1.5) * x - np.float32(2.5)) + 1
    far = x * (x * (np.float32(-0.5) * x + np.float32(2.5)) - 4) + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(0, 1 - np.abs(x))


KERNELS = {ResampleParameter.LINEAR: _triangle, ResampleParameter.CUBIC: _cubic}


def _taps(
    kind: ResampleParameter.ResampleType, out: int, size: int, across: np.float32, antialias: bool
) -> np.ndarray:
    """Weights (out, size) of the pixels of one axis. across: the scale of the other axis.

    FlowNet2: resample_layer.cu, which takes half a pixel by the other axis's scale.
    """
    scale = np.float32(size) / np.float32(out)
    at = np.arange(out, dtype=np.float32) * scale + across / 2 - np.float32(0.5)
    if kind == ResampleParameter.NEAREST:
        nearest = np.clip(np.trunc(at + np.copysign(np.float32(0.5), at)), 0, size - 1)
        return (nearest[:, None] == np.arange(size)).astype(np.float32)
    narrow = 1 / scale if antialias else np.float32(1)
    weights = KERNELS[kind](narrow * (at[:, None] - np.arange(size, dtype=np.float32)))
    total = weights.sum(1, keepdims=True)
    return (weights / np.where(total == 0, 1, total)).astype(np.float32)


@register("Resample", bottoms=(1, 2), tops=1)
def resample(d: LayerDef) -> Layer:
    """Resize: (N, C, H, W) -> (N, C, H', W').

    To height x width, the size of a second bottom, or `factor` times the size, rounded down. A
    pixel of the top is at i H / H' + (W / W') / 2 - 1/2 and takes the NEAREST pixel, or those
    around it weighted by the LINEAR or the CUBIC kernel, their weights made to add up to 1. When
    either side shrinks, antialias stretches the kernel by H / H'. FlowNet2: resample_layer.cu.
    """
    weights = resample_weights(d)

    def forward(blobs, x, *like, layout="NCHW"):
        return lowering.resize.resize(x, weights, layout)

    return stateless(forward, channels_last=lambda blobs, *xs: forward(blobs, *xs, layout="NHWC"))


def resample_weights(d: LayerDef) -> list[np.ndarray]:
    """Weights (pixels of the top, of the bottom) of a Resample's height and width, checked."""
    d.check_images()
    p, size = d.param.resample_param, d.bottoms[0].shape[2:]
    if p.type == ResampleParameter.AREA:
        d.fail(
            "only CUBIC, LINEAR and NEAREST interpolation is supported for now, got AREA",
            "resample_param",
        )
    scaled = p.HasField("factor") and not (p.height or p.width)
    given = [int(n * p.factor) for n in size] if scaled else ()
    out = _size(d, "resample_param", ("height", "width"), given)
    d.check_sizes((*d.bottoms[0].shape[:2], *out))
    scales = [np.float32(n) / np.float32(m) for n, m in zip(size, out, strict=True)]
    antialias = bool(p.antialias and max(scales) > 1)
    return [
        _taps(p.type, m, n, across, antialias)
        for n, m, across in zip(size, out, scales[::-1], strict=True)
    ]


@register("Downsample", bottoms=(1, 2), tops=1, no_gradient=(0,))
def downsample(d: LayerDef) -> Layer:
    """Shrink corners on corners, NaN apart: (N, C, H, W) -> (N, C, top_height, top_width).

    y = sum w x / sum w over the pixels that are not NaN, w = max(0, 1 - |distance| / step) along
    both axes, step = (H - 1) / (H' - 1); NaN where NaN has more than half as much weight as they.
    A top of one row is the mean of all. A second bottom may give the size. No gradient.
    FlowNet2: downsample_layer.cu.
    """
    weights = downsample_weights(d)
    if weights is None:
        return stateless(lambda blobs, x, *like: x)

    def forward(blobs, x, *like):
        x = lax.stop_gradient(x)
        known = x == x
        total, there, lost = (
            lowering.resize.resize(v.astype(x.dtype), weights)
            for v in (jnp.where(known, x, 0), known, ~known)
        )
        return jnp.where(lost > there / 2, jnp.nan, total / there)

    return stateless(forward)


def downsample_weights(d: LayerDef) -> list[np.ndarray] | None:
    """Weights as of `resample_weights`, checked; None where the size stays."""
    out = _size(d, "downsample_param", ("top_height", "top_width"))
    size = d.bottoms[0].shape[2:]
    if any(m > n for n, m in zip(size, out, strict=True)):
        d.fail(f"Downsample makes {dims(size)} smaller, not {dims(out)}", "downsample_param")
    return None if size == out else [_between(n, m) for n, m in zip(size, out, strict=True)]


def _between(size: int, out: int) -> np.ndarray:
    """Weights (out, size) that fall linearly to 0 at the next pixel of the top."""
    last = np.float32(size - 1)
    if out == 1:
        return np.ones((1, size), np.float32)
    at = np.arange(out, dtype=np.float32) / np.float32(out - 1) * last
    return _triangle((at[:, None] - np.arange(size, dtype=np.float32)) / (last / (out - 1)))


@register("Accum", bottoms=(1, None), tops=1)
def accum(d: LayerDef) -> Layer:
    """Enlarge bottoms to one size, corners on corners, and join them: (N, C_i, H_i, W_i) ->
    (N, sum C_i, H, W).

    Bilinearly, as Interp. H x W is the size of the last bottom, which is not joined, with
    have_reference; otherwise the largest of them, or what top_height and top_width say, or the
    next multiples of size_divisible_by, where these are both larger. FlowNet2: accum_layer.cpp.
    """
    joined = len(d.bottoms) - int(d.param.accum_param.have_reference)
    for i, x in enumerate(d.bottoms):
        d.check_images(i)
        if x.shape[0] != d.bottoms[0].shape[0] and i < joined:
            d.fail(
                "All accumulated layers must have same number of images: "
                f"'{d.param.bottom[0]}' is {dims(d.bottoms[0].shape)}, '{d.param.bottom[i]}' "
                f"{dims(x.shape)}",
                "bottom",
                i,
            )
    if not joined:
        d.fail("Need at least two bottom blobs (one as reference)", "have_reference")
    sizes = [x.shape[2:] for x in d.bottoms[:joined]]
    out = joint_size(d)
    d.check_sizes(*((*x.shape[:2], *out) for x in d.bottoms[:joined]))
    weights = [
        [lowering.resize.between_corners(n, m) for n, m in zip(size, out, strict=True)]
        for size in sizes
    ]

    def forward(blobs, *bottoms: Any, layout="NCHW"):
        resized = map(lowering.resize.resize, bottoms, weights, [layout] * joined)
        return jnp.concatenate(list(resized), layout.index("C"))

    return stateless(forward, channels_last=lambda blobs, *xs: forward(blobs, *xs, layout="NHWC"))


def joint_size(d: LayerDef) -> Shape:
    """(height, width) of Accum's top."""
    p = d.param.accum_param
    if p.have_reference:
        return d.bottoms[-1].shape[2:]
    largest = tuple(map(max, zip(*(x.shape[2:] for x in d.bottoms), strict=True)))
    asked = p.top_height, p.top_width
    if p.HasField("size_divisible_by"):
        if p.size_divisible_by < 1:
            d.fail("size_divisible_by must be at least 1, got 0", "size_divisible_by")
        asked = tuple(-(-n // p.size_divisible_by) * p.size_divisible_by for n in largest)
    return asked if all(n > m for n, m in zip(asked, largest, strict=True)) else largest
