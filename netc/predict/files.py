"""The images that a command line names: files, folders of them, lists of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from netc.data.lists import SUFFIXES, lines
from netc.errors import DataError
from netc.load import is_text, nearby

HEAD = 4096  # bytes of a file that tell whether it is text


def find_images(names: Sequence[str]) -> list[str]:
    """The image files in the order of their names: those below a folder sorted, those of a list, a
    text file with a path in each line (and a label after it), as they stand there.

    Raises DataError for a name that is nothing, and a folder or list that names no image.
    """
    found: list[str] = []
    for name in names:
        if os.path.isdir(name):
            here = _below(name)
        elif not os.path.isfile(name):
            raise DataError("there is no such file or folder", name, nearby(name))
        else:
            here = _listed(name) if _is_list(name) else [name]
        if not here:
            raise DataError(f"no image in it ({', '.join(SUFFIXES)})", name)
        found += here
    return found


def _below(folder: str) -> list[str]:
    return sorted(
        os.path.join(place, file)
        for place, _, files in os.walk(folder)
        for file in files
        if file.lower().endswith(SUFFIXES)
    )


def _is_list(path: str) -> bool:
    if path.lower().endswith(SUFFIXES):
        return False
    with open(path, "rb") as file:
        return is_text(file.read(HEAD))


def _listed(source: str) -> list[str]:
    """The path in each line: all of it, or what stands before a label."""
    found = []
    for line, _ in lines(source):
        path, blank, label = line.rpartition(" ")
        labelled = blank and label.lstrip("-").isdigit() and not Path(line).exists()
        found.append(path if labelled else line)
    return found
