"""What a solver watches while it trains: when an output stalls or is better than ever.

A monitor is shown its output in every test. What it has seen is a `Track`, which a rule moves on,
one for each field of the solver that holds a monitor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from netc.errors import NetcError, SolverError, Span, did_you_mean, raise_all
from netc.graph.ir import Graph
from netc.load import Loaded
from netc.schema import MonitorParameter, Phase, SolverParameter

if TYPE_CHECKING:
    from netc.solvers.base import Problem


class Track(NamedTuple):
    """What a monitor has seen; less is better, so that what should rise is negative.

    best: the best value, first seen in the test after iteration `at`. stale: tests since; of
    decay_plateau, tests in a row with a gap above threshold, or below it where negative.
    wait: tests of the cool-down that are left. scale: the factor of the rate, or the part of
    weight_decay.
    """

    best: float = math.inf
    at: int = -1
    stale: int = 0
    wait: int = 0
    scale: float = 1.0


class Watch(NamedTuple):
    """What all monitors have seen, by use.

    shown: the iteration after which they last saw a test. since: the one after which the sums of
    the training net's outputs begin.
    """

    tracks: dict[str, Track]
    shown: int = -1
    since: int = 0

    def stopped(self, p: SolverParameter) -> bool:
        """Whether early_stop has ended the run."""
        return "early_stop" in self.tracks and stalled(p.early_stop, self.tracks["early_stop"])


class Monitor(NamedTuple):
    """A monitor whose output is found: its value in the test net, and in the training net."""

    use: str
    p: MonitorParameter
    sign: int
    test: str | None
    train: str | None

    @property
    def key(self) -> str:
        """What its track is stored under; that of another output is none of its own."""
        where = "TRAIN" if self.test is None else f"TEST {self.p.test_net}"
        return f"{self.use} {where} {self.p.monitor} {self.sign:+d}"

    def start(self) -> Track:
        """The track before the first test."""
        return Track(scale=self.p.minimum if self.use == "decay_plateau" else 1.0)

    def value(self, tests: Sequence[Mapping[str, Any]], means: Mapping[str, float]) -> float | None:
        """What it sees, less being better; None where the training net has not run yet.

        tests: the outputs of each test net. means: of the training net since the last test.
        """
        if self.train is not None and self.train not in means:
            return None
        train = means[self.train] if self.train is not None else 0.0
        if self.test is None:
            return self.sign * train
        return self.sign * (float(np.mean(tests[self.p.test_net][self.test])) - train)

    def see(
        self, track: Track, value: float, iteration: int, p: SolverParameter
    ) -> tuple[Track, str | None]:
        """The track after a value, and what has come of it, for the log.

        iteration: how many are done. p: the solver.
        """
        use = USES[self.use]
        seen = use.rule(self.p, track, value, iteration)
        if not use.happened(self.p, track, seen):
            return seen, None
        best, decay = self.sign * seen.best, p.weight_decay * seen.scale
        told = {"output": self.p.monitor, "patience": self.p.patience, "scale": seen.scale}
        return seen, use.says.format(**told, best=best, decay=decay)


def compare(p: MonitorParameter, t: Track, value: float, iteration: int) -> Track:
    """The best so far, and how long ago that was."""
    if value < t.best - p.threshold:
        return t._replace(best=value, at=iteration, stale=0)
    return t._replace(stale=t.stale + 1)


def stalled(p: MonitorParameter, t: Track) -> bool:
    """Whether it has not been better for patience tests."""
    return t.stale >= p.patience


def lower(p: MonitorParameter, t: Track, value: float, iteration: int) -> Track:
    """scale' = scale factor when stalled."""
    t = compare(p, t, value, iteration)
    if t.wait:
        return t._replace(stale=0, wait=t.wait - 1)
    if not stalled(p, t):
        return t
    return t._replace(stale=0, wait=p.cooldown, scale=t.scale * p.factor)


def follow(p: MonitorParameter, t: Track, gap: float, iteration: int) -> Track:
    """scale' = scale + factor after patience gaps above threshold, scale - factor after as many
    below, between minimum and 1."""
    if t.wait:
        return t._replace(stale=0, wait=t.wait - 1)
    side = 1 if gap > p.threshold else -1
    stale = (t.stale if t.stale * side > 0 else 0) + side
    if abs(stale) < p.patience:
        return t._replace(stale=stale)
    scale = min(max(t.scale + side * p.factor, p.minimum), 1.0)
    return t._replace(stale=0, wait=p.cooldown if scale != t.scale else 0, scale=scale)


def improved(p: MonitorParameter, before: Track, after: Track) -> bool:
    """Whether the value was better than ever."""
    return after.at != before.at


def changed(p: MonitorParameter, before: Track, after: Track) -> bool:
    """Whether the scale is another."""
    return after.scale != before.scale


class Use(NamedTuple):
    """How a field of the solver uses its monitor.

    rule: moves the track on. happened: whether something has come of it, which `says` tells.
    reads: the fields of the monitor that count.
    """

    rule: Callable[[MonitorParameter, Track, float, int], Track]
    happened: Callable[[MonitorParameter, Track, Track], bool]
    says: str
    reads: tuple[str, ...]


