"""What a net made of images, on the screen or in a file."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from netc.errors import DataError, UsageError
from netc.files import atomic


class Result(Protocol):
    """What a net made of one image or window."""

    def text(self) -> str:
        """For people."""
        ...

    def data(self) -> dict[str, Any]:
        """For JSON."""
        ...

    def rows(self) -> Iterable[Sequence[Any]]:
        """For a table."""
        ...


Write = Callable[[IO[Any], Sequence[Any]], None]


class Output:
    """Where results go: a file, by its suffix, or stdout as JSON or text.

    columns: of the table. others: what writes into files of further suffixes.
    Raises UsageError for another suffix.
    """

    def __init__(
        self,
        path: str | None,
        as_json: bool,
        columns: Sequence[str],
        others: Mapping[str, Write] | None = None,
    ) -> None:
        self._path, self._as_json, self._columns = path, as_json, columns
        self._writers = {".json": _write_json, ".csv": self._write_csv, **(others or {})}
        self._suffix = Path(path or "").suffix
        if path and self._suffix not in self._writers:
            raise UsageError(f"{path}: results are written as {', '.join(self._writers)}")

    def put(self, results: Iterable[Any]) -> list[Any]:
        """Write them all, text one by one as they come. Raises DataError."""
        if not self._path and not self._as_json:
            return [_printed(result) for result in results]
        found = list(results)
        if not self._path:
            _write_json(sys.stdout, found)
            return found
        try:
            with atomic(self._path, "wb" if self._suffix == ".npy" else "w") as file:
                self._writers[self._suffix](file, found)
        except OSError as error:
            raise DataError(
                f"the results cannot be written: {error.strerror}", self._path
            ) from None
        return found

    def _write_csv(self, file: IO[str], found: Sequence[Result]) -> None:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(self._columns)
        table.writerows(row for result in found for row in result.rows())


def _write_json(file: IO[str], found: Sequence[Result]) -> None:
    file.write(json.dumps([result.data() for result in found], indent=1) + "\n")


def _printed(result: Result) -> Result:
    if text := result.text():
        print(text, flush=True)
    return result
