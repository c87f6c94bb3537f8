"""Records of an LMDB, opened once in a process and never locked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from netc.data.fail import missing
from netc.data.keyed import KeyedSource
from netc.errors import DataError

if TYPE_CHECKING:
    import lmdb


class LmdbSource(KeyedSource):
    """A database written by Caffe's tools or by `netc`, opened for reading without a lock file.

    Raises DataError when it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._file = _open_once(path)
        self._version = self._file.version()
        super().__init__(path, self._file.count())

    def cursor(self) -> AbstractContextManager[Any]:
        """A cursor of a read transaction. Raises DataError when the database has changed."""
        return self._file.cursor(self._version)


class _File:
    """An open database; LMDB refuses to open the same files twice in a process."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.environment = _environment(path)

    def count(self) -> int:
        return self.environment.stat()["entries"]

    def version(self) -> int:
        """The number of the last transaction that wrote."""
        return self.environment.info()["last_txnid"]

    @contextmanager
    def cursor(self, version: int) -> Iterator[Any]:
        import lmdb

        try:
            with self.environment.begin() as transaction, transaction.cursor() as cursor:
                if transaction.id() != version:
                    raise DataError(
                        f"the database was written to while it was read: transaction "
                        f"{transaction.id()}, {version} when it was opened",
                        self.path,
                        "start again when the program that writes it has ended",
                    )
                yield cursor
        except lmdb.Error as e:
            raise DataError(f"the database cannot be read: {e}", self.path) from None

    def reopen(self) -> None:
        self.environment.close()
        self.environment = _environment(self.path)


_FILES: WeakValueDictionary[tuple[int, int], _File] = WeakValueDictionary()


def _open_once(path: str) -> _File:
    status = _check_folder(path)
    identity = status.st_dev, status.st_ino
    file = _FILES.get(identity)
    if file is None:
        file = _FILES[identity] = _File(path)
    return file


def _reopen_all() -> None:
    """A memory map taken over by a forked process is not its own."""
    for file in list(_FILES.values()):
        file.reopen()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reopen_all)


def _check_folder(path: str) -> os.stat_result:
    """The status of the data file. Raises DataError unless the folder could be an LMDB."""
    folder = Path(path)
    try:
        names = os.listdir(folder)
        if "data.mdb" in names:
            return (folder / "data.mdb").stat()
    except OSError as e:
        raise DataError(f"cannot open LMDB: {e.strerror}", path, missing(path)) from None
    holds = "holds a LevelDB" if "CURRENT" in names else "has no file data.mdb"
    hint = "write `backend: LEVELDB`" if "CURRENT" in names else None
    raise DataError(f"cannot open LMDB: the folder {holds}", path, hint)


def _environment(path: str) -> lmdb.Environment:
    import lmdb

    file = os.path.join(path, "data.mdb")
    size = os.path.getsize(file)
    if not size:
        raise DataError("cannot open LMDB: the file is empty", file)
    try:
        environment = lmdb.open(
            path, readonly=True, create=False, lock=False, readahead=False, max_spare_txns=4
        )
    except lmdb.InvalidError:
        raise DataError(f"cannot open LMDB: {size} bytes that are no LMDB file", file) from None
    except lmdb.Error as e:
        reason = str(e).removeprefix(f"{path}: ")
        newer = isinstance(e, lmdb.VersionMismatchError) or "data format" in reason
        hint = "a newer version of the Python package lmdb may read it" if newer else None
        raise DataError(f"cannot open LMDB: {reason}", file, hint) from None
    # Reading past the end of a memory-mapped file kills the process.
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if size < needed:
        environment.close()
        raise DataError(
            f"cannot open LMDB: the file is truncated: {size} bytes of {needed}",
            file,
            "copy it again; `mdb_copy -c` rewrites a database that is known to be whole",
        )
    return environment
