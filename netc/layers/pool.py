"""Pooling, and back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from netc import lowering
from netc.layers.base import TRAIN, Layer, LayerDef, Shape, dims, register, stateless, stochastic
from netc.lazy import jax, jnp
from netc.schema import PoolingParameter, UnPoolingParameter


class _Size(NamedTuple):
    """A size given once, or by its two halves; sentence: what Caffe says of any other mix."""

    field: str
    high: str
    wide: str
    sentence: str
    message: str = "pooling_param"

    def given(self, d: LayerDef) -> list[str]:
        return [f for f in self[:3] if getattr(d.param, self.message).HasField(f)]


_KERNEL = _Size(
    "kernel_size",
    "kernel_h",
    "kernel_w",
    "Filter size is kernel_size OR kernel_h and kernel_w; not both",
)
_STRIDE = _Size(
    "stride", "stride_h", "stride_w", "Stride is stride OR stride_h and stride_w are required."
)
_PAD = _Size("pad", "pad_h", "pad_w", "pad is pad OR pad_h and pad_w are required.")
_OUT_KERNEL = _Size(
    "out_kernel_size",
    "out_kernel_h",
    "out_kernel_w",
    "Out filter size is out_kernel_size OR out_kernel_h and out_kernel_w; not both",
    "unpooling_param",
)
_OUT_STRIDE = _Size(
    "out_stride",
    "out_stride_h",
    "out_stride_w",
    "Out stride is out_stride OR out_stride_h and out_stride_w are required.",
    "unpooling_param",
)
_OUT_PAD = _Size(
    "out_pad",
    "out_pad_h",
    "out_pad_w",
    "Out pad is out_pad OR out_pad_h and out_pad_w are required.",
    "unpooling_param",
)


def _pair(d: LayerDef, size: _Size) -> Shape:
    """(high, wide). Caffe: pooling_layer.cpp, LayerSetUp."""
    p, given = getattr(d.param, size.message), size.given(d)
    if given not in ([], [size.field], [size.high, size.wide]):
        d.fail(f"{size.sentence} (given: {', '.join(given)})", given[-1])
    if len(given) == 2:
        return getattr(p, size.high), getattr(p, size.wide)
    return (getattr(p, size.field),) * 2


def _geometry(d: LayerDef) -> tuple[Shape, Shape, Shape]:
    p, shape = d.param.pooling_param, d.bottoms[0].shape
    d.check_images()
    sized = _KERNEL.given(d)
    stride, pad = _pair(d, _STRIDE), _pair(d, _PAD)
    if p.global_pooling:
        if sized:
            d.fail("With Global_pooling: true Filter size cannot specified", sized[0])
        if pad != (0, 0) or stride != (1, 1):
            d.fail(
                "With Global_pooling: true; only pad = 0 and stride = 1, "
                f"got pad {dims(pad)} and stride {dims(stride)}",
                "global_pooling",
            )
        return shape[2:], stride, pad
    if not sized:
        d.fail(
            f"{_KERNEL.sentence} (given: neither)",
            "pooling_param",
            hint="kernel_size: 2, or global_pooling: true for the whole image",
        )
    kernel = _pair(d, _KERNEL)
    if 0 in kernel:
        d.fail(f"Filter dimensions cannot be zero, got {dims(kernel)}.", sized[0])
    if 0 in stride:
        d.fail(f"Stride dimensions cannot be zero, got {dims(stride)}.", _STRIDE.given(d)[0])
    if any(q >= k for q, k in zip(pad, kernel, strict=True)):
        d.fail(f"pad {dims(pad)} must be smaller than the kernel {dims(kernel)}", _PAD.given(d)[0])
    return kernel, stride, pad


@register("Pooling", bottoms=1, tops=(1, 2), fields=("pooling_param.ceil_mode",))
def pooling(d: LayerDef) -> Layer:
    """Take the maximum, mean or a sample of windows: (N, C, H, W) -> (N, C, H', W').

    H' = ceil((H + 2 pad - kernel) / stride) + 1, or floor with round_mode: FLOOR or with OpenCV's
    ceil_mode: false; a last window that would start in the padding is dropped. MAX: the first
    maximum in row-major order takes the gradient; a second top holds its index h W + w. AVE: the
    divisor counts padding. STOCHASTIC: TRAIN takes an element with probability proportional to its
    value, TEST gives sum(x^2) / sum(x). Caffe: pooling_layer.cpp, pooling_layer.cu.
    """
    p = d.param.pooling_param
    kernel, stride, pad = _geometry(d)
    ceil = p.round_mode == PoolingParameter.CEIL
    if p.HasField("ceil_mode"):
        if p.HasField("round_mode") and p.ceil_mode != ceil:
            d.fail("round_mode and ceil_mode contradict each other", "ceil_mode")
        ceil = p.ceil_mode
    shape = d.bottoms[0].shape
    axes = zip(shape[2:], kernel, stride, pad, strict=True)
    if any(lowering.pool.output_size(*axis, ceil) < 1 for axis in axes):
        d.fail(
            f"a window of {dims(kernel)} with pad {dims(pad)} does not fit into bottom "
            f"'{d.param.bottom[0]}' ({dims(shape)})",
            "pooling_param",
        )
    geometry = {"kernel": kernel, "stride": stride, "pad": pad, "ceil": ceil}
    if d.tops == 2 and p.pool != PoolingParameter.MAX:
        d.fail("Only MAX pooling has a second top, the mask", "top", 1)
    if p.pool == PoolingParameter.STOCHASTIC and pad != (0, 0):
        d.fail(
            f"Padding implemented only for average and max pooling, got pad {dims(pad)}.",
            _PAD.given(d)[0],
        )
    if d.tops == 2:
        return stateless(lambda blobs, x: lowering.pool.max_pool_with_mask(d.plan, x, **geometry))
    return pooled(d, p.pool, geometry)


def pooled(d: LayerDef, method: int, geometry: dict) -> Layer:
    """The layer that pools its bottom, with one top, from checked fields.

    method: MAX, AVE or STOCHASTIC, numbered alike in PoolingParameter and SPPParameter.
    """
    if method == PoolingParameter.STOCHASTIC:
        return _stochastic(d, geometry)

    def forward(blobs, x, layout="NCHW"):
        operation = (
            lowering.pool.max_pool if method == PoolingParameter.MAX else lowering.pool.ave_pool
        )
        return operation(d.plan, x, **geometry, layout=layout)

    return stateless(
        forward,
        channels_last=lambda blobs, x: forward(blobs, x, layout="NHWC"),
        prefers_last=True,
    )


def _stochastic(d: LayerDef, geometry: dict) -> Layer:
    kernel, stride, ceil = geometry["kernel"], geometry["stride"], geometry["ceil"]
    size = d.bottoms[0].shape[2:]

    def taps(x):
        """Every window's elements along a new first axis, zero outside the image."""
        parts = [x]
        for axis in (0, 1):
            out = lowering.pool.output_size(size[axis], kernel[axis], stride[axis], 0, ceil)
            over = max((out - 1) * stride[axis] + kernel[axis] - size[axis], 0)
            cut = lowering.windows.slices
            padded = [lowering.windows.pad_axis(p, axis + 2, 0, over) for p in parts]
            parts = [t for p in padded for t in cut(p, axis + 2, kernel[axis], stride[axis], out)]
        return jnp.stack(parts)

    if d.phase != TRAIN:

        def expected(blobs, x):
            window = taps(x)
            total = window.sum(0)
            energy = (window * window).sum(0)
            return jnp.where(total > 0, energy / jnp.where(total > 0, total, 1), 0)

        return stateless(expected)

    def sample(rng, x):
        window = taps(x)
        reach = jax.lax.cumsum(jax.lax.stop_gradient(window), 0)
        threshold = jax.random.uniform(rng, reach.shape[1:], x.dtype) * reach[-1]
        chosen = jnp.argmax(reach >= threshold[None], axis=0)
        return jnp.take_along_axis(window, chosen[None], axis=0)[0]

    return stochastic(sample)


