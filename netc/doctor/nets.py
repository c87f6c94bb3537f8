"""Nets, solvers, and the data that they read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from netc.check import check
from netc.data.hdf5 import read_paths
from netc.data.lists import read_labelled
from netc.data.windows import read_windows
from netc.doctor.deviations import rows
from netc.doctor.findings import UNKNOWN, Finding, Place, wrong
from netc.errors import NetcError, ParseError, Span, did_you_mean
from netc.layers import LAYERS
from netc.layers.elsewhere import WRITE_IT, elsewhere
from netc.layers.plugins import layer_type
from netc.lint import Finding as Lint
from netc.load import Loaded, read_net, read_solver
from netc.schema import NetParameter
from netc.train.nets import check_solver

SOURCES: dict[str, Callable[[str], int]] = {  # what counts the entries of a source, by layer type
    "ImageData": lambda path: len(read_labelled(path)),
    "HDF5Data": lambda path: len(read_paths(path)),
    "WindowData": lambda path: len(read_windows(path, "").paths),
}
DATABASES = ("data.mdb", "CURRENT")  # of LMDB and LevelDB


def net(place: Place) -> Iterator[Finding]:
    """Every layer type and field of a net, and what the net reads."""
    loaded = read_net(place.path, allow_unknown=True)
    types = Counter(layer.type for layer in loaded.message.layer)
    known = [f"{name} {n}" for name, n in sorted(types.items()) if layer_type(name)]
    if known:
        yield Finding("supported", ", ".join(known))
    for i, layer in enumerate(loaded.message.layer):
        where = _place(place, loaded.source.at("layer", i))
        for row in rows(layer):
            yield Finding("different", f"{row} (docs/deviations.md)", where)
        if not layer_type(layer.type):
            told, whose = f"layer type '{layer.type}' (layer '{layer.name}')", elsewhere(layer.type)
            told += f", {whose[0]}" if whose else ""
            near = whose[1] if whose else did_you_mean(layer.type, LAYERS)
            yield Finding("missing", told, where, near or WRITE_IT)
    yield from _fields(place, loaded)
    yield from _checked(place)
    yield from _files(place, loaded)


def solver(place: Place) -> Iterator[Finding]:
    """The type, rate and fields of a solver, and the command that trains it."""
    loaded = read_solver(place.path, allow_unknown=True)
    p = loaded.message
    train = f"netc train -solver {place.path}"
    start = os.path.relpath(place.root, place.folder)
    run = train if start == "." else f"cd {start} && {train}"
    bad: list[Finding] = []
    try:
        check_solver(loaded)
    except NetcError as error:
        bad += wrong(place, error)
    bad += [*_fields(place, loaded), *_checked(place)]
    if not any(f.mark in ("missing", "wrong") for f in bad):
        yield Finding("supported", f"type {p.type}, lr_policy {p.lr_policy}", "", run)
    yield from bad


def _fields(place: Place, loaded: Loaded) -> Iterator[Finding]:
    """Fields that netc does not know."""
    for warning in loaded.warnings:
        if isinstance(warning, ParseError):
            yield Finding("missing", warning.message, place.of(warning.where), warning.hint or "")


def _checked(place: Place) -> Iterator[Finding]:
    """What `netc check` finds in this file without data: mistakes, and where Caffe differs."""
    report = check(place.path, infer_shapes=False, allow_unknown=True)
    for error in report.errors:
        if _in(error, place.path) and not error.message.startswith(UNKNOWN):
            yield from wrong(place, error)
    for warning in report.warnings:
        if isinstance(warning, Lint) and warning.code[:2] == "N1" and _in(warning, place.path):
            told = warning.message.partition(": ")[2]
            yield Finding("different", f"{told}: {warning.why}", place.of(warning.where))


def _in(error: NetcError, path: str) -> bool:
    """Whether a mistake is in this file, not in another one that it names."""
    return not isinstance(error.where, Span) or error.where.source.name == path


def _files(place: Place, loaded: Loaded[NetParameter]) -> Iterator[Finding]:
    """Lists, databases and means that layers read."""
    told = set()
    for named in files(loaded):
        if named.path in told:
            continue
        told.add(named.path)
        where = _place(place, named.span)
        if not os.path.exists(named.path):
            yield Finding("absent", f"{named.field} '{named.path}'", where)
        elif named.type in SOURCES and named.field == "source":
            try:
                count = SOURCES[named.type](named.path)
            except NetcError as error:
                yield from wrong(place, error)
            else:
                yield Finding("supported", f"list '{named.path}' of {count}", where)
        elif os.path.isdir(named.path) and not any(
            os.path.exists(os.path.join(named.path, name)) for name in DATABASES
        ):
            yield Finding("wrong", f"'{named.path}' is no LMDB and no LevelDB", where)


class Named(NamedTuple):
    """A file that a layer reads. type: of the layer."""

    type: str
    field: str
    path: str
    span: Span | None


def files(loaded: Loaded[NetParameter]) -> Iterator[Named]:
    """The files that the data layers of a net name."""
    for i, layer in enumerate(loaded.message.layer):
        node = loaded.source.node("layer", i)
        for param, message in layer.ListFields():
            for field in ("source", "mean_file"):
                path = getattr(message, field, "") if param.message_type else ""
                if path:
                    yield Named(layer.type, field, path, node.at(param.name, field))


def _place(place: Place, span: Span | None) -> str:
    return place.of(span or place.path)
