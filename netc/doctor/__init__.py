"""A whole Caffe project: what of it works with netc, and what to run instead."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from netc.doctor import nets, scripts
from netc.doctor.findings import Entry, Finding, Place, wrong
from netc.errors import NetcError, UsageError
from netc.load import is_text, read_bytes, read_net, read_solver, text_of
from netc.opening import is_solver
from netc.prototxt import parse
from netc.schema import LabelMap
from netc.weights.kinds import Kind, kind_of, map_file

SKIPPED = {"build", "__pycache__", "node_modules"}
BINARY = {  # what files of these names should hold
    ".caffemodel": (Kind.WEIGHTS, Kind.HDF5),
    ".solverstate": (Kind.STATE, Kind.HDF5),
    ".binaryproto": (Kind.BLOB,),
}


def examine(folder: str, flags: scripts.Flags) -> list[Entry]:
    """Every net, solver, script and file of weights below a folder, hidden folders aside.

    flags: those of netc's commands. Raises UsageError where there is no such folder.
    """
    if not os.path.isdir(folder):
        raise UsageError(f"{folder} is no folder", hint="netc check looks at one net or solver")
    top = os.path.abspath(folder)
    with contextlib.chdir(top):
        entries = [_entry(top, path, look, flags) for path in _walk() if (look := _look(path))]
    return [entry for entry in entries if entry.findings]


def _entry(top: str, path: str, look: Look, flags: scripts.Flags) -> Entry:
    place = Place(top, os.path.abspath(look.root), os.path.relpath(path, look.root))
    findings: list[Finding] = []
    with contextlib.chdir(place.root):
        try:
            for finding in look.at(place, flags):
                findings.append(finding)
        except NetcError as error:
            findings += wrong(place, error)
    return Entry(path, look.kind, tuple(findings))


def _walk() -> Iterator[str]:
    for folder, inner, names in os.walk("."):
        inner[:] = sorted(n for n in inner if n not in SKIPPED and not n.startswith("."))
        yield from (os.path.normpath(os.path.join(folder, name)) for name in sorted(names))


class Look(NamedTuple):
    """How to look at a file. root: the folder that paths in it start from."""

    kind: str
    at: Callable[[Place, scripts.Flags], Iterator[Finding]]
    root: str = "."


def _look(path: str) -> Look | None:
    suffixes = Path(path).suffixes
    for suffix in reversed(suffixes):  # .caffemodel.h5 is one of .caffemodel
        if suffix in BINARY:
            return Look("weights", _binary)
    suffix = suffixes[-1] if suffixes else ""
    if suffix == ".prototxt":
        return _prototxt(path)
    return Look("script", scripts.LANGUAGES[suffix]) if suffix in scripts.LANGUAGES else None


def _prototxt(path: str) -> Look | None:
    if labels := _labels(path):
        found = Finding("supported", f"labels {labels}")
        return Look("label map", lambda place, _: iter([found]))
    kind, look, named = "net", nets.net, []
    with contextlib.suppress(NetcError):  # which looking at it reports
        if is_solver(path):
            kind, look = "solver", nets.solver
            p = read_solver(path, allow_unknown=True).message
            named = [p.net, p.train_net, *p.test_net]
        else:
            loaded = read_net(path, allow_unknown=True)
            if not loaded.message.layer:
                return None  # another program's
            named = [file.path for file in nets.files(loaded)]
    return Look(kind, lambda place, _: look(place), _root(path, named))


def _labels(path: str) -> int:
    """How many labels a file holds, if it is a map of labels."""
    with contextlib.suppress(NetcError):
        data = read_bytes(path)
        return len(parse(text_of(data), LabelMap).message.item) if is_text(data) else 0
    return 0


def _root(path: str, named: list[str]) -> str:
    """The folder that a file's paths start from: the project's, or one on the way to the file, or
    one above it."""
    inside = [str(p) for p in Path(path).parents][-2::-1]
    above = [os.path.join(*[".."] * n) for n in range(1, len(Path.cwd().parts))]
    folders = (".", *inside, *above)
    found = (f for f in folders for n in named if n and os.path.exists(os.path.join(f, n)))
    return next(found, ".")


def _binary(place: Place, flags: scripts.Flags) -> Iterator[Finding]:
    wanted = next(kinds for suffix, kinds in BINARY.items() if suffix in place.path)
    found = kind_of(map_file(place.path))
    if found in wanted:
        yield Finding("supported", found.value)
    else:
        yield Finding("wrong", f"{found.value}, not {wanted[0].value}", place.of(place.path))
