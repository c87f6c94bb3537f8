"""Arrays of the caller as batches. Caffe: memory_data_layer.cpp, _caffe.cpp."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from netc.errors import UsageError
from netc.schema import LayerParameter

log = logging.getLogger(__name__)


class MemoryBatches:
    """The batches of n images (n, C, H, W) and labels (n) or (n, 1, 1, 1), again and again.

    Both are float32 and C contiguous; they are not copied. n must be a multiple of the batch_size
    of `layer`, a MemoryData layer. Raises UsageError.
    """

    def __init__(self, layer: LayerParameter, data: Any, labels: Any) -> None:
        p = layer.memory_data_param
        if isinstance(labels, np.ndarray) and labels.ndim == 1:
            labels = labels[:, None, None, None]
        _check(data, "data array", (p.channels, p.height, p.width))
        _check(labels, "labels array", (1, 1, 1))
        if len(data) != len(labels):
            raise UsageError(
                "data and labels must have the same first dimension, got "
                f"{len(data)} and {len(labels)}"
            )
        if not len(data) or len(data) % p.batch_size:
            raise UsageError(
                "first dimensions of input arrays must be a multiple of batch size: "
                f"{len(data)} examples, batch_size {p.batch_size}"
            )
        if layer.HasField("transform_param"):
            log.warning("%s does not transform array data on Reset()", layer.type)
        self._data, self._labels, self._size = data, labels, p.batch_size

    def batch(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (N, C, H, W) and labels (N,) as they are now, new arrays each time."""
        start = k * self._size % len(self._data)
        rows = slice(start, start + self._size)
        return self._data[rows].copy(), self._labels[rows].reshape(-1).copy()


def _check(array: Any, name: str, row: tuple[int, ...]) -> None:
    """The rules of pycaffe for an array. Caffe: _caffe.cpp, CheckContiguousArray."""
    if not isinstance(array, np.ndarray):
        raise UsageError(f"{name} must be a NumPy array, got {type(array).__name__}")
    if not array.flags.c_contiguous:
        raise UsageError(f"{name} must be C contiguous", hint="np.ascontiguousarray copies it so")
    if array.ndim != 4:
        raise UsageError(f"{name} must be 4-d, got shape {array.shape}")
    if array.dtype != np.float32:
        raise UsageError(f"{name} must be float32, got {array.dtype}")
    for side, have, wanted in zip(
        ("number of channels", "height", "width"), array.shape[1:], row, strict=True
    ):
        if have != wanted:
            raise UsageError(f"{name} has wrong {side}: {have}, the layer takes {wanted}")
