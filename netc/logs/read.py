"""A log of training as numbers: glog's lines, as Caffe and netc write them, or metrics.jsonl.

Caffe's logs of all ages are read: with and without the year in a stamp, with and without the speed,
and without outputs. Where lines have no stamps, the seconds are not a number.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from netc.errors import ParseError
from netc.load import PathLike, read_bytes, text_of

NUMBER = r"([-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf))"
STAMP = re.compile(r"\b[IWEF](\d{4})?(\d\d)(\d\d) +(\d+):(\d\d):(\d\d)\.(\d+)")
ITERATION = re.compile(r"\bIteration (\d+)\b")
LOSS = re.compile(rf"\bIteration \d+(?: \(.*?\))?, loss = {NUMBER}", re.IGNORECASE)
RATE = re.compile(rf"\blr = {NUMBER}", re.IGNORECASE)
TESTING = re.compile(r"\bTesting net \(#(\d+)\)")
OUTPUT = re.compile(
    rf"\b(Train|Test) net output(?: mAP)? #\d+: (.+?) = {NUMBER}(?!\w)", re.IGNORECASE
)
SCORE = re.compile(rf"\bTest score #(\d+): {NUMBER}", re.IGNORECASE)  # of 2013


@dataclass
class Row:
    """What is told of an iteration. seconds: since training began. rate: the learning rate.

    loss: smoothed over average_loss. values: of outputs, by name; those of a name that comes again
    are called name[1], name[2] and so on.
    """

    iteration: int
    seconds: float
    rate: float = math.nan
    loss: float = math.nan
    values: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """One more value of an output."""
        key, n = name, 0
        while key in self.values:
            n += 1
            key = f"{name}[{n}]"
        self.values[key] = value


@dataclass
class Log:
    """The iterations that are told of, and those that were tested, for each test net."""

    train: list[Row] = field(default_factory=list)
    tests: dict[int, list[Row]] = field(default_factory=dict)


def read_log(path: PathLike) -> Log:
    """A log of training. Raises ParseError where the file cannot be read or tells of no iteration.

    Rates are those of the same iteration, or else the last one before.
    """
    text = text_of(read_bytes(path))
    lines = text.splitlines()
    log = _from_json(lines) if text.lstrip().startswith("{") else _from_glog(lines)
    if not (log.train or log.tests):
        raise ParseError("no iteration is told of in this log", str(path))
    _fill_rates(log)
    return log


def _from_glog(lines: Iterable[str]) -> Log:
    log, now, clock = Log(), -1, _Clock()
    train, test, net = Row(-1, 0), Row(-1, 0), 0
    for line in lines:
        seconds = clock.read(line)
        if found := ITERATION.search(line):
            now = int(found[1])
        if found := TESTING.search(line):
            net = int(found[1])
            test = Row(now, seconds)
            log.tests.setdefault(net, []).append(test)
        if now < 0:
            continue
        output, loss = OUTPUT.search(line), LOSS.search(line)
        rate = RATE.search(line) if not output else None
        if (loss or (output and output[1].lower() == "train")) and train.iteration != now:
            train = Row(now, seconds)
            log.train.append(train)
        if loss:
            train.loss = float(loss[1])
        if rate and train.iteration == now:
            train.rate = float(rate[1])
        if output:
            row = train if output[1].lower() == "train" else test
            row.add(output[2], float(output[3]))
        elif found := SCORE.search(line):
            if test.iteration != now:
                test = Row(now, seconds)
                log.tests.setdefault(net, []).append(test)
            test.add(f"score {found[1]}", float(found[2]))
    if any(row.values for row in log.train):
        log.train = [row for row in log.train if row.values]  # the last loss has no outputs
    return log


class _Clock:
    """Seconds since the line that says what is solved, or since the first line with a stamp.

    Stamps without a year begin a new one where the month falls.
    """

    def __init__(self) -> None:
        self.start: datetime | None = None
        self.last: datetime | None = None
        self.year = 2000

    def read(self, line: str) -> float:
        """The seconds of this line; those of the last one where it has no stamp."""
        if found := STAMP.search(line):
            year, month, *moment, part = found.groups()
            if not year and self.last and int(month) < self.last.month:
                self.year += 1
            try:
                begin = datetime(int(year or self.year), int(month), 1)
            except ValueError:
                return self._seconds()
            day, hour, minute, second = map(int, moment)
            micro = int(part[:6].ljust(6, "0"))
            self.last = begin + timedelta(day - 1, second, micro, minutes=minute, hours=hour)
            if self.start is None or "] Solving " in line:
                self.start = self.last
        return self._seconds()

    def _seconds(self) -> float:
        if self.start is None or self.last is None:
            return math.nan
        return (self.last - self.start).total_seconds()


def _from_json(lines: Iterable[str]) -> Log:
    log, start = Log(), math.nan
    for line in filter(None, lines):
        try:
            entry = json.loads(line)
            kind, time = entry.pop("kind"), entry.pop("time")
            row = Row(entry.pop("iteration"), 0)
        except (ValueError, KeyError, AttributeError, TypeError):
            continue  # as the last line of a run that was killed
        start = time if math.isnan(start) else start
        row.seconds = time - start
        row.rate, row.loss = entry.pop("lr", math.nan), entry.get("loss", math.nan)
        for name, value in entry.items():
            for one in value if isinstance(value, list) else [value]:
                row.add(name, float(one))
        name, _, net = kind.partition(" ")
        if name == "train":
            log.train.append(row)
        else:
            log.tests.setdefault(int(net or 0), []).append(row)
    return log


def _fill_rates(log: Log) -> None:
    """Give every row the rate of its iteration; rows before the first that is told have that one.

    Caffe tells the rate after what it belongs to.
    """
    known = {row.iteration: row.rate for row in log.train if not math.isnan(row.rate)}
    for rows in (log.train, *log.tests.values()):
        last = next(iter(known.values()), math.nan)
        for row in rows:
            before = [it for it in known if it <= row.iteration] if math.isnan(row.rate) else []
            last = known[max(before)] if before else last
            row.rate = last if math.isnan(row.rate) else row.rate
