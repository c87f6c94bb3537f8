"""Arrays of mapped files, into memory of their own."""

from __future__ import annotations

import mmap

import numpy as np

ALIGNMENT = 64  # of arrays that JAX's CPU backend takes over without a copy
_WINDOW = 16 << 20


def in_memory(array: np.ndarray) -> np.ndarray:
    """The array, or a read-only copy of it if it lies in a mapped file.

    The file's pages are let go while they are copied, so that memory holds the values once.
    """
    file = _map_of(array)
    if file is None:
        return array
    room = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    copy = room[start : start + array.nbytes]
    source = array.reshape(-1).view(np.uint8)
    first = source.ctypes.data - np.frombuffer(file, np.uint8).ctypes.data
    for at in range(0, array.nbytes, _WINDOW):
        part = slice(at, min(at + _WINDOW, array.nbytes))
        copy[part] = source[part]
        _let_go(file, first + part.start, first + part.stop)
    values = copy.view(array.dtype).reshape(array.shape)
    values.flags.writeable = False
    return values


def _map_of(array: np.ndarray) -> mmap.mmap | None:
    """The map that an array is a view of."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    owner = base.obj if isinstance(base, memoryview) else None
    return owner if isinstance(owner, mmap.mmap) and array.flags.c_contiguous else None


def _let_go(file: mmap.mmap, start: int, stop: int) -> None:
    """Give the pages of a stretch of a file back; they are read again when they are touched."""
    if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
        start -= start % mmap.PAGESIZE
        file.madvise(mmap.MADV_DONTNEED, start, stop - start)