def _window_of_size(size: int, like: int) -> tuple[int, int, int]:
    """Kernel, stride and pad that bring an axis to the size of another."""
    kernel = -(-like // size)
    stride = 1 if kernel == like else kernel
    return kernel, stride, ((size - 1) * stride + kernel - like) // 2


def _unpooling_windows(d: LayerDef) -> list[tuple[int, int, int]]:
    """Kernel, stride and pad of both axes. ParseNet: unpooling_layer.cpp, LayerSetUp."""
    sized = _OUT_KERNEL.given(d)
    if not sized:
        d.fail(
            f"{_OUT_KERNEL.sentence} (given: neither)",
            "unpooling_param" if d.param.HasField("unpooling_param") else None,
        )
    given = [_pair(d, size) for size in (_OUT_KERNEL, _OUT_STRIDE, _OUT_PAD)]
    if len(d.bottoms) == 1:
        kernel, _, pad = given
        if 0 in kernel:
            d.fail(f"Out filter dimensions cannot be zero, got {dims(kernel)}.", sized[0])
        windows, field = list(zip(*given, strict=True)), (_OUT_PAD.given(d) or ["bottom"])[0]
    else:
        d.check_images(1)
        sizes = (b.shape[2:] for b in d.bottoms)
        windows, field = list(map(_window_of_size, *sizes)), "bottom"
        kernel, pad = ((w[0] for w in windows), (w[2] for w in windows))
        kernel, pad = tuple(kernel), tuple(pad)
    if any(q and q >= k for q, k in zip(pad, kernel, strict=True)):
        d.fail(f"out_pad {dims(pad)} must be smaller than the kernel {dims(kernel)}", field)
    return windows


@register("UnPooling", bottoms=(1, 2), tops=1, no_gradient=(1,), fields=("unpooling_param",))
def unpooling(d: LayerDef) -> Layer:
    """Spread pixels over windows: (N, C, H, W) -> (N, C, H', W').

    H' = (H - 1) out_stride - 2 out_pad + out_kernel. FIXED: a pixel goes to the middle of its
    window, the last of several, and the rest is 0; REP: a pixel of the top is the mean of the
    pixels whose windows have it; DIV: likewise, each divided by the size of its window. A second
    bottom sets kernel, stride and pad so that the top has its height and width, or 1 more.
    ParseNet: unpooling_layer.cpp.
    """
    d.check_images()
    size = d.bottoms[0].shape[2:]
    if 0 in size:
        d.fail(f"bottom '{d.param.bottom[0]}' has no pixels: {dims(d.bottoms[0].shape)}", "bottom")
    windows = _unpooling_windows(d)
    out = [(n - 1) * w[1] - 2 * w[2] + w[0] for n, w in zip(size, windows, strict=True)]
    if min(out) < 1:
        d.fail(f"the top would be {dims(out)} high and wide", "unpooling_param")
    d.check_sizes((*d.bottoms[0].shape[:2], *out))
    method = d.param.unpooling_param.unpool
    axes = [_spread(method, *axis) for axis in zip(size, out, windows, strict=True)]
    if method == UnPoolingParameter.FIXED:

        def place(blobs, x, *like, layout="NCHW"):
            for name, source in zip("HW", axes, strict=True):
                axis = layout.index(name)
                there = jnp.expand_dims(source >= 0, [i for i in range(4) if i != axis])
                x = jnp.where(
                    there, jnp.take(x, np.maximum(source, 0), axis), jnp.zeros((), x.dtype)
                )
            return x

        return stateless(place, channels_last=lambda blobs, *xs: place(blobs, *xs, layout="NHWC"))

    def spread(blobs, x, *like, layout="NCHW"):
        return lowering.resize.resize(x, axes, layout)

    return stateless(spread, channels_last=lambda blobs, *xs: spread(blobs, *xs, layout="NHWC"))


def _spread(method: int, size: int, out: int, window: tuple[int, int, int]) -> Any:
    """FIXED: for each place of the top that of the bottom, or -1; else weights (out, size)."""
    kernel, stride, pad = window
    start = np.arange(size) * stride - pad
    if method == UnPoolingParameter.FIXED:
        source = np.full(out, -1)
        middle = np.trunc((2 * start + kernel - 1) / 2).astype(int)
        source[np.clip(middle, 0, out - 1)] = np.arange(size)
        return source
    place = np.arange(out)[:, None]
    covers = ((place >= start) & (place < start + kernel)).astype(np.float32)
    weights = covers / np.maximum(covers.sum(1, keepdims=True), 1)
    if method == UnPoolingParameter.DIV:
        weights /= np.minimum(start + kernel, out + pad) - start
    return weights
