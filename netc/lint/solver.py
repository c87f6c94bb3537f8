"""The rules for solvers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from netc.lint.norm import by_batch
from netc.lint.rules import Finding, Net, Place, Rule
from netc.load import Loaded
from netc.schema import SolverParameter

DROPPING = {"step", "exp", "multistep"}


class Run(NamedTuple):
    """A solver, its test nets and its train net, those that could be built."""

    solver: Loaded[SolverParameter]
    tests: Sequence[Net] = ()
    trains: Sequence[Net] = ()

    def place(self, *path: str | int, message: str, fix: str = "") -> Place:
        return Place(self.solver.source, path, message, fix)


def silent(run: Run) -> Iterator[Place]:
    """Nothing is printed between the tests, so a loss that explodes goes unseen."""
    if not run.solver.message.display:
        yield run.place("display", message="display is 0 or missing")


def never_tested(run: Run) -> Iterator[Place]:
    """The test nets are built and run once before training, never after it has begun."""
    p = run.solver.message
    if p.test_iter and 0 < p.max_iter < p.test_interval:
        message = f"test_interval {p.test_interval} is beyond max_iter {p.max_iter}"
        yield run.place("test_interval", message=message)


def part_of_test_set(run: Run) -> Iterator[Place]:
    """A score of a part of the data, or of some of it twice, is not the score of the data; Caffe
    and netc go on from where the last test stopped."""
    for i, (net, iterations) in enumerate(
        zip(run.tests, run.solver.message.test_iter, strict=False)
    ):
        for node in net.known:
            feed = node.set_up.feed
            if feed is None or not feed.epoch_size:
                continue
            batch, have = feed.shapes[0][0], feed.epoch_size
            if iterations >= 0 and iterations * batch != have:
                message = (
                    f"{iterations} batches of {batch} are {iterations * batch} examples; "
                    f"'{node.name}' has {have}"
                )
                fix = f"test_iter: {'auto' if have % batch else have // batch}"
                yield run.place("test_iter", i, message=message, fix=fix)


def no_folder(run: Run) -> Iterator[Place]:
    """netc makes it when it writes the first snapshot; Caffe refuses to start without it."""
    folder = os.path.dirname(run.solver.message.snapshot_prefix)
    if folder and not os.path.isdir(folder):
        message = f"the folder '{folder}' of snapshot_prefix is not there"
        yield run.place("snapshot_prefix", message=message, fix=f"mkdir -p {folder}")


def rate_rises(run: Run) -> Iterator[Place]:
    """The rate is multiplied by gamma at every step, so it grows without end."""
    p = run.solver.message
    if p.lr_policy in DROPPING and p.gamma > 1:
        yield run.place("gamma", message=f"gamma {p.gamma:g} with lr_policy {p.lr_policy}")


def odd_steps(run: Run) -> Iterator[Place]:
    """A stepvalue given twice is two steps, the second one an iteration after the first."""
    p = run.solver.message
    given = list(p.stepvalue) if p.lr_policy == "multistep" else []
    for i, (before, value) in enumerate(pairwise(given), 1):
        if value == before:
            message = f"stepvalue {value} is given twice"
            yield run.place("stepvalue", i, message=message)


def rate_never_changes(run: Run) -> Iterator[Place]:
    """Training ends before the first change, at the rate it began with."""
    p = run.solver.message
    first = {"step": ["stepsize"], "multistep": ["stepvalue", 0]}.get(p.lr_policy)
    value = p.stepsize if p.lr_policy == "step" else min(p.stepvalue, default=0)
    if first and p.HasField("max_iter") and value >= p.max_iter:
        message = f"the rate changes first at iteration {value}, max_iter is {p.max_iter}"
        yield run.place(*first, message=message)


def split_batch(run: Run) -> Iterator[Place]:
    """Each of the iter_size passes is normalized by its own mean and variance, so the passes are
    not one large batch, and each of them moves the running averages."""
    layers = [n.name for net in run.trains for n in net.nodes if by_batch(n)]
    if run.solver.message.iter_size > 1 and layers:
        more = f" and {len(layers) - 1} more" if len(layers) > 1 else ""
        message = f"iter_size {run.solver.message.iter_size} with BatchNorm ('{layers[0]}'{more})"
        yield run.place("iter_size", message=message)


RULES = (
    Rule("S001", silent, "display: 100"),
    Rule("S002", never_tested, "a test_interval below max_iter"),
    Rule("S003", part_of_test_set, ""),
    Rule("S004", no_folder, ""),
    Rule("S006", rate_rises, "gamma: 0.1"),
    Rule("S007", odd_steps, "list each stepvalue once"),
    Rule("S008", rate_never_changes, 'lr_policy: "fixed", or an earlier step'),
    Rule("S009", split_batch, "the whole batch in one pass, if memory allows"),
)


def lint_solver(
    solver: Loaded[SolverParameter], tests: Sequence[Net] = (), trains: Sequence[Net] = ()
) -> list[Finding]:
    """Everything the rules find in a solver, in the order of the rules."""
    return [f for rule in RULES for f in rule.run(Run(solver, tests, trains))]
