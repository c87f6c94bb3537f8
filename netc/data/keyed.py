"""Records by their position in key order, in stores that know keys only.

The keys of every STRIDE-th record are noted as far as reading has come: a position is the nearest
noted key and a few steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

from netc.errors import DataError

STRIDE = 8  # the noted keys of a million records then take about 20 MB


class KeyedSource(ABC):
    """The records of a database. Safe to read from several threads at once.

    Raises DataError where there are none.
    """

    def __init__(self, path: str, count: int) -> None:
        self.path = path
        self._count = count
        # Filled in order, and always with the same values, whichever thread comes first.
        self._marks: dict[int, bytes] = {}
        if not count:
            raise DataError("the database has no records", path)

    @abstractmethod
    def cursor(self) -> AbstractContextManager[Any]:
        """A cursor with `first`, `set_key`, `next`, `key` and `iternext`, as LMDB's."""

    def __len__(self) -> int:
        return self._count

    def read(self, positions: Sequence[int]) -> list[bytes]:
        """The records at these positions, in one transaction. Raises DataError."""
        return self._read(positions, keys=False, values=True)

    def keys(self, positions: Sequence[int]) -> list[bytes]:
        """The keys at these positions. Raises DataError."""
        return self._read(positions, keys=True, values=False)

    def where(self, position: int) -> str:
        """Names a record for a message."""
        key = self.keys([position])[0].decode(errors="backslashreplace")
        return f"{self.path}, record {position}, key '{key}'"

    def _read(self, positions: Sequence[int], **wanted: bool) -> list[bytes]:
        found: list[bytes] = []
        with self.cursor() as cursor:
            for start, count in _runs(positions):
                self._seek(cursor, start)
                found += islice(cursor.iternext(**wanted), count)
        if len(found) != len(positions):
            raise DataError(f"{len(found)} of {len(positions)} records were found", self.path)
        return found

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
