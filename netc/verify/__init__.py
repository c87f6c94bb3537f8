"""A net against values that were recorded of it, by Caffe as a rule: which layer departs?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netc.errors import DataError, Span, UsageError, did_you_mean
from netc.graph.ir import Graph
from netc.layers.base import Shape
from netc.load import Loaded, read_net
from netc.lowering.plan import Plan
from netc.opening import stand_in
from netc.phase import state_of
from netc.prototxt import SourceMap
from netc.pycaffe import Net
from netc.schema import NetParameter, Phase
from netc.verify import recording
from netc.verify.recording import Arrays

TINY = 1e-6  # added to the largest value of a blob, so that one of zeros has errors, too


class Difference(NamedTuple):
    """Of two arrays: the largest one, and as a part of the largest value that was recorded."""

    largest: float
    relative: float


class Row(NamedTuple):
    """What a layer put into one of its tops.

    shape: as computed; recorded: as recorded.
    alone: the layer on its recorded bottoms; None where the shapes differ.
    whole: the net on its recorded inputs; None where a later layer overwrites the blob.
    drawn: the layer draws random numbers, so that nothing follows from its difference.
    """

    layer: str
    type: str
    top: str
    where: Span | None
    shape: Shape
    recorded: Shape
    alone: Difference | None
    whole: Difference | None
    drawn: bool


class Source(NamedTuple):
    """The net that is verified. weights: a file, "" for none."""

    path: str
    phase: Phase
    plan: Plan
    weights: str = ""
    level: int | None = None
    stages: tuple[str, ...] = ()


def verify(source: Source, arrays: Arrays) -> list[Row]:
    """Run the net once as a whole on its recorded inputs, then each layer by itself on its
    recorded bottoms; a row for every recorded value that a layer computes.

    A bottom that was not recorded is what netc computes of recorded ones.
    Raises UsageError without weights, DataError for a recording of another net, and what opening
    the net raises.
    """
    net = _open(source, arrays)
    net.forward()
    whole = {name: np.array(blob.data) for name, blob in net.blobs.items()}
    net = _open(source, arrays)  # recurrent layers start anew
    drawn = any(node.set_up.random for node in net._graph.nodes)
    last = {top: i for i, node in enumerate(net._graph.nodes) for top in node.param.top}
    rows = []
    for i, node in enumerate(net._graph.nodes):
        net._forward(i, i)
        for top in node.param.top if node.set_up.external is None else ():
            want = recording.value(arrays, node.name, top, last[top] == i)
            if want is not None:
                got, end = net.blobs[top].data, last[top] == i and not drawn
                row = Row(
                    node.name,
                    node.param.type,
                    top,
                    node.source.span,
                    got.shape,
                    want.shape,
                    _difference(got, want),
                    _difference(whole[top], want) if end else None,
                    node.set_up.random,
                )
                rows.append(row)
                if row.alone:
                    got[...] = want
    if not rows:
        raise _foreign(source, arrays, net._graph)
    return rows


def _foreign(source: Source, arrays: Arrays, graph: Graph) -> DataError:
    """The error for a recording of another net."""
    blobs = {top for node in graph.nodes for top in node.param.top}
    names = [f"{node.name}/{top}" for node in graph.nodes for top in node.param.top]
    near = (did_you_mean(name, [*names, *blobs]) for name in arrays if name not in blobs)
    return DataError(
        f"nothing in the recording is of a layer of {source.path}; it holds {_listed(arrays)}",
        hint=next(filter(None, near), f"values are called {names[-1]}"),
    )


def _listed(arrays: Arrays) -> str:
    return ", ".join(list(arrays)[:10]) or "nothing"


def record(source: Source, arrays: Arrays | None = None) -> Arrays:
    """What every layer of the net puts into its tops in one pass, by LAYER/TOP.

    arrays: a recording to take the inputs from; without one, data layers read their first batch and
    Input layers get normal numbers, or labels where a layer reads some.
    """
    net = _open(source, arrays)
    found = {}
    for i, node in enumerate(net._graph.nodes):
        net._forward(i, i)
        found |= {f"{node.name}/{top}": np.array(net.blobs[top].data) for top in node.param.top}
    return found


def _open(source: Source, recorded: Arrays | None) -> Net:
    """The net with Input layers in place of its data layers where their tops were recorded, and
    with values in its Input layers."""
    net, arrays = read_net(source.path), recorded or {}
    shapes = {
        top: given.shape
        for layer in net.message.layer
        if not layer.bottom and layer.type != "Parameter"  # whose top is a learnable blob
        for top in layer.top
        if (given := recording.value(arrays, layer.name, top, True)) is not None
    }
    state = state_of(net.message, source.phase, source.level, source.stages)
    opened = Net._of(_without_files(stand_in(net, shapes)), state, source.plan, 0)
    if source.weights:
        opened.copy_from(source.weights)
    elif opened.params:
        raise UsageError(
            f"the blobs of {', '.join(list(opened.params)[:3])} need values",
            hint="-weights names the file that the recording was made with",
        )
    _fill(opened, _samples(opened._graph) if recorded is None else recorded)
    return opened


def _without_files(net: Loaded[NetParameter]) -> Loaded[NetParameter]:
    """The net without layers that write to files."""
    kept = [i for i, layer in enumerate(net.message.layer) if layer.type != "HDF5Output"]
    message = NetParameter()
    message.CopyFrom(net.message)
    del message.layer[:]
    message.layer.extend(net.message.layer[i] for i in kept)
    fields = dict(net.source.fields)
    if nodes := net.source.get("layer"):
        fields["layer"] = [nodes[i] for i in kept]
    return Loaded(message, SourceMap(net.source.span, fields))


def _fill(net: Net, arrays: Arrays) -> None:
    """Put values into the tops of Input layers."""
    for node in net._graph.nodes:
        for top in node.param.top if node.param.type == "Input" else ():
            given = recording.value(arrays, node.name, top, True)
            if given is None:
                raise DataError(
                    f"the recording has no '{top}', an input of the net; "
                    f"it holds {_listed(arrays)}",
                    node.source.span,
                    did_you_mean(top, arrays),
                )
            net.blobs[top].data[...] = given


def _samples(graph: Graph) -> Arrays:
    """Numbers for the tops of Input layers: normal ones, or labels where a layer reads labels."""
    rng = np.random.default_rng(0)
    rules = {n.bottoms[r.bottom]: r for n in graph.nodes if (r := n.set_up.labels)}
    return {
        value: rng.integers(0, rules[value].classes, graph.shapes[value])
        if value in rules
        else rng.standard_normal(graph.shapes[value])
        for value in graph.inputs
    }


def _difference(got: np.ndarray, want: np.ndarray) -> Difference | None:
    """None where the shapes differ; infinite where one of two numbers is not finite."""
    if got.shape != want.shape:
        return None
    a, b = got.astype(np.float64), want.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0, np.abs(a - b))
    largest = float(np.where(np.isnan(apart), np.inf, apart).max(initial=0))
    finite = np.abs(b[np.isfinite(b)]).max(initial=0)
    return Difference(largest, largest / (float(finite) + TINY))
