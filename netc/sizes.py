"""Batch sizes that only values tell: which program a batch needs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from netc.compile import Program
from netc.graph.infer import resize
from netc.lowering.platform import jit

log = logging.getLogger(__name__)

Counts = tuple[int, ...]
Given = Mapping[str, Any]


class Sizes:
    """The programs of one net whose layers keep some items of a batch, as Filter does.

    Shapes are fixed in a program, so there is one for every combination of numbers of items, made
    when it first comes up. A net without such layers has one program, `of(())`.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.layers = tuple(n for n in program.graph.nodes if n.set_up.rows is not None)
        self._programs: dict[Counts, Program] = {(): program}
        self._counters: dict[Counts, Any] = {}

    def count(self, blobs: Given, state: Given, key: Any, inputs: Given) -> Counts:
        """How many items each of `layers` keeps of these inputs; runs what decides it."""
        counts: Counts = ()
        for _ in self.layers:
            counts += (int(self._counter(counts)(blobs, state, key, inputs)),)
        return counts

    def of(self, counts: Counts) -> Program:
        """The program in which the first layers of `layers` keep so many items."""
        if counts not in self._programs:
            rows = {n.key: m for n, m in zip(self.layers, counts, strict=False)}
            graph = resize(self.program.graph, self.program.plan, rows)
            self._programs[counts] = Program(graph, self.program.plan)
            if len(counts) == len(self.layers):
                kept = ", ".join(f"layer '{name}' keeps {m} items" for name, m in rows.items())
                log.info("Compiling for another batch size: %s", kept)
        return self._programs[counts]

    def fit(self, blobs: Given, state: Given, key: Any, inputs: Given) -> Program:
        """The program for these inputs."""
        return self.of(self.count(blobs, state, key, inputs))

    def _counter(self, counts: Counts) -> Any:
        """How many items the layer after those counted keeps, as a jitted function."""
        if counts not in self._counters:
            node, graph = self.layers[len(counts)], self.of(counts).graph
            at = next(i for i, n in enumerate(graph.nodes) if n.key == node.key)
            before = Program(graph.replace(nodes=graph.nodes[:at]), self.program.plan)
            rows = graph.nodes[at].set_up.rows
            assert rows is not None, "it is what makes a layer one of these"

            def run(blobs: Any, state: Any, key: Any, inputs: Any) -> Any:
                values, _ = before.apply(blobs, state, key, inputs, keep=node.bottoms)
                return rows(*(values[b] for b in node.bottoms))

            self._counters[counts] = jit(run)
        return self._counters[counts]
