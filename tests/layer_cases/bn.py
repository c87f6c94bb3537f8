"""Rows of the layers called BN; tests/layers/test_bn.py is about what they have seen."""

from __future__ import annotations

import numpy as np

from ..cases import LayerCase
from .norm_reference import batch_norm

X, C = (4, 3, 2, 3), (1, 3, 1, 1)
EPS, TINY, VAR_EPS = (np.float32(v) for v in (1e-5, 1e-9, 1e-10))


def affine(x, a, b):
    a, b = (v.reshape(1, -1, *(1,) * (x.ndim - 2)) for v in (a, b))
    return a * x + b


def scaled(eps):
    return lambda x, a, b: affine(batch_norm(x, eps), a, b)


def of_past(x, a, b):
    """Before anything is seen: mean and variance are 0."""
    return affine(x / np.sqrt(np.float64(np.float32(0.01))), a, b)


def by_position(x, a, b):
    y = batch_norm(x.reshape(len(x), -1), VAR_EPS).reshape(x.shape)
    return a * y + b


def statistics(x, a, b):
    mean, variance = (f(x, axis=(0, 2, 3)).reshape(C) for f in (np.mean, np.var))
    return scaled(TINY)(x, a, b), mean, variance


# fmt: off
CASES = [
    LayerCase("BN", f"bn_param {{ {fields} }}", [x], [x], want, [c, c], phases=phases)
    for fields, x, c, want, phases in (
        ("slope_filler { value: 1 }", X, C, scaled(EPS), ("TRAIN",)),
        ("eps: 0.01", X, C, of_past, ("TEST",)),
        ("momentum: 0.5 eps: 0.5", (5, 3), C, scaled(0.5), ("TRAIN",)),
        ("scale_filler { value: 1 }", X, C, scaled(TINY), ("TRAIN", "TEST")),
        ("bn_mode: INFERENCE", X, C, affine, ("TRAIN", "TEST")),
        ("var_eps: 1e-10", X, C, scaled(VAR_EPS), ("TRAIN", "TEST")),
        ("moving_average: true var_eps: 0.5", X, C, scaled(0.5), ("TRAIN",)),
        ("moving_average: true var_eps: 0.01", X, C, of_past, ("TEST",)),
        ("across_spatial: false", X, (1, *X[1:]), by_position, ("TRAIN", "TEST")),
    )
] + [
    LayerCase("BN", "bn_param { frozen: true }", [X], [X], lambda x: 0 * x),
    LayerCase("BN", "bn_param { bn_mode: LEARN }", [X], [X, C, C], statistics, [C, C],
        smooth=(0,)),
    LayerCase("BN", "", [X], [X], scaled(TINY), [C, C], dialect="enet"),
    LayerCase("BN", "", [X], [X], scaled(VAR_EPS), [C, C], dialect="parsenet"),
] + [
    LayerCase("BatchNorm", f"batch_norm_param {{ {fields} }}", [x], [x], want, [(3,)] * count,
        phases=phases, dialect=dialect)
    for fields, x, want, count, phases, dialect in (
        ("scale_bias: true", X, scaled(EPS), 2, ("TRAIN",), ""),
        ("scale_filler { value: 2 } eps: 0.5", (5, 3), scaled(0.5), 2, ("TRAIN",), ""),
        ("scale_bias: true eps: 0.01", X, of_past, 2, ("TEST",), ""),
        ("eps: 1e-9", X, lambda x: batch_norm(x, EPS), 0, ("TRAIN",), "nvcaffe"),
        ("use_weight_bias: true", X, scaled(EPS), 2, ("TRAIN",), ""),
        ("use_weight_bias: true bias_term: false", X,
            lambda x, a: affine(batch_norm(x, EPS), a, 0 * a), 1, ("TRAIN",), ""),
        ("use_weight_bias: false relu: true", X, lambda x: np.maximum(batch_norm(x, EPS), 0), 0,
            ("TRAIN",), ""),
        ("eps: 0.01 filler { value: 3 } engine: MKLDNN", X, of_past, 2, ("TEST",), ""),
        ("engine: CAFFE stats_batch_size: 4", X, lambda x: batch_norm(x, EPS), 0, ("TRAIN",), ""),
    )
] + [
    LayerCase("SyncBN", "", [X], [X], scaled(EPS), [(1, 3)] * 2, phases=("TRAIN",)),
]
# fmt: on
