"""A net on many images: decoded in threads while it computes, in batches of one size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice, pairwise
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import numpy as np

from netc.compile import Program, compile_net
from netc.data.fail import dims
from netc.data.loader import Loader
from netc.errors import NetcError, UsageError
from netc.graph.ir import Graph
from netc.load import Loaded, read_net
from netc.lowering.plan import Plan
from netc.opening import stand_in
from netc.phase import filter_net, state_of
from netc.predict.preprocess import Prepared
from netc.schema import NetParameter, Phase
from netc.train.score import loaded
from netc.train.step import make_test
from netc.weights.match import Rules

AHEAD = max(4, os.cpu_count() or 1)  # batches decoded before they are needed, each in a thread
Item = TypeVar("Item")
Pick = Callable[[Graph, int], str]


class Done(NamedTuple, Generic[Item]):
    """What became of an item: the output for each of its crops, or the error."""

    item: Item
    size: tuple[int, int] = (0, 0)
    output: Sequence[np.ndarray] = ()
    error: NetcError | None = None


class Deploy(NamedTuple):
    """A net with one input of images (N, C, H, W)."""

    path: str
    net: Loaded[NetParameter]
    input: str
    shape: tuple[int, ...]


def read_deploy(path: str) -> Deploy:
    """A net that is fed images. Raises ParseError, UpgradeError and UsageError."""
    net = read_net(path)
    kept = filter_net(net, state_of(net.message, Phase.TEST))[0]
    shapes = {
        top: tuple(layer.input_param.shape[min(i, len(layer.input_param.shape) - 1)].dim)
        for layer in kept.layer
        if layer.type == "Input" and layer.input_param.shape
        for i, top in enumerate(layer.top)
    }
    if len(shapes) != 1:
        raise UsageError(
            f"{path}: the net has {len(shapes)} inputs{': ' * bool(shapes)}{', '.join(shapes)}",
            hint="give a deploy net, which has one Input layer, for images",
        )
    ((name, shape),) = shapes.items()
    if len(shape) != 4 or min(shape) < 1:
        raise UsageError(f"{path}: images are N x C x H x W, input '{name}' is {dims(shape)}")
    return Deploy(path, net, name, shape)


class Predictor:
    """A deploy net with its weights, compiled for batches of `size` images.

    pick: (graph, size) -> the value that is wanted; raises GraphError where the net has none.
    size: `wanted`, or the net's own where it works with no other. shape: of the value.
    """

    def __init__(
        self, deploy: Deploy, weights: str, plan: Plan, wanted: int, pick: Pick, rules: Rules
    ) -> None:
        program, self._value = _of_size(deploy, plan, wanted, pick)
        (self._input,) = program.graph.inputs
        self.size = program.graph.shapes[self._input][0]
        self.shape = program.graph.shapes[self._value]
        self._blobs, self._state = loaded(program, weights, rules)
        self._run, self._key = make_test(program), jax.random.key(0)

    def start(self, rows: np.ndarray) -> list[tuple[int, Any]]:
        """Set the net going on rows (M, C, H, W): how many a batch has, and the value for it."""
        batches = []
        for at in range(0, len(rows), self.size):
            part = rows[at : at + self.size]
            missing = np.zeros((self.size - len(part), *rows.shape[1:]), np.float32)
            inputs = {self._input: np.concatenate([part, missing])}
            made, _ = self._run(self._blobs, self._state, self._key, 0, inputs)
            batches.append((len(part), made[self._value]))
        return batches


def _of_size(deploy: Deploy, plan: Plan, wanted: int, pick: Pick) -> tuple[Program, str]:
    """The program for batches of `wanted` images, or of the net's own number where that fails."""
    state, own = state_of(deploy.net.message, Phase.TEST), deploy.shape[0]

    def compiled(count: int) -> tuple[Program, str]:
        net = stand_in(deploy.net, {deploy.input: (count, *deploy.shape[1:])})
        program = compile_net(net, state, plan)
        return program, pick(program.graph, count)

    with suppress(NetcError):
        return compiled(wanted)
    return compiled(own)


class _Prepare(Generic[Item]):
    """A feed of a loader: batch k is `count` items, each with its rows or its error."""

    def __init__(
        self, items: Sequence[Item], prepare: Callable[[Item], Prepared], count: int
    ) -> None:
        self._items, self._prepare, self._count = items, prepare, count

    def batch(self, k: int) -> list[tuple[Item, Prepared | NetcError]]:
        items = self._items[k * self._count : (k + 1) * self._count]
        return [(item, self._try(item)) for item in items]

    def _try(self, item: Item) -> Prepared | NetcError:
        try:
            return self._prepare(item)
        except NetcError as error:
            return error


def predictions(
    predictor: Predictor,
    items: Sequence[Item],
    prepare: Callable[[Item], Prepared],
    read: Callable[[np.ndarray, int], Sequence[np.ndarray]],
    crops: int = 1,
) -> Iterator[Done[Item]]:
    """What the net gives for each item, in order. Items that cannot be prepared have an error.

    prepare: makes the rows of an item, `crops` of them, in any thread.
    read: (value, n) -> what it holds for each of the first n rows of a batch.
    """
    count = max(predictor.size // crops, 1)

    def started() -> Iterator[Any]:
        with Loader([_Prepare(items, prepare, count)], prefetch=AHEAD, threads=AHEAD) as loader:
            for _ in range(-(-len(items) // count)):
                (batch,) = next(loader)
                good = [made.rows for _, made in batch if isinstance(made, Prepared)]
                yield batch, predictor.start(np.concatenate(good)) if good else []

    # The next batch is on its way when one is read.
    for (batch, running), _ in pairwise(chain(started(), [None])):
        found = iter([x for n, value in running for x in read(np.asarray(value), n)])
        for item, made in batch:
            if isinstance(made, NetcError):
                yield Done(item, error=made)
            else:
                yield Done(item, made.size, list(islice(found, crops)))
