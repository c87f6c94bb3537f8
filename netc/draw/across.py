"""Where in its row each box stands: links straight where they can be, boxes apart.

U. Brandes, B. Köpf: Fast and simple horizontal coordinate assignment, 2001.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from netc.draw.ranks import Edge

Row = Sequence[int]


def places(
    rows: Sequence[Row], links: Sequence[Edge], widths: Mapping[int, float], gap: float
) -> dict[int, float]:
    """The middle of every member of the rows, the leftmost edge at 0.

    widths: of the members; points, which are in none of them, have none and are lines.
    """
    if not rows:
        return {}
    bent = _conflicts(rows, links, widths)
    found: list[dict[int, float]] = []
    for down in (True, False):
        for left in (True, False):
            turned = [list(row) if left else list(row)[::-1] for row in rows]
            turned = turned if down else turned[::-1]
            at = _one_way(turned, links, bent, widths, gap)
            found.append(at if left else {v: -x for v, x in at.items()})
    low = [min(at[v] - widths.get(v, 0) / 2 for v in at) for at in found]
    high = [max(at[v] + widths.get(v, 0) / 2 for v in at) for at in found]
    narrow = min(range(4), key=lambda i: high[i] - low[i])
    shifts = [low[narrow] - low[i] if i % 2 == 0 else high[narrow] - high[i] for i in range(4)]
    middle = {}
    for v in found[0]:
        four = sorted(at[v] + shift for at, shift in zip(found, shifts, strict=True))
        middle[v] = (four[1] + four[2]) / 2
    start = min(x - widths.get(v, 0) / 2 for v, x in middle.items())
    return {v: x - start for v, x in middle.items()}


def _conflicts(
    rows: Sequence[Row], links: Sequence[Edge], widths: Mapping[int, float]
) -> set[Edge]:
    """Links that would bend a long one: those that cross a link between two points."""
    after: dict[int, list[int]] = {}
    for a, b in links:
        after.setdefault(a, []).append(b)
    bent: set[Edge] = set()
    for upper, lower in pairwise(rows):
        place = {v: i for i, v in enumerate(lower)}
        pairs = [(i, place[b], a, b) for i, a in enumerate(upper) for b in after.get(a, ())]
        straight = [(i, j) for i, j, a, b in pairs if a not in widths and b not in widths]
        for i, j, a, b in pairs:
            inner = a not in widths and b not in widths
            if not inner and any((i - k) * (j - m) < 0 for k, m in straight):
                bent.add((a, b))
    return bent


def _one_way(
    rows: Sequence[Row],
    links: Sequence[Edge],
    bent: set[Edge],
    widths: Mapping[int, float],
    gap: float,
) -> dict[int, float]:
    """Members aligned with their middle neighbours in the row before, as far left as they go."""
    place = {v: i for row in rows for i, v in enumerate(row)}
    level = {v: i for i, row in enumerate(rows) for v in row}
    before: dict[int, list[int]] = {v: [] for v in place}
    for a, b in links:
        low, high = (a, b) if level[a] < level[b] else (b, a)
        if (a, b) not in bent:
            before[high].append(low)
    root = {v: v for v in place}
    for row in rows[1:]:
        reached = -1
        for v in row:
            near = sorted(before[v], key=place.__getitem__)
            for u in near[(len(near) - 1) // 2 : len(near) // 2 + 1]:
                if root[v] == v and place[u] > reached:
                    root[v], reached = root[u], place[u]
    return _compact(rows, root, widths, gap)


def _compact(
    rows: Sequence[Row], root: Mapping[int, int], widths: Mapping[int, float], gap: float
) -> dict[int, float]:
    """The least place of each aligned group, so that neighbours in a row keep their distance."""
    apart: dict[int, list[tuple[int, float]]] = {r: [] for r in root.values()}
    for row in rows:
        for u, v in pairwise(row):
            distance = (widths.get(u, 0) + widths.get(v, 0)) / 2 + gap
            apart[root[v]].append((root[u], distance))
    at = _longest(apart)
    _pull(apart, at)
    return {v: at[root[v]] for v in root}


def _longest(apart: Mapping[int, Sequence[tuple[int, float]]]) -> dict[int, float]:
    """The longest way to each group."""
    at: dict[int, float] = {}
    for start in apart:
        stack = [start]
        while stack:
            waiting = [u for u, _ in apart[stack[-1]] if u not in at]
            if waiting:
                stack.append(waiting[0])
            else:
                group = stack.pop()
                at[group] = max((at[u] + d for u, d in apart[group]), default=0.0)
    return at


def _pull(apart: Mapping[int, Sequence[tuple[int, float]]], at: dict[int, float]) -> None:
    """Move groups that nothing holds on the left as near as can be to what is on their right."""
    room: dict[int, float] = dict.fromkeys(apart, math.inf)
    for group in sorted(apart, key=at.__getitem__, reverse=True):
        if not apart[group] and room[group] < math.inf:
            at[group] += room[group]
        for u, distance in apart[group]:
            room[u] = min(room[u], at[group] - distance - at[u])
