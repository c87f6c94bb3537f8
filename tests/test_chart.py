"""Curves as SVG, PNG and text."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from netc.chart import COLOURS, Chart, Curve, axis, nice, png, svg, text, write
from netc.errors import UsageError

RISE = Chart("a < b", "iteration", (Curve(np.arange(101), np.arange(101) / 10),))


def test_the_svg_has_the_curve_from_corner_to_corner():
    root = ElementTree.fromstring(svg(RISE))
    curve = root[-len(root.findall("{*}text")) - 1]
    points = [tuple(map(float, p.split(","))) for p in curve.attrib["points"].split()]
    assert len(points) == 101
    assert points[0] == (80, 352) and points[-1] == (776, 36)
    words = [t.text for t in root.findall("{*}text")]
    assert {"a < b", "iteration", "0", "20", "100", "2", "10"} <= set(words)


def test_the_png_has_the_colour_of_the_curve_where_it_is():
    import cv2

    image = cv2.imdecode(np.frombuffer(png(RISE), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (400, 800, 3)
    blue = np.argwhere((image == (0xB4, 0x77, 0x1F)).all(-1))
    assert len(blue) > 400
    for row, column in blue:
        assert row == pytest.approx(352 - (column - 80) * (352 - 36) / (776 - 80), abs=3)


def test_text():
    drawn = text(RISE._replace(title="t"), width=10, height=5).splitlines()
    assert drawn[0] == "t"
    assert drawn[1:6] == [
        "10 ┤⠀⠀⠀⠀⠀⠀⠀⠀⡠⠊",
        " 8 ┤⠀⠀⠀⠀⠀⠀⡠⠊⠀⠀",
        " 6 ┤⠀⠀⠀⠀⡠⠊⠀⠀⠀⠀",
        " 2 ┤⠀⠀⡠⠊⠀⠀⠀⠀⠀⠀",
        " 0 ┤⡠⠊⠀⠀⠀⠀⠀⠀⠀⠀",
    ]
    assert drawn[6:] == ["   └──────────", "    0  40 80", "    iteration"]


TWO = Chart("t", "x", (Curve(np.arange(3), np.arange(3), "up", 1), Curve(np.ones(1), np.ones(1))))


def test_several_curves_have_names_and_colours():
    root = ElementTree.fromstring(svg(TWO, TWO._replace(title="u")))
    lines = [p for p in root.findall("{*}polyline") if p.get("stroke") == COLOURS[1]]
    assert len(lines) == 4  # each curve and its colour beside the name
    words = [t.text for t in root.findall("{*}text")]
    assert words.count("up") == 2 and {"t", "u"} < set(words)
    one, two = (float(p.attrib["points"].split(",")[1].split()[0]) for p in lines[::2])
    assert two - one == float(root.get("height", 0)) / 2
    names = [f"a long name of a curve {i}" for i in range(9)]
    many = TWO._replace(curves=tuple(Curve(np.arange(2), np.arange(2), n) for n in names))
    for word in ElementTree.fromstring(svg(many)).findall("{*}text"):
        assert 0 < float(word.attrib["x"]) < 800


def test_several_curves_as_text_are_one_below_the_other():
    first, second = text(TWO, 10, 3).split("\n\n")
    assert first.startswith("t, up\n") and second.startswith("t\n")
    assert first.splitlines()[-2:] == second.splitlines()[-2:]


def test_x_on_a_logarithmic_scale():
    rates = 10.0 ** np.arange(-3, 2)
    feet = text(Chart("", "rate", (Curve(rates, np.arange(5)),), log_x=True), 40, 4).splitlines()[
        -2
    ]
    assert feet.split() == ["1e-3", "1e-2", "1e-1", "1e0", "1e1"]


def test_a_jump_is_a_line_without_gaps():
    step = Chart("", "", (Curve(np.arange(100), np.where(np.arange(100) < 50, 1.0, 0.0)),))
    column = [line[len("0.2 ┤") :] for line in text(step, 20, 6).splitlines()[1:7]]
    assert all(any(c != "⠀" for c in row) for row in column)


@pytest.mark.parametrize(
    ("values", "log", "low", "high", "words"),
    [
        ([0, 10], False, 0, 10, ["0", "2", "4", "6", "8", "10"]),
        ([0.03, np.float32(0.1)], False, 0, 0.1, ["0", "0.02", "0.04", "0.06", "0.08", "0.1"]),
        ([-1, 1], False, -1, 1, ["-1", "-0.5", "0", "0.5", "1"]),
        ([0, 0], False, 0, 1, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        ([-3, -1], True, -3, -1, ["1e-3", "1e-2", "1e-1"]),
        ([-2, -2], True, -2, -1, ["1e-2", "1e-1"]),
        ([-12, 0], True, -12, 0, ["1e-12", "1e-10", "1e-8", "1e-6", "1e-4", "1e-2", "1e0"]),
    ],
)
def test_axis(values, log, low, high, words):
    found = axis(np.array(values), log)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert [word for _, word in found.ticks] == words


def test_nice():
    assert [nice(s) for s in (1, 1.1, 2.5, 7, 0.03)] == [1, 2, 5, 10, pytest.approx(0.05)]


def test_what_has_no_place_is_left_out():
    y = np.array([np.nan, 0, 0.1, 1])
    assert svg(Chart("", "", (Curve(np.arange(4), y),), log=True)).count("1e-1<") == 1
    with pytest.raises(UsageError, match="empty: there is no point to draw"):
        svg(Chart("empty", "", (Curve(np.arange(2), np.zeros(2)),), log=True))


def test_the_ending_says_what_is_written(tmp_path):
    for name, start in (("a.svg", b"<svg"), ("a.png", b"\x89PNG")):
        write(str(tmp_path / name), RISE)
        assert (tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(UsageError, match=r"a picture ends in \.svg or \.png, not 'a\.gif'"):
        write("a.gif", RISE)
