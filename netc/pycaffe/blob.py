"""Blobs as pycaffe shows them: NumPy arrays that may be written in place at any time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from netc.errors import UsageError
from netc.layers.caffe_layer import LegacyShape

Shape = tuple[int, ...]
UNSHARED = 2  # what sys.getrefcount gives for an array that only its cell holds


class Cell:
    """An array that lives on the device until somebody looks at it.

    While a caller holds the NumPy array (or a view of it), that array is the truth: programs read
    it anew each time, and results are copied into it.
    """

    def __init__(self, shape: Shape, fill: float = 0.0) -> None:
        self.shape = shape
        self.fill = fill
        self._device: Any = None
        self._host: np.ndarray | None = None

    def view(self) -> np.ndarray:
        """The array for a caller to read and write, float32."""
        if self._host is None:
            if self._device is None:
                self._host = np.full(self.shape, self.fill, np.float32)
            else:
                self._host = np.array(self._device, np.float32)
        return self._host

    def write(self, array: Any) -> None:
        """Put values in as a caller does."""
        self.view()[...] = array

    def value(self) -> Any:
        """The array for a program, on the device."""
        if self._host is not None:
            # JAX reads the array after this returns, and callers may write into theirs by then.
            self._device = jnp.asarray(self._host.copy())
            self._drop_unheld()
        elif self._device is None:
            self._device = jnp.full(self.shape, self.fill, jnp.float32)
        elif isinstance(self._device, np.ndarray):
            self._device = jax.device_put(self._device)
        return self._device

    def set(self, array: Any) -> None:
        """Take over a program's result, or an array that nobody writes to."""
        self._device = array
        if self._host is not None:
            self._drop_unheld()
        if self._host is not None:
            np.copyto(self._host, np.asarray(array))

    @property
    def written(self) -> bool:
        """Whether a caller may have changed the array since a program last saw it."""
        return self._host is not None

    def pointer(self) -> int:
        """Where the array lies on the GPU, to be read there. Raises UsageError on the CPU."""
        array = self.value()
        (device,) = array.devices()
        if device.platform == "cpu":
            raise UsageError("a blob has no place on a GPU in CPU mode", None, "set_mode_gpu()")
        return array.unsafe_buffer_pointer()

    def _drop_unheld(self) -> None:
        if sys.getrefcount(self._host) <= UNSHARED:
            self._host = None


class Blob(LegacyShape):
    """A named array and its gradient. Caffe: blob.hpp, _caffe.cpp."""

    def __init__(
        self, shape: Shape, diff: float = 0.0, before: Callable[[], None] = lambda: None
    ) -> None:
        self._data, self._diff, self._before = Cell(shape), Cell(shape, diff), before

    @property
    def data(self) -> np.ndarray:
        """The values, float32; writing into the array changes the blob."""
        self._before()
        return self._data.view()

    @property
    def diff(self) -> np.ndarray:
        """The gradient, float32; writing into the array changes the blob."""
        self._before()
        return self._diff.view()

    @property
    def shape(self) -> Shape:
        """The sizes of the axes."""
        self._before()
        return self._data.shape

    @property
    def count(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape))

    @property
    def _gpu_data_ptr(self) -> int:
        self._before()
        return self._data.pointer()

    @property
    def _gpu_diff_ptr(self) -> int:
        self._before()
        return self._diff.pointer()

    def reshape(self, *shape: int) -> None:
        """Give the blob another shape; its values are gone. See `Net.reshape`."""
        new = tuple(int(n) for n in shape)
        if new != self._data.shape:
            self._data, self._diff = Cell(new), Cell(new, self._diff.fill)

    def put(self, value: Any) -> None:
        """Take over a program's result and its shape."""
        self.reshape(*value.shape)
        self._data.set(value)

    def shaped(self, shape: Shape) -> Blob:
        """The same values and gradient in the shape that a layer which shares the blob gives it."""
        return _Shaped(self, shape)


class _Shaped(Blob):
    """A blob of another layer, in a shape of its own."""

    def __init__(self, blob: Blob, shape: Shape) -> None:
        self._blob, self._shape = blob, shape

    @property
    def data(self) -> np.ndarray:
        return self._blob.data.reshape(self._shape)

    @property
    def diff(self) -> np.ndarray:
        return self._blob.diff.reshape(self._shape)

    @property
    def shape(self) -> Shape:
        return self._shape

    def reshape(self, *shape: int) -> None:
        self._blob.reshape(*shape)
        self._shape = self._blob.shape
