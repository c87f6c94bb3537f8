"""The functions of `netc.export.functions_flow` as ONNX nodes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from netc.export.nodes import Writer

FLOAT, INT64, BOOL = 1, 7, 9


def bilinear(w: Writer, x, at, zeros=False):
    n = w.node
    last = np.array(w.shapes[x][2:], np.float32).reshape(2, 1) - 1
    flat = n("Transpose", n("Reshape", x, [0, 0, -1]), perm=[0, 2, 1])
    low = n("Floor", at)
    part = n("Sub", at, low)
    places, shares = [], []
    for corner, share in ((low, n("Sub", 1.0, part)), (n("Add", low, 1.0), part)):
        held = n("Min", n("Max", corner, 0.0), last)
        if zeros:
            share = n("Mul", share, n("Cast", n("Equal", held, corner), to=FLOAT))
        places.append(_rows_and_columns(w, n("Cast", held, to=INT64)))
        shares.append(_rows_and_columns(w, share))
    terms = []
    for i, j in itertools.product((0, 1), (0, 1)):
        place = n("Add", n("Mul", places[i][0], [w.shapes[x][3]]), places[j][1])
        pixel = n("GatherND", flat, place, batch_dims=1)
        terms.append(n("Mul", pixel, n("Mul", shares[i][0], shares[j][1])))
    return n("Transpose", n("Sum", *terms), perm=[0, 2, 1])


def _rows_and_columns(w: Writer, at: Any) -> Any:
    """(N, 2, P) as (N, P, 1) twice."""
    return w.node(
        "Split", w.node("Transpose", at, perm=[0, 2, 1]), outputs=2, axis=2, num_outputs=2
    )


def flow_warp(w: Writer, x, flow, fill=0.0):
    n = w.node
    size = w.shapes[x][2:]
    grid = np.indices(size).reshape(1, 2, -1).astype(np.float32)
    at = n("Add", grid, n("Reshape", n("Gather", flow, [1, 0], axis=1), [0, 2, -1]))
    before = n("Less", at, np.array(size, np.float32).reshape(2, 1))
    inside = n("Cast", n("And", n("GreaterOrEqual", at, 0.0), before), to=FLOAT)
    inside = n("Cast", n("ReduceMin", inside, [1]), to=BOOL)
    y = n("Where", inside, bilinear(w, x, n("Where", inside, at, 0.0)), fill)
    return n("Reshape", y, [0, 0, *size])


def _window(w: Writer, x: Any, start: Any, count: Any) -> Any:
    """`count` rows and columns of a blob from `start` on; those outside of it are 0."""
    edges = [
        (max(0, -s), max(0, s + c - size))
        for s, c, size in zip(start, count, w.shapes[x][2:], strict=True)
    ]
    if any(map(any, edges)):
        (top, bottom), (left, right) = edges
        x = w.node("Pad", x, [0, 0, top, left, 0, 0, bottom, right])
    first = [max(0, s) for s in start]
    end = [s + c for s, c in zip(first, count, strict=True)]
    return w.node("Slice", x, first, end, [2, 3])


def correlation(
    w: Writer, a, b, first, size, down, across, kernel=1, stride=1, subtract=False
):  # fmt: skip
    n, channels = w.node, w.shapes[a][1]
    step = 1 if kernel > 1 else stride  # sums over patches are made of sums over pixels
    span = [(m - 1) * stride + kernel if kernel > 1 else (m - 1) * step + 1 for m in size]
    ranges = range(*down), range(*across)
    start = [f + r[0] for f, r in zip(first, ranges, strict=True)]
    reach = [s + r[-1] - r[0] for s, r in zip(span, ranges, strict=True)]
    a, b = _window(w, a, first, span), _window(w, b, start, reach)
    a = a if step == 1 else n("Slice", a, [0, 0], span, [2, 3], [step, step])
    compare = _differences if subtract else _products
    y = compare(w, a, b, step, ranges, [-(-s // step) for s in span])
    if kernel > 1:
        sides = [kernel, kernel]
        y = n("AveragePool", y, kernel_shape=sides, strides=[stride, stride])
    return n("Div", y, float(channels))


def _rows_of(w: Writer, b: Any, axis: int, start: int, step: int, rows: int) -> Any:
    return w.node("Slice", b, [start], [start + step * (rows - 1) + 1], [axis], [step])


def _products(w: Writer, a: Any, b: Any, step: int, ranges: Any, size: Any) -> Any:
    """Sums of a b over channels: (N, C, Y, X) and the window of b -> (N, D, Y, X).

    Row times row is a matrix of which a band is wanted; it becomes columns where a row of it is
    stored as one that is longer by `step`.
    """
    n, (rows, columns), (down, across) = w.node, size, ranges
    a, b = n("Transpose", a, perm=[0, 2, 3, 1]), n("Transpose", b, perm=[0, 2, 1, 3])
    reach = step * (columns - 1) + 1 + across[-1] - across[0]
    bands = []
    for d in down:
        others = _rows_of(w, b, 1, d - down[0], step, rows)
        flat = n("Reshape", n("MatMul", a, others), [0, 0, -1])
        flat = n("Pad", flat, [0, 0, 0, 0, 0, step * columns])
        skewed = n("Reshape", flat, [0, 0, columns, reach + step])
        end = (len(across) - 1) * across.step + 1
        bands.append(n("Slice", skewed, [0], [end], [3], [across.step]))
    return n("Transpose", n("Concat", *bands, axis=3), perm=[0, 3, 1, 2])


def _differences(w: Writer, a: Any, b: Any, step: int, ranges: Any, size: Any) -> Any:
    """Sums of |a - b| over channels: (N, C, Y, X) and the window of b -> (N, D, Y, X)."""
    n, (rows, columns), (down, across) = w.node, size, ranges
    places = step * np.arange(columns) + np.array(across)[:, None] - across[0]
    a, parts = n("Unsqueeze", a, [3]), []
    for d in down:
        others = n("Gather", _rows_of(w, b, 2, d - down[0], step, rows), places, axis=3)
        parts.append(n("ReduceSum", n("Abs", n("Sub", a, others)), [1], keepdims=0))
    return n("Transpose", n("Concat", *parts, axis=2), perm=[0, 2, 1, 3])
