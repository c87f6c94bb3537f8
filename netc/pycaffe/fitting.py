"""The segments of a net, for the sizes that its inputs have and its values lead to."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from netc.compile import Program
from netc.graph.infer import resize
from netc.layers.base import Shape
from netc.pycaffe.segment import Segment
from netc.sizes import KEPT, Sizes


class Sized(NamedTuple):
    """Where a pass differs from the net as it was set up.

    shapes: of inputs, by value. rows: how many items layers keep, by their key.
    """

    shapes: tuple[tuple[str, Shape], ...] = ()
    rows: tuple[tuple[str, int], ...] = ()


class Fitting:
    """Segments by first and last layer, in the sizes that the last forward pass left.

    program: the whole net in these sizes; at first, that of whole batches.
    """

    def __init__(self, program: Program) -> None:
        self._whole = program
        self._sized = Sized()
        self._program = lru_cache(KEPT)(self._make_program)
        self._segment = lru_cache(KEPT * len(program.graph.nodes))(self._make_segment)
        self._counting = lru_cache(KEPT)(self._make_counting)

    @property
    def program(self) -> Program:
        """The whole net in the sizes of the last forward pass; at first, as it was set up."""
        return self._program(self._sized)

    def segment(self, first: int, last: int) -> Segment:
        """Layers `first` to `last`."""
        return self._segment(self._sized, first, last)

    def fit(self, first: int, last: int, arguments: Any) -> bool:
        """Take the sizes that layers `first` to `last` have for these arguments of a segment.

        Whether they are others than before.
        """
        graph, inputs = self._whole.graph, arguments[-1]
        inside = graph.nodes[first : last + 1]
        fed = {t for n in inside if n.set_up.external is not None for t in n.tops}
        own = [(v, inputs[v].shape) for v in fed if inputs[v].shape != graph.shapes[v]]
        kept = [(v, shape) for v, shape in self._sized.shapes if v not in fed]
        keys = {n.key for n in inside}
        rows = {k: m for k, m in self._sized.rows if k not in keys}
        before = Sized(tuple(sorted(kept + own)), tuple(sorted(rows.items())))
        sizes = self._counting(before, first, last)
        counts = sizes.measure(*arguments).counts
        rows |= {n.key: m for n, m in zip(sizes.layers, counts, strict=True)}
        now = before._replace(rows=tuple(sorted(rows.items())))
        changed, self._sized = now != self._sized, now
        return changed

    def _make_program(self, sized: Sized) -> Program:
        if not any(sized):
            return self._whole
        rows, shapes = dict(sized.rows), dict(sized.shapes)
        graph = resize(self._whole.graph, self._whole.plan, rows, shapes)
        return Program(graph, self._whole.plan)

    def _make_segment(self, sized: Sized, first: int, last: int) -> Segment:
        return Segment(self._program(sized), first, last)

    def _make_counting(self, sized: Sized, first: int, last: int) -> Sizes:
        base = self._program(sized)
        nodes = base.graph.nodes[first : last + 1]
        return Sizes(Program(base.graph.replace(nodes=nodes), base.plan), exact=True)
