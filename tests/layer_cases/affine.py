"""Rows of Scale and Bias."""

from __future__ import annotations

import numpy as np

from ..cases import LayerCase


def spread(x, v, axis):
    """v, whose first axis is axis `axis` of x, in the shape of x."""
    y = np.empty_like(x)
    for place in np.ndindex(*x.shape):
        y[place] = v[place[axis : axis + v.ndim]]
    return y


def scale(x, s, b=None, axis=1):
    y = x * spread(x, s, axis)
    return y if b is None else y + spread(x, b, axis)


def bias(x, b, axis=1):
    return x + spread(x, b, axis)


X = (2, 3, 4, 5)

# fmt: off
SCALES = [
    LayerCase("Scale", f"scale_param {{ {fields} }}", bottoms, [bottoms[0]], want, blobs)
    for fields, bottoms, blobs, want in (
        ("", [X], [(3,)], scale),
        ("bias_term: true", [X], [(3,)] * 2, scale),
        ("bias_term: true", [(4, 3)], [(3,)] * 2, scale),
        ("", [(1, 3, 4, 5)], [(3,)], scale),
        ("filler { type: 'uniform' } bias_term: true bias_filler { value: 2 }", [(2, 3, 4)],
            [(3,)] * 2, scale),
        ("axis: 0", [X], [(2,)], lambda x, s: scale(x, s, axis=0)),
        ("axis: 0 num_axes: 2 bias_term: true", [X], [(2, 3)] * 2,
            lambda x, s, b: scale(x, s, b, axis=0)),
        ("axis: 2 num_axes: 2", [X], [(4, 5)], lambda x, s: scale(x, s, axis=2)),
        ("axis: -2 bias_term: true", [X], [(4,)] * 2, lambda x, s, b: scale(x, s, b, axis=2)),
        ("axis: -1", [(2, 3, 4)], [(4,)], lambda x, s: scale(x, s, axis=2)),
        ("num_axes: -1", [X], [(3, 4, 5)], scale),
        ("axis: 0 num_axes: -1 bias_term: true", [(2, 3, 4)], [(2, 3, 4)] * 2,
            lambda x, s, b: scale(x, s, b, axis=0)),
        ("num_axes: 0", [X], [()], scale),
        ("axis: 3 num_axes: 0 bias_term: true", [X], [()] * 2, scale),
        ("axis: 0 num_axes: 0", [(6,)], [()], scale),
        ("axis: 0", [(6,)], [(6,)], lambda x, s: scale(x, s, axis=0)),
        ("axis: 2", [(2, 3, 2, 3, 2)], [(2,)], lambda x, s: scale(x, s, axis=2)),
        ("", [X, (3,)], [], scale),
        ("axis: 0", [X, (2, 3)], [], lambda x, s: scale(x, s, axis=0)),
        ("axis: 0 num_axes: 7", [X, X], [], lambda x, s: scale(x, s, axis=0)),
        ("axis: 1 bias_term: true", [X, (3, 4)], [(3, 4)], scale),
        ("axis: -1 bias_term: true", [(4, 3), (3,)], [(3,)], scale),
        ("axis: 9", [X, ()], [], scale),
        ("bias_term: true", [(4, 3), ()], [()], scale),
    )
]

BIASES = [
    LayerCase("Bias", f"bias_param {{ {fields} }}", bottoms, [bottoms[0]], want, blobs)
    for fields, bottoms, blobs, want in (
        ("", [X], [(3,)], bias),
        ("filler { type: 'gaussian' }", [(4, 3)], [(3,)], bias),
        ("axis: 0 num_axes: 2", [(2, 3, 4)], [(2, 3)], lambda x, b: bias(x, b, axis=0)),
        ("axis: -2 num_axes: -1", [X], [(4, 5)], lambda x, b: bias(x, b, axis=2)),
        ("axis: 0", [(1, 3, 2, 2)], [(1,)], lambda x, b: bias(x, b, axis=0)),
        ("num_axes: 0", [X], [()], bias),
        ("axis: 0", [(6,)], [(6,)], lambda x, b: bias(x, b, axis=0)),
        ("", [X, (3,)], [], bias),
        ("axis: 2", [X, (4, 5)], [], lambda x, b: bias(x, b, axis=2)),
        ("axis: 5", [(2, 3), ()], [], bias),
    )
]
AXPYS = [
    LayerCase("Axpy", "", [a, x, x], [x],
        lambda a, x, y: spread(x, a.reshape(x.shape[:2]), 0) * x + y)
    for a, x in (((2, 3, 1, 1), X), ((2, 3), X), ((4, 5), (4, 5)), ((2, 3, 1), (2, 3, 4)))
]
# fmt: on

CASES: list[LayerCase] = [*SCALES, *BIASES, *AXPYS]
