"""Databases of records behind one interface, whatever their format."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Protocol

from netc.data.leveldb import LevelDbSource
from netc.data.lmdb import LmdbSource
from netc.errors import DataError, UsageError, did_you_mean
from netc.schema import DataParameter


class Source(Protocol):
    """Records in key order. Safe to read from several threads at once."""

    path: str

    def __len__(self) -> int: ...

    def read(self, positions: Sequence[int]) -> list[bytes]:
        """The records at these positions. Raises DataError."""
        ...

    def keys(self, positions: Sequence[int]) -> list[bytes]:
        """The keys at these positions. Raises DataError."""
        ...

    def where(self, position: int) -> str:
        """Names a record for a message."""
        ...


BACKENDS = {DataParameter.LEVELDB: LevelDbSource, DataParameter.LMDB: LmdbSource}


def open_source(backend: DataParameter.DB, path: str) -> Source:
    """Open a database. Raises DataError."""
    if not path:
        raise DataError("Failed to open database: no source is given")
    if backend not in BACKENDS:
        name, known = DataParameter.DB.Name(backend), map(DataParameter.DB.Name, BACKENDS)
        raise DataError(f"Unknown database backend: {name} (known: {', '.join(known)})", path)
    return BACKENDS[backend](path)


def find_source(path: str, backend: str = "") -> Source:
    """Open the database in a folder, by default of the kind that its files show.

    Raises UsageError for an unknown backend, and DataError.
    """
    if not backend:
        backend = "leveldb" if os.path.exists(os.path.join(path, "CURRENT")) else "lmdb"
    known = {DataParameter.DB.Name(kind).lower(): kind for kind in BACKENDS}
    if backend not in known:
        hint = did_you_mean(backend, known)
        raise UsageError(f"Unknown db backend {backend} (known: {', '.join(known)})", hint=hint)
    return open_source(known[backend], path)


def chunks(source: Source, size: int = 256) -> Iterator[tuple[int, list[bytes]]]:
    """All records in order, some at a time, each time with the position of the first."""
    for start in range(0, len(source), size):
        yield start, source.read(range(start, min(start + size, len(source))))
