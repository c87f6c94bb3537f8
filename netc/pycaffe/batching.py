"""Any number of examples through a net, batch by batch. Caffe: pycaffe.py."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from netc.errors import UsageError, did_you_mean
from netc.pycaffe.blob import Blob

Arrays = dict[str, np.ndarray]


class Batching:
    """The methods of a net that take more examples than it has room for."""

    blobs: OrderedDict[str, Blob]
    inputs: Any
    outputs: Any
    forward: Any
    backward: Any

    def forward_all(self, blobs: Sequence[str] | None = None, **inputs: Any) -> Arrays:
        """Run any number of examples in batches; copies of the outputs and the blobs asked for.

        Of a blob without axes, such as a loss, there is one value for each batch.
        Raises UsageError.
        """
        self._known(inputs, self.inputs)
        found, count = _Found(), _count(inputs)
        for batch in self._batch(inputs):
            found.add(self.forward(blobs, **batch))
        return found.first(count)

    def forward_backward_all(
        self,
        blobs: Sequence[str] | None = None,
        diffs: Sequence[str] | None = None,
        **given: Any,
    ) -> tuple[Arrays, Arrays]:
        """The same and back: what `forward_all` gives, gradients of the inputs and of `diffs`.

        given: values of the inputs, and gradients of the outputs. Raises UsageError.
        """
        self._known(given, [*self.inputs, *self.outputs])
        made, back, count = _Found(), _Found(), _count(given)
        ahead = self._batch({k: v for k, v in given.items() if k in self.inputs})
        behind = self._batch({k: v for k, v in given.items() if k in self.outputs})
        for inputs, seeds in zip_longest(ahead, behind, fillvalue={}):
            made.add(self.forward(blobs, **inputs))
            back.add(self.backward(diffs, **seeds))
        return made.first(count), back.first(count)

    def _batch(self, blobs: Mapping[str, Any]) -> Iterator[Arrays]:
        """Arrays of any length in batches of the first blob's, the last one filled with zeros."""
        size = next(iter(self.blobs.values())).shape[0]
        for at in range(0, _count(blobs), size):
            yield {k: _padded(np.asarray(v)[at : at + size], size) for k, v in blobs.items()}

    def _known(self, given: Mapping[str, Any], names: Sequence[str]) -> None:
        if not given:
            raise UsageError(f"there are no examples: give {', '.join(names) or 'inputs'}")
        for name in given:
            if name not in names:
                told = f"'{name}' is none of {', '.join(names)}"
                raise UsageError(told, hint=did_you_mean(name, names))


class _Found:
    """What the batches give, by blob."""

    def __init__(self) -> None:
        self._parts: dict[str, list[np.ndarray]] = {}

    def add(self, arrays: Arrays) -> None:
        """One more batch; its arrays are copied."""
        for name, value in arrays.items():
            self._parts.setdefault(name, []).append(np.array(value))

    def first(self, count: int) -> Arrays:
        """The first items of all batches, in one array for each blob."""
        joined = {
            name: np.concatenate(parts) if parts[0].ndim else np.array(parts)
            for name, parts in self._parts.items()
        }
        return {name: array[:count] for name, array in joined.items()}


def _count(blobs: Mapping[str, Any]) -> int:
    """How many items the first of the arrays has; none without one."""
    return len(next(iter(blobs.values()), ()))


def _padded(array: np.ndarray, size: int) -> np.ndarray:
    missing = size - len(array)
    return array if missing <= 0 else np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))
