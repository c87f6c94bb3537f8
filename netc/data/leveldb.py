"""Records of a LevelDB. Reading changes nothing in it and needs no lock.

LevelDB itself opens a database for one process at a time, moves its log into new files and deletes
old ones. So it is given a folder of its own that holds links to the files: it reads through them,
and what it writes or deletes is in that folder.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

from netc.data.fail import missing
from netc.data.keyed import KeyedSource
from netc.errors import DataError

OWN = ("LOCK", "LOG", "LOG.old")  # what every process makes anew
OPEN_FILES = 100
PREFIX = "netc_leveldb_"


class LevelDbSource(KeyedSource):
    """A database written by Caffe's tools or by `netc`, as it was when it was opened.

    LevelDB does not know how many records it holds: opening one reads all its keys.
    Raises DataError when it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._open()
        with self.cursor() as cursor:
            count = sum(1 for _ in cursor.iternext(keys=True))
        super().__init__(path, count)

    def _open(self) -> None:
        """Open the database in this process."""
        names = _names(self.path)
        with _reading(self.path):
            self._process, folder = os.getpid(), mkdtemp(prefix=PREFIX)
            finalize(self, _remove, folder, self._process)
            for name in names:
                Path(folder, name).symlink_to(Path(self.path, name).absolute())
            self._database = library(self.path).DB(
                folder, create_if_missing=False, paranoid_checks=True, max_open_files=OPEN_FILES
            )

    @contextmanager
    def cursor(self) -> Iterator[Cursor]:
        """A cursor of its own."""
        if self._process != os.getpid():  # LevelDB's threads do not follow into a forked process
            self._open()
        with _reading(self.path):
            iterator = self._database.raw_iterator(verify_checksums=True)
            try:
                yield Cursor(iterator)
            finally:
                iterator.close()


class Cursor:
    """LevelDB's iterator with the names that LMDB's has."""

    def __init__(self, iterator: Any) -> None:
        self._iterator = iterator
        self.first, self.set_key = iterator.seek_to_first, iterator.seek
        self.next, self.key = iterator.next, iterator.key

    def iternext(self, keys: bool = False, values: bool = False) -> Iterator[bytes]:
        """The keys or the values from here on."""
        iterator = self._iterator
        if not iterator.valid():
            iterator.seek_to_first()
        while iterator.valid():
            yield iterator.key() if keys else iterator.value()
            iterator.next()


def _names(path: str) -> list[str]:
    """The files that make up the database. Raises DataError where the folder holds none."""
    try:
        names = os.listdir(path)
    except OSError as e:
        raise DataError(f"Failed to open leveldb: {e.strerror}", path, missing(path)) from None
    if "CURRENT" not in names:
        lmdb = "data.mdb" in names
        holds = "holds an LMDB" if lmdb else "has no file CURRENT"
        hint = "write `backend: LMDB`" if lmdb else None
        raise DataError(f"Failed to open leveldb: the folder {holds}", path, hint)
    return [name for name in names if name not in OWN]


def _remove(folder: str, process: int) -> None:
    """Remove the links, unless this is a process forked from the one that made them."""
    if process == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """What goes wrong with the database inside the block is a DataError."""
    plyvel = library(path)
    try:
        yield
    except plyvel.Error as e:
        text = e.args[0].decode(errors="replace") if e.args else type(e).__name__
        text = re.sub(rf"\S*{PREFIX}[^/]*/", "", text)  # the links are nobody's business
        raise DataError(
            f"Failed to open leveldb: {text}",
            path,
            "a file is missing or cut short: copy the database again, and not while a program "
            "writes it",
        ) from None
    except OSError as e:
        raise DataError(f"Failed to open leveldb: {e}", path) from None


def library(path: str) -> Any:
    """plyvel. Raises DataError, at the database that needs it, where it is not installed."""
    try:
        import plyvel
    except ImportError:
        raise DataError(
            "LevelDB needs the Python package plyvel, which is not installed",
            path,
            'pip install "netc[leveldb]"',
        ) from None
    return plyvel
