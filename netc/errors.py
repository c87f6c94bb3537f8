"""What goes wrong, and where: one readable block instead of a core dump.

An error carries a `Span` (file, line, column), Caffe's own sentence, and a hint, as in

    lenet.prototxt:41:11: Unknown bottom blob 'pool3' (layer 'ip1', bottom index 0)
        bottom: "pool3"
                ^~~~~~~
    hint: did you mean 'pool2'?
"""

from __future__ import annotations

import difflib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

MAX_REPORTED = 10
MAX_WIDTH = 120


@dataclass(frozen=True, eq=False)
class Source:
    """A text and the name of the file it was read from."""

    name: str
    text: str

    @cached_property
    def _starts(self) -> list[int]:
        starts, at = [0], self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character offset, both counted from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line, without its end."""
        start = self._starts[number - 1]
        end = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r")


@dataclass(frozen=True)
class Span:
    """A stretch of a source text; `length` 0 marks a point."""

    source: Source
    offset: int
    length: int = 0

    @property
    def line(self) -> int:
        return self.source.position(self.offset)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.offset)[1]

    def __str__(self) -> str:
        line, column = self.source.position(self.offset)
        return f"{self.source.name}:{line}:{column}"

    def excerpt(self) -> str:
        """The source line with a caret under the span; of a long line, the part around it."""
        line, column = self.source.position(self.offset)
        text = self.source.line(line)
        at, first, last = column - 1, 0, len(text)
        if last > MAX_WIDTH:
            first = max(at - MAX_WIDTH // 2, 0)
            last = min(first + MAX_WIDTH, last)
        first += len(text[first:at]) - len(text[first:at].lstrip())
        lead = "".join("\t" if c == "\t" else " " for c in text[first:at])
        tail = "~" * min(max(self.length - 1, 0), max(last - column, 0))
        return f"    {text[first:last]}\n    {lead}^{tail}"


class NetcError(Exception):
    """A mistake that the user can mend.

    message: what is wrong, in Caffe's words where Caffe has them, with the values.
    where: the span of the mistake, or the name of a file.
    hint: what to try.
    """

    def __init__(
        self, message: str, where: Span | str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.where, self.hint = message, where, hint

    def render(self) -> str:
        """The block that the command line prints."""
        lines = [f"{self.where}: {self.message}" if self.where else self.message]
        if isinstance(self.where, Span):
            lines.append(self.where.excerpt())
        lines += getattr(self, "__notes__", [])
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.render()


class UsageError(NetcError):
    """The command line was called in a wrong way (exit status 2)."""


class ParseError(NetcError):
    """A file is not what the schema says."""


class UpgradeError(NetcError):
    """An old file has no meaning in the current format."""


class PhaseError(NetcError):
    """Include and exclude rules contradict each other."""


class GraphError(NetcError):
    """The layers do not connect."""


class ShapeError(NetcError):
    """A layer cannot work on the shapes it is given, or its fields contradict each other."""


class DataError(NetcError):
    """A data source is missing, broken, or holds something else than expected."""


class WeightsError(NetcError):
    """A file of blobs does not fit the net."""


class SolverError(NetcError):
    """A solver asks for something that has no meaning."""


class SnapshotError(NetcError):
    """A snapshot cannot be written or read."""


class RunError(NetcError):
    """A running program failed, or its numbers went bad."""


class Errors(NetcError):
    """Several independent mistakes, reported together."""

    def __init__(self, errors: Sequence[NetcError]) -> None:
        self.errors = tuple(errors)
        super().__init__(f"{len(self.errors)} errors")

    def render(self) -> str:
        shown = [e.render() for e in self.errors[:MAX_REPORTED]]
        if len(self.errors) > MAX_REPORTED:
            shown.append(f"... and {len(self.errors) - MAX_REPORTED} more errors")
        return "\n\n".join(shown)


def raise_all(errors: Sequence[NetcError]) -> None:
    """Raise nothing, the one error, or all of them together."""
    if errors:
        raise errors[0] if len(errors) == 1 else Errors(errors)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint naming the known word nearest to `name`, or None."""
    known = list(known)
    by_lower = {k.lower(): k for k in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean '{by_lower[near[0]]}'?" if near else None
