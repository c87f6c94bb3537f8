"""Rows of Deconvolution and Im2col."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from ..cases import LayerCase
from ..reference import convolution, per_axis


def windows(size, kernel, stride, pad, dilation):
    """(place in the output, place in the kernel, place in the image) where it is inside."""
    axes = list(zip(size, kernel, stride, pad, dilation, strict=True))
    out = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes]
    for at in itertools.product(*map(range, out)):
        for k in itertools.product(*map(range, kernel)):
            places = zip(at, k, axes, strict=True)
            x = tuple(i * s + j * d - p for i, j, (_, _, s, p, d) in places)
            if all(0 <= i < n for i, n in zip(x, size, strict=True)):
                yield at, k, x


def deconvolution(
    x, w, b=None, *, stride: Any = 1, pad: Any = 0, dilation: Any = 1, group=1, axis=1
):
    """Every pixel of x adds its weights to a window of y."""
    rank = x.ndim - axis - 1
    how = [per_axis(v, rank) for v in (stride, pad, dilation)]
    images = x.reshape(-1, *x.shape[axis:])
    size = [
        s * (n - 1) + d * (k - 1) + 1 - 2 * p
        for n, k, s, p, d in zip(images.shape[2:], w.shape[2:], *how, strict=True)
    ]
    inputs, outputs = images.shape[1] // group, w.shape[1]
    y = np.zeros((len(images), outputs * group, *size))
    for at, k, place in windows(size, w.shape[2:], *how):
        for g in range(group):
            mine, its = slice(g * inputs, (g + 1) * inputs), slice(g * outputs, (g + 1) * outputs)
            y[:, its, *place] += images[:, mine, *at] @ w[(mine, slice(None), *k)]
    if b is not None:
        y += b.reshape(-1, *(1,) * rank)
    return y.reshape(*x.shape[:axis], *y.shape[1:])


def im2col(x, *, kernel: Any, stride: Any = 1, pad: Any = 0, dilation: Any = 1, axis=1):
    rank = x.ndim - axis - 1
    kernel, *how = (per_axis(v, rank) for v in (kernel, stride, pad, dilation))
    images = x.reshape(-1, *x.shape[axis:])
    out = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(images.shape[2:], kernel, *how, strict=True)
    ]
    y = np.zeros((*images.shape[:2], *kernel, *out))
    for at, k, place in windows(images.shape[2:], kernel, *how):
        y[:, :, *k, *at] = images[:, :, *place]
    return y.reshape(*x.shape[:axis], x.shape[axis] * math.prod(kernel), *out)


# fmt: off
DECONVOLUTIONS = [
    LayerCase("Deconvolution", f"convolution_param {{ {fields} }}", [x], [y], want, blobs)
    for fields, x, y, blobs, want in (
        ("num_output: 4 kernel_size: 3", (2, 3, 4, 5), (2, 4, 6, 7), [(3, 4, 3, 3), (4,)],
            deconvolution),
        ("num_output: 2 kernel_size: 1 bias_term: false", (2, 3, 4, 5), (2, 2, 4, 5),
            [(3, 2, 1, 1)], deconvolution),
        ("num_output: 2 kernel_size: 4 stride: 2 pad: 1", (2, 3, 4, 3), (2, 2, 8, 6),
            [(3, 2, 4, 4), (2,)], lambda x, w, b: deconvolution(x, w, b, stride=2, pad=1)),
        ("num_output: 2 kernel_size: 3 kernel_size: 2 stride: 3 stride: 1 pad: 0 pad: 1",
            (1, 2, 3, 4), (1, 2, 9, 3), [(2, 2, 3, 2), (2,)],
            lambda x, w, b: deconvolution(x, w, b, stride=(3, 1), pad=(0, 1))),
        ("num_output: 3 kernel_h: 2 kernel_w: 5 stride_h: 1 stride_w: 3 pad_h: 1 pad_w: 2",
            (1, 2, 4, 3), (1, 3, 3, 7), [(2, 3, 2, 5), (3,)],
            lambda x, w, b: deconvolution(x, w, b, stride=(1, 3), pad=(1, 2))),
        ("num_output: 2 kernel_size: 2 stride: 3", (1, 2, 3, 3), (1, 2, 8, 8),
            [(2, 2, 2, 2), (2,)], lambda x, w, b: deconvolution(x, w, b, stride=3)),
        ("num_output: 3 kernel_size: 3 dilation: 2 stride: 2 pad: 1", (1, 2, 4, 3), (1, 3, 9, 7),
            [(2, 3, 3, 3), (3,)],
            lambda x, w, b: deconvolution(x, w, b, dilation=2, stride=2, pad=1)),
        ("num_output: 6 kernel_size: 3 stride: 2 group: 2", (1, 4, 3, 4), (1, 6, 7, 9),
            [(4, 3, 3, 3), (6,)], lambda x, w, b: deconvolution(x, w, b, stride=2, group=2)),
        ("num_output: 3 kernel_size: 4 stride: 2 pad: 1 group: 3 bias_term: false "
            "weight_filler { type: 'bilinear' }", (2, 3, 4, 5), (2, 3, 8, 10), [(3, 1, 4, 4)],
            lambda x, w: deconvolution(x, w, stride=2, pad=1, group=3)),
        ("num_output: 2 kernel_size: 8 stride: 4 pad: 2 group: 2", (1, 2, 3, 3), (1, 2, 12, 12),
            [(2, 1, 8, 8), (2,)],
            lambda x, w, b: deconvolution(x, w, b, stride=4, pad=2, group=2)),
        ("num_output: 4 kernel_size: 5 stride: 3 pad: 1", (1, 2, 3, 4), (1, 4, 9, 12),
            [(2, 4, 5, 5), (4,)], lambda x, w, b: deconvolution(x, w, b, stride=3, pad=1)),
        ("num_output: 3 kernel_size: 3 stride: 2", (2, 2, 4), (2, 3, 9), [(2, 3, 3), (3,)],
            lambda x, w, b: deconvolution(x, w, b, stride=2)),
        ("num_output: 2 kernel_size: 2", (1, 2, 2, 3, 2), (1, 2, 3, 4, 3),
            [(2, 2, 2, 2, 2), (2,)], deconvolution),
        ("num_output: 3 kernel_size: 2 axis: 2", (2, 3, 2, 3, 2), (2, 3, 3, 4, 3),
            [(2, 3, 2, 2), (3,)], lambda x, w, b: deconvolution(x, w, b, axis=2)),
        ("num_output: 3 kernel_size: 2 axis: -3", (2, 3, 4), (3, 4, 5), [(2, 3, 2, 2), (3,)],
            lambda x, w, b: deconvolution(x, w, b, axis=0)),
        ("num_output: 3 kernel_size: 1", (4, 5), (4, 3), [(5, 3), (3,)], deconvolution),
    )
] + [
    LayerCase("Deconvolution", "convolution_param { num_output: 2 kernel_size: 3 }",
        [(2, 3, 2, 3)] * 2, [(2, 2, 4, 5)] * 2,
        lambda x, y, w, b: (deconvolution(x, w, b), deconvolution(y, w, b)),
        [(3, 2, 3, 3), (2,)]),
]

IM2COLS = [
    LayerCase("Im2col", f"convolution_param {{ {fields} }}", [x], [y], want)
    for fields, x, y, want in (
        ("kernel_size: 3", (2, 2, 4, 5), (2, 18, 2, 3), lambda x: im2col(x, kernel=3)),
        ("kernel_size: 3 stride: 2 pad: 1", (2, 3, 6, 7), (2, 27, 3, 4),
            lambda x: im2col(x, kernel=3, stride=2, pad=1)),
        ("kernel_h: 2 kernel_w: 3 stride_h: 1 stride_w: 3 pad_h: 0 pad_w: 2 engine: CAFFE",
            (1, 2, 4, 5), (1, 12, 3, 3),
            lambda x: im2col(x, kernel=(2, 3), stride=(1, 3), pad=(0, 2))),
        ("kernel_size: 2 stride: 3", (1, 2, 7, 6), (1, 8, 2, 2),
            lambda x: im2col(x, kernel=2, stride=3)),
        ("kernel_size: 3 dilation: 2 pad: 2", (1, 2, 5, 4), (1, 18, 5, 4),
            lambda x: im2col(x, kernel=3, dilation=2, pad=2)),
        ("kernel_size: 3 kernel_size: 2 dilation: 3 dilation: 2 stride: 2", (1, 1, 9, 7),
            (1, 6, 2, 3), lambda x: im2col(x, kernel=(3, 2), dilation=(3, 2), stride=2)),
        ("kernel_size: 3 stride: 2 num_output: 5 group: 4 bias_term: false", (2, 3, 7),
            (2, 9, 3), lambda x: im2col(x, kernel=3, stride=2)),
        ("kernel_size: 2 force_nd_im2col: true", (1, 2, 3, 3, 4), (1, 16, 2, 2, 3),
            lambda x: im2col(x, kernel=2)),
        ("kernel_size: 2 axis: 2", (2, 3, 2, 3, 4), (2, 3, 8, 2, 3),
            lambda x: im2col(x, kernel=2, axis=2)),
        ("kernel_size: 2 axis: -2", (4, 5), (8, 4), lambda x: im2col(x, kernel=2, axis=0)),
        ("kernel_size: 4 kernel_size: 5", (2, 2, 4, 5), (2, 40, 1, 1),
            lambda x: im2col(x, kernel=(4, 5))),
    )
]

DEPTHWISE = [
    LayerCase(type, f"convolution_param {{ num_output: {x[1]} {fields} }}", [x], [y],
        lambda x, w, *b, how=how: convolution(x, w, *b, group=x.shape[1], **how), blobs)
    for type in ("ConvolutionDepthwise", "DepthwiseConvolution")
    for fields, x, y, blobs, how in (
        ("kernel_size: 3 pad: 1", (2, 4, 5, 6), (2, 4, 5, 6), [(4, 1, 3, 3), (4,)], {"pad": 1}),
        ("kernel_size: 3 stride: 2 bias_term: false group: 4", (1, 4, 7, 5), (1, 4, 3, 2),
            [(4, 1, 3, 3)], {"stride": 2}),
        ("kernel_size: 3", (1, 8, 3, 4), (1, 8, 1, 2), [(8, 1, 3, 3), (8,)], {}),
    )
]
# fmt: on

CASES = [*DECONVOLUTIONS, *IM2COLS, *DEPTHWISE]
