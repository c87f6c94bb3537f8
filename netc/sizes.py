"""Sizes that only a batch tells: which program it needs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from netc.compile import Program
from netc.graph.infer import resize
from netc.layers.base import Rows, Shape, dims
from netc.lowering.platform import jit

log = logging.getLogger(__name__)

KEPT = 256  # programs of one net that are kept; the one not used for longest goes first
Given = Mapping[str, Any]


class Fit(NamedTuple):
    """The sizes of one batch, where they are its own.

    shapes: of the inputs that have others than the net was set up with, as images may.
    counts: how many items the first layers of `Sizes.layers` keep, or the shapes of their tops.
    """

    shapes: tuple[tuple[str, Shape], ...] = ()
    counts: tuple[Rows, ...] = ()


class Sizes:
    """The programs of one net whose images are of several sizes, or whose layers keep some items
    of a batch, as Filter does.

    Shapes are fixed in a program, so there is one for every combination, made when it first comes
    up. A net whose sizes stay as they are has one program, `of(Fit())`. Layers that mark what is
    missing are fitted only where sizes must be exact.
    """

    def __init__(self, program: Program, exact: bool = False) -> None:
        self.program = program
        self.layers = tuple(
            n
            for n in program.graph.nodes
            if (n.set_up.rows is not None and (exact or not n.set_up.padded))
            or n.set_up.shapes is not None
        )
        self.of = lru_cache(KEPT)(self._make)
        self._counter = lru_cache(KEPT)(self._make_counter)

    def measure(self, blobs: Given, state: Given, key: Any, inputs: Given) -> Fit:
        """The sizes of this batch; runs what decides how many items `layers` keep."""
        usual = self.program.graph.shapes
        fit = Fit(tuple((v, x.shape) for v, x in inputs.items() if x.shape != usual[v]))
        for _ in self.layers:
            count = self._counter(fit)(blobs, state, key, inputs)
            fit = fit._replace(counts=(*fit.counts, count))
        return fit

    def fit(self, blobs: Given, state: Given, key: Any, inputs: Given) -> Program:
        """The program for these inputs."""
        return self.of(self.measure(blobs, state, key, inputs))

    def _make(self, fit: Fit) -> Program:
        """The program for these sizes: `self.of`, which remembers it."""
        if not any(fit):
            return self.program
        rows = {n.key: m for n, m in zip(self.layers, fit.counts, strict=False)}
        graph = resize(self.program.graph, self.program.plan, rows, dict(fit.shapes))
        if len(fit.counts) == len(self.layers):
            told = [f"'{graph.blobs[v]}' {dims(shape)}" for v, shape in fit.shapes]
            told += [f"layer '{name}' {_told(m)}" for name, m in rows.items()]
            log.info("Compiling for another size: %s", ", ".join(told))
        return Program(graph, self.program.plan)

    def _make_counter(self, fit: Fit) -> Callable[..., Rows]:
        """How many items the layer after those counted keeps, or the shapes of its tops."""
        node, graph = self.layers[len(fit.counts)], self.of(fit).graph
        at = next(i for i, n in enumerate(graph.nodes) if n.key == node.key)
        before = Program(graph.replace(nodes=graph.nodes[:at]), self.program.plan)
        layer = graph.nodes[at].set_up

        def read(blobs: Any, state: Any, key: Any, inputs: Any) -> list[Any]:
            values, _ = before.apply(blobs, state, key, inputs, keep=node.bottoms)
            return [values[b] for b in node.bottoms]

        if layer.shapes is not None:
            on_host, bottoms = layer.shapes, jit(read)
            own = list(zip(node.blobs, layer.blobs, strict=True))
            return lambda blobs, *rest: on_host(
                *(np.asarray(blobs[key]).reshape(spec.shape) for key, spec in own),
                *map(np.asarray, bottoms(blobs, *rest)),
            )
        assert layer.rows is not None, "it is what makes a layer one of these"
        rows = layer.rows
        count = jit(lambda *given: rows(*read(*given)))
        return lambda *given: int(count(*given))


def _told(rows: Rows) -> str:
    if isinstance(rows, int):
        return f"keeps {rows} items"
    return f"makes {', '.join(map(dims, rows))}"
