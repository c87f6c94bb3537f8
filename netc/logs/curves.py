"""The curves of logs: a chart for each output, with a curve for each log and phase that has it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np

from netc.chart import Chart, Curve
from netc.errors import UsageError, did_you_mean
from netc.logs.read import Log, Row, read_log

ACROSS = {"iterations": "iteration", "seconds": "seconds"}  # what curves go over -> what it says
RATE = "lr"


def charts(
    paths: Sequence[str],
    names: Sequence[str] = (),
    phase: str | None = None,
    across: str = "iterations",
    smooth: int = 1,
    log: bool = False,
) -> list[Chart]:
    """The charts of some outputs, or of all; "lr" is the learning rate.

    phase: "train" or "test", for those alone. across: a key of ACROSS. smooth: curves are means
    over so many points. log: of values on a logarithmic scale.
    Raises ParseError, and UsageError for a name that no log has.
    """
    if smooth < 1:
        raise UsageError(f"--smooth must be at least 1, got {smooth}")
    series = [
        one for path in paths for one in _series(path, read_log(path)) if phase in (None, one[1])
    ]
    known = list(dict.fromkeys(name for *_, rows in series for row in rows for name in _names(row)))
    for name in names:
        if name not in (*known, RATE):
            told = f"no log has an output '{name}': there are {', '.join(known) or 'none'}"
            raise UsageError(told, hint=did_you_mean(name, known))
    several = len(paths) > 1
    made = []
    for name in names or known:
        curves = []
        for i, (path, kind, net, rows) in enumerate(series):
            points = [(_x(row, across), v) for row in rows if (v := _value(row, name)) is not None]
            if points and not (name == RATE and kind == "test"):
                words = [kind + (f" #{net}" if net else ""), path if several else ""]
                x, y = np.array(points, float).T
                label = " ".join(filter(None, words[::-1]))
                curves.append(Curve(x, _smoothed(y, smooth), label, i))
        made.append(Chart(name, ACROSS[across], tuple(curves), log))
    return made


def _series(path: str, log: Log) -> Iterator[tuple[str, str, int, list[Row]]]:
    """(name of the log, phase, test net, rows), of all that is told in a log."""
    name = os.path.basename(path)
    yield name, "train", 0, log.train
    for net, rows in sorted(log.tests.items()):
        yield name, "test", net, rows


def _names(row: Row) -> list[str]:
    return list(row.values) or (["loss"] if np.isfinite(row.loss) else [])


def _x(row: Row, across: str) -> float:
    return row.iteration if across == "iterations" else row.seconds


def _value(row: Row, name: str) -> float | None:
    if name == RATE:
        return row.rate
    return row.values.get(name, row.loss if name == "loss" and not row.values else None)


def _smoothed(y: np.ndarray, over: int) -> np.ndarray:
    """The mean of each value and those before it, `over` of them in all where there are so many."""
    if over == 1:
        return y
    sums = np.concatenate([[0], np.cumsum(y)])
    ends = np.arange(1, len(y) + 1)
    starts = np.maximum(ends - over, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)
