"""A net that a solver tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from netc.compile import Arrays, Program
from netc.train.batches import Batches
from netc.train.epochs import Epoch
from netc.transfer import by_key, targets
from netc.weights import WeightFile
from netc.weights.match import Rules, match


class TestNet(NamedTuple):
    """A net that is tested: its program, its jitted pass, its batches, its own blobs.

    shared: key of a blob here -> key of the training net's blob that it is.
    whole: its examples where a test is every one of them once, else None.
    """

    __test__ = False

    program: Program
    run: Callable[..., tuple[Arrays, Arrays]]
    batches: Batches
    shared: dict[str, str]
    own: Arrays
    iterations: int
    key: Any
    whole: Epoch | None

    def cut(self, i: int, inputs: Arrays) -> tuple[Arrays, float]:
        """Batch i of a test without the examples it has again, and what part of a batch that is."""
        rest = self.whole and self.whole.examples - i * self.whole.batch
        if not self.whole or not rest or rest >= self.whole.batch:
            return inputs, 1.0
        return {v: x[:rest] for v, x in inputs.items()}, rest / self.whole.batch


def with_own(net: TestNet, weights: WeightFile, rules: Rules) -> TestNet:
    """The test net with its own blobs taken from a file where the file has them."""
    graph = net.program.graph
    found = by_key(graph, match(targets(graph), weights, rules))
    return net._replace(own=jax.device_put({k: found.get(k, v) for k, v in net.own.items()}))
