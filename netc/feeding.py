"""The data layers of a net or solver, or a source by itself, opened without the rest of the net."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

import numpy as np

from netc.data.annotated import is_annotated
from netc.data.boxes import CORNERS, of_item
from netc.data.fail import missing
from netc.data.feeds import FEEDS, Feed, boxes_of, open_feed
from netc.data.hdf5 import is_hdf5, names_in, read_paths
from netc.data.sources import open_source
from netc.errors import DataError, UsageError
from netc.load import is_text, read_bytes, read_solver
from netc.opening import is_solver, open_nets
from netc.phase import filter_net
from netc.prototxt import SourceMap
from netc.schema import DataParameter, LayerParameter, Phase, SolverParameter

PROTOTXT = re.compile(rb"(\s|#.*\n)*\w+\s*[:{]")


class Opened(NamedTuple):
    """A data layer that is read. passes: how many batches an iteration of its solver takes."""

    param: LayerParameter
    feed: Feed
    phase: Phase
    seed: int
    passes: int = 1

    @property
    def title(self) -> str:
        """Names the layer and its phase."""
        return f"layer '{self.param.name}' ({self.param.type}) in {Phase.Name(self.phase)}"


def open_layers(
    path: str,
    phase: Phase | None = None,
    level: int | None = None,
    stages: tuple[str, ...] = (),
    seed: int | None = None,
) -> list[Opened]:
    """The data layers of a net (in TRAIN if phase is None) or a solver (in all its nets then); or
    one that reads a database, a folder of class folders, an HDF5 file, a list of such files or an
    image list in order.

    seed: in place of the solver's random_seed. Raises NetcError of every kind for what is wrong.
    """
    if not os.path.exists(path):
        raise DataError("there is no such file or folder", path, missing(path))
    if os.path.isdir(path) or is_hdf5(path) or _is_list(read_bytes(path)):
        param = layer_of(path)
        return [Opened(param, open_feed(param, "TEST", 0), Phase.TEST, 0)]
    solver = read_solver(path).message if is_solver(path) else SolverParameter()
    seed = max(solver.random_seed, 0) if seed is None else seed
    found = []
    for net in open_nets(path, phase, level, stages):
        message, source, _ = filter_net(net.net, net.state)
        now = net.state.phase
        passes = solver.iter_size if now == Phase.TRAIN else 1
        for i, param in enumerate(message.layer):
            if param.type in FEEDS:
                fail = _Fail(param, source.node("layer", i))
                feed = open_feed(param, Phase.Name(now), seed, fail)
                found.append(Opened(param, feed, now, seed, passes))
    if not found:
        raise UsageError(f"{path}: no layer reads data ({', '.join(FEEDS)})")
    return found


def _is_list(data: bytes) -> bool:
    return is_text(data) and not PROTOTXT.match(data)


class _Fail(NamedTuple):
    """Raises a DataError at a field of a layer."""

    param: LayerParameter
    source: SourceMap

    def __call__(self, message: str, field: str, *, hint: str | None = None) -> NoReturn:
        what = f"{message} (layer '{self.param.name}', {self.param.type})"
        raise DataError(what, self.source.find(field), hint)


def layer_of(path: str) -> LayerParameter:
    """A layer that reads a source by itself, one example at a time. Raises NetcError."""
    param = LayerParameter(name="data", top=["data", "label"])
    files = set(os.listdir(path)) if os.path.isdir(path) else set()
    if files & {"data.mdb", "CURRENT"}:
        param.type, p = "Data", param.data_param
        p.backend = DataParameter.LMDB if "data.mdb" in files else DataParameter.LEVELDB
        if is_annotated(open_source(p.backend, path).read([0])[0]):
            param.type = "AnnotatedData"
    elif os.path.isdir(path):
        param.type, p = "ImageFolder", param.image_folder_param
    elif (first := read_paths(path)[0]) and is_hdf5(first):
        param.type, p = "HDF5Data", param.hdf5_data_param
        param.top[:] = names_in(first)
    else:
        param.type, p = "ImageData", param.image_data_param
    p.source, p.batch_size = path, 1
    return param


def tell_step(layer: Opened, step: int) -> Iterator[str]:
    """Every example of an iteration of training, or of batch `step` elsewhere: the record, its
    label, and what it drew. Raises DataError.
    """
    feed = layer.feed
    for k in range(step * layer.passes, (step + 1) * layer.passes):
        tops = feed.batch(k)
        top, rows = feed.labels_top, boxes_of(feed, tops)
        yield f"{layer.title}, batch {k} (seed {layer.seed}):"
        for i, (where, drawn) in enumerate(zip(feed.describe(k), feed.drawn(k), strict=True)):
            label = "" if top is None or tops[top][i].ndim > 1 else _label(tops[top][i])
            label = label if rows is None else _boxes(of_item(rows, i))
            yield f"  {i:>3}  {', '.join(filter(None, (where, label, drawn)))}"


def _boxes(rows: np.ndarray) -> str:
    told = (f"{r[1]:g} at ({', '.join(f'{x:.3g}' for x in r[CORNERS])})" for r in rows)
    return "boxes " + ", ".join(told) if len(rows) else "no boxes"


def _label(value: np.ndarray) -> str:
    return "label " + " ".join(f"{x:g}" for x in np.ravel(value))
