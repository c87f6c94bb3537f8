"""Rows put at the end of the data sets of an HDF5 file. Caffe: hdf5_output_layer.cpp."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from netc.data.fail import dims
from netc.errors import DataError
from netc.files import atomic

PASS = "pass"
CHUNK = 1 << 14  # bytes of a chunk at least
SLACK = 1 << 20  # bytes of headers, and of the index of chunks


def write_pass(path: str, k: int, sets: Mapping[str, np.ndarray]) -> None:
    """Put the rows that pass k gave at the end of data sets, all float32 and of N rows.

    Pass 0 begins a new file. The data set `pass` holds the pass of each row: rows of pass k or a
    later one are replaced, so that a run that is resumed leaves the file of a run that was not.
    Between two calls the file is whole and closed, whatever stops the program.

    Raises DataError when the file cannot be written or holds rows of another shape.
    """
    import h5py

    count = len(next(iter(sets.values())))
    sets = {**sets, PASS: np.full(count, k, np.int64)}
    try:
        if k == 0 or not os.path.exists(path):
            with atomic(path, "w+b") as file, h5py.File(file.name, "w") as h5:
                _reserve(file, 2 * _size(sets))
                _append(h5, 0, sets, path)
            return
        with open(path, "r+b") as file:
            _reserve(file, os.path.getsize(path) + 2 * _size(sets))
        with h5py.File(path, "r+") as h5:
            _append(h5, _rows_before(h5, k), sets, path)
    except OSError as e:
        reason = os.strerror(e.errno) if e.errno else str(e)
        raise DataError(f"Failed to open HDF5 file: {reason}", path) from None


def _size(sets: Mapping[str, np.ndarray]) -> int:
    return sum(values.nbytes for values in sets.values())


def _reserve(file: IO[bytes], size: int) -> None:
    """Take the room for so many bytes of data; HDF5 gives back what it leaves over.

    Raises OSError on a full disk, of which HDF5 itself would crash.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size + size // 64 + SLACK)


def _rows_before(h5: Any, k: int) -> int:
    """How many rows are from passes before k."""
    passes = h5.get(PASS)
    if passes is None or not len(passes):
        return 0
    return len(passes) if passes[-1] < k else int(np.searchsorted(passes[()], k))


def _append(h5: Any, start: int, sets: Mapping[str, np.ndarray], path: str) -> None:
    for name, values in sets.items():
        row = values.shape[1:]
        data = h5.get(name)
        if data is None:
            rows = max(len(values), -(-CHUNK * len(values) // max(values.nbytes, 1)))
            limits = {"maxshape": (None, *row), "chunks": (rows, *row)}
            data = h5.create_dataset(name, (0, *row), values.dtype, **limits)
        if data.shape[1:] != row or data.maxshape[0] is not None:
            raise DataError(
                f"rows of {dims(row)} cannot be put into data set '{name}' of {dims(data.shape)}",
                path,
                "the file is of another net: remove it, or give another file_name",
            )
        data.resize(start + len(values), axis=0)
        data[start:] = values


@contextmanager
def write_rows(path: str) -> Iterator[Callable[[Mapping[str, np.ndarray]], None]]:
    """A function that puts rows at the end of the data sets of a new HDF5 file.

    The file is there once the block has ended well. Raises DataError when it cannot be written.
    """
    import h5py

    try:
        with atomic(path, "w+b") as file, h5py.File(file.name, "w") as h5:
            size = 0

            def put(sets: Mapping[str, np.ndarray]) -> None:
                nonlocal size
                size += _size(sets)
                _reserve(file, size + _size(sets))
                held: Any = h5.get(next(iter(sets)))
                _append(h5, 0 if held is None else len(held), sets, path)

            yield put
    except OSError as e:
        raise DataError(f"Failed to open HDF5 file: {e.strerror or e}", path) from None
