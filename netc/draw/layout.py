"""Boxes and links with their places in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from netc.draw.across import places
from netc.draw.diagram import JOINT, Box, Diagram, Link
from netc.draw.ranks import arrange

DIRECTIONS = ("TB", "BT", "LR", "RL")
NAME, SMALL = 13, 11  # sizes of letters
LINE, PADDING, MARGIN = 16, 9, 24
APART, BETWEEN = 22, 30  # between boxes of a row, and between rows
SPAN = 2  # rows that a line from a source may cross
NARROW, WIDE = "fijlrtI.,:;'|![]() ·-", "mwMW@%—ABCDEGHKNOPQRUVXYZ&×_"
Point = tuple[float, float]


class Placed(NamedTuple):
    """A box: its upper left corner and its size. notes: what it reads that no line leads to."""

    x: float
    y: float
    width: float
    height: float
    box: Box
    notes: tuple[str, ...]

    @property
    def foot(self) -> str:
        """The last line: the shape of what comes out, and the notes."""
        return foot(self.box, self.notes)


class Routed(NamedTuple):
    """A link: where it goes along, and what is written beside its start. The way between two
    points of one row is straight."""

    points: tuple[Point, ...]
    label: str


class Layout(NamedTuple):
    """A picture of this width and height."""

    width: float
    height: float
    boxes: tuple[Placed, ...]
    links: tuple[Routed, ...]


def width_of(text: str, size: float, bold: bool = False) -> float:
    """About how wide a text is in a font without serifs."""
    ems = sum(0.31 if c in NARROW else 0.74 if c in WIDE else 0.56 for c in text)
    return ems * size * (1.06 if bold else 1)


def foot(box: Box, notes: Sequence[str]) -> str:
    """The last line of a box: the shape of what comes out, and the notes."""
    return JOINT.join(filter(None, [box.shape, *(f"← {note}" for note in notes)]))


def size_of(box: Box, notes: Sequence[str]) -> tuple[float, float]:
    """Width and height of a box."""
    widths = [60.0]
    for i, line in enumerate(box.lines):
        head = width_of(line.name, NAME if i == 0 else SMALL, i == 0)
        if i == 0:
            widths += [head + width_of(line.only, SMALL) + 12, width_of(line.detail, SMALL)]
        else:
            widths.append(head + 8 + width_of(line.detail, SMALL))
    last = foot(box, notes)
    widths.append(width_of(last, SMALL))
    rows = 1 + len(box.lines) + bool(last)
    return max(widths) + 2 * PADDING + 6, rows * LINE + PADDING + 2


def far(drawn: Diagram) -> list[Link]:
    """Links from sources over several rows, to boxes that others lead to: labels, as a rule, whose
    lines would go all around the net."""
    pairs = [(link.source, link.target) for link in drawn.links]
    row = {v: i for i, members in enumerate(arrange(len(drawn.boxes), pairs).rows) for v in members}
    entered = {target for _, target in pairs}
    near = {
        target for source, target in pairs if source in entered or row[target] - row[source] <= SPAN
    }
    return [
        link
        for link in drawn.links
        if link.source not in entered
        and row[link.target] - row[link.source] > SPAN
        and link.target in near
    ]


def lay_out(drawn: Diagram, direction: str = "TB") -> Layout:
    """Give everything its place.

    direction: TB from top to bottom, BT, LR from left to right or RL.
    """
    noted = set(far(drawn))
    notes: list[dict[str, None]] = [{} for _ in drawn.boxes]
    for link in (link for link in drawn.links if link in noted):
        notes[link.target][link.blob] = None
    drawn = drawn._replace(links=tuple(link for link in drawn.links if link not in noted))
    return _Plan(drawn, [tuple(n) for n in notes], direction).layout()


class _Plan:
    """Places counted across the rows and along the way through them, then turned as is wanted."""

    def __init__(self, drawn: Diagram, notes: list[tuple[str, ...]], direction: str) -> None:
        self.drawn, self.notes = drawn, notes
        self.flat, self.back = direction in ("LR", "RL"), direction in ("BT", "RL")
        sizes = [size_of(box, n) for box, n in zip(drawn.boxes, notes, strict=True)]
        self.sizes = [size[::-1] for size in sizes] if self.flat else sizes
        self.ends = list(dict.fromkeys((link.source, link.target) for link in drawn.links))
        self.arranged = arrange(len(sizes), self.ends)
        rows, count = self.arranged.rows, len(sizes)
        self.row = {v: i for i, members in enumerate(rows) for v in members}
        widths = {i: width for i, (width, _) in enumerate(self.sizes)}
        found = places(rows, self.arranged.links(), widths, APART)
        self.middle = {v: x + MARGIN for v, x in found.items()}
        self.depth = [max((self.sizes[v][1] for v in row if v < count), default=0) for row in rows]
        self.start = [MARGIN + sum(self.depth[:i]) + BETWEEN * i for i in range(len(rows))]
        right = (x + widths.get(v, 0) / 2 for v, x in self.middle.items())
        self.across = max(right, default=MARGIN) + MARGIN
        self.along = MARGIN + (self.start[-1] + self.depth[-1] if rows else MARGIN)

    def layout(self) -> Layout:
        width, height = (self.across, self.along)[:: -1 if self.flat else 1]
        boxes = tuple(map(self.placed, range(len(self.sizes))))
        told: dict[tuple[int, int], dict[str, None]] = {}
        for link in self.drawn.links:
            told.setdefault((link.source, link.target), {})[self.drawn.label(link)] = None
        routes = zip(self.ends, self.arranged.chains, strict=True)
        links = (self.routed(chain, ", ".join(filter(None, told[ends]))) for ends, chain in routes)
        return Layout(width, height, boxes, tuple(links))

    def placed(self, i: int) -> Placed:
        half = self.sizes[i][0] / 2
        (x, y), (u, v) = (
            self.turn(self.middle[i] + side * half, self.side(i, side)) for side in (-1, 1)
        )
        corner, size = (min(x, u), min(y, v)), (abs(x - u), abs(y - v))
        return Placed(*corner, *size, self.drawn.boxes[i], self.notes[i])

    def routed(self, chain: Sequence[int], label: str) -> Routed:
        """A link from the far side of its source to the near side of its target."""
        sides = [(v, side) for v in chain for side in (-1, 1)][1:-1]
        return Routed(tuple(self.turn(self.middle[v], self.side(v, s)) for v, s in sides), label)

    def side(self, v: int, which: int) -> float:
        """Where a member begins (-1) or ends (1) along the way; of points, their row does."""
        row = self.row[v]
        length = self.sizes[v][1] if v < len(self.sizes) else self.depth[row]
        return self.start[row] + (self.depth[row] + which * length) / 2

    def turn(self, x: float, y: float) -> Point:
        y = self.along - y if self.back else y
        return (y, x) if self.flat else (x, y)
