"""Rows of element-wise layers."""

from __future__ import annotations

import math

import numpy as np

from ..cases import EXTREME, LayerCase, positive

X = (2, 3, 4, 5)
F = np.float32


def each(f):
    """f on every element."""
    return np.vectorize(f, otypes=[float])


def prelu(x, a):
    slope = a.reshape(-1, *(1,) * (x.ndim - 2)) if a.ndim else a
    return np.maximum(x, 0) + slope * np.minimum(x, 0)


def elu(alpha=1.0):
    return each(lambda x: x if x > 0 else alpha * math.expm1(x))


def swish(beta=1.0):
    return each(lambda x: x / (1 + math.exp(-beta * x)))


def power(p=1.0, scale=1.0, shift=0.0):
    return each(lambda x: (shift + scale * x) ** p)


# fmt: off
PRELUS = [
    LayerCase("PReLU", f"prelu_param {{ {fields} }}", [x], [x], prelu, blobs)
    for fields, x, blobs in (
        ("", X, [(3,)]),
        ("", (4, 3), [(3,)]),
        ("filler { type: 'gaussian' }", (2, 3, 7), [(3,)]),
        ("filler { value: 0.1 } channel_shared: false", (2, 3, 2, 3, 2), [(3,)]),
        ("channel_shared: true", X, [()]),
        ("channel_shared: true filler { value: 0.5 }", (3, 4), [()]),
    )
]

OTHERS = [
    LayerCase(type, fields, [x], [np.shape(x) if isinstance(x, np.ndarray) else x], want)
    for type, fields, x, want in (
        ("ELU", "", X, elu()),
        ("ELU", "elu_param { alpha: 0.25 }", (7,), elu(0.25)),
        ("ELU", "elu_param { alpha: -2 }", (2, 3), elu(-2)),
        ("ELU", "elu_param { alpha: 1.5 lambda: 2 }", X,
            each(lambda x: 2 * x if x > 0 else 3 * math.expm1(x))),
        ("ReLU6", "", np.linspace(-3, 9, 24).reshape(1, 2, 3, 4), lambda x: np.clip(x, 0, 6)),
        ("NegReLU", "", X, lambda x: np.minimum(x, 0)),
        ("NegReLU", "relu_param { negative_slope: 0.5 }", (7,),
            lambda x: np.where(x < 0, x, x / 2)),
        ("Cosine", "", X, np.cos),
        ("Mish", "", X, each(lambda x: x * math.tanh(math.log1p(math.exp(x))))),
        ("HardSwish", "", np.linspace(-5, 4.9, 24).reshape(1, 2, 3, 4),
            each(lambda x: x * min(max(x + 3, 0), 6) / 6)),
        ("Swish", "", X, swish()),
        ("Swish", "swish_param { beta: 2.5 }", (6,), swish(2.5)),
        ("Swish", "swish_param { beta: 0 }", (2, 3), lambda x: x / 2),
        ("BNLL", "", X, each(lambda x: math.log1p(math.exp(x)))),
        ("BNLL", "", np.linspace(-30, 30, 24).reshape(2, 12),
            each(lambda x: max(x, 0) + math.log1p(math.exp(-abs(x))))),
        ("AbsVal", "", X, abs),
        ("Clip", "clip_param { min: -0.5 max: 1.2 }", X,
            each(lambda x: -0.5 if x < -0.5 else F(1.2) if x > 1.2 else x)),
        ("Clip", "clip_param { min: 0 max: 6 }", (5,), each(lambda x: x if x > 0 else 0)),
        ("Clip", "clip_param { min: 1 max: -1 }", (2, 3), np.ones_like),
        ("Power", "", X, lambda x: x),
        ("Power", "power_param { scale: 2 shift: -1 }", (2, 3), power(1, 2, -1)),
        ("Power", "power_param { power: 2 scale: 0.5 shift: 1 }", X, power(2, 0.5, 1)),
        ("Power", "power_param { power: 3 }", (2, 3), power(3)),
        ("Power", "power_param { power: -1 shift: 3 }", (2, 3), power(-1, 1, 3)),
        ("Power", "power_param { power: -2 }", (2, 3), power(-2)),
        ("Power", "power_param { power: 0.5 scale: -1 shift: 2 }", X, power(0.5, -1, 2)),
        ("Power", "power_param { power: -0.5 }", positive(2, 3), power(-0.5)),
        ("Power", "power_param { power: 0.37 }", positive(3, 4), power(F(0.37))),
        ("Power", "power_param { power: 2.25 shift: 2 }", X, power(2.25, 1, 2)),
        ("Power", "power_param { power: -1.75 scale: 0.5 shift: 2 }", (7,), power(-1.75, 0.5, 2)),
        ("Power", "power_param { power: 0 shift: 2 }", X, np.ones_like),
        ("Power", "power_param { power: 3 scale: 0 shift: 2 }", (2, 3),
            lambda x: np.full(x.shape, 8.0)),
        ("Power", "power_param { power: 0 scale: 0 }", (2, 3), np.ones_like),
        ("Exp", "", X, np.exp),
        ("Exp", "exp_param { base: 2 }", (2, 3), lambda x: 2**x),
        ("Exp", "exp_param { scale: -0.5 shift: 1.5 }", (2, 3), lambda x: np.exp(1.5 - 0.5 * x)),
        ("Exp", "exp_param { base: 0.5 scale: 3 shift: -2 }", X, lambda x: 0.5 ** (3 * x - 2)),
        ("Exp", "exp_param { base: 1 }", (2, 3), np.ones_like),
        ("Log", "", positive(2, 3, 4, 5), np.log),
        ("Log", "log_param { base: 2 scale: 2 shift: 5 }", X, lambda x: np.log2(2 * x + 5)),
        ("Log", "log_param { base: 0.5 scale: -1 shift: 3 }", (7,), lambda x: -np.log2(3 - x)),
    )
] + [
    LayerCase("Threshold", fields, [x], [np.shape(x)], want, smooth=())
    for fields, x, want in (
        ("", np.array([[-1.0, 0.0, 0.5]]), lambda x: np.array([[0, 0, 1]])),
        ("threshold_param { threshold: 0.5 }", np.array([0.0, 0.5, 1.0]),
            lambda x: np.array([0, 0, 1])),
        ("threshold_param { threshold: -1 }", np.linspace(-2, 2, 24).reshape(1, 2, 3, 4),
            lambda x: np.where(x > -1, 1, 0)),
    )
] + [
    LayerCase("Dropout", "dropout_param { scale_train: false dropout_ratio: 0.25 }", [X], [X],
        lambda x: 0.75 * x, phases=("TEST",)),
    LayerCase("ELU", "", [EXTREME], [(2, 3)], elu(), smooth=()),
    LayerCase("Swish", "", [EXTREME], [(2, 3)], lambda x: np.maximum(x, 0), smooth=()),
    LayerCase("BNLL", "", [EXTREME], [(2, 3)],
        lambda x: np.maximum(x, 0) + np.where(x == 0, math.log(2), 0), smooth=()),
]
# fmt: on

DROPOUTS = [
    LayerCase(
        "SpatialDropout", f"spatial_dropout_param {{ {fields} }}", [x], [x], want, phases=phases
    )
    for fields, x, want, phases in (
        ("dropout_ratio: 0.3", X, lambda x: x, ("TEST",)),
        ("", X, None, ("TRAIN",)),
        ("", (5, 6), None, ("TRAIN",)),
        ("dropout_ratio: 0", (2, 3), lambda x: x, ("TRAIN", "TEST")),
    )
]

CASES: list[LayerCase] = [*PRELUS, *OTHERS, *DROPOUTS]
