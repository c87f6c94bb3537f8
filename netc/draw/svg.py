"""A picture of a net as SVG."""

from __future__ import annotations

from html import escape

from netc.draw.colours import COLOURS, INK, PALE, SOFT
from netc.draw.diagram import Diagram, Line
from netc.draw.layout import LINE, NAME, PADDING, SMALL, Layout, Placed, Routed, lay_out

FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
HALO = 'stroke="white" stroke-width="3" paint-order="stroke"'  # so that no line crosses a word


def svg(drawn: Diagram, direction: str = "TB") -> str:
    """The diagram as an SVG document."""
    layout = lay_out(drawn, direction)
    width, height = (f"{n:.0f}" for n in layout[:2])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="{FONT}">',
        f"<title>{escape(drawn.name or 'net')}</title>",
        '<rect width="100%" height="100%" fill="white"/>',
        '<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0,0.8 L8,4 L0,7.2 z" fill="{PALE}"/></marker>'
        "</defs>",
        f'<g fill="none" stroke="{PALE}" stroke-width="1.4">',
        *(_path(link, layout, direction) for link in layout.links),
        "</g>",
        *(_label(link) for link in layout.links if link.label),
        *(part for placed in layout.boxes for part in _box(placed)),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _path(link: Routed, layout: Layout, direction: str) -> str:
    """Straight along the picture within rows, a bend between them."""
    flat = direction in ("LR", "RL")
    (x, y), steps = link.points[0], []
    for i, (u, v) in enumerate(link.points[1:]):
        if i % 2 == 1 or abs((v - y) if flat else (u - x)) < 0.5:
            steps.append(f"L{u:.1f},{v:.1f}")
        else:
            bend = ((x + u) / 2, y, (x + u) / 2, v) if flat else (x, (y + v) / 2, u, (y + v) / 2)
            steps.append("C{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}".format(*bend, u, v))
        x, y = u, v
    start = "{:.1f},{:.1f}".format(*link.points[0])
    return f'<path d="M{start} {" ".join(steps)}" marker-end="url(#end)"/>'


def _label(link: Routed) -> str:
    (x, y), (u, v) = link.points[:2]
    middle = (x + u) / 2, (y + v) / 2 + 3
    return _text(*middle, link.label, SMALL - 1, SOFT, f'text-anchor="middle" {HALO}')


def _box(placed: Placed) -> list[str]:
    x, y, width, height, box, _ = placed
    fill, edge = COLOURS[box.lines[0].family]
    told = "\n".join(f"{line.name}: {line.detail}" for line in box.lines)
    parts = [
        f"<g><title>{escape(told)}</title>",
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="5" '
        f'fill="{fill}" stroke="{edge}"/>',
    ]
    left, at = x + PADDING, y + LINE + 1
    first, *rest = box.lines
    parts.append(_text(left, at, first.name, NAME, INK, 'font-weight="bold"'))
    if first.only:
        right = x + width - PADDING
        parts.append(_text(right, at, first.only, SMALL - 2, edge, 'text-anchor="end"'))
    at += LINE
    parts.append(_text(left, at, first.detail, SMALL, SOFT))
    for line in rest:
        at += LINE
        parts += _strip(line, left, at)
    if placed.foot:
        parts.append(_text(left, at + LINE, placed.foot, SMALL, INK))
    return [*parts, "</g>"]


def _strip(line: Line, x: float, y: float) -> list[str]:
    edge = COLOURS[line.family][1]
    name = f'<tspan fill="{INK}">{escape(line.name)}</tspan>'
    detail = f'<tspan dx="6" fill="{SOFT}">{escape(line.detail)}</tspan>'
    return [
        f'<circle cx="{x + 3:.1f}" cy="{y - 4:.1f}" r="3" fill="{edge}"/>',
        f'<text x="{x + 11:.1f}" y="{y:.1f}" font-size="{SMALL}">{name}{detail}</text>',
    ]


def _text(x: float, y: float, text: str, size: float, colour: str, more: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"'
    return f"<text {place} {more}>{escape(text)}</text>".replace(" >", ">", 1)
