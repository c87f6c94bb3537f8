"""The classes that a layer written for Caffe's Python interface meets. Caffe: python_layer.hpp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Shape = tuple[int, ...]


class LegacyShape:
    """The names of the axes of a blob with at most four."""

    shape: Any

    def _legacy(self, axis: int) -> int:
        if len(self.shape) > 4:
            raise ValueError(
                f"a blob of {len(self.shape)} axes has no num, channels, height, width"
            )
        return self.shape[axis] if axis < len(self.shape) else 1

    @property
    def num(self) -> int:
        """The first axis of at most four."""
        return self._legacy(0)

    @property
    def channels(self) -> int:
        """The second axis of at most four."""
        return self._legacy(1)

    @property
    def height(self) -> int:
        """The third axis of at most four."""
        return self._legacy(2)

    @property
    def width(self) -> int:
        """The fourth axis of at most four."""
        return self._legacy(3)


class Blob(LegacyShape):
    """Values and their gradient on the host: NumPy arrays to be written in place, float32."""

    def __init__(self, shape: Shape = ()) -> None:
        self.data = np.zeros(shape, np.float32)
        self.diff = np.zeros(shape, np.float32)

    @property
    def shape(self) -> Shape:
        """The sizes of the axes."""
        return self.data.shape

    @property
    def count(self) -> int:
        """The number of elements."""
        return self.data.size

    def reshape(self, *shape: int) -> None:
        """Give the blob another shape; its values are zero then."""
        if (new := tuple(int(n) for n in shape)) != self.shape:
            self.data, self.diff = np.zeros(new, self.data.dtype), np.zeros(new, self.data.dtype)

    def load(self, values: Any) -> None:
        """Take values; the arrays stay the same objects while shape and dtype do."""
        values = np.asarray(values)
        if values.shape != self.shape or values.dtype != self.data.dtype:
            self.data, self.diff = np.empty_like(values), np.zeros_like(values)
        np.copyto(self.data, values)


class Blobs(list[Blob]):
    """The learnable blobs of a layer."""

    def add_blob(self, *shape: int) -> Blob:
        """One more blob of this shape; what `setup` writes into its data is what it starts with."""
        self.append(Blob(tuple(int(n) for n in shape)))
        return self[-1]


class Layer:
    """The base class of layers in Caffe's interface, `caffe.Layer`.

    param_str: the string of python_param. phase: TRAIN or TEST. blobs: the learnable blobs.
    """

    type = "Python"
    param_str: str = ""
    phase: int = 0
    blobs: Blobs

    @property
    def param_str_(self) -> str:
        """param_str, as layers of 2014 call it."""
        return self.param_str

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Check parameters and add blobs, once."""

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Give the tops their shapes, before every pass."""
        raise NotImplementedError(f"{type(self).__name__} has no method reshape")

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Write the data of the tops."""
        raise NotImplementedError(f"{type(self).__name__} has no method forward")

    def backward(
        self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]
    ) -> None:
        """Write the diffs of those bottoms that need one, and add to those of the blobs."""
        raise NotImplementedError(f"{type(self).__name__} has no method backward")
