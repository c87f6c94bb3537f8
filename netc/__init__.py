"""netc compiles Caffe nets and solvers to jitted JAX programs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netc.layers import BlobSpec as BlobSpec
    from netc.layers import Layer as Layer
    from netc.layers import LayerDef as LayerDef
    from netc.layers import register as register
    from netc.layers import stateless as stateless
    from netc.layers import stochastic as stochastic

__version__ = "0.1.0"

# What layer types of one's own are made with; imported at first use, so that `import netc` is not.
LAYERS = ("BlobSpec", "Layer", "LayerDef", "register", "stateless", "stochastic")


def __getattr__(name: str) -> Any:
    if name not in LAYERS:
        raise AttributeError(f"module 'netc' has no attribute '{name}'")
    return getattr(importlib.import_module("netc.layers"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *LAYERS])
