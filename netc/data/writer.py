"""Databases written whole: under their final name only when every record is in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from netc.data.leveldb import library
from netc.errors import DataError, UsageError, did_you_mean
from netc.files import atomic_folder

TRANSACTION = 1000
MAP_SIZE = 10 << 20
Record = tuple[bytes, bytes]


class Store(Protocol):
    """An open database that takes records by key.

    error: what the library of the database `path` raises.
    """

    @staticmethod
    def error(path: str) -> type[Exception]: ...
    def __init__(self, folder: Path) -> None: ...
    def first(self) -> bytes | None: ...
    def __contains__(self, key: bytes) -> bool: ...
    def write(self, records: Sequence[Record]) -> None: ...
    def close(self) -> None: ...


class LmdbStore:
    """An LMDB whose map doubles until the records fit."""

    def __init__(self, folder: Path) -> None:
        import lmdb

        self._folder = folder
        size = sum(p.stat().st_size for p in folder.glob("data.mdb"))
        self._environment = lmdb.open(os.fspath(folder), map_size=MAP_SIZE + size)

    @staticmethod
    def error(path: str) -> type[Exception]:
        import lmdb

        return lmdb.Error

    def first(self) -> bytes | None:
        with self._environment.begin() as transaction, transaction.cursor() as cursor:
            return cursor.value() if cursor.first() else None

    def __contains__(self, key: bytes) -> bool:
        with self._environment.begin() as transaction:
            return transaction.get(key) is not None

    def write(self, records: Sequence[Record]) -> None:
        import lmdb

        while True:
            try:
                with self._environment.begin(write=True) as transaction:
                    for key, record in records:
                        transaction.put(key, record)
                return
            except lmdb.MapFullError:
                self._environment.set_mapsize(2 * self._environment.info()["map_size"])

    def close(self) -> None:
        self._environment.close()
        os.remove(self._folder / "lock.mdb")


class LevelDbStore:
    """A LevelDB with the block size that Caffe's has."""

    def __init__(self, folder: Path) -> None:
        options = {"create_if_missing": True, "block_size": 1 << 16}
        self._database = library(os.fspath(folder)).DB(os.fspath(folder), **options)

    @staticmethod
    def error(path: str) -> type[Exception]:
        return library(path).Error

    def first(self) -> bytes | None:
        with self._database.iterator(include_key=False) as records:
            return next(records, None)

    def __contains__(self, key: bytes) -> bool:
        return self._database.get(key) is not None

    def close(self) -> None:
        self._database.close()

    def write(self, records: Sequence[Record]) -> None:
        with self._database.write_batch(sync=True) as batch:
            for key, record in records:
                batch.put(key, record)


STORES: dict[str, type[Store]] = {"lmdb": LmdbStore, "leveldb": LevelDbStore}


class Writer:
    """Takes records in any order and writes them TRANSACTION at a time.

    begun: the first record of a database that was begun before, or None. count: how many it has
    taken since.
    """

    def __init__(self, store: Store) -> None:
        self._store, self.begun = store, store.first()
        self._waiting: list[Record] = []
        self.count = 0

    def put(self, key: bytes, record: bytes) -> None:
        """Add a record; one of the same key is replaced."""
        self._waiting.append((key, record))
        self.count += 1
        if len(self._waiting) == TRANSACTION:
            self.flush()

    def __contains__(self, key: bytes) -> bool:
        """Whether there was a record of this key when the database was opened."""
        return key in self._store

    def flush(self) -> None:
        """Write what is waiting."""
        if self._waiting:
            self._store.write(self._waiting)
            self._waiting.clear()


def check_backend(backend: str) -> None:
    """Raises UsageError for a backend that is none."""
    if backend not in STORES:
        hint = did_you_mean(backend, STORES)
        raise UsageError(f"Unknown db backend {backend} (known: {', '.join(STORES)})", hint=hint)


def refuse_existing(path: str, force: bool = False) -> None:
    """Raises DataError when there is something of this name, and with `force` when it is no
    database."""
    if not os.path.lexists(path):
        return
    if not force:
        raise DataError("the database exists already", path, "give another name")
    if not any(os.path.isfile(os.path.join(path, name)) for name in ("data.mdb", "CURRENT")):
        raise DataError("this is no database: it is not replaced", path, "give another name")


@contextmanager
def write_database(
    path: str, backend: str = "lmdb", force: bool = False, resume: str | None = None
) -> Iterator[Writer]:
    """A writer of the database `path`, which exists once the block has ended well.

    force: replaces a database that exists. resume: see `atomic_folder`.

    Raises UsageError for an unknown backend; DataError when `path` exists already or cannot be
    written.
    """
    check_backend(backend)
    refuse_existing(path, force)
    error = STORES[backend].error(path)
    try:
        with atomic_folder(path, force, resume) as folder:
            store = STORES[backend](folder)
            try:
                writer = Writer(store)
                try:
                    yield writer
                finally:
                    writer.flush()
            finally:
                store.close()
    except (OSError, error) as e:
        reason = getattr(e, "strerror", None)
        hint = None if reason else "is the disk full?"
        raise DataError(f"the database cannot be written: {reason or e}", path, hint) from None
