"""From feeds to the inputs of a program: loaded ahead, checked, placed on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from netc.compile import Program
from netc.data.feeds import Feed, for_program, has_boxes
from netc.data.loader import Loader
from netc.data.workers import Recipe, Workers
from netc.errors import DataError, SolverError
from netc.graph.ir import Graph
from netc.layers.base import LabelRule
from netc.parallel import ALONE, Replicas
from netc.schema import Phase

Inputs = dict[str, Any]
Provide = Callable[[int], Inputs]


class Labels(NamedTuple):
    """Labels that come straight from a feed: their place, and the layers' rule for them."""

    feed: int
    top: int
    rule: LabelRule
    reader: str


Feeds = list[tuple[Feed, tuple[str, ...]]]


def feeds(graph: Graph, hosted: bool = False) -> Feeds:
    """The feeds of a graph with the values that they fill.

    hosted: those of Python layers, which are asked when a pass is due, in place of the others.
    """
    return [
        (n.set_up.feed, n.tops)
        for n in graph.nodes
        if n.set_up.feed is not None and hosted is (n.set_up.host is not None)
    ]


def labels_to_check(graph: Graph, graph_feeds: Feeds) -> list[Labels]:
    """Which tops of these feeds are read as class labels."""
    place = {t: (i, j) for i, (_, tops) in enumerate(graph_feeds) for j, t in enumerate(tops)}
    found = []
    for node in graph.nodes:
        rule = node.set_up.labels
        if rule is not None and (at := place.get(node.bottoms[rule.bottom])):
            found.append(Labels(*at, rule, node.name))
    return found


def check_labels(
    graph_feeds: Feeds,
    rules: list[Labels],
    k: int,
    batch: tuple[tuple[np.ndarray, ...], ...],
) -> None:
    """Every label of batch k is a class. Raises DataError naming the record."""
    for at in rules:
        labels = batch[at.feed][at.top]
        wrong = (labels < 0) | (labels >= at.rule.classes)
        if at.rule.ignore is not None:
            wrong &= labels != at.rule.ignore
        if wrong.any():
            row = int(np.argwhere(wrong)[0][0])
            value = float(labels[wrong][0])
            records = graph_feeds[at.feed][0].describe(k)
            what, hint = _outside(at, value)
            raise DataError(
                what, records[row] if row < len(records) else f"example {row} of batch {k}", hint
            )


def _outside(at: Labels, value: float) -> tuple[str, str]:
    count, last = at.rule.classes, at.rule.classes - 1
    if at.rule.index:
        return (
            f"index {value:g} is outside 0..{last}, which layer '{at.reader}' takes",
            f"the layer has {count} items to choose from",
        )
    return (
        f"label {value:g} is outside the {count} classes 0..{last} that layer '{at.reader}' scores",
        "num_output of the last layer must be the largest label + 1",
    )


class Batches:
    """The inputs of pass k, k + 1, ... of a program; its whole state is `k`.

    provide: gives the inputs that no feed fills, as (k) -> {value: array}.
    workers: how many processes make the fed inputs; 0: threads of this one do.
    shard: (i, n), when n processes share the feeds: pass k takes the i-th of n batches.
    replicas: the devices, which make passes by turns.
    boxes: the inputs that are boxes, as many as a pass has.
    kept: how many passes `at` can go back, where Python layers are asked for the inputs.
    """

    def __init__(
        self,
        program: Program,
        k: int = 0,
        provide: Provide | None = None,
        workers: int = 0,
        shard: tuple[int, int] = (0, 1),
        replicas: Replicas = ALONE,
        kept: int = 1,
    ) -> None:
        graph = program.graph
        self._feeds, self._hosted = feeds(graph), feeds(graph, hosted=True)
        self._rules = labels_to_check(graph, self._feeds)
        self._hosted_rules = labels_to_check(graph, self._hosted)
        fed = {t for _, tops in self._feeds + self._hosted for t in tops}
        self._own = [v for v in graph.inputs if v not in fed]
        self.boxes = frozenset(tops[1] for feed, tops in self._feeds if has_boxes(feed))
        self._replicas = replicas
        if self._own and provide is None:
            (node,) = (n for n in graph.nodes if self._own[0] in n.tops)
            raise SolverError(
                f"nothing fills the blob '{self._own[0]}' of layer '{node.name}' "
                f"({node.param.type}) of net '{graph.name}'",
                hint="give the net a Data or HDF5Data layer, or fill the blob from Python",
            )
        self._provide, self.k, self.waited = provide, k, 0.0
        self._recipes = [
            Recipe(n.param, Phase.Name(n.phase), program.seed)
            for n in graph.nodes
            if n.set_up.feed is not None and n.set_up.host is None
        ]
        self._count, self._shard, self._held = workers, shard, kept
        self._made: dict[int, Inputs] = {}
        self._workers: Workers | None = None
        self._loader: Loader | None = None

    def __iter__(self) -> Iterator[Inputs]:
        return self

    def __next__(self) -> Inputs:
        inputs: Inputs = {}
        if self._feeds:
            if self._loader is None:
                self._loader = self._start()
            (fed,) = next(self._loader)
            self.waited = self._loader.waited
            inputs.update(fed)
        inputs.update(self.hosted(self.k))
        if self._own and self._provide:
            inputs.update(self._provide(self.k))
        self.k += 1
        return inputs

    def _start(self) -> Loader:
        """Load ahead, checking and placing batches in the loader's threads."""
        if not self._count:
            return Loader([self], self.k, 4 * self._replicas.count, shard=self._shard)
        self._workers = Workers(self._recipes, self._count)
        return Loader([self], self.k, 2 * self._count, 2 * self._count, shard=self._shard)

    def batch(self, k: int) -> Inputs:
        """Batch k of the feeds as inputs on the device. Raises DataError."""
        if self._workers:
            batch = self._workers.batch(k)
        else:
            batch = tuple(feed.batch(k) for feed, _ in self._feeds)
        check_labels(self._feeds, self._rules, k, batch)
        return self._replicas.deal(k, _named(self._feeds, batch))

    def hosted(self, k: int) -> Inputs:
        """What Python layers give in pass k, on the device. Raises DataError and RunError."""
        if k not in self._made:
            batch = tuple(feed.batch(k) for feed, _ in self._hosted)
            check_labels(self._hosted, self._hosted_rules, k, batch)
            self._made[k] = self._replicas.deal(k, _named(self._hosted, batch))
            for old in list(self._made)[: -self._held]:
                del self._made[old]
        return self._made[k]

    def at(self, k: int) -> Inputs:
        """All inputs of pass k on the root, apart from the run of batches."""
        own = self._provide(k) if self._own and self._provide else {}
        index, count = self._shard
        fed = {**self.batch(k * count + index), **self.hosted(k)}
        return {**self._replicas.deal(0, fed), **own}

    def seek(self, k: int) -> None:
        """Go on with pass k."""
        self.close()
        self._made.clear()
        self.k = k

    def close(self) -> None:
        """Stop the threads and processes that load ahead."""
        if self._workers is not None:
            self._workers.close()
        if self._loader is not None:
            self._loader.close()
        self._loader = self._workers = None


def _named(graph_feeds: Feeds, batch: tuple[tuple[np.ndarray, ...], ...]) -> Inputs:
    """The tops of the feeds as a program takes them, by value."""
    return {
        t: x
        for (feed, tops), arrays in zip(graph_feeds, batch, strict=True)
        for t, x in zip(tops, for_program(feed, arrays), strict=True)
    }
