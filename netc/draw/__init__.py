"""Pictures of nets: SVG, DOT and Mermaid of netc's own, and what Graphviz makes of the DOT."""

from __future__ import annotations

from netc.draw.diagram import Diagram
from netc.draw.diagram import diagram as diagram
from netc.draw.diagram import dims as dims
from netc.draw.dot import dot as dot
from netc.draw.dot import rendered
from netc.draw.layout import DIRECTIONS as DIRECTIONS
from netc.draw.mermaid import mermaid as mermaid
from netc.draw.svg import svg as svg
from netc.errors import UsageError

FORMATS = {"svg": svg, "dot": dot, "gv": dot, "mmd": mermaid}


def picture(drawn: Diagram, kind: str, direction: str = "TB") -> bytes:
    """A picture of the kind that a file's ending names: svg, dot and mmd, or png, pdf, jpg and
    whatever else the program dot knows.

    direction: TB from top to bottom, BT, LR or RL. Raises UsageError.
    """
    if direction not in DIRECTIONS:
        raise UsageError(f"rankdir is one of {', '.join(DIRECTIONS)}, not '{direction}'")
    kind = kind.lower().removeprefix(".")
    if kind in FORMATS:
        return FORMATS[kind](drawn, direction).encode()
    return rendered(dot(drawn, direction), kind)
