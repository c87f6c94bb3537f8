"""Text files and folders that list images with what belongs to them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from netc.data.fail import excerpt
from netc.errors import DataError, NetcError, did_you_mean, raise_all
from netc.load import nearby, read_bytes

TOLD = 10  # of the mistakes in one list, so that a wrong file does not fill the screen
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


class Row(NamedTuple):
    """An example. files: paths of images. numbers: its labels. where: names it for a message."""

    files: tuple[str, ...]
    numbers: tuple[float, ...]
    where: str


def lines(source: str) -> Iterator[tuple[str, str]]:
    """The lines of a text file that are not blank, each with "file:line". Raises ParseError."""
    text = read_bytes(source).decode(errors="surrogateescape")
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield line.rstrip(), f"{source}:{number}"


def read_labelled(source: str, labels: int = 1) -> list[Row]:
    """The lines `path label`, split at the last blank; with several labels `path label label ...`,
    which are numbers of any kind. Raises DataError naming file and line.

    Caffe: image_data_layer.cpp.
    """
    wanted = "an integer label" if labels == 1 else f"{labels} numbers"

    def parse(line: str, where: str) -> Row:
        path, *words = line.rsplit(" ", labels)
        numbers = tuple(map(_number, words))
        fits = len(words) == labels and -(1 << 31) <= numbers[0] < 1 << 31
        if not path or not fits or math.nan in numbers or (labels == 1 and not _is_int(words[0])):
            raise DataError(f"expected a path, a blank and {wanted}, got '{excerpt(line)}'", where)
        return Row((path,), numbers, where)

    return _rows(source, parse)


def read_paths(source: str) -> list[Row]:
    """The first word of each line. Raises DataError."""
    return _rows(source, lambda line, where: Row((line.split()[0],), (), where))


def read_columns(source: str, is_file: Sequence[bool]) -> list[Row]:
    """The lines of columns, between tabs or, in a line without any, blanks.

    is_file: whether each column is a path; the one that is not takes all that are left over.
    Raises DataError naming file and line.
    """
    before = list(is_file).index(False) if False in is_file else len(is_file)
    after = max(len(is_file) - before - 1, 0)
    wanted = " ".join("path" if file else "numbers" for file in is_file)
    widths: set[int] = set()

    def parse(line: str, where: str) -> Row:
        fields = line.split("\t") if "\t" in line else line.split()
        end = len(fields) - after
        numbers = tuple(map(_number, fields[before:end]))
        if len(fields) < len(is_file) or (all(is_file) and numbers) or math.nan in numbers:
            raise DataError(f"expected {wanted}, got '{excerpt(line)}'", where)
        widths.add(len(numbers))
        if len(widths) > 1:
            raise DataError(f"lines of {' and '.join(map(str, sorted(widths)))} numbers", where)
        return Row((*fields[:before], *fields[end:]), numbers, where)

    return _rows(source, parse)


def read_classes(folder: str, names: Sequence[str]) -> tuple[list[Row], list[str]]:
    """The images below each folder of a folder, which is their class, and the classes in order.

    names: the classes; by default all folders, sorted. Raises DataError.
    """
    try:
        found = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    except OSError as e:
        raise DataError(f"Failed to open folder: {e.strerror}", folder, nearby(folder)) from None
    if not found:
        raise DataError("no folder in it, where each would be a class of images", folder)
    classes, rows, errors = list(names) or found, [], []
    for label, name in enumerate(classes):
        below = os.path.join(folder, name)
        if name not in found:
            errors.append(DataError(f"no class '{name}'", folder, did_you_mean(name, found)))
            continue
        paths = [
            os.path.join(place, file)
            for place, _, files in os.walk(below)
            for file in files
            if file.lower().endswith(SUFFIXES)
        ]
        if not paths:
            errors.append(DataError(f"no image ({', '.join(SUFFIXES)})", below))
        rows += [Row((path,), (float(label),), path) for path in sorted(paths)]
    raise_all(errors)
    return rows, classes


def _rows(source: str, parse: Callable[[str, str], Row]) -> list[Row]:
    rows: list[Row] = []
    errors: list[NetcError] = []
    for line, where in lines(source):
        try:
            rows.append(parse(line, where))
        except DataError as e:
            errors.append(e)
            if len(errors) == TOLD:
                break
    raise_all(errors)
    if not rows:
        raise DataError("the list is empty", source)
    return rows


def _number(text: str) -> float:
    """A finite number, or `math.nan` itself."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _is_int(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True
