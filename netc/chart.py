"""A curve as a picture (SVG or PNG) or as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from netc.errors import UsageError
from netc.files import atomic

WIDTH, HEIGHT = 800, 400
LEFT, RIGHT, TOP, BOTTOM = 80, 24, 36, 48
NEAR = 1e-6  # what float32 makes of a round number is as good as it
INK, GRID, LINE = "#222222", "#dddddd", "#1f77b4"
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille character


class Chart(NamedTuple):
    """y against x, both 1-D; with `log`, y on a logarithmic scale, which leaves out y <= 0.

    log_x: the same for x, whose values are positive.
    """

    title: str
    x_label: str
    x: np.ndarray
    y: np.ndarray
    log: bool = False
    log_x: bool = False


class Axis(NamedTuple):
    """The range of a coordinate, and the numbers to write at some of its places."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def part(self, value: np.ndarray | float) -> np.ndarray:
        """0 at the low end to 1 at the high end."""
        return (np.asarray(value, float) - self.low) / (self.high - self.low)


def axis(values: np.ndarray, log: bool = False) -> Axis:
    """From 0 or the least value to the greatest; of logarithms, in whole decades."""
    if log:
        low, high = math.floor(values.min() + NEAR), math.ceil(values.max() - NEAR)
        high = max(high, low + 1)
        every = -(-(high - low) // 6)
        return Axis(low, high, tuple((k, f"1e{k}") for k in range(low, high + 1, every)))
    low, high = min(float(values.min()), 0.0), float(values.max())
    high = high if high > low else low + 1
    step = nice((high - low) / 5)
    ticks = [step * k for k in range(math.ceil(low / step), math.floor(high / step + NEAR) + 1)]
    return Axis(low, high, tuple((t, f"{t:.6g}") for t in ticks))


def nice(step: float) -> float:
    """The least of 1, 2, 5, 10, 20, ... (times any power of ten) that is not below `step`."""
    unit = 10.0 ** math.floor(math.log10(step))
    return next(m * unit for m in (1, 2, 5, 10) if m * unit >= step * (1 - NEAR))


def _prepared(chart: Chart) -> tuple[np.ndarray, np.ndarray, Axis, Axis]:
    x, y = np.asarray(chart.x, float), np.asarray(chart.y, float)
    keep = np.isfinite(y) & (y > 0 if chart.log else True)
    if not keep.any():
        raise UsageError(f"{chart.title}: there is no point to draw")
    x, y = (np.log10(v[keep]) if log else v[keep] for v, log in ((x, chart.log_x), (y, chart.log)))
    return x, y, axis(x, chart.log_x), axis(y, chart.log)


def write(path: str, chart: Chart) -> None:
    """Draw the chart into a file that ends in .svg or .png.

    Raises UsageError for another ending, OSError when the file cannot be written.
    """
    if path.endswith(".svg"):
        data = svg(chart).encode()
    elif path.endswith(".png"):
        data = png(chart)
    else:
        raise UsageError(f"a picture ends in .svg or .png, not '{path}'")
    with atomic(path) as file:
        file.write(data)


Points = Sequence[tuple[float, float]]


class _Drawing(NamedTuple):
    """Lines as (points, colour, width) and words as (x, y, anchor, text), in pixels."""

    lines: list[tuple[Points, str, int]]
    words: list[tuple[float, float, str, str]]


def _drawing(chart: Chart) -> _Drawing:
    x, y, across, up = _prepared(chart)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place(px: np.ndarray | float, py: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        return LEFT + across.part(px) * (right - LEFT), bottom - up.part(py) * (bottom - TOP)

    drawing = _Drawing([], [(WIDTH / 2, TOP - 14, "middle", chart.title)])
    for value, text in across.ticks:
        at = float(place(value, 0)[0])
        drawing.lines.append((((at, TOP), (at, bottom)), GRID, 1))
        drawing.words.append((at, bottom + 18, "middle", text))
    for value, text in up.ticks:
        at = float(place(0, value)[1])
        drawing.lines.append((((LEFT, at), (right, at)), GRID, 1))
        drawing.words.append((LEFT - 8, at + 4, "end", text))
    drawing.words.append((WIDTH / 2, HEIGHT - 8, "middle", chart.x_label))
    curve = [(float(a), float(b)) for a, b in zip(*place(x, y), strict=True)]
    drawing.lines.append((((LEFT, TOP), (LEFT, bottom), (right, bottom)), INK, 1))
    drawing.lines.append((curve, LINE, 2))
    return drawing


def svg(chart: Chart) -> str:
    """The chart as an SVG document."""
    drawing = _drawing(chart)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for points, colour, width in drawing.lines:
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
        )
    for a, b, anchor, text in drawing.words:
        place = f'x="{a:.1f}" y="{b:.1f}" text-anchor="{anchor}"'
        parts.append(f'<text {place} fill="{INK}">{escape(text)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def png(chart: Chart) -> bytes:
    """The chart as a PNG file."""
    import cv2

    drawing, font = _drawing(chart), cv2.FONT_HERSHEY_SIMPLEX
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for points, colour, width in drawing.lines:
        fixed = np.round(np.array(points) * 16).astype(np.int32)
        cv2.polylines(image, [fixed], False, _bgr(colour), width, cv2.LINE_AA, shift=4)
    for a, b, anchor, text in drawing.words:
        size = cv2.getTextSize(text, font, 0.42, 1)[0][0]
        start = a - {"middle": size / 2, "end": size}[anchor]
        cv2.putText(image, text, (round(start), round(b)), font, 0.42, _bgr(INK), 1, cv2.LINE_AA)
    return cv2.imencode(".png", image)[1].tobytes()


def _bgr(colour: str) -> tuple[int, int, int]:
    return int(colour[5:7], 16), int(colour[3:5], 16), int(colour[1:3], 16)


def text(chart: Chart, width: int = 64, height: int = 14) -> str:
    """The chart in braille characters, two dots across and four down in each."""
    x, y, across, up = _prepared(chart)
    wide, high = 2 * width - 1, 4 * height - 1
    columns = np.arange(wide + 1)
    first, last = across.part(x[0]) * wide, across.part(x[-1]) * wide
    columns = columns[(columns >= math.floor(first)) & (columns <= math.ceil(last))]
    rows = np.round(high * (1 - up.part(np.interp(columns, across.part(x) * wide, y)))).astype(int)
    cells = np.zeros((height, width), int)
    for column, before, row in zip(columns, [rows[0], *rows], rows, strict=False):
        for dot in {row, *range(min(before, row) + 1, max(before, row))}:
            cells[dot // 4, column // 2] |= DOTS[dot % 4][column % 2]
    labels = {round(float(1 - up.part(v)) * high) // 4: t for v, t in up.ticks}
    margin = max(map(len, labels.values()))
    lines = [chart.title]
    for i, cell_row in enumerate(cells):
        drawn = "".join(chr(0x2800 + int(c)) for c in cell_row)
        lines.append(f"{labels.get(i, ''):>{margin}} {'┤' if i in labels else '│'}{drawn}".rstrip())
    lines.append(f"{'':>{margin}} └{'─' * width}")
    feet = [" "] * (width + 12)
    for value, word in across.ticks:
        at = min(round(float(across.part(value)) * wide) // 2, width - 1)
        start = max(at - len(word) // 2, 0)
        if not "".join(feet[max(start - 1, 0) : start + len(word)]).strip():
            feet[start : start + len(word)] = word
    lines.append(f"{'':>{margin}}  {''.join(feet).rstrip()}")
    lines.append(f"{'':>{margin}}  {chart.x_label:^{width}}".rstrip())
    return "\n".join(lines)
