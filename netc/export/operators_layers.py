"""The functions of `netc.export.functions_layers`, and those of jax.numpy, as ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netc.export.nodes import Writer, edges, per_axis

LEAST = -(2**63)


def convolution(w: Writer, x, kernel, b=None, stride=1, pad=0, dilation=1, group=1, how="Conv"):
    rank = kernel.ndim - 2
    return w.node(
        how,
        x,
        kernel,
        *(() if b is None else (b,)),
        kernel_shape=kernel.shape[2:],
        strides=per_axis(stride, rank),
        pads=edges(pad, rank),
        dilations=per_axis(dilation, rank),
        group=group,
    )


def deconvolution(w: Writer, *values, **options):
    return convolution(w, *values, **options, how="ConvTranspose")


def inner_product(w: Writer, x, matrix, b=None, transpose=False):
    return w.node("Gemm", x, matrix, *(() if b is None else (b,)), transB=int(not transpose))


def max_pool(w: Writer, x, kernel, stride=1, pad=0, outputs=1):
    rank = len(kernel)
    return w.node(
        "MaxPool",
        x,
        outputs=outputs,
        kernel_shape=kernel,
        strides=per_axis(stride, rank),
        pads=edges(pad, rank),
    )


def max_pool_with_mask(w: Writer, x, **options):
    top, place = max_pool(w, x, **options, outputs=2)  # counted through the whole batch
    image = w.node("ReduceProd", w.node("Shape", x, start=2), keepdims=1)
    return top, w.node("Cast", w.node("Mod", place, image), to=1)


def ave_pool(w: Writer, x, kernel, stride=1, pad=0, uncounted=0):
    rank = len(kernel)
    pads, beyond = edges(pad, rank), [0] * rank + per_axis(uncounted, rank)
    if uncounted:
        zeros = [a - b for a, b in zip(pads, beyond, strict=True)]
        zeros = [0, 0, *zeros[:rank], 0, 0, *zeros[rank:]]
        x = w.node("Pad", x, zeros) if any(zeros) else x
    return w.node(
        "AveragePool",
        x,
        kernel_shape=kernel,
        strides=per_axis(stride, rank),
        pads=beyond if uncounted else pads,
        count_include_pad=int(not uncounted),
    )


def lrn(w: Writer, x, size, alpha, beta, k):
    return w.node("LRN", x, size=size, alpha=alpha, beta=beta, bias=k)


def batch_norm(w: Writer, x, mean, variance, count=None, eps=1e-5):
    if count is not None:
        share = np.float32(1 / count[0] if count[0] else 0)
        mean, variance = mean * share, variance * share
    mean, variance = mean.ravel(), variance.ravel()
    one, zero = np.ones_like(mean), np.zeros_like(mean)
    return w.node("BatchNormalization", x, one, zero, mean, variance, epsilon=eps)


def standardize(w: Writer, x, axis, eps, inside=True):
    x = w.node("Sub", x, w.node("ReduceMean", x, list(axis)))
    variance = w.node("ReduceMean", w.node("Mul", x, x), list(axis))
    if inside:
        return w.node("Div", x, w.node("Sqrt", w.node("Add", variance, eps)))
    return w.node("Div", x, w.node("Add", w.node("Sqrt", variance), eps))


def to_unit(w: Writer, x, axis, eps):
    energy = w.node("Add", w.node("ReduceSumSquare", x, list(axis)), eps)
    return w.node("Div", x, w.node("Sqrt", energy))


def relu(w: Writer, x, negative_slope=0.0):
    return w.node("LeakyRelu", x, alpha=negative_slope) if negative_slope else w.node("Relu", x)


def elu(w: Writer, x, alpha):
    return w.node("Elu", x, alpha=alpha)


def above(w: Writer, x, threshold):
    return w.node("Cast", w.node("Greater", x, threshold), to=1)


def softmax(w: Writer, x, axis):
    return w.node("Softmax", x, axis=axis)


def crop(w: Writer, x, axis, start, stop):
    return w.node("Slice", x, list(start), list(stop), list(axis))


def split(w: Writer, x, sizes, axis):
    return w.node("Split", x, list(sizes), outputs=len(sizes), axis=axis)


def rows_at(w: Writer, table, index):
    return w.node("Gather", table, w.node("Cast", index, to=7))


def not_equal(w: Writer, x, y):
    return w.node("Not", w.node("Equal", x, y))


def compress(w: Writer, condition, x, axis):
    return w.node("Compress", x, condition, axis=axis)


def largest(w: Writer, x, count, axis):
    turned = w.node("Slice", x, [-1], [LEAST], [axis], [-1])  # of equals, the first is taken
    values, place = w.node("TopK", turned, [count], outputs=2, axis=axis)
    last = w.node("Sub", w.node("Shape", x, start=axis, end=axis + 1), [1])
    return values, w.node("Cast", w.node("Sub", last, place), to=1)


def resize(w: Writer, x, size):
    how: dict[str, Any] = {"mode": "linear"}
    how["coordinate_transformation_mode"] = "align_corners"
    return w.node("Resize", x, "", "", list(size), axes=[2, 3], **how)


def upsample(w: Writer, x, scale):
    how: dict[str, Any] = {"mode": "nearest", "nearest_mode": "floor"}
    how["coordinate_transformation_mode"] = "asymmetric"
    return w.node("Resize", x, "", np.array([1, 1, scale, scale], np.float32), **how)


def unpool(w: Writer, x, mask, size):
    flat, places = w.node("Reshape", x, [0, 0, -1]), w.node("Reshape", mask, [0, 0, -1])
    shape = w.node("Concat", w.node("Shape", x, end=2), [size[0] * size[1]], axis=0)
    image = w.node("Expand", np.zeros((1, 1, 1), np.float32), shape)
    y = w.node("ScatterElements", image, w.node("Cast", places, to=7), flat, axis=2)
    return w.node("Reshape", y, [0, 0, *size])


def full_like(w: Writer, x, fill_value):
    from onnx import numpy_helper

    value = numpy_helper.from_array(np.array([fill_value], np.float32))
    return w.node("ConstantOfShape", w.node("Shape", x), value=value)


def reshape(w: Writer, x, shape):
    if isinstance(x, np.ndarray):
        return x.reshape(shape)
    return w.node("Reshape", x, np.array(shape, np.int64))


def transpose(w: Writer, x, axes):
    return w.node("Transpose", x, perm=axes)


def concatenate(w: Writer, x, axis):
    return w.node("Concat", *x, axis=axis)


def tile(w: Writer, x, reps):
    return w.node("Tile", x, list(reps))


def sum_(w: Writer, x, axis, keepdims=False):
    return w.node("ReduceSum", x, list(axis), keepdims=int(keepdims))


def mean(w: Writer, x, axis, keepdims=False):
    return w.node("ReduceMean", x, list(axis), keepdims=int(keepdims))


def _states(w: Writer, z, given, size: int) -> list[str]:
    """First states (1, N, H): those that are given, or zeros for the streams of z (T, N, G)."""
    if given:
        return list(given)
    streams = w.node("Shape", z, start=1, end=2)
    return [w.node("Expand", np.zeros((1, 1, size), np.float32), _row(w, streams, size))]


def _row(w: Writer, streams: str, size: int) -> str:
    return w.node("Concat", [1], streams, [size], axis=0)


def _scan(w: Writer, step: Callable[..., tuple[str, ...]], z, cont, states) -> tuple[str, ...]:
    """Run `step`(*states, z, cont) -> states over time: every first state, and the last ones."""
    names = [f"state{i}" for i in range(len(states))]

    def recurring(*now):
        after = step(*now)
        return *after, after[0]

    body = w.body(recurring, [*names, "z", "cont"])
    *last, every = w.node(
        "Scan", *states, z, w.node("Unsqueeze", cont, [2]),
        outputs=len(states) + 1, body=body, num_scan_inputs=2,
    )  # fmt: skip
    return w.node("Squeeze", every, [1]), *last


def lstm(w: Writer, z, cont, weights, *first):
    size = weights.shape[1]
    states = _states(w, z, first, size)

    def step(h, c, z, cont):
        gates = w.node("Add", z, w.node("MatMul", w.node("Mul", h, cont), weights.T))
        i, f, o, g = split(w, gates, (size,) * 4, 2)
        kept = w.node("Mul", w.node("Mul", cont, w.node("Sigmoid", f)), c)
        c = w.node("Add", kept, w.node("Mul", w.node("Sigmoid", i), w.node("Tanh", g)))
        return w.node("Mul", w.node("Sigmoid", o), w.node("Tanh", c)), c

    return _scan(w, step, z, cont, states if first else states * 2)


def rnn(w: Writer, z, cont, weights, *first):
    def step(h, z, cont):
        before = w.node("MatMul", w.node("Mul", h, cont), weights.T)
        return (w.node("Tanh", w.node("Add", z, before)),)

    return _scan(w, step, z, cont, _states(w, z, first, weights.shape[1]))
