"""Rows of CenterLoss and of happynear's Normalize."""

from __future__ import annotations

import numpy as np

from ..cases import LayerCase, labels

EPS = float(np.float32(1e-6))
X = (2, 3, 2, 4)


def center_loss(x, label, centers):
    rows = x.reshape(len(x), -1)
    pairs = zip(rows, label.ravel(), strict=True)
    return np.array(sum(((row - centers[int(y)]) ** 2).sum() for row, y in pairs) / (2 * len(x)))


def triplet_loss(a, b, c, margin):
    total = 0.0
    for x, y, z in zip(*(v.reshape(len(v), -1) for v in (a, b, c)), strict=True):
        total += max(margin + sum((x - y) ** 2) - sum((x - z) ** 2), 0)
    return np.array(total / (2 * len(a)))


def norm(x, power):
    size = (np.abs(x) ** power).sum(1, keepdims=True) + EPS
    return size if power == 1 else np.sqrt(size)


def column(x, power):
    size = norm(x, power)
    return size.reshape((*size.shape, 1, 1)[:4])


# fmt: off
CASES = [
    LayerCase("CenterLoss", "center_loss_param { num_output: 3 }", [x, labels(y, 3)], [()],
        center_loss, [(3, k)], smooth=())
    for x, y, k in (((6, 4), (6,), 4), ((5, 2, 3), (5, 1), 6), ((4, 2, 1, 1), (4, 1, 1, 1), 2))
] + [
    LayerCase("TripletLoss", fields, [x] * 3, [()],
        lambda a, b, c, m=margin: triplet_loss(a, b, c, m))
    for fields, x, margin in (
        ("", (5, 3), 1), ("triplet_loss_param { margin: 6 }", (4, 2, 1, 1), 6), ("", (1, 4), 1),
    )
] + [
    LayerCase("Normalize", f"normalize_param {{ {fields} }}", [x], [x], want)
    for fields, x, want in (
        ("normalize_type: 'L2'", X, lambda x: x / norm(x, 2)),
        ("normalize_type: 'L1'", X, lambda x: x / norm(x, 1)),
        ("normalize_type: 'L2' bp_norm: true", (5, 3), lambda x: x / norm(x, 2)),
    )
] + [
    LayerCase("Normalize", "normalize_param { fix_gradient: true }", [X], [X],
        lambda x: x / norm(x, 2), smooth=()),
] + [
    LayerCase("Normalize", f"normalize_param {{ {fields} }}", [x], [x, told],
        lambda x, k=power: (x / norm(x, k), column(x, k)), smooth=smooth)
    for fields, x, told, power, smooth in (
        ("bp_norm: true", X, (2, 1, 2, 4), 2, None),
        ("normalize_type: 'L1' bp_norm: true", (5, 3), (5, 1, 1, 1), 1, None),
        ("bp_norm: false", X, (2, 1, 2, 4), 2, (0,)),
    )
]
# fmt: on
