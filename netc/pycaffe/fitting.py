"""The segments of a net, for the sizes that its inputs have and its values lead to."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from netc.compile import Program
from netc.pycaffe.segment import Segment
from netc.sizes import KEPT, Fit, Sizes


class _Part(NamedTuple):
    """Layers `first` to `last` of a net: the programs of their sizes, and those as segments."""

    sizes: Sizes
    segment: Any  # (fit) -> Segment


class Fitting:
    """Segments by first and last layer, in the sizes that their arguments have.

    program: the whole net as it was set up.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._part = lru_cache(KEPT * len(program.graph.nodes))(self._make_part)

    def segment(self, first: int, last: int) -> Segment:
        """Layers `first` to `last` in the sizes that they were set up with."""
        return self._part(first, last).segment(Fit())

    def fit(self, first: int, last: int, arguments: Any) -> Segment:
        """The segment in the sizes that these arguments of it lead to."""
        part = self._part(first, last)
        return part.segment(part.sizes.measure(*arguments))

    def _make_part(self, first: int, last: int) -> _Part:
        graph = self.program.graph
        nodes = graph.nodes[first : last + 1]
        sizes = Sizes(Program(graph.replace(nodes=nodes), self.program.plan), exact=True)
        return _Part(sizes, lru_cache(KEPT)(lambda fit: Segment(sizes.of(fit))))
