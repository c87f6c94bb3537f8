"""The rules for what the forks of Caffe mean by types and fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from netc.errors import GraphError
from netc.graph.coords import offsets
from netc.graph.doubts import Doubt, guessed, unheeded
from netc.graph.ir import Graph
from netc.layers.base import dims
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


def crop_at_zero(net: Net) -> Iterator[Place]:
    """The Crop of FCN's and HED's Caffe finds its offset by itself, so their files give none; for
    Caffe's that is 0, and the two blobs do not lie on each other."""
    for node in net.nodes:
        if node.param.type == "Crop" and not node.param.crop_param.offset:
            with suppress(GraphError):
                if any(apart := offsets(net.nodes, node)):
                    message = f"starts at 0, its bottoms are {dims(apart)} apart"
                    fix = (
                        f"crop_param {{ offset: {apart[0]} offset: {apart[1]} }}, or --dialect fcn"
                    )
                    yield in_layer(node, message=message, fix=fix)


RULES = (
    Rule("N106", guessed_type, "name the dialect"),
    Rule("N107", unheeded_field, "drop the field"),
    Rule("N108", crop_at_zero, "give the offset"),
)
