"""A picture of a net as Mermaid text, which Markdown viewers draw."""

from __future__ import annotations

from html import escape

from netc.draw.colours import COLOURS, INK
from netc.draw.diagram import Box, Diagram


def mermaid(drawn: Diagram, direction: str = "TB") -> str:
    """The diagram as a flowchart."""
    lines = [f"flowchart {direction}"]
    for i, box in enumerate(drawn.boxes):
        lines.append(f'  n{i}["{_label(box)}"]:::{box.lines[0].family}')
    for link in drawn.links:
        label = drawn.label(link)
        arrow = f'-- "{_plain(label)}" -->' if label else "-->"
        lines.append(f"  n{link.source} {arrow} n{link.target}")
    for family in dict.fromkeys(box.lines[0].family for box in drawn.boxes):
        fill, edge = COLOURS[family]
        lines.append(f"  classDef {family} fill:{fill},stroke:{edge},color:{INK}")
    return "\n".join(lines) + "\n"


def _label(box: Box) -> str:
    first, *rest = box.lines
    only = f" ({first.only})" if first.only else ""
    rows = [
        f"<b>{_plain(first.name)}</b>{only}",
        _plain(first.detail),
        *(f"{_plain(line.name)} {_plain(line.detail)}" for line in rest),
        *([_plain(box.shape)] if box.shape else []),
    ]
    return "<br/>".join(rows)


def _plain(text: str) -> str:
    """A text without what Mermaid would take for its own."""
    return escape(text).replace("&quot;", "#quot;").replace("&#x27;", "#39;").replace("`", "#96;")
