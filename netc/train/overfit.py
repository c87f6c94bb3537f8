"""Can the net learn at all? A few examples, learnt by heart, with all that hinders switched off."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np

from netc.compile import Program
from netc.errors import DataError, UsageError
from netc.load import Loaded
from netc.overrides import in_training_net
from netc.schema import NetParameter, Phase, SolverParameter
from netc.train.batches import Batches, Inputs, check_labels
from netc.train.health import diagnosis
from netc.train.probe import SCHEDULE, TESTS, without
from netc.train.session import Session
from netc.train.step import GOOD
from netc.train.symptoms import Signs, Steps, examine, findings

HINDERS = ("weight_decay", "iter_size")
LEARNT = 0.01  # a loss at this part of the first counts as 0, where there is no accuracy
FALLING = 0.9  # a loss below this part of the first has learnt something


class Outcome(NamedTuple):
    """done: whether all is learnt. wrong: what keeps the net from it, most likely first."""

    done: bool
    iterations: int
    wrong: list[str]
    signs: list[Signs]


def memorizing(solver: Loaded[SolverParameter], iterations: int) -> Loaded[SolverParameter]:
    """The solver at a constant base_lr, without tests, weight decay, dropout and augmentation.

    The first layers and Dropout work as in TEST: crops are central. Accuracy layers of TEST are
    taken over.
    """
    fields = {"lr_policy": "fixed", "max_iter": iterations}
    plain = without(solver, (*TESTS, *SCHEDULE, *HINDERS), **fields)
    return in_training_net(plain, _plain)


def _plain(net: Loaded[NetParameter]) -> Loaded[NetParameter]:
    message = NetParameter()
    message.CopyFrom(net.message)
    for layer in message.layer:
        if not layer.bottom or layer.type == "Dropout":
            layer.phase = Phase.TEST
        if layer.HasField("transform_param"):
            layer.transform_param.ClearField("mirror")
        if layer.type == "Accuracy":
            layer.ClearField("include")
            layer.ClearField("exclude")
    return net._replace(message=message)


class Few(Batches):
    """The first examples of a program's feeds, again and again, in batches of the usual size.

    count: how many there are, less than asked for where the source has fewer.
    Raises DataError, and UsageError where no feed gives examples.
    """

    def __init__(self, program: Program, count: int) -> None:
        super().__init__(program)
        if not self._feeds:
            raise UsageError("no layer of the net reads examples from files")
        if self.boxes:
            (name, *_) = (program.graph.blobs[v] for v in self.boxes)
            raise UsageError(
                f"a few examples cannot be taken out of batches of boxes, '{name}'",
                hint="make a database of a few images, and train on that",
            )
        ends = [feed.epoch_size for feed, _ in self._feeds]
        self.count = min([count, *(n for n in ends if n)])
        self.size = min(feed.shapes[0][0] for feed, _ in self._feeds)
        batches = []
        for k in range(math.ceil(self.count / self.size)):
            batches.append(tuple(feed.batch(k) for feed, _ in self._feeds))
            check_labels(self._feeds, self._rules, k, batches[-1])
        try:
            self._kept = [
                [np.concatenate(parts)[: self.count] for parts in zip(*tops, strict=True)]
                for tops in zip(*batches, strict=True)
            ]
        except ValueError:
            raise DataError("the examples are of several sizes", hint="set crop_size") from None

    def batch(self, k: int) -> Inputs:
        named = {}
        for (feed, tops), kept in zip(self._feeds, self._kept, strict=True):
            size = feed.shapes[0][0]
            rows = np.arange(k * size, (k + 1) * size) % self.count
            named.update({t: x[rows] for t, x in zip(tops, kept, strict=True)})
        return self._replicas.deal(k, named)

    def one_label(self) -> str | None:
        """A sentence if all examples have the same label."""
        for at in self._rules:
            labels = np.unique(self._kept[at.feed][at.top])
            if len(labels) == 1 and self.count > 1:
                return (
                    f"all {self.count} examples have the label {labels[0]:g}: if the data are "
                    "sorted by label, shuffle them"
                )
        return None


def overfit(session: Session, count: int, tell: Callable[[str], None]) -> Outcome:
    """Train until all examples are right, or up to max_iter, and find out what is wrong.

    Right is an accuracy of 1 in every batch; without an accuracy, LEARNT of the first loss.
    tell: takes a line of text now and then.
    """
    session.batches.close()
    session.batches = few = Few(session.train, count)
    if same := few.one_label():
        return Outcome(False, 0, [same], [])
    round_ = math.ceil(few.count / few.size)
    accuracies = [n.tops[0] for n in session.train.graph.nodes if n.param.type == "Accuracy"]
    right, first, loss, watched = 0, math.nan, math.nan, Steps(session)
    every = max(session.p.max_iter // 10, 1)
    while right < round_ and session.iteration < session.p.max_iter:
        it = session.iteration
        with watched.watch() if it & (it - 1) == 0 else nullcontext():  # 0, 1, 2, 4, 8, ...
            metrics = session.step()
        if int(metrics.bad) != GOOD:
            what = "base_lr is too high. " if it else ""
            return Outcome(False, it, [what + diagnosis(session, it).message], [])
        loss = float(metrics.loss)
        first = loss if it == 0 else first
        scores = [float(metrics.outputs[a]) for a in accuracies]
        good = min(scores) == 1 if scores else loss <= LEARNT * first
        right = right + 1 if good else 0
        if it % every == 0 or right == round_ or it + 1 == session.p.max_iter:
            told = "".join(f", accuracy = {s:.4g}" for s in scores)
            tell(f"iteration {it}: loss = {loss:.4g}{told}")
    signs = examine(session, range(round_), watched.largest)
    if right == round_:
        return Outcome(True, session.iteration, [], signs)
    return Outcome(False, session.iteration, findings(signs) or [_unclear(first, loss)], signs)


def _unclear(first: float, last: float) -> str:
    """What to try where every layer looks well."""
    if last < FALLING * first:
        return (
            f"the loss still falls, from {first:.4g} to {last:.4g}: give it more -iterations, or a "
            "higher base_lr (netc lr-find)"
        )
    return (
        f"no layer looks ill, but the loss went from {first:.4g} to {last:.4g}: try another "
        "base_lr (netc lr-find), or a larger net"
    )
