"""Rows of layers that cut, pick, reorder or sum up elements, and of blobs by themselves."""

from __future__ import annotations

import itertools

import numpy as np

from ..cases import TIES, LayerCase, labels, positive


def reduction(x, operation="SUM", axis=0, coefficient=1.0):
    term = {"SUM": lambda v: v, "ASUM": abs, "SUMSQ": lambda v: v * v, "MEAN": lambda v: v}
    rows = x.reshape(int(np.prod(x.shape[:axis])), -1)
    sums = np.array([sum(map(term[operation], row)) for row in rows])
    scale = coefficient / rows.shape[1] if operation == "MEAN" else coefficient
    return scale * sums.reshape(x.shape[:axis])


def ranked(row, top_k):
    """The top_k pairs (value, index) in falling order."""
    return sorted(((v, i) for i, v in enumerate(row)), reverse=True)[:top_k]


def argmax(x, top_k=1, values=False):
    """Over all but the batch: (N, 1 or 2, top_k, 1 ...)."""
    found = [ranked(item.ravel(), top_k) for item in x]
    rows = [[[i for _, i in pairs], [v for v, _ in pairs]][: 1 + values] for pairs in found]
    return np.array(rows, float).reshape(len(x), 1 + values, top_k, *(1,) * (x.ndim - 3))


def argmax_along(x, axis, top_k=1, values=False):
    y = np.zeros((*x.shape[:axis], top_k, *x.shape[axis + 1 :]))
    for place in itertools.product(*(range(n) for i, n in enumerate(x.shape) if i != axis)):
        line = (*place[:axis], slice(None), *place[axis:])
        y[line] = [v if values else i for v, i in ranked(x[line], top_k)]
    return y


def embed(index, w, b=0):
    return np.stack([w[int(i)] + b for i in index.ravel()]).reshape(*index.shape, -1)


# fmt: off
SLICES = [
    LayerCase("Slice", f"slice_param {{ {fields} }}", [x], tops,
        lambda x, axis=axis, at=at: tuple(np.split(x, at, axis)))
    for fields, x, tops, axis, at in (
        ("", (2, 6, 4), [(2, 2, 4)] * 3, 1, 3),
        ("slice_point: 1 slice_point: 4", (2, 6, 3, 2), [(2, 1, 3, 2), (2, 3, 3, 2), (2, 2, 3, 2)],
            1, [1, 4]),
        ("axis: 0", (4, 3), [(2, 3)] * 2, 0, 2),
        ("axis: -1 slice_point: 3", (2, 3, 2, 5), [(2, 3, 2, 3), (2, 3, 2, 2)], 3, [3]),
        ("slice_dim: 2 slice_point: 1", (2, 3, 4, 5), [(2, 3, 1, 5), (2, 3, 3, 5)], 2, [1]),
        ("axis: 1 slice_point: 3", (2, 3), [(2, 3), (2, 0)], 1, [3]),
        ("", (2, 3), [(2, 3)], 1, 1),
        ("axis: 0 slice_point: 2", (5,), [(2,), (3,)], 0, [2]),
    )
]

TILES = [
    LayerCase("Tile", f"tile_param {{ {fields} }}", [x], [y],
        lambda x, axis=axis, n=n: np.concatenate([x] * n, axis))
    for fields, x, y, axis, n in (
        ("tiles: 3", (2, 3, 4), (2, 9, 4), 1, 3),
        ("tiles: 2", (2, 3, 4, 5), (2, 6, 4, 5), 1, 2),
        ("tiles: 2 axis: 0", (2, 3), (4, 3), 0, 2),
        ("tiles: 4 axis: -1", (2, 1, 2, 3), (2, 1, 2, 12), 3, 4),
        ("tiles: 1 axis: 2", (2, 3, 4), (2, 3, 4), 2, 1),
    )
]

REDUCTIONS = [
    LayerCase("Reduction", f"reduction_param {{ {fields} }}", [x], [y],
        lambda x, o=operation, a=axis, c=coefficient: reduction(x, o, a, c))
    for fields, x, y, operation, axis, coefficient in (
        ("", positive(2, 3, 4), (), "SUM", 0, 1),
        ("operation: SUM axis: 1 coeff: 2.5", (2, 3, 4), (2,), "SUM", 1, 2.5),
        ("operation: ASUM axis: -1", (2, 3, 4, 5), (2, 3, 4), "ASUM", 3, 1),
        ("operation: ASUM coeff: -0.5", (7,), (), "ASUM", 0, -0.5),
        ("operation: SUMSQ axis: 1 coeff: 0.25", (3, 2, 2, 2), (3,), "SUMSQ", 1, 0.25),
        ("operation: MEAN", positive(2, 3), (), "MEAN", 0, 1),
        ("operation: MEAN axis: 2 coeff: 3", (2, 3, 4, 5), (2, 3), "MEAN", 2, 3),
    )
]

