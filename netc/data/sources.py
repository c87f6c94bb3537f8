"""Databases of records behind one interface, whatever their format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from netc.data.leveldb import LevelDbSource
from netc.data.lmdb import LmdbSource
from netc.schema import DataParameter


class Source(Protocol):
    """Records in key order. Safe to read from several threads at once."""

    path: str

    def __len__(self) -> int: ...

    def read(self, positions: Sequence[int]) -> list[bytes]:
        """The records at these positions. Raises DataError."""
        ...

    def where(self, position: int) -> str:
        """Names a record for a message."""
        ...


BACKENDS = {DataParameter.LEVELDB: LevelDbSource, DataParameter.LMDB: LmdbSource}


def open_source(backend: DataParameter.DB, path: str) -> Source:
    """Open a database. Raises DataError."""
    return BACKENDS[backend](path)
