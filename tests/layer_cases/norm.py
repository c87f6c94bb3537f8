"""Rows of BatchNorm and MVN.

A BatchNorm that has seen nothing has mean and variance 0; tests/layers/test_batch_norm.py is about
what it has seen.
"""

from __future__ import annotations

import numpy as np

from ..cases import LayerCase
from . import norm_reference as ref

TEN = np.sqrt(np.float32(0.01), dtype=np.float64)

# fmt: off
BATCH_NORMS = [
    LayerCase("BatchNorm", f"batch_norm_param {{ {fields} }}", [x], [x], want, phases=phases)
    for fields, x, want, phases in (
        ("", (4, 3, 5, 4), ref.batch_norm, ("TRAIN",)),
        ("", (6, 5), ref.batch_norm, ("TRAIN",)),
        ("", (3, 2, 7), ref.batch_norm, ("TRAIN",)),
        ("", (2, 3, 2, 3, 2), ref.batch_norm, ("TRAIN",)),
        ("", (1, 3, 4, 4), ref.batch_norm, ("TRAIN",)),
        ("", (1, 4), np.zeros_like, ("TRAIN",)),
        ("eps: 0.5 moving_average_fraction: 0.9", (4, 3, 2, 2),
            lambda x: ref.batch_norm(x, 0.5), ("TRAIN",)),
        ("use_global_stats: false", (4, 3, 5, 4), ref.batch_norm, ("TRAIN", "TEST")),
        ("eps: 0.01", (2, 3, 4, 5), lambda x: x / TEN, ("TEST",)),
        ("eps: 0.01 use_global_stats: true", (5, 3), lambda x: x / TEN, ("TRAIN", "TEST")),
    )
]

MVNS = [
    LayerCase("MVN", f"mvn_param {{ {fields} }}", [x], [y], want)
    for fields, x, y, want in (
        ("", (2, 3, 4, 5), (2, 3, 4, 5), ref.mvn),
        ("", (2, 3, 6), (2, 3, 6, 1), ref.mvn),
        ("normalize_variance: false", (2, 3, 4, 5), (2, 3, 4, 5),
            lambda x: ref.mvn(x, normalize=False)),
        ("across_channels: true", (2, 3, 4, 5), (2, 3, 4, 5), lambda x: ref.mvn(x, across=True)),
        ("across_channels: true", (3, 5), (3, 5, 1, 1), lambda x: ref.mvn(x, across=True)),
        ("across_channels: true normalize_variance: false", (2, 6), (2, 6, 1, 1),
            lambda x: ref.mvn(x, across=True, normalize=False)),
        ("normalize_variance: false", (4,), (4, 1, 1, 1), lambda x: np.zeros((4, 1, 1, 1))),
    )
] + [
    LayerCase("MVN", "mvn_param { eps: 0.5 }", [(2, 3, 4, 5)], [(2, 3, 4, 5)],
        lambda x: ref.mvn(x, eps=0.5), smooth=()),
]

def unit(x, scale, across=True, eps=1e-10):
    norm = np.sqrt((x * x).sum(tuple(range(1, x.ndim)) if across else 1, keepdims=True) + eps)
    return x / norm * scale.reshape(scale.shape + (1,) * (x.ndim - 2) * scale.ndim)


NORMALIZES = [
    LayerCase("Normalize", f"norm_param {{ {fields} }}", [x], [x], want, blobs, smooth=smooth)
    for fields, x, blobs, want, smooth in (
        ("", (2, 3, 4, 5), [()], unit, None),
        ("eps: 0.5 across_spatial: false", (2, 3, 4), [()],
            lambda x, a: unit(x, a, False, 0.5), None),
        # Caffe's gradient is that of a single factor; tests/layers/test_loss_gradients.py has it.
        ("channel_shared: false across_spatial: false", (2, 3, 4, 5), [(3,)],
            lambda x, a: unit(x, a, False), ()),
        ("channel_shared: false scale_filler { type: 'uniform' }", (4, 6), [(6,)], unit, ()),
    )
]
# fmt: on

CASES: list[LayerCase] = [*BATCH_NORMS, *MVNS, *NORMALIZES]
