"""What a lint rule is, what it looks at, and how rules are run.

A rule is a row of a table: a code, a function that finds the places, why they matter (its
docstring), and what to do. Most rules look at connections and fields only, so they run without JAX.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from netc.errors import NetcError, Span
from netc.graph.ir import Graph, Node
from netc.layers.base import TRAIN, Shape
from netc.prototxt import SourceMap


class Finding(NetcError):
    """A place that a rule points at. code: the rule's, such as N003. why: the reason it matters."""

    def __init__(self, code: str, message: str, where: Span | None, why: str, fix: str) -> None:
        super().__init__(f"warning {code}: {message}", where, fix)
        self.code, self.why = code, why

    def explained(self) -> str:
        """The block with the reason under it."""
        return f"{self.render()}\nwhy: {self.why}"


class Place(NamedTuple):
    """Where a rule finds something, what, and a fix of its own if the rule's is too general."""

    source: SourceMap
    path: tuple[str | int, ...]
    message: str
    fix: str = ""


def in_layer(node: Node, *path: str | int, message: str, fix: str = "") -> Place:
    """A place in a layer."""
    return Place(node.source, path, f"{message} (layer '{node.name}', {node.param.type})", fix)


@dataclass(frozen=True)
class Net:
    """A net in one phase as the rules see it.

    graph: after `build`. inferred: after `infer`, with the layers whose shapes are known; None
    where shapes were not asked for.
    """

    graph: Graph
    inferred: Graph | None = None

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        return self.graph.nodes

    @cached_property
    def known(self) -> tuple[Node, ...]:
        """The nodes whose shapes are known, and so are those of all they depend on."""
        return self.inferred.nodes if self.inferred else ()

    def shape(self, value: str) -> Shape:
        assert self.inferred is not None, "only nodes in `known` have shapes"
        return self.inferred.shapes[value]

    @cached_property
    def producer(self) -> dict[str, Node]:
        """Value -> the node that makes it."""
        return {t: n for n in self.nodes for t in n.tops}

    @cached_property
    def readers(self) -> dict[str, list[Node]]:
        """Value -> the nodes that read it."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for bottom in node.bottoms:
                found.setdefault(bottom, []).append(node)
        return found

    @cached_property
    def trains(self) -> bool:
        """Whether the net is for training: in TRAIN, with a loss or with data of its own.

        A deploy net in TRAIN is not.
        """
        sources = [n for n in self.nodes if not n.bottoms]
        own_data = any(n.param.type != "Input" for n in sources)
        return self.graph.phase == TRAIN and bool(self.graph.weights or own_data)

    def upstream(self, node: Node) -> Iterator[Node]:
        """The node and all that a gradient from it can reach."""
        seen, waiting = set(), [node]
        while waiting:
            here = waiting.pop()
            if here.key in seen:
                continue
            seen.add(here.key)
            yield here
            uncut = (b for i, b in enumerate(here.bottoms) if not here.cut(i))
            waiting += [self.producer[b] for b in uncut if b in self.producer]

    @cached_property
    def below_loss(self) -> frozenset[str]:
        """Keys of the nodes that a gradient of the loss can reach."""
        losses = [n for n in self.nodes if any(n.loss_weights)]
        return frozenset(n.key for loss in losses for n in self.upstream(loss))


Look = Callable[[Any], Iterable[Place]]


class Rule(NamedTuple):
    """One row: `look` yields the places, its docstring says why they matter."""

    code: str
    look: Look
    fix: str
    training: bool = False

    def run(self, subject: Any) -> Iterator[Finding]:
        why = " ".join((self.look.__doc__ or "").split())
        for place in self.look(subject):
            where = place.source.at(*place.path)
            yield Finding(self.code, place.message, where, why, place.fix or self.fix)
