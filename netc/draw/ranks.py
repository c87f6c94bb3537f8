"""Which row of a picture each box is in, and the order of the boxes in a row.

K. Sugiyama, S. Tagawa, M. Toda: Methods for visual understanding of hierarchical system
structures, 1981.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

SWEEPS = 12

Edge = tuple[int, int]


class Rows(NamedTuple):
    """The rows of a picture. Links over several rows are cut by points, which have numbers above
    those of the boxes.

    rows: the members of each row in their order. chains: for each edge, its boxes and points.
    """

    rows: list[list[int]]
    chains: list[list[int]]

    def links(self) -> list[Edge]:
        """The pairs of neighbours that are linked, each once."""
        pairs = (pair for chain in self.chains for pair in pairwise(chain))
        return list(dict.fromkeys(pairs))


def arrange(count: int, edges: Sequence[Edge]) -> Rows:
    """The rows of `count` boxes, every edge from a box to a later one."""
    rank = _ranks(count, edges)
    rows: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    for box, at in enumerate(rank):
        rows[at].append(box)
    chains, new = [], count
    for a, b in edges:
        points = range(new, new + rank[b] - rank[a] - 1)
        for at, point in enumerate(points, rank[a] + 1):
            rows[at].append(point)
        chains.append([a, *points, b])
        new += len(points)
    return Rows(_order(rows, Rows(rows, chains).links()), chains)


def _ranks(count: int, edges: Sequence[Edge]) -> list[int]:
    """The longest way to each box; boxes that nothing leads to are right before the next one."""
    rank, entered = [0] * count, set()
    for a, b in sorted(edges):
        rank[b] = max(rank[b], rank[a] + 1)
        entered.add(b)
    for box in range(count):
        after = [rank[b] for a, b in edges if a == box]
        if box not in entered and after:
            rank[box] = min(after) - 1
    return rank


def _order(rows: list[list[int]], links: Sequence[Edge]) -> list[list[int]]:
    """The order with the fewest crossings that going up and down by means of neighbours finds."""
    above: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for a, b in links:
        above.setdefault(b, []).append(a)
        below.setdefault(a, []).append(b)
    best, least = rows, crossings(rows, below)
    now = [list(row) for row in rows]
    for sweep in range(SWEEPS):
        if not least:
            break
        down = sweep % 2 == 0
        indices = range(1, len(now)) if down else range(len(now) - 2, -1, -1)
        for i in indices:
            beside = now[i - 1 if down else i + 1]
            now[i] = _by_neighbours(now[i], beside, above if down else below)
        if (count := crossings(now, below)) < least:
            best, least = [list(row) for row in now], count
    return best


def _by_neighbours(row: list[int], beside: list[int], near: dict[int, list[int]]) -> list[int]:
    place = {v: i for i, v in enumerate(beside)}
    spread = max(len(beside) - 1, 1) / max(len(row) - 1, 1)

    def mean(at: int) -> float:
        found = [place[v] for v in near.get(row[at], ())]
        return sum(found) / len(found) if found else at * spread

    return [row[at] for at in sorted(range(len(row)), key=lambda at: (mean(at), at))]


def crossings(rows: Sequence[Sequence[int]], below: dict[int, list[int]]) -> int:
    """How many pairs of links cross."""
    total = 0
    for upper, lower in pairwise(rows):
        place = {v: i for i, v in enumerate(lower)}
        ends = [sorted(place[b] for b in below.get(a, ())) for a in upper]
        passed: list[int] = []
        for targets in ends:
            total += sum(1 for t in targets for p in passed if p > t)
            passed += targets
    return total
