"""How operations with Caffe's exact meaning run on a backend: `lowering.conv.convolve(plan, ...)`.

The modules import jax, so they are imported when first used.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netc.lowering import affine as affine
    from netc.lowering import augment as augment
    from netc.lowering import boxes as boxes
    from netc.lowering import conv as conv
    from netc.lowering import correlate as correlate
    from netc.lowering import dense as dense
    from netc.lowering import elementwise as elementwise
    from netc.lowering import lrn as lrn
    from netc.lowering import norm as norm
    from netc.lowering import permutohedral as permutohedral
    from netc.lowering import platform as platform
    from netc.lowering import pool as pool
    from netc.lowering import recurrent as recurrent
    from netc.lowering import reduce as reduce
    from netc.lowering import resize as resize
    from netc.lowering import rois as rois
    from netc.lowering import sample as sample
    from netc.lowering import windows as windows

_MODULES = (
    "affine",
    "augment",
    "boxes",
    "conv",
    "correlate",
    "dense",
    "elementwise",
    "lrn",
    "norm",
    "permutohedral",
    "platform",
    "pool",
    "recurrent",
    "reduce",
    "resize",
    "rois",
    "sample",
    "windows",
)


def __getattr__(name: str) -> ModuleType:
    if name not in _MODULES:
        raise AttributeError(f"module 'netc.lowering' has no attribute '{name}'")
    return importlib.import_module(f"netc.lowering.{name}")
