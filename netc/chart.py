"""Curves as a picture (SVG or PNG) or as text."""

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
ROW, LETTER = 18, 7  # of the names of curves: the height of a line, and the width of a letter
NEAR = 1e-6  # what float32 makes of a round number is as good as it
INK, GRID = "#222222", "#dddddd"
COLOURS = ("#1f77b4", "#e4572e", "#2e933c", "#8e44ad", "#c19a00", "#00838f", "#6d4c41", "#d81b60")
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille character


class Curve(NamedTuple):
    """y against x, both 1-D. name: what tells it from others. colour: which of COLOURS."""

    x: np.ndarray
    y: np.ndarray
    name: str = ""
    colour: int = 0


class Chart(NamedTuple):
    """Curves; with `log`, y on a logarithmic scale, which leaves out y <= 0.

    log_x: the same for x, whose values are positive.
    """

    title: str
    x_label: str
    curves: tuple[Curve, ...]
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


class _Prepared(NamedTuple):
    """The curves that have points, on the scales of the chart, and the axes of all."""

    curves: list[Curve]
    across: Axis
    up: Axis


def _prepared(chart: Chart) -> _Prepared:
    curves = []
    for curve in chart.curves:
        x, y = np.asarray(curve.x, float), np.asarray(curve.y, float)
        keep = np.isfinite(x) & np.isfinite(y) & (y > 0 if chart.log else True)
        if keep.any():
            scales = ((x, chart.log_x), (y, chart.log))
            x, y = (np.log10(v[keep]) if log else v[keep] for v, log in scales)
            curves.append(curve._replace(x=x, y=y))
    if not curves:
        raise UsageError(f"{chart.title}: there is no point to draw")
    across, up = (np.concatenate([curve[i] for curve in curves]) for i in (0, 1))
    return _Prepared(curves, axis(across, chart.log_x), axis(up, chart.log))


def write(path: str, *charts: Chart) -> None:
    """Draw charts, one below the other, into a file that ends in .svg or .png.

    Raises UsageError for another ending, OSError when the file cannot be written.
    """
    if path.endswith(".svg"):
        data = svg(*charts).encode()
    elif path.endswith(".png"):
        data = png(*charts)
    else:
        raise UsageError(f"a picture ends in .svg or .png, not '{path}'")
    with atomic(path) as file:
        file.write(data)


Points = Sequence[tuple[float, float]]


class _Drawing(NamedTuple):
    """Lines as (points, colour, width) and words as (x, y, anchor, text), in pixels."""

    lines: list[tuple[Points, str, int]]
    words: list[tuple[float, float, str, str]]
    height: int


