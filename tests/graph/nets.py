"""Nets from text to each stage, for the tests of the graph."""

from netc.errors import NetcError, Span
from netc.graph.build import build
from netc.graph.infer import infer
from netc.graph.ir import Graph
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.phase import filter_net, net_state
from netc.schema import TRAIN

REFERENCE = Plan("reference")


def inputs(**shapes: tuple[int, ...]) -> str:
    """Input layers, one for each blob."""
    return "".join(
        f'layer {{ name: "{blob}" type: "Input" top: "{blob}" input_param {{ shape {{ '
        f"dim: {list(shape)} }} }} }}\n"
        for blob, shape in shapes.items()
    )


def built(text: str, phase: int = TRAIN) -> Graph:
    message, source, _ = filter_net(parse_net(text, "n.prototxt"), net_state(phase))
    return build(message, source)


def inferred(text: str, phase: int = TRAIN, **options) -> Graph:
    return infer(built(text, phase), REFERENCE, **options)


def marked(error: NetcError) -> tuple[int, str]:
    """The line an error points at, and the text it marks there."""
    span = error.where
    assert isinstance(span, Span)
    return span.line, span.source.text[span.offset : span.offset + span.length]
