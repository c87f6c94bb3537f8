"""Records of an LMDB by their position in key order.

LMDB keeps a sorted tree without positions, so the keys of every STRIDE-th record are noted as far
as reading has come: a position is the nearest noted key and a few steps.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from netc.data.fail import missing
from netc.errors import DataError

if TYPE_CHECKING:
    import lmdb

STRIDE = 64


class LmdbSource:
    """A database written by Caffe's tools or by `netc`, opened for reading without a lock file.

    Safe to read from several threads at once. Raises DataError when it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = _open_once(path)
        self._count = self._file.count()
        # Filled in order, and always with the same values, whichever thread comes first.
        self._marks: dict[int, bytes] = {}
        if not self._count:
            raise DataError("the database has no records", path)

    def __len__(self) -> int:
        return self._count

    def read(self, positions: Sequence[int]) -> list[bytes]:
        """The records at these positions, in one transaction. Raises DataError."""
        records: list[bytes] = []
        with self._file.cursor() as cursor:
            for start, count in _runs(positions):
                self._seek(cursor, start)
                records += islice(cursor.iternext(keys=False, values=True), count)
        return records

    def keys(self, positions: Sequence[int]) -> list[bytes]:
        """The keys at these positions. Raises DataError."""
        keys: list[bytes] = []
        with self._file.cursor() as cursor:
            for start, count in _runs(positions):
                self._seek(cursor, start)
                keys += islice(cursor.iternext(keys=True, values=False), count)
        return keys

    def where(self, position: int) -> str:
        """Names a record for a message."""
        key = self.keys([position])[0].decode(errors="backslashreplace")
        return f"{self.path}, record {position}, key '{key}'"

    def _seek(self, cursor: Any, position: int) -> None:
        if not 0 <= position < self._count:
            raise IndexError(f"record {position} of {self._count} in '{self.path}'")
        block, steps = divmod(position, STRIDE)
        if block not in self._marks:
            self._note(cursor, block)
        cursor.set_key(self._marks[block])
        for _ in range(steps):
            cursor.next()

    def _note(self, cursor: Any, block: int) -> None:
        """Note the first key of every block up to this one."""
        known = len(self._marks) - 1
        if known < 0:
            cursor.first()
            known, self._marks[0] = 0, cursor.key()
        cursor.set_key(self._marks[known])
        for number in range(known + 1, block + 1):
            for _ in range(STRIDE):
                cursor.next()
            self._marks[number] = cursor.key()


def _runs(positions: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Positions as (start, count) of neighbours in rising order."""
    start, count = 0, 0
    for position in positions:
        if count and position == start + count:
            count += 1
            continue
        if count:
            yield start, count
        start, count = position, 1
    if count:
        yield start, count


class _File:
    """An open database; LMDB refuses to open the same files twice in a process."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.environment = _environment(path)

    def count(self) -> int:
        return self.environment.stat()["entries"]

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        import lmdb

        try:
            with self.environment.begin() as transaction, transaction.cursor() as cursor:
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
    raise DataError(f"cannot open LMDB: the folder {holds}", path)


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
