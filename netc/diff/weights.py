"""Two files of weights, blob by blob."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from netc.tables import aligned
from netc.weights.blob import shape_text
from netc.weights.content import WeightFile

STEP = 1 << 20  # values that are compared at a time: files may be larger than memory


class Drift(NamedTuple):
    """A blob in two files.

    shapes: in each, None where it has none. largest: of the differences. relative: the Euclidean
    norm of the differences over that of the first file's values. None: the shapes differ.
    """

    layer: str
    index: int
    shapes: tuple[tuple[int, ...] | None, tuple[int, ...] | None]
    largest: float | None = None
    relative: float | None = None

    @property
    def same(self) -> bool:
        return self.largest == 0


def drifts(a: WeightFile, b: WeightFile) -> list[Drift]:
    """Every blob of either file, in their order."""
    one, other = _blobs(a), _blobs(b)
    return [_drift(key, one.get(key), other.get(key)) for key in one | other]


def _blobs(file: WeightFile) -> dict[tuple[str, int], np.ndarray]:
    return {
        (layer.name, i): blob
        for layer in file.layers
        for i, blob in enumerate(layer.blobs)
        if blob is not None
    }


def _drift(key: tuple[str, int], a: np.ndarray | None, b: np.ndarray | None) -> Drift:
    shapes = (None if a is None else a.shape, None if b is None else b.shape)
    if a is None or b is None or _bare(a.shape) != _bare(b.shape):
        return Drift(*key, shapes)
    largest, squares, norm = 0.0, 0.0, 0.0
    a, b = a.reshape(-1), b.reshape(-1)
    for at in range(0, a.size, STEP):
        x, y = a[at : at + STEP].astype(np.float64), b[at : at + STEP].astype(np.float64)
        with np.errstate(invalid="ignore"):  # of infinities
            d = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0, x - y)
        largest = float(np.maximum(largest, np.abs(d).max()))
        squares, norm = squares + float(d @ d), norm + float(x @ x)
    relative = 0.0
    if squares != 0:
        relative = math.sqrt(squares / norm) if norm else math.inf
    return Drift(*key, shapes, largest, relative)


def _bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the ones that old files put in front."""
    first = next((i for i, n in enumerate(shape) if n != 1), len(shape))
    return shape[first:]


def render(found: Sequence[Drift]) -> str:
    """A table of the blobs that differ and a last line that counts them; "" if none does."""
    different = [d for d in found if not d.same]
    if not different:
        return ""
    head = ("layer", "blob", "shape", "largest difference", "relative difference")
    table = aligned([head, *map(_cells, different)])
    return f"{table}\n\n{len(different)} of {len(found)} blobs differ"


def _cells(d: Drift) -> tuple[str, ...]:
    a, b = ("" if s is None else shape_text(s) for s in d.shapes)
    if d.largest is not None and d.relative is not None:
        told = f"{d.largest:.3g}", f"{d.relative:.3g}"
    elif None in d.shapes:
        told = "only in the first file" if a else "only in the second file", ""
    else:
        told = "the shapes differ", ""
    return d.layer, str(d.index), a if a == b else " -> ".join(filter(None, (a, b))), *told
