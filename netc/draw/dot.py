"""A picture of a net for Graphviz, as text and as what its program `dot` makes of that."""

from __future__ import annotations

import shutil
import subprocess
from html import escape

from netc.draw.colours import COLOURS, INK, PALE, SOFT
from netc.draw.diagram import Box, Diagram
from netc.errors import UsageError

FONT = 'fontname="Helvetica"'


def dot(drawn: Diagram, direction: str = "TB") -> str:
    """The diagram in Graphviz's language."""
    lines = [
        f"digraph {_quoted(drawn.name or 'net')} {{",
        f"  rankdir={direction}",
        f'  node [shape=box style="rounded,filled" {FONT} fontsize=12 fontcolor="{INK}"]',
        f'  edge [color="{PALE}" {FONT} fontsize=10 fontcolor="{SOFT}"]',
    ]
    for i, box in enumerate(drawn.boxes):
        fill, edge = COLOURS[box.lines[0].family]
        lines.append(f'  n{i} [label=<{_label(box)}> fillcolor="{fill}" color="{edge}"]')
    for link in drawn.links:
        label = drawn.label(link)
        told = f" [label={_quoted(label)}]" if label else ""
        lines.append(f"  n{link.source} -> n{link.target}{told}")
    return "\n".join([*lines, "}\n"])


def _label(box: Box) -> str:
    first, *rest = box.lines
    only = f"  {first.only}" if first.only else ""
    rows = [
        f"<b>{escape(first.name)}</b>{escape(only)}",
        _small(first.detail),
        *(f"{_small(line.name, INK)}  {_small(line.detail)}" for line in rest),
    ]
    if box.shape:
        rows.append(_small(box.shape, INK))
    return "".join(f'{row}<br align="left"/>' for row in rows)


def _small(text: str, colour: str = SOFT) -> str:
    return f'<font point-size="10" color="{colour}">{escape(text)}</font>'


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def rendered(text: str, kind: str) -> bytes:
    """What the program dot makes of a graph: a picture of this kind, such as png or pdf.

    Raises UsageError where the program is not installed, or does not know the kind.
    """
    program = shutil.which("dot")
    if program is None:
        raise UsageError(
            f"a picture in {kind} is made by the program dot, which is not installed",
            hint="install Graphviz, or write .svg, which needs nothing",
        )
    done = subprocess.run([program, f"-T{kind}"], input=text.encode(), capture_output=True)
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        raise UsageError(f"dot -T{kind}: {told[0] if told else f'exit status {done.returncode}'}")
    return done.stdout
