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

CASES = [*SPPS, *CROPS]
