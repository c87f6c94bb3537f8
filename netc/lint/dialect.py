"""The rules for what the forks of Caffe mean by types and fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netc.graph.doubts import Doubt, guessed, unheeded
from netc.graph.ir import Graph
from netc.lint.rules import Net, Place, Rule, in_layer


def _places(find: Callable[[Graph], Iterator[Doubt]], net: Net) -> Iterator[Place]:
    for doubt in find(net.graph):
        yield in_layer(doubt.node, *doubt.path, message=doubt.message, fix=doubt.fix)


def guessed_type(net: Net) -> Iterator[Place]:
    """Forks of Caffe gave this name to different layers, and neither a dialect nor the layer's
    fields tell which one is meant; another one gives other numbers."""
    return _places(guessed, net)


def unheeded_field(net: Net) -> Iterator[Place]:
    """The fork that has the field computes something else with it; here its value is read and
    changes nothing."""
    return _places(unheeded, net)


RULES = (
    Rule("N106", guessed_type, "name the dialect"),
    Rule("N107", unheeded_field, "drop the field"),
)
