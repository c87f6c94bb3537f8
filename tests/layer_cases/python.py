"""Rows of the Python layer: classes on the host and functions in the program."""

from __future__ import annotations

import numpy as np

from ..cases import LayerCase
from . import python_layers

MODULE = python_layers.__name__


def python(layer: str, more: str = "") -> str:
    return f"python_param {{ module: '{MODULE}' layer: '{layer}' {more} }}"


# fmt: off
CASES = [
    LayerCase("Python", python("EuclideanLoss") + "propagate_down: true propagate_down: true",
        [(4, 3), (4, 3)], [(1,)], lambda x, y: np.full(1, ((x - y)**2).sum() / 8)),
    LayerCase("Python", python("Mixed", "param_str: '{\"scale\": 3}' share_in_parallel: true")
        + "propagate_down: true propagate_down: true", [(2, 3), (2, 3)], [(2, 3), (2, 3)],
        lambda x, y, w: (3 * x * w, x + y), [(3,)]),
    LayerCase("Python", python("Square") + "propagate_down: true", [(2, 3, 2, 2)], [(2, 3, 2, 2)],
        np.square),
    LayerCase("Python", python("Square") + "propagate_down: true", [()], [()], np.square),
    LayerCase("Python", python("Counter"), [], [(2, 3)]),
    LayerCase("Python", python("Sink"), [(2, 3)], [], lambda x: ()),
    LayerCase("Python", python("Phased"), [(2, 3)], [(1,)], lambda x: np.zeros(1), smooth=(),
        phases=("TRAIN",)),
    LayerCase("Python", python("Phased"), [(2, 3)], [(1,)], lambda x: np.ones(1), smooth=(),
        phases=("TEST",)),
    LayerCase("Python", python("swish", "param_str: '1.5'"), [(2, 3, 4)], [(2, 3, 4)],
        lambda x: x / (1 + np.exp(-1.5 * x))),
    LayerCase("Python", python("gated"), [(2, 3), (2, 3)], [(2, 3), (2, 3)],
        lambda x, y, w, v: (w * x * y, x + v.sum() * y), [(1, 1), (2, 2)]),
    LayerCase("Python", python("phased"), [(3,)], [(3,)], lambda x: x + 1, phases=("TEST",)),
]
# fmt: on
