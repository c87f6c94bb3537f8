"""Rows of layers of TSN, C3D and ParseNet: parts of a batch, groups of pixels, unpooling."""

from __future__ import annotations

import numpy as np

from ..cases import LayerCase, labels


def batch_reduction(x, axis, levels, operation="SUM", k=1):
    """(A, L, B) by the rows of each level."""
    rows, y = np.moveaxis(x, axis, 0), []
    for level in levels:
        part, rows = rows[: level * level], rows[level * level :]
        best = np.sort(part, 0)[::-1]
        y.append(
            {"SUM": sum(part), "MEAN": sum(part) / len(part), "TOPK": sum(best[:k]) / k}[operation]
        )
    assert len(rows) == 0
    return np.moveaxis(np.array(y), 0, axis)


def diagonal(x, axis):
    return np.stack([np.take(np.take(x, t, axis), t, axis) for t in range(x.shape[axis])], axis)


def grouped(x, groups):
    """Each channel of groups by its own loop over its numbers."""
    y = np.zeros_like(x)
    for n, g in np.ndindex(groups.shape[:2]):
        for number in set(groups[n, g].ravel()):
            here = groups[n, g] == number
            y[n][:, here] += x[n][:, here].mean(1, keepdims=True)
    return y / groups.shape[1]


def unpooled(x, out, kernel, stride=(1, 1), pad=(0, 0), method="FIXED"):
    """Window by window in row-major order, one pixel of the top at a time."""
    y, counts = np.zeros((*x.shape[:2], *out)), np.zeros(out)
    for final in (False, True):
        for at in np.ndindex(x.shape[2:]):
            start = [i * s - p for i, s, p in zip(at, stride, pad, strict=True)]
            end = [min(a + k, n + p) for a, k, n, p in zip(start, kernel, out, pad, strict=True)]
            if method == "FIXED":
                middle = [int((2 * a + k - 1) / 2) for a, k in zip(start, kernel, strict=True)]
                place = tuple(min(max(m, 0), n - 1) for m, n in zip(middle, out, strict=True))
                y[(slice(None), slice(None), *place)] = x[(slice(None), slice(None), *at)]
                continue
            size = np.prod([e - a for a, e in zip(start, end, strict=True)])
            for place in np.ndindex(*out):
                if all(a <= u < e for a, u, e in zip(start, place, end, strict=True)):
                    if not final:
                        counts[place] += 1
                        continue
                    share = x[(slice(None), slice(None), *at)] / counts[place]
                    y[(slice(None), slice(None), *place)] += (
                        share / size if method == "DIV" else share
                    )
    return y


def counted(found, true, size, ignored=()):
    y = np.zeros((1, size, 1, 3))
    for a, b in zip(found.ravel().astype(int), true.ravel().astype(int), strict=True):
        if b not in ignored:
            y[0, b, 0, 0] += a == b
            y[0, b, 0, 1] += 1
            y[0, a, 0, 2] += 1
    return y


MAP = (2, 1, 3, 5)
TRUE = labels(MAP, 4)[:, :, ::-1].copy()
TIED = np.array([[[[0.5]], [[2.0]], [[2.0]]], [[[-1.0]], [[-3.0]], [[-1.0]]]])

# fmt: off
PARSES = [
    LayerCase("ParseOutput", "", [x], [(*x[:1], 1, *x[2:])],
        lambda x: x.argmax(1)[:, None], smooth=(), indices=(0,))
    for x in ((2, 4, 3, 5), (1, 1, 2, 2))
] + [
    LayerCase("ParseOutput", "", [TIED], [(2, 1, 1, 1)] * 2,
        lambda x: (np.array([1, 0]).reshape(2, 1, 1, 1), np.array([2, -1]).reshape(2, 1, 1, 1)),
        smooth=(), indices=(0,)),
] + [
    LayerCase("ParseEvaluate", f"parse_evaluate_param {{ num_labels: 4 {fields} }}",
        [labels(MAP, 4), true], [(1, 4, 1, 3)], lambda a, b, g=ignored: counted(a, b, 4, g),
        smooth=(), indices=(0,))
    for fields, true, ignored in (
        ("", TRUE, ()),
        ("ignore_label: 2", TRUE, (2,)),
        ("ignore_label: 255 ignore_label: 0", np.where(TRUE == 3, 255, TRUE), (255, 0)),
    )
]

