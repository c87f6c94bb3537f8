"""Epochs as iterations: how many examples a net has, and what that makes of a solver's fields."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from netc.errors import NetcError, SolverError, Span
from netc.graph.infer import resize
from netc.graph.ir import Graph
from netc.load import Loaded
from netc.lowering.plan import Plan
from netc.schema import Phase, SolverParameter, is_repeated
from netc.solvers.base import Problem
from netc.solvers.policies import EPOCHS, LAST
from netc.train.step import check_outputs

log = logging.getLogger(__name__)


class Epoch(NamedTuple):
    """How many examples the data of a net have, and how many of them a pass takes."""

    examples: int
    batch: int


def given(p: SolverParameter) -> list[tuple[Any, Any]]:
    """The fields that count in epochs, with their values."""
    return [(field, value) for field, value in p.ListFields() if field.name in EPOCHS]


def problems(p: SolverParameter) -> Iterator[Problem]:
    """What is wrong with the fields that count in epochs, as (message, field)."""
    iterations = {field.name for field, _ in p.ListFields()} & set(EPOCHS.values())
    for field, value in given(p):
        name, other = field.name, EPOCHS[field.name]
        for number in value if is_repeated(field) else (value,):
            if not 0 < number < math.inf:
                yield f"{name} must be greater than 0, got {number:g}", name
        if other in iterations:
            yield f"{other} and {name} are both given", name


def in_iterations(
    solver: Loaded[SolverParameter], train: Graph, devices: int = 1
) -> SolverParameter:
    """The solver's message with iterations in place of epochs, parts of one counted as one.

    devices: how many take batches at a time.
    Raises SolverError where an epoch of the training net has no length.
    """
    p, fields = solver.message, given(solver.message)
    if not fields:
        return p
    counted = SolverParameter()
    counted.CopyFrom(p)
    name = fields[0][0].name
    epoch = epoch_of(train, name, solver.source.at(name), f"give {EPOCHS[name]} instead")
    taken = epoch.batch * p.iter_size * devices
    length = Fraction(epoch.examples, taken)

    log.info("An epoch is %.6g iterations of %d examples", length, taken)

    def count(epochs: float) -> int:
        return min(math.ceil(Fraction(repr(epochs)) * length), LAST)

    for field, value in fields:
        if is_repeated(field):
            getattr(counted, EPOCHS[field.name]).extend(map(count, value))
        else:
            setattr(counted, EPOCHS[field.name], count(value))
    return counted


def whole_test(graph: Graph, plan: Plan, at: Span | None) -> Epoch:
    """The epoch of a test net of which a test is every example once.

    at: where the solver asks for that. Raises SolverError, and ShapeError or GraphError where the
    net cannot run on a last batch that is shorter.
    """
    epoch = epoch_of(graph, "test_iter: auto", at, "give the number of batches")
    if rest := epoch.examples % epoch.batch:
        try:
            shapes = {v: (rest, *graph.shapes[v][1:]) for v in graph.inputs}
            check_outputs(graph, resize(graph, plan, {}, shapes))
        except NetcError as error:
            error.add_note(
                f"with test_iter: auto the last batch has {rest} of {epoch.batch} examples, unless "
                f"batch_size divides {epoch.examples}"
            )
            raise
    return epoch


def epoch_of(graph: Graph, wants: str, at: Span | None, hint: str) -> Epoch:
    """The epoch of a net's data layers, for the field `wants` that stands at `at`.

    Raises SolverError where no data layer knows its length, or two differ.
    """
    feeds = {n.name: n.set_up.feed for n in graph.nodes if n.set_up.feed is not None}
    batch = {name: next(iter(f.shapes[0]), 1) for name, f in feeds.items()}
    found = {name: Epoch(f.epoch_size or 0, batch[name]) for name, f in feeds.items()}
    if len(set(found.values())) == 1 and all(e.examples for e in found.values()):
        return next(iter(found.values()))
    told = [f"'{name}' has {e.examples or 'no end'}, {e.batch} a pass" for name, e in found.items()]
    raise SolverError(
        f"{wants} asks how many examples the {Phase.Name(graph.phase)} net has, which its data "
        f"layers do not tell: {'; '.join(told) or 'there is none'}",
        at,
        hint,
    )