STALLED = "{output} has not been better than {best:.6g} (patience {patience}): "
CHANGE = ("threshold", "patience", "cooldown", "factor", "minimum")
USES = {
    "plateau": Use(lower, changed, STALLED + "learning rate times {scale:.6g}", ("phase", *CHANGE)),
    "decay_plateau": Use(
        follow,
        changed,
        "gap of {output} between testing and training: weight decay {decay:.6g}",
        CHANGE,
    ),
    "early_stop": Use(
        compare,
        lambda p, before, after: stalled(p, after),
        STALLED + "stopping early",
        ("phase", "threshold", "patience"),
    ),
    "keep_best": Use(
        compare, improved, "{output} is better than ever: {best:.6g}", ("phase", "threshold")
    ),
}
ALWAYS = ("monitor", "test_net", "mode")
LIMITS: dict[str, tuple[Callable[[float], bool], str]] = {
    "threshold": (lambda v: 0 <= v < math.inf, "be at least 0"),
    "patience": (lambda v: v >= 1, "be at least 1"),
    "cooldown": (lambda v: v >= 0, "be at least 0"),
    "factor": (lambda v: 0 < v < 1, "lie between 0 and 1"),
    "minimum": (lambda v: 0 <= v < math.inf, "be at least 0"),
    "test_net": (lambda v: v >= 0, "be at least 0"),
}


def problems(p: SolverParameter) -> Iterator[Problem]:
    """Everything that is wrong with the monitors as such, as (message, field, field in it)."""
    for use in (u for u in USES if p.HasField(u)):
        monitor = getattr(p, use)
        if not monitor.monitor:
            yield f"{use} needs monitor, the name of an output", use
        for field, value in monitor.ListFields():
            holds, what = LIMITS.get(field.name, (lambda v: True, ""))
            if field.name not in (*ALWAYS, *USES[use].reads):
                yield f"{use} has no use for {field.name}", use, field.name
            elif not holds(value):
                yield f"{field.name} of {use} must {what}, got {value:g}", use, field.name
        if p.test_interval <= 0 and not p.HasField("test_interval_epoch"):
            yield f"{use} needs test_interval: monitors are shown what tests give", use
    if p.HasField("decay_plateau") and not p.weight_decay:
        yield "decay_plateau needs weight_decay, of which it takes a part", "decay_plateau"
    if p.decay_plateau.minimum > 1:
        message = f"minimum of decay_plateau must be at most 1, got {p.decay_plateau.minimum:g}"
        yield message, "decay_plateau", "minimum"
    if p.keep_last < 0:
        yield f"keep_last must be at least 0, got {p.keep_last}", "keep_last"
    if not 0 <= p.ema_decay < 1:
        yield f"ema_decay must be in [0, 1), got {p.ema_decay:g}", "ema_decay"


def find(
    solver: Loaded[SolverParameter], train: Graph, tests: Sequence[Graph]
) -> tuple[Monitor, ...]:
    """The monitors of a solver, with their outputs in its nets.

    Raises SolverError, or Errors, where there is no such output.
    """
    found, errors = [], []
    for use in (u for u in USES if getattr(solver.message, u).monitor):
        try:
            found.append(_find(use, solver, train, tests))
        except NetcError as error:
            errors.append(error)
    raise_all(errors)
    return tuple(found)


def _find(
    use: str, solver: Loaded[SolverParameter], train: Graph, tests: Sequence[Graph]
) -> Monitor:
    p, source = getattr(solver.message, use), solver.source
    in_training, gap = p.phase == Phase.TRAIN, use == "decay_plateau"
    at = source.at(use, "monitor")
    value = _output(train, p.monitor, "training net", at) if in_training or gap else None
    if in_training:
        return Monitor(use, p, _sign(p, train, value), None, value)
    if p.test_net >= len(tests) or not solver.message.test_iter[p.test_net]:
        have = f"{len(tests)} test nets" if p.test_net >= len(tests) else "its test_iter is 0"
        raise SolverError(
            f"{use} watches test net #{p.test_net}, which is not tested: {have}",
            source.at(use, "test_net") if p.HasField("test_net") else at,
            None if gap else "phase: TRAIN watches an output of the training net",
        )
    tested = _output(tests[p.test_net], p.monitor, f"test net #{p.test_net}", at)
    return Monitor(use, p, _sign(p, tests[p.test_net], tested), tested, value)


def _output(graph: Graph, name: str, net: str, at: Span | None) -> str:
    outputs = {graph.blobs[v]: v for v in graph.outputs}
    if name in outputs:
        return outputs[name]
    known = ", ".join(f"'{n}'" for n in outputs) or "none"
    raise SolverError(
        f"'{name}' is no output of the {net}, whose outputs are {known}",
        at,
        did_you_mean(name, outputs),
    )


def _sign(p: MonitorParameter, graph: Graph, value: str | None) -> int:
    """-1 where more is better."""
    if p.HasField("mode"):
        return -1 if p.mode == MonitorParameter.MAX else 1
    maker = next(n for n in graph.nodes if value in n.tops)
    return -1 if "Accuracy" in maker.param.type else 1
