"""Databases of records behind one interface, whatever their format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

from netc.data.lmdb import LmdbSource
from netc.errors import DataError
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


BACKENDS = {DataParameter.LMDB: LmdbSource}


def open_source(backend: DataParameter.DB, path: str) -> Source:
    """Open a database. Raises DataError."""
    if backend in BACKENDS:
        return BACKENDS[backend](path)
    if os.path.exists(os.path.join(path, "data.mdb")):
        hint = "this database is an LMDB: write `backend: LMDB`"
    else:
        hint = "`backend: LMDB` databases are made by `netc convert_imageset`"
    raise DataError(
        f"backend {DataParameter.DB.Name(backend)} cannot be read: "
        "this build reads LMDB, and HDF5 through HDF5Data",
        path,
        hint,
    )
