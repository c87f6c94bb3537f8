"""The blobs of a graph and the blobs of files or of another graph: who gets what."""

from __future__ import annotations

import numpy as np

from netc.compile import Arrays
from netc.errors import SolverError
from netc.graph.doubts import other_meanings
from netc.graph.ir import Graph
from netc.graph.splits import insert_splits
from netc.layers.base import dims
from netc.prototxt import SourceMap
from netc.schema import NetParameter
from netc.weights.mapped import in_memory
from netc.weights.match import Match, TargetLayer


def shared_blobs(train: Graph, test: Graph) -> dict[str, str]:
    """Blobs of a test net that are the training net's, by layer name; shapes must agree."""
    owners = {n.name: n.stored for n in reversed(train.nodes)}
    shared: dict[str, str] = {}
    for node in test.nodes:
        for i, key in enumerate(node.stored):
            if i >= len(owners.get(node.name, ())) or key in shared:
                continue
            theirs = owners[node.name][i]
            want, have = test.param_by_key[key].spec.shape, train.param_by_key[theirs].spec.shape
            if want != have:
                raise SolverError(
                    f"Cannot share param {i} weights from layer '{node.name}'; shape mismatch.  "
                    f"Source param shape is {dims(have)}; target param shape is {dims(want)}",
                    node.source.span,
                    "the layer must be of one shape in training and testing",
                )
            shared[key] = theirs
    return shared


def targets(graph: Graph) -> list[TargetLayer]:
    """What the layers of a graph can take from a file of weights."""
    found = []
    for node in graph.nodes:
        shapes = [spec.shape for spec, _ in node.set_up.stored]
        shared = tuple(graph.param_by_key[k].layer != node.key for k in node.stored)
        p = node.param
        rows = p.type == "Convolution" and p.convolution_param.group == 1
        rows |= p.type == "InnerProduct" and not p.inner_product_param.transpose
        place = tuple(shapes), shared, node.source.span
        found.append(
            TargetLayer(node.name, p.type, *place, rows, node.set_up.read, other_meanings(node))
        )
    return found


def by_key(graph: Graph, found: Match) -> Arrays:
    """The values of a match by the keys of a graph, in memory and in the owners' shapes."""
    nodes = {n.name: n for n in reversed(graph.nodes)}
    values: Arrays = {}
    for (layer, index), value in found.values.items():
        key = nodes[layer].stored[index]
        values[key] = in_memory(value).reshape(graph.param_by_key[key].spec.shape)
    return values


def by_layer(
    graph: Graph, blobs: Arrays, owners_only: bool = False
) -> dict[str, list[np.ndarray | None]]:
    """The blobs of every layer that uses some, as files hold them.

    Shared ones stand in each layer, or with their owner only and None elsewhere.
    """
    layers: dict[str, list[np.ndarray | None]] = {}
    for node in graph.nodes:
        shapes = [spec.shape for spec, _ in node.set_up.stored]
        if shapes and node.name not in layers:
            layers[node.name] = [
                None
                if owners_only and graph.param_by_key[k].layer != node.key
                else np.asarray(blobs[k]).reshape(s)
                for k, s in zip(node.stored, shapes, strict=True)
            ]
    return layers


def file_message(graph: Graph) -> NetParameter:
    """The net as a .caffemodel lists it: filtered, upgraded, with Split layers and phases."""
    message, _ = insert_splits(graph.message, SourceMap())
    return with_phases(graph.replace(message=message))


def with_phases(graph: Graph) -> NetParameter:
    """The net's message without its state, every layer with the phase it is in."""
    message = NetParameter()
    message.CopyFrom(graph.message)
    message.ClearField("state")
    for layer in message.layer:
        if not layer.HasField("phase"):
            layer.phase = graph.phase
    return message
