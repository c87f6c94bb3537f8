"""Databases written whole: under their final name only when every record is in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netc.errors import DataError
from netc.files import atomic_folder

if TYPE_CHECKING:
    import lmdb

TRANSACTION = 1000
MAP_SIZE = 10 << 20


class LmdbWriter:
    """Takes records in any order and writes them TRANSACTION at a time."""

    def __init__(self, environment: lmdb.Environment) -> None:
        self._environment = environment
        self._waiting: list[tuple[bytes, bytes]] = []
        self.count = 0

    def put(self, key: bytes, record: bytes) -> None:
        """Add a record; one of the same key is replaced."""
        self._waiting.append((key, record))
        self.count += 1
        if len(self._waiting) == TRANSACTION:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting; the map doubles until it fits."""
        import lmdb

        while self._waiting:
            try:
                with self._environment.begin(write=True) as transaction:
                    for key, record in self._waiting:
                        transaction.put(key, record)
                self._waiting.clear()
            except lmdb.MapFullError:
                self._environment.set_mapsize(2 * self._environment.info()["map_size"])


def refuse_existing(path: str) -> None:
    """Raises DataError when there is something of this name."""
    if os.path.lexists(path):
        raise DataError("the database exists already", path, "give another name")


@contextmanager
def write_lmdb(path: str) -> Iterator[LmdbWriter]:
    """A writer of the LMDB `path`, which exists once the block has ended well.

    Raises DataError when `path` exists already or cannot be written.
    """
    import lmdb

    refuse_existing(path)
    try:
        with atomic_folder(path) as folder:
            environment = lmdb.open(os.fspath(folder), map_size=MAP_SIZE)
            try:
                writer = LmdbWriter(environment)
                yield writer
                writer.flush()
            finally:
                environment.close()
            os.remove(folder / "lock.mdb")
    except (OSError, lmdb.Error) as e:
        reason = getattr(e, "strerror", None) or e
        raise DataError(f"the database cannot be written: {reason}", path) from None
