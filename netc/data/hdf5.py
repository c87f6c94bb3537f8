"""Rows of data sets in HDF5 files. Caffe: hdf5_data_layer.cpp."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate
from math import prod
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from netc.data.draws import permutation
from netc.data.fail import Fail, failing, located, missing
from netc.errors import DataError
from netc.load import read_bytes
from netc.schema import LayerParameter

SIGNATURE = b"\x89HDF\r\n\x1a\n"
HELD = 256 << 20


class Piece(NamedTuple):
    """Consecutive examples of a batch that come from one file."""

    file: int
    rows: np.ndarray


class HDF5Feed:
    """HDF5Data: one data set per top, of the top's name; the rows of all files, again and again.

    A batch may span files. With shuffle, each epoch visits the files, and the rows inside a file,
    in an order that depends on (seed, epoch) alone. A file of up to HELD bytes is held in memory
    while it is read, of a larger one only the rows of a batch.
    """

    def __init__(self, param: LayerParameter, phase: str, seed: int, fail: Fail) -> None:
        p = param.hdf5_data_param
        if param.HasField("transform_param"):
            fail(f"{param.type} does not transform data.", "transform_param")
        if not p.batch_size:
            fail("Positive batch size required", "batch_size")
        with failing(fail, "source"):
            self._paths = read_paths(p.source)
            self._sizes, shapes = sizes_of(self._paths, param.top)
            self.epoch_size = sum(self._sizes)
            if not self.epoch_size:
                raise DataError("the files hold no rows", p.source)
        self._tops, self._batch, self._shuffle = tuple(param.top), p.batch_size, p.shuffle
        self._seed, self._name = seed, param.name
        self.shapes = tuple((self._batch, *shape) for shape in shapes)
        self.dtypes = (np.dtype(np.float32),) * len(shapes)
        self._row_bytes = sum(4 * prod(shape) for shape in shapes)
        self.labels_top = self._tops.index("label") if "label" in self._tops else None
        self._lock = Lock()
        # Neighbouring batches meet at the end of one file and the start of the next.
        self._load = lru_cache(maxsize=2)(self._read_file)
        self._row_order = lru_cache(maxsize=2)(self._permute_rows)
        self._file_order = lru_cache(maxsize=2)(self._permute_files)

    def batch(self, k: int) -> tuple[np.ndarray, ...]:
        """One float32 array (N, ...) per top. Raises DataError."""
        tops = tuple(np.empty(shape, np.float32) for shape in self.shapes)
        at = 0
        for file, rows in self._pieces(k):
            parts = [top[at : at + len(rows)] for top in tops]
            if self._sizes[file] * self._row_bytes > HELD:
                self._read_rows(file, rows, parts)
            else:
                with self._lock:
                    blobs = self._load(file)
                for part, blob in zip(parts, blobs, strict=True):
                    np.take(blob, rows, axis=0, out=part, mode="clip")
            at += len(rows)
        return tops

    def describe(self, k: int) -> tuple[str, ...]:
        """Names each example of batch k."""
        return tuple(
            f"{self._paths[file]}, row {row}" for file, rows in self._pieces(k) for row in rows
        )

    def drawn(self, k: int) -> tuple[str, ...]:
        """Nothing: rows are as they are."""
        return ("",) * self._batch

    def _pieces(self, k: int) -> Iterator[Piece]:
        first, left = k * self._batch, self._batch
        while left:
            epoch, position = divmod(first, self.epoch_size)
            order, ends = self._file_order(epoch)
            place = bisect_right(ends, position)
            file = order[place]
            start = position - ends[place] + self._sizes[file]
            count = min(left, self._sizes[file] - start)
            rows = np.arange(start, start + count)
            yield Piece(file, self._row_order(epoch, file)[rows] if self._shuffle else rows)
            first, left = first + count, left - count

    def _permute_files(self, epoch: int) -> tuple[list[int], list[int]]:
        """The files in the order of an epoch, and after how many rows each of them ends."""
        order = list(range(len(self._paths)))
        if self._shuffle:
            order = permutation(self._seed, f"{self._name}/files", epoch, len(order)).tolist()
        return order, list(accumulate(self._sizes[file] for file in order))

    def _permute_rows(self, epoch: int, file: int) -> np.ndarray:
        name = f"{self._name}/rows/{file}"
        return permutation(self._seed, name, epoch, self._sizes[file])

    def _read_file(self, file: int) -> tuple[np.ndarray, ...]:
        with self._sets(file) as sets:
            return tuple(np.asarray(data[()], np.float32) for data in sets)

    def _read_rows(self, file: int, rows: np.ndarray, parts: Sequence[np.ndarray]) -> None:
        """Fill `parts` with these rows, which are read in the order of the file."""
        count, order = len(rows), np.argsort(rows)
        neighbours = np.array_equal(rows, np.arange(rows[0], rows[0] + count))
        with self._sets(file) as sets:
            for data, part in zip(sets, parts, strict=True):
                if neighbours:
                    part[...] = data[rows[0] : rows[0] + count]
                else:
                    part[order] = data[rows[order]]

    @contextmanager
    def _sets(self, file: int) -> Iterator[list[Any]]:
        """The data sets of the tops, of the shapes that they had when the feed was made."""
        with opened(self._paths[file]) as h5:
            sets = [data_set(h5, top) for top in self._tops]
            found = [data.shape for data in sets]
            wanted = [(self._sizes[file], *shape[1:]) for shape in self.shapes]
            if found != wanted:
                raise DataError(f"the file has changed: shapes {found}, when opened {wanted}")
            yield sets


def read_paths(source: str) -> list[str]:
    """The file names in a text file, separated by white space; of an HDF5 file, its own."""
    if is_hdf5(source):
        return [source]
    paths = read_bytes(source).decode(errors="surrogateescape").split()
    if not paths:
        raise DataError("Must have at least 1 HDF5 filename listed in the source", source)
    return paths


def sizes_of(paths: Sequence[str], tops: Sequence[str]) -> tuple[list[int], list[tuple[int, ...]]]:
    """The rows of each file, and for each top the shape of a row, the same in all of them.

    Raises DataError.
    """
    found = [_check_file(path, tops) for path in paths]
    shapes = found[0][1]
    for path, (_, others) in zip(paths, found, strict=True):
        for top, shape, other in zip(tops, shapes, others, strict=True):
            if shape != other:
                rows = f"rows of data set '{top}' have shape {other}, those of '{paths[0]}' {shape}"
                raise DataError(rows, path)
    return [count for count, _ in found], shapes


def read_column(paths: Sequence[str], name: str) -> np.ndarray:
    """A data set of all files, one after the other, float32. Raises DataError."""
    parts = []
    for path in paths:
        with opened(path) as h5:
            parts.append(np.asarray(data_set(h5, name)[()], np.float32))
    return np.concatenate(parts)


def _check_file(path: str, tops: Sequence[str]) -> tuple[int, list[tuple[int, ...]]]:
    """The number of rows, and the shape of a row for each top. Raises DataError."""
    with opened(path) as h5:
        sets = [data_set(h5, top) for top in tops]
        counts = {top: data.shape[0] for top, data in zip(tops, sets, strict=True)}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"'{top}' {count}" for top, count in counts.items())
            raise DataError(f"the data sets have different numbers of rows: {listed}")
        return sets[0].shape[0], [data.shape[1:] for data in sets]


def names_in(path: str) -> list[str]:
    """The data sets at the top of a file. Raises DataError."""
    with opened(path) as h5:
        return [name for name in h5 if hasattr(h5[name], "shape")]


def is_hdf5(path: str) -> bool:
    """Whether there is a file that begins as HDF5 files do."""
    try:
        with open(path, "rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False


def data_set(h5: Any, name: str) -> Any:
    import h5py

    data = h5.get(name)
    if not isinstance(data, h5py.Dataset):
        raise DataError(
            f"Failed to find HDF5 dataset {name}",
            hint=f"the file holds {', '.join(sorted(h5)) or 'nothing'}; a top reads the data set "
            "of its own name",
        )
    if data.dtype.kind not in "fiu":
        raise DataError(f"data set '{name}' is {data.dtype}, neither float nor integer")
    if not data.shape:
        raise DataError(f"data set '{name}' is a scalar, it needs an axis of rows")
    return data


@contextmanager
def opened(path: str) -> Iterator[Any]:
    """An HDF5 file; what goes wrong with it inside the block is a DataError that names it."""
    import h5py

    try:
        with h5py.File(path, "r") as h5, located(lambda: path):
            yield h5
    except OSError as e:
        reason = os.strerror(e.errno) if e.errno else str(e)
        raise DataError(f"Failed to read HDF5 file: {reason}", path, missing(path)) from None
