"""Rows of SPP and Crop."""

from __future__ import annotations

import numpy as np

from .. import reference as ref
from ..cases import LayerCase, positive


def spp(x, levels, pool):
    """The pooled levels, each flattened, joined; `pool(x, kernel=, pad=)` has stride = kernel."""
    parts = []
    for level in range(levels):
        bins = 2**level
        kernel = tuple(int(np.ceil(n / bins)) for n in x.shape[2:])
        pad = tuple((k * bins - n + 1) // 2 for k, n in zip(kernel, x.shape[2:], strict=True))
        parts.append(pool(x, kernel=kernel, pad=pad))
        assert parts[-1].shape[2:] == (bins, bins)
    return np.concatenate([p.reshape(len(x), -1) for p in parts], 1)


def pooled(method):
    return lambda x, kernel, pad: ref.pooling(x, method, kernel=kernel, stride=kernel, pad=pad)[0]


def expected(x, kernel, pad):
    assert pad == (0, 0)
    return ref.expected_pooling(x, kernel=kernel, stride=kernel)


def crop(x, like, *, axis: int = 2, offset: int | tuple[int, ...] = 0):
    y = np.empty((*x.shape[:axis], *like.shape[axis : x.ndim]))
    starts = offset if isinstance(offset, tuple) else (offset,) * (x.ndim - axis)
    for place in np.ndindex(*y.shape):
        moved = [i + s for i, s in zip(place[axis:], starts, strict=True)]
        y[place] = x[(*place[:axis], *moved)]
    return y


def thetas(*shape):
    """Matrices that put no pixel right on another, where the gradient has a kink."""
    return np.random.default_rng(8).normal(0, 0.6, shape)


def transformed(x, theta, size=None, fixed=()):
    """Pixel by pixel, the four neighbours of each place."""
    (height, width), out = x.shape[2:], size or x.shape[2:]
    y = np.zeros((*x.shape[:2], *out))
    for n in range(len(x)):
        free = iter(theta[n].ravel())
        whole = [np.float32(fixed[k]) if k in fixed else next(free) for k in PLACES]
        for s, t in np.ndindex(*out):
            p, q = np.reshape(whole, (2, 3)) @ [2 * s / out[0] - 1, 2 * t / out[1] - 1, 1]
            at = height * (p + 1) / 2, width * (q + 1) / 2
            for i, j in np.ndindex(height, width):
                share = max(0, 1 - abs(at[0] - i)) * max(0, 1 - abs(at[1] - j))
                y[n, :, s, t] += share * x[n, :, i, j]
    return y


# fmt: off
SPPS = [
    LayerCase("SPP", f"spp_param {{ {fields} }}", [x], [y], want)
    for fields, x, y, want in (
        ("pyramid_height: 3", (2, 3, 9, 8), (2, 63), lambda x: spp(x, 3, pooled("MAX"))),
        ("pyramid_height: 2 pool: MAX engine: CAFFE", (2, 2, 5, 3), (2, 10),
            lambda x: spp(x, 2, pooled("MAX"))),
        ("pyramid_height: 3 pool: AVE", (2, 2, 7, 11), (2, 42), lambda x: spp(x, 3, pooled("AVE"))),
        ("pyramid_height: 4 pool: AVE", (1, 1, 8, 16), (1, 85), lambda x: spp(x, 4, pooled("AVE"))),
        ("pyramid_height: 1", (2, 3, 4, 5), (2, 3, 1, 1), lambda x: ref.pooling(x, "MAX")[0]),
        ("pyramid_height: 1 pool: AVE", (2, 3, 4, 5), (2, 3, 1, 1),
            lambda x: ref.pooling(x, "AVE")[0]),
    )
] + [
    LayerCase("SPP", "spp_param { pyramid_height: 3 pool: STOCHASTIC }", [positive(2, 2, 4, 8)],
        [(2, 42)], lambda x: spp(x, 3, expected), phases=("TEST",)),
    LayerCase("SPP", "spp_param { pyramid_height: 2 pool: STOCHASTIC }", [positive(2, 2, 4, 6)],
        [(2, 10)], phases=("TRAIN",)),
]

THETA = {"theta_1_1": 0.7, "theta_2_3": -0.25}
PLACES = ["theta_1_1", "theta_1_2", "theta_1_3", "theta_2_1", "theta_2_2", "theta_2_3"]
FIXED = " ".join(f"{k}: {v}" for k, v in THETA.items())

TRANSFORMS = [
    LayerCase("SpatialTransformer", f"st_param {{ {fields} }}", [x, theta], [y], want)
    for fields, x, theta, y, want in (
        ("", (2, 3, 4, 5), thetas(2, 6), (2, 3, 4, 5), transformed),
        ("output_H: 3 output_W: 6", (1, 2, 4, 3), thetas(1, 6, 1), (1, 2, 3, 6),
            lambda x, t: transformed(x, t, (3, 6))),
        (f"output_W: 2 {FIXED}", (2, 1, 3, 4), thetas(2, 4), (2, 1, 3, 2),
            lambda x, t: transformed(x, t, (3, 2), THETA)),
    )
]

CROPS = [
    LayerCase("Crop", f"crop_param {{ {fields} }}", [x, like], [y], want)
    for fields, x, like, y, want in (
        ("", (2, 3, 5, 6), (2, 3, 4, 3), (2, 3, 4, 3), crop),
        ("offset: 1", (2, 3, 5, 6), (7, 9, 4, 3), (2, 3, 4, 3),
            lambda x, like: crop(x, like, offset=1)),
        ("axis: 2 offset: 1 offset: 3", (2, 3, 5, 6), (2, 3, 4, 3), (2, 3, 4, 3),
            lambda x, like: crop(x, like, offset=(1, 3))),
        ("axis: 1 offset: 2 offset: 0 offset: 1", (2, 5, 4, 4), (2, 3, 4, 2), (2, 3, 4, 2),
            lambda x, like: crop(x, like, axis=1, offset=(2, 0, 1))),
        ("axis: -1 offset: 2", (2, 3, 4, 5), (1, 1, 1, 3), (2, 3, 4, 3),
            lambda x, like: crop(x, like, axis=3, offset=2)),
        ("axis: 0", (3, 4), (2, 4), (2, 4), lambda x, like: crop(x, like, axis=0)),
        ("", (2, 3, 5), (2, 3, 4, 9), (2, 3, 4), crop),
        ("", (2, 3, 4, 5), (2, 3, 4, 5), (2, 3, 4, 5), lambda x, like: x),
    )
]
# fmt: on

CASES = [*SPPS, *CROPS, *TRANSFORMS]
