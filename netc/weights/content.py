"""What a file of weights holds, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Blobs = Mapping[str, Sequence[Any]]
"""By layer name, its arrays in file order: NumPy's or JAX's."""


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """The blobs of one layer.

    type: as the file spells it (V2 "Convolution", V1 "CONVOLUTION", V0 "conv"; HDF5 has none).
    blobs: float32, read-only; None where an HDF5 file leaves a blob to the layer that owns it.
    diffs: the gradients, None where the file has none.
    legacy: the shape is the old num, channels, height, width, and so has four axes whatever
        the blob had.
    """

    name: str
    type: str
    blobs: tuple[np.ndarray | None, ...]
    diffs: tuple[np.ndarray | None, ...]
    legacy: tuple[bool, ...]


@dataclass(frozen=True, eq=False)
class WeightFile:
    """The layers of a file, in its order.

    path: for messages.
    name: of the net; HDF5 has none.
    shared_once: a blob that several layers share is stored only with its owner (HDF5).
    """

    path: str
    name: str
    layers: tuple[LayerWeights, ...]
    shared_once: bool = False
