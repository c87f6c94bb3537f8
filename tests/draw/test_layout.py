"""Places: nothing overlaps, links lead from box to box and pass beside the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netc.draw.across import places
from netc.draw.diagram import Box, Diagram, Line, Link
from netc.draw.layout import DIRECTIONS, far, lay_out
from netc.draw.ranks import arrange, crossings


def box(name, *more):
    return Box(tuple(Line(n, "Type · 3×3", "conv") for n in (name, *more)))


def drawing(count, edges):
    boxes = tuple(box(f"box{i}" * (1 + i % 3), *["more"] * (i % 2)) for i in range(count))
    return Diagram("n", boxes, tuple(Link(a, b, f"b{a}") for a, b in edges))


@st.composite
def graphs(draw):
    """A diagram of up to 12 boxes with links from earlier to later ones."""
    count = draw(st.integers(0, 12))
    pairs = [(a, b) for b in range(count) for a in range(b)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=24)) if pairs else []
    return drawing(count, edges)


def inside(x, y, placed):
    return placed.x < x < placed.x + placed.width and placed.y < y < placed.y + placed.height


@given(graphs(), st.sampled_from(DIRECTIONS))
def test_everything_has_its_place(drawn, direction):
    layout = lay_out(drawn, direction)
    for placed in layout.boxes:
        assert placed.x >= 0 and placed.x + placed.width <= layout.width + 0.01
        assert placed.y >= 0 and placed.y + placed.height <= layout.height + 0.01
    for i, one in enumerate(layout.boxes):
        for two in layout.boxes[:i]:
            apart_x = one.x >= two.x + two.width or two.x >= one.x + one.width
            assert apart_x or one.y >= two.y + two.height or two.y >= one.y + one.height
    for link in layout.links:
        assert not any(inside(x, y, p) for x, y in link.points for p in layout.boxes)
        axis = 0 if direction in ("LR", "RL") else 1
        along = [p[axis] for p in link.points]
        assert along == sorted(along, reverse=direction in ("BT", "RL"))


@given(graphs())
def test_rows_keep_what_they_are_given(drawn):
    edges = [(link.source, link.target) for link in drawn.links]
    rows, chains = arrange(len(drawn.boxes), edges)
    row = {v: i for i, members in enumerate(rows) for v in members}
    assert {v for v in row if v < len(drawn.boxes)} == set(range(len(drawn.boxes)))
    for (a, b), chain in zip(edges, chains, strict=True):
        assert (chain[0], chain[-1]) == (a, b)
        assert [row[v] for v in chain] == list(range(row[a], row[b] + 1))


def test_a_crossing_that_can_be_avoided_is():
    edges = [(0, 2), (0, 3), (1, 2), (2, 5), (3, 4)]
    arranged = arrange(6, edges)
    below = {}
    for a, b in arranged.links():
        below.setdefault(a, []).append(b)
    assert crossings(arranged.rows, below) == 0
    assert crossings([[0, 1], [2, 3]], {0: [3], 1: [2]}) == 1
    assert crossings([[0, 1], [2, 3]], {0: [2, 3], 1: [2, 3]}) == 1


def test_chains_are_straight_and_what_branches_is_balanced():
    layout = lay_out(drawing(5, [(0, 1), (1, 2), (2, 3), (3, 4)]))
    assert len({round(b.x + b.width / 2, 3) for b in layout.boxes}) == 1
    diamond, widths = [(0, 1), (0, 2), (1, 3), (2, 3)], dict.fromkeys(range(4), 10.0)
    same = places([[0], [1, 2], [3]], diamond, widths, 4)
    assert same == {0: 12, 1: 5, 2: 19, 3: 12}


def test_a_way_past_other_boxes_is_straight():
    layout = lay_out(drawing(5, [(0, 1), (1, 2), (2, 3), (3, 4), (1, 4)]))
    (long,) = (link for link in layout.links if len(link.points) > 2)
    assert len({round(x, 3) for x, _ in long.points[1:-1]}) == 1


def test_sources_far_away_are_noted_where_they_are_read():
    labels = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)]
    drawn = drawing(5, labels)
    assert far(drawn) == [Link(0, 4, "b0")] == far(drawing(5, labels[::-1]))
    layout = lay_out(drawn)
    assert layout.boxes[4].notes == ("b0",) and layout.boxes[4].foot == "← b0"
    assert len(layout.links) == 4 and layout.boxes[4].height > layout.boxes[2].height
    assert far(drawing(4, [(0, 2), (1, 2), (2, 3)])) == []


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_directions(direction):
    first, last = lay_out(drawing(2, [(0, 1)]), direction).boxes
    assert {
        "TB": first.y < last.y,
        "BT": first.y > last.y,
        "LR": first.x < last.x,
        "RL": first.x > last.x,
    }[direction]
