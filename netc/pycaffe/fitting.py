"""The segments of a net, for the batch sizes that its values lead to."""

from __future__ import annotations

from typing import Any

from netc.compile import Program
from netc.graph.infer import resize
from netc.pycaffe.segment import Segment
from netc.sizes import Sizes


class Fitting:
    """Segments by first and last layer, in the sizes that the last forward pass left.

    program: the whole net in these sizes; at first, that of whole batches.
    """

    def __init__(self, program: Program) -> None:
        self.program = self._whole = program
        self._dynamic = [n.key for n in program.graph.nodes if n.set_up.rows is not None]
        self._rows: dict[str, int] = {}
        self._programs: dict[tuple[tuple[str, int], ...], Program] = {(): program}
        self._segments: dict[tuple[int, int, int], Segment] = {}
        self._sizes: dict[tuple[int, int, int], Sizes] = {}

    def segment(self, first: int, last: int) -> Segment:
        """Layers `first` to `last`."""
        place = id(self.program), first, last
        if place not in self._segments:
            self._segments[place] = Segment(self.program, first, last)
        return self._segments[place]

    def fit(self, first: int, last: int, arguments: Any) -> bool:
        """Take the sizes that layers `first` to `last` have for these arguments of a segment.

        Whether they are others than before.
        """
        inside = [n.key for n in self.program.graph.nodes[first : last + 1]]
        if not set(inside).intersection(self._dynamic):
            return False
        before = {k: m for k, m in self._rows.items() if k not in inside}
        sizes = self._counting(before, first, last)
        counts = sizes.count(*arguments)
        rows = before | {n.key: m for n, m in zip(sizes.layers, counts, strict=True)}
        if rows == self._rows:
            return False
        self._rows, self.program = rows, self._of(rows)
        return True

    def _counting(self, rows: dict[str, int], first: int, last: int) -> Sizes:
        base = self._of(rows)
        place = id(base), first, last
        if place not in self._sizes:
            part = base.graph.replace(nodes=base.graph.nodes[first : last + 1])
            self._sizes[place] = Sizes(Program(part, base.plan))
        return self._sizes[place]

    def _of(self, rows: dict[str, int]) -> Program:
        key = tuple(sorted(rows.items()))
        if key not in self._programs:
            graph = resize(self._whole.graph, self._whole.plan, rows)
            self._programs[key] = Program(graph, self._whole.plan)
        return self._programs[key]