REDUCTIONS = [
    LayerCase("BatchReduction", f"batch_reduction_param {{ {fields} }}", [x], [y], want)
    for fields, x, y, want in (
        ("", (5, 3, 2), (3, 2), lambda x: sum(x)),
        ("reduction_param { axis: 1 operation: MEAN }", (4, 3, 2), (4, 2),
            lambda x: (x[:, 0] + x[:, 1] + x[:, 2]) / 3),
        ("level: 2 reduction_param { axis: -1 operation: MEAN coeff: 7 }", (3, 4), (3, 1),
            lambda x: batch_reduction(x, 1, [2], "MEAN")),
        ("level: 1 level: 2 level: 1 reduction_param { axis: 1 operation: MEAN }", (2, 6, 3, 2),
            (2, 3, 3, 2), lambda x: batch_reduction(x, 1, [1, 2, 1], "MEAN")),
        ("level: 2 level: 1", (5, 2), (2, 2), lambda x: batch_reduction(x, 0, [2, 1])),
        ("reduction_param { axis: 1 operation: TOPK k: 2 }", (3, 5, 2), (3, 2),
            lambda x: np.sort(x, 1)[:, -2:].sum(1) / 2),
        ("level: 2 reduction_param { axis: 1 operation: TOPK k: 3 }", (3, 4, 2), (3, 1, 2),
            lambda x: batch_reduction(x, 1, [2], "TOPK", 3)),
        ("pos: true reduction_param { axis: 1 operation: MEAN }", (2, 3, 3, 4), (2, 4),
            lambda x: diagonal(x, 1).sum(1) / 3),
        ("pos: true level: 2 reduction_param { axis: 0 operation: TOPK k: 3 }", (4, 4, 3), (1, 3),
            lambda x: batch_reduction(diagonal(x, 0), 0, [2], "TOPK", 3)),
    )
]

GROUPINGS = [
    LayerCase("Grouping", "", [(2, 3, 3, 4), labels((2, 2, 3, 4), 5) - 2], [(2, 3, 3, 4)], grouped),
    LayerCase("Grouping", "", [(1, 2, 3, 3), np.full((1, 1, 3, 3), 2**20)], [(1, 2, 3, 3)],
        grouped),
    LayerCase("Grouping", "", [(1, 2, 2, 2), np.arange(4).reshape(1, 1, 2, 2)], [(1, 2, 2, 2)],
        lambda x, g: x),
]

PIXELS = (2, 3, 3, 4)
UNPOOLINGS = [
    LayerCase("UnPooling", f"unpooling_param {{ unpool: {method} {fields} }}", [PIXELS],
        [(2, 3, *out)], lambda x, m=method, o=out, given=given: unpooled(x, o, *given, method=m))
    for method in ("FIXED", "REP", "DIV")
    for fields, out, given in (
        ("out_kernel_size: 2 out_stride: 2", (6, 8), ((2, 2), (2, 2))),
        ("out_kernel_size: 3", (5, 6), ((3, 3),)),
        ("out_kernel_h: 3 out_kernel_w: 4 out_stride_h: 2 out_stride_w: 1 out_pad_h: 1 "
            "out_pad_w: 2", (5, 3), ((3, 4), (2, 1), (1, 2))),
        ("out_kernel_size: 2 out_stride: 3 out_pad: 1", (6, 9), ((2, 2), (3, 3), (1, 1))),
        ("out_kernel_size: 5 out_stride: 0", (5, 5), ((5, 5), (0, 0))),
    )
] + [
    LayerCase("UnPooling", f"unpooling_param {{ unpool: {method} out_kernel_size: 1 }}",
        [x, like], [y],
        lambda x, like, m=method, given=given: unpooled(x, *given, method=m))
    for method in ("FIXED", "REP", "DIV")
    for x, like, y, given in (
        ((1, 2, 1, 1), (1, 9, 3, 4), (1, 2, 3, 4), ((3, 4), (3, 4))),
        ((1, 2, 3, 2), (4, 1, 7, 4), (1, 2, 7, 4), ((7, 4), (3, 2), (3, 2), (1, 0))),
        ((1, 2, 2, 3), (1, 1, 3, 4), (1, 2, 4, 4), ((4, 4), (2, 2), (2, 2), (0, 1))),
    )
]

OTHERS = [
    LayerCase("Gather", "", [(2, 3), (4,)], [(2, 3), (4,)], lambda x, y: (x, y)),
    LayerCase("Scatter", "", [(2, 3, 2, 2)], [(2, 3, 2, 2)], lambda x: x),
    LayerCase("BlackHole", "", [(2, 3), (4,)], [(1,) * 5], lambda x, y: np.zeros((1,) * 5),
        smooth=()),
] + [
    LayerCase("L2Normalize", "", [shape], [shape],
        lambda x: np.stack([row / np.sqrt((row * row).sum() + 1e-7) for row in x]))
    for shape in ((3, 5), (2, 3, 2, 4), (2, 3, 2, 3, 2), (4,))
]
# fmt: on

CASES: list[LayerCase] = [*REDUCTIONS, *GROUPINGS, *UNPOOLINGS, *OTHERS, *PARSES]
