"""Layer by layer: shapes, parameters, operations, memory."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from netc.graph.ir import Graph, Node
from netc.graph.splits import insert_splits
from netc.layers.base import TRAIN, Shape
from netc.prototxt import SourceMap
from netc.summary.flops import backward_flops, forward_flops

FLOAT = 4  # bytes; blobs are float32


class Row(NamedTuple):
    """A layer. tops: blob and shape. params: learnable numbers that are its own; frozen: those of
    them that the solver does not move; shared: those of another layer that it uses; carried: of its
    state. forward, backward: operations, None without a formula. memory: bytes of its tops."""

    name: str
    type: str
    tops: tuple[tuple[str, Shape], ...]
    params: int
    frozen: int
    shared: int
    carried: int
    forward: int | None
    backward: int | None
    memory: int


class Summary(NamedTuple):
    """A net in one phase.

    trained: whether there is a backward pass. unfrozen: its operations if nothing were frozen.
    data_memory: what Caffe prints as "Memory required for data", in bytes.
    """

    name: str
    phase: str
    rows: tuple[Row, ...]
    trained: bool
    unfrozen: int
    data_memory: int

    def total(self, column: str) -> int:
        """The sum of a column, what has no formula left out."""
        return sum(getattr(row, column) or 0 for row in self.rows)

    @property
    def uncounted(self) -> list[str]:
        """The layer types without a formula for their operations."""
        return sorted({row.type for row in self.rows if row.forward is None})

    @property
    def saved(self) -> int:
        """Operations of the backward pass that freezing saves."""
        return self.unfrozen - self.total("backward")


def summarize(graph: Graph) -> Summary:
    """The summary of a graph whose shapes are known."""
    trained = graph.phase == TRAIN and bool(graph.weights)
    backward = backward_flops(graph, graph.trainable if trained else ())
    unfrozen = backward_flops(graph, graph.differentiable if trained else ())
    rows = tuple(_row(graph, node, backward[node.key], trained) for node in graph.nodes)
    return Summary(
        graph.name,
        "TRAIN" if graph.phase == TRAIN else "TEST",
        rows,
        trained,
        sum(n or 0 for n in unfrozen.values()),
        data_memory(graph),
    )


def _row(graph: Graph, node: Node, backward: int | None, trained: bool) -> Row:
    used = [graph.param_by_key[k] for k in dict.fromkeys(node.stored)]
    own = [p for p in used if p.layer == node.key]
    return Row(
        node.name,
        node.param.type,
        tuple((graph.blobs[t], graph.shapes[t]) for t in node.tops),
        _count(p for p in own if not p.carried),
        _count(p for p in own if trained and not p.carried and p.key not in graph.trainable),
        _count(p for p in used if p.layer != node.key),
        _count(p for p in own if p.carried),
        forward_flops(graph, node),
        backward,
        sum(FLOAT * math.prod(graph.shapes[t]) for t in node.tops),
    )


def _count(params: Any) -> int:
    return sum(math.prod(p.spec.shape) for p in params)


def data_memory(graph: Graph) -> int:
    """Bytes of all tops, in-place ones and those of hidden Splits counted. Caffe: net.cpp, Init."""
    tops = [graph.shapes[t] for node in graph.nodes for t in node.tops]
    message, _ = insert_splits(graph.message, SourceMap())
    names = {node.name for node in graph.nodes}
    for layer in message.layer:
        if layer.type == "Split" and layer.name not in names:
            tops += [graph.shapes[graph.last_values[layer.bottom[0]]]] * len(layer.top)
    return sum(FLOAT * math.prod(shape) for shape in tops)