ARGMAXES = [
    LayerCase("ArgMax", f"argmax_param {{ {fields} }}", [x], [y], want, smooth=(), indices=(0,))
    for fields, x, y, want in (
        ("", (3, 5), (3, 1, 1), argmax),
        ("", (3, 5, 1, 1), (3, 1, 1, 1), argmax),
        ("top_k: 4", (2, 3, 2, 2), (2, 1, 4, 1), lambda x: argmax(x, 4)),
        ("out_max_val: true", (2, 3, 2), (2, 2, 1), lambda x: argmax(x, 1, True)),
        ("out_max_val: true top_k: 3", (2, 3, 2, 2, 2), (2, 2, 3, 1, 1),
            lambda x: argmax(x, 3, True)),
        ("", (4,), (4, 1, 1), argmax),
        ("axis: 1", (3, 5, 4), (3, 1, 4), lambda x: argmax_along(x, 1)),
        ("axis: -1 top_k: 2", (3, 5, 4), (3, 5, 2), lambda x: argmax_along(x, 2, 2)),
        ("axis: 0 top_k: 3", (3, 2), (3, 2), lambda x: argmax_along(x, 0, 3)),
        ("", TIES, (2, 1, 1), argmax),
        ("", np.ones((2, 4)), (2, 1, 1), lambda x: np.full((2, 1, 1), 3.0)),
        ("top_k: 3", np.ones((1, 4)), (1, 1, 3), lambda x: np.array([[[3.0, 2.0, 1.0]]])),
        ("axis: 1 top_k: 2", np.array([[2.0, 5.0, 5.0, 2.0]]), (1, 2),
            lambda x: np.array([[2, 1]])),
    )
] + [
    LayerCase("ArgMax", f"argmax_param {{ {fields} }}", [x], [y], want, smooth=())
    for fields, x, y, want in (
        ("axis: 1 out_max_val: true", (3, 5, 4), (3, 1, 4),
            lambda x: argmax_along(x, 1, 1, True)),
        ("axis: 2 top_k: 3 out_max_val: true", (2, 2, 5, 3), (2, 2, 3, 3),
            lambda x: argmax_along(x, 2, 3, True)),
    )
]

PICKED = [
    LayerCase("BatchReindex", "", [(4, 3, 2), np.array([0, 2, 2, 3, 1])], [(5, 3, 2)],
        lambda x, i: x[i.astype(int)]),
    LayerCase("BatchReindex", "", [(3,), np.array([2, 2])], [(2,)], lambda x, i: x[i.astype(int)]),
    LayerCase("BatchReindex", "", [(3, 1, 2, 2), np.zeros(0, int)], [(0, 1, 2, 2)],
        lambda x, i: np.zeros((0, 1, 2, 2)), smooth=()),
    LayerCase("Filter", "", [(4, 3), np.ones(4, int)], [(4, 3)], lambda x, s: x),
    LayerCase("Filter", "", [(3, 2, 2, 2), (3,), np.array([[[[2]]], [[[-1]]], [[[1]]]])],
        [(3, 2, 2, 2), (3,)], lambda x, y, s: (x, y)),
    LayerCase("Parameter", "parameter_param { shape { dim: 2 dim: 3 } }", [], [(2, 3)],
        blobs=[(2, 3)]),
    LayerCase("Parameter", "", [], [()], blobs=[()]),
]

PERMUTES = [
    LayerCase("Permute", f"permute_param {{ {fields} }}", [x], [y],
        lambda x, order=order: x.transpose(order))
    for fields, x, y, order in (
        ("order: 0 order: 2 order: 3 order: 1", (2, 3, 4, 5), (2, 4, 5, 3), (0, 2, 3, 1)),
        ("order: 2", (2, 3, 4), (4, 2, 3), (2, 0, 1)),
        ("", (2, 3), (2, 3), (0, 1)),
    )
]


def reorg(x, s, reverse=False):
    """Darknet's loop: element (k, j, i) of one side to (k % C', j s + y, i s + x) of the other."""
    n, c, h, w = x.shape
    small = c // (s * s)
    flat = x.reshape(n, -1)
    y = np.zeros_like(flat)
    for k, j, i in np.ndindex(c, h, w):
        at = i + w * (j + h * k)
        dy, dx = divmod(k // small, s)
        other = i * s + dx + w * s * (j * s + dy + h * s * (k % small))
        if reverse:
            y[:, other] = flat[:, at]
        else:
            y[:, at] = flat[:, other]
    if reverse:
        return y.reshape(n, small, h * s, w * s)
    return y.reshape(n, c * s * s, h // s, w // s)


REORGS = [
    LayerCase("Reorg", "reorg_param { stride: 2 }", [(2, 8, 4, 6)], [(2, 32, 2, 3)],
        lambda x: reorg(x, 2)),
    LayerCase("Reorg", "reorg_param { stride: 2 reverse: true }", [(2, 8, 3, 5)], [(2, 2, 6, 10)],
        lambda x: reorg(x, 2, True)),
    LayerCase("Reorg", "reorg_param { stride: 1 }", [(1, 2, 3, 4)], [(1, 2, 3, 4)], lambda x: x),
]

EMBEDS = [
    LayerCase("Embed", f"embed_param {{ {fields} }}", [index], [y], embed, blobs)
    for fields, index, y, blobs in (
        ("input_dim: 6 num_output: 5", labels((3, 4), 6), (3, 4, 5), [(6, 5), (5,)]),
        ("input_dim: 3 num_output: 2 bias_term: false", labels((7,), 3), (7, 2), [(3, 2)]),
        ("input_dim: 4 num_output: 1 weight_filler { type: 'uniform' } bias_filler { value: 1 }",
            labels((2, 1, 3, 1), 4), (2, 1, 3, 1, 1), [(4, 1), (1,)]),
        ("input_dim: 4 num_output: 3", np.array(2), (3,), [(4, 3), (3,)]),
    )
]
# fmt: on

CASES: list[LayerCase] = [
    *SLICES, *TILES, *REDUCTIONS, *ARGMAXES, *PICKED, *PERMUTES, *REORGS, *EMBEDS,
]  # fmt: skip
