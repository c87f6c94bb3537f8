"""What `doctor` says of a file: each thing in it with a mark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal, NamedTuple

from netc.errors import NetcError
from netc.opening import each

Mark = Literal["supported", "different", "missing", "wrong", "absent"]
MARKS: dict[Mark, str] = {
    "supported": "works",
    "different": "works, and netc knowingly does something else than Caffe",
    "missing": "netc has nothing for it",
    "wrong": "a mistake",
    "absent": "a file that is not here",
}

UNKNOWN = ("Unknown layer type", "Unknown solver type", "Unknown learning rate policy")


class Finding(NamedTuple):
    """A thing in a file. where: file:line:column, or "". instead: what to write or to run."""

    mark: Mark
    what: str
    where: str = ""
    instead: str = ""


class Entry(NamedTuple):
    """A file of the project. path: from the project's folder."""

    path: str
    kind: str
    findings: tuple[Finding, ...]


class Place(NamedTuple):
    """A file of a project, and the folder that the paths in it start from.

    folder: the project's, and root: the folder of the paths, both absolute. path: from the root,
    which is the current folder while the file is looked at.
    """

    folder: str
    root: str
    path: str

    def of(self, where: object) -> str:
        """A place in a file as seen from the project's folder."""
        return os.path.relpath(os.path.join(self.root, str(where)), self.folder)


def wrong(place: Place, error: NetcError) -> Iterator[Finding]:
    """The mistakes that an error reports."""
    for e in each(error):
        missing = e.message.startswith(UNKNOWN)
        told = e.message.partition(" (known ")[0] if missing else e.message
        where = place.of(e.where or place.path)
        yield Finding("missing" if missing else "wrong", told, where, e.hint or "")
