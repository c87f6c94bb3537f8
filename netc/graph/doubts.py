"""Where the forks of Caffe leave open what a net means, and how it was taken."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from netc.errors import NetcError
from netc.graph.ir import Graph, Node
from netc.layers.base import LAYERS
from netc.layers.dialects import candidates, evident, without_effect

log = logging.getLogger(__name__)


class Doubt(NamedTuple):
    """path: of the field in the node's layer. fix: what removes the doubt."""

    node: Node
    path: tuple[str | int, ...]
    message: str
    fix: str


def guessed(graph: Graph) -> Iterator[Doubt]:
    """The first layer of every type that means different layers in different forks, where neither
    a dialect nor fields, of the layer or of others, tell which."""
    told, known = set(), evident(graph.message)
    for node in graph.nodes:
        name = node.param.type
        taken, *others = candidates(LAYERS[name], node.param, graph.message.dialect, known)
        if others and name not in told:
            told.add(name)
            meant = ", ".join(taken.dialects)
            rest = [d for k in others for d in k.dialects]
            yield Doubt(
                node,
                ("type",),
                f"{name} is taken for the layer of {meant}; it is another one in {', '.join(rest)}",
                f'dialect: "{rest[0]}" in the net, or --dialect {rest[0]}, if that one is meant',
            )


def other_meanings(node: Node) -> str | None:
    """A hint where forks mean other layers by the type of a node."""
    rest = [
        d
        for k in LAYERS[node.param.type].variants
        if k.label != node.kind.label
        for d in k.dialects
    ]
    if not rest:
        return None
    return (
        f"in {', '.join(rest)} {node.kind.name} is another layer: --dialect {rest[0]} takes it so"
    )


def unheeded(graph: Graph) -> Iterator[Doubt]:
    """The first layer of each type that sets a field of forks which does nothing here."""
    seen = set()
    for node in graph.nodes:
        for path in without_effect(node.kind, node.param):
            field = getattr(node.param, path[0]).DESCRIPTOR.fields_by_name[path[1]]
            value = getattr(getattr(node.param, path[0]), path[1])
            if value != field.default_value and (node.kind.label, path) not in seen:
                seen.add((node.kind.label, path))
                yield Doubt(
                    node, path, f"{path[1]} has no effect in {node.kind.label}", f"drop {path[1]}"
                )


def tell(graph: Graph, warnings: Iterable[NetcError] = ()) -> None:
    """Log every doubt, and the warnings of reading the net, each once however many are built."""
    for warning in warnings:
        _warn(warning.render())
    for doubt in (*guessed(graph), *unheeded(graph)):
        where = doubt.node.source.at(*doubt.path)
        _warn(NetcError(f"{doubt.message} (layer '{doubt.node.name}')", where, doubt.fix).render())


@functools.cache
def _warn(text: str) -> None:
    log.warning("%s", text)