def _drawing(chart: Chart) -> _Drawing:
    curves, across, up = _prepared(chart)
    rows = _in_rows([curve.name for curve in curves])
    top = TOP + ROW * len(rows)
    right, bottom = WIDTH - RIGHT, top + HEIGHT - TOP - BOTTOM

    def place(px: np.ndarray | float, py: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        return LEFT + across.part(px) * (right - LEFT), bottom - up.part(py) * (bottom - top)

    title = (WIDTH / 2, TOP - 14, "middle", chart.title)
    drawing = _Drawing([], [title], bottom + BOTTOM)
    for value, text in across.ticks:
        at = float(place(value, 0)[0])
        drawing.lines.append((((at, top), (at, bottom)), GRID, 1))
        drawing.words.append((at, bottom + 18, "middle", text))
    for value, text in up.ticks:
        at = float(place(0, value)[1])
        drawing.lines.append((((LEFT, at), (right, at)), GRID, 1))
        drawing.words.append((LEFT - 8, at + 4, "end", text))
    drawing.words.append((WIDTH / 2, bottom + BOTTOM - 8, "middle", chart.x_label))
    drawing.lines.append((((LEFT, top), (LEFT, bottom), (right, bottom)), INK, 1))
    for x, y, _, colour in curves:
        points = [(float(a), float(b)) for a, b in zip(*place(x, y), strict=True)]
        if len(points) == 1:  # a dot
            points = [(points[0][0] - 2, points[0][1]), (points[0][0] + 2, points[0][1])]
        drawing.lines.append((points, COLOURS[colour % len(COLOURS)], 2))
    for at, row in zip(range(TOP + 2, top + 2, ROW), rows, strict=False):
        for x, i in row:
            colour = COLOURS[curves[i].colour % len(COLOURS)]
            drawing.lines.append((((x, at - 4), (x + 16, at - 4)), colour, 2))
            drawing.words.append((x + 22, at, "start", curves[i].name))
    return drawing


def _in_rows(names: Sequence[str]) -> list[list[tuple[float, int]]]:
    """Where the names of curves are written: (x, which) in rows. A curve alone may have none."""
    rows: list[list[tuple[float, int]]] = []
    x = float(WIDTH)
    for i, name in enumerate(names if any(names) else ()):
        width = 36 + LETTER * len(name)
        if x + width > WIDTH - RIGHT:
            rows.append([])
            x = LEFT
        rows[-1].append((x, i))
        x += width
    return rows


def svg(*charts: Chart) -> str:
    """The charts as an SVG document."""
    drawings = [_drawing(chart) for chart in charts]
    height = sum(drawing.height for drawing in drawings)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    above = 0
    for drawing in drawings:
        for points, colour, width in drawing.lines:
            path = " ".join(f"{a:.1f},{b + above:.1f}" for a, b in points)
            parts.append(
                f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
            )
        for a, b, anchor, text in drawing.words:
            place = f'x="{a:.1f}" y="{b + above:.1f}" text-anchor="{anchor}"'
            parts.append(f'<text {place} fill="{INK}">{escape(text)}</text>')
        above += drawing.height
    return "\n".join([*parts, "</svg>\n"])


def png(*charts: Chart) -> bytes:
    """The charts as a PNG file."""
    import cv2

    image = np.concatenate([_pixels(_drawing(chart)) for chart in charts])
    return cv2.imencode(".png", image)[1].tobytes()


def _pixels(drawing: _Drawing) -> np.ndarray:
    import cv2

    font = cv2.FONT_HERSHEY_SIMPLEX
    image = np.full((drawing.height, WIDTH, 3), 255, np.uint8)
    for points, colour, width in drawing.lines:
        fixed = np.round(np.array(points) * 16).astype(np.int32)
        cv2.polylines(image, [fixed], False, _bgr(colour), width, cv2.LINE_AA, shift=4)
    for a, b, anchor, text in drawing.words:
        size = cv2.getTextSize(text, font, 0.42, 1)[0][0]
        start = a - {"middle": size / 2, "end": size}.get(anchor, 0)
        cv2.putText(image, text, (round(start), round(b)), font, 0.42, _bgr(INK), 1, cv2.LINE_AA)
    return image


def _bgr(colour: str) -> tuple[int, int, int]:
    return int(colour[5:7], 16), int(colour[3:5], 16), int(colour[1:3], 16)


def text(chart: Chart, width: int = 64, height: int = 14) -> str:
    """The curves in braille characters, two dots across and four down in each: one below the other
    where there are several, on the same scales."""
    curves, across, up = _prepared(chart)
    words = [(", ".join(filter(None, [chart.title, c.name])), chart.x_label) for c in curves]
    pictures = [
        _braille(curve, *told, across, up, width, height)
        for curve, told in zip(curves, words, strict=True)
    ]
    return "\n\n".join(map("\n".join, pictures))


def _braille(
    curve: Curve, title: str, x_label: str, across: Axis, up: Axis, width: int, height: int
) -> list[str]:
    x, y, *_ = curve
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
    lines = [title]
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
    lines.append(f"{'':>{margin}}  {x_label:^{width}}".rstrip())
    return lines
