"""caffe.draw: pictures of nets. Caffe: draw.py.

`.svg`, `.dot` and `.mmd` need nothing; `.png`, `.pdf`, `.jpg` and others are made by Graphviz's
program `dot`. pydot is not needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from netc import draw
from netc.draw import Diagram
from netc.files import atomic
from netc.load import Loaded
from netc.phase import filter_net, net_state
from netc.prototxt import SourceMap
from netc.schema import NetParameter
from netc.upgrade import upgrade_net


class Graph:
    """A picture, with the methods of pydot's Dot."""

    def __init__(self, drawn: Diagram, rankdir: str) -> None:
        self._drawn, self._rankdir = drawn, rankdir

    def to_string(self) -> str:
        """Graphviz's text."""
        return self.create(format="dot").decode()

    def create(self, prog: Any = None, format: str = "ps") -> bytes:
        """A picture of this format. Raises UsageError."""
        kind = "dot" if format == "raw" else format
        return draw.picture(self._drawn, kind, self._rankdir)

    def write(self, path: str, prog: Any = None, format: str = "raw") -> bool:
        """Write a picture of this format. Raises UsageError."""
        made = self.create(prog, format)
        with atomic(path) as file:
            file.write(made)
        return True

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """create_png, write_svg and so on."""
        way, _, kind = name.partition("_")
        if way not in ("create", "write") or not kind:
            raise AttributeError(f"a Graph has no {name}")
        method = getattr(self, way)
        return lambda *arguments: method(*arguments, format=kind)


def get_pydot_graph(
    caffe_net: Any,
    rankdir: str,
    label_edges: bool = True,
    phase: int | None = None,
    display_lrm: bool = False,
) -> Graph:
    """The picture of a NetParameter.

    rankdir: TB, BT, LR or RL. label_edges: tell blobs that are called other than their layers.
    phase: TRAIN or TEST; None draws the layers of both. display_lrm: tell the lr_mult of layers.
    """
    message = NetParameter.FromString(caffe_net.SerializePartialToString())
    message, source, _ = upgrade_net(message, SourceMap())
    if phase is not None:
        message = filter_net(Loaded(message, source), net_state(phase)).message
    drawn = draw.diagram(message, rates=display_lrm)
    return Graph(drawn._replace(labelled=label_edges), rankdir)


def draw_net(
    caffe_net: Any,
    rankdir: str,
    ext: str = "png",
    phase: int | None = None,
    display_lrm: bool = False,
) -> bytes:
    """A picture of a net in the format `ext`. Raises UsageError."""
    return get_pydot_graph(caffe_net, rankdir, True, phase, display_lrm).create(format=ext)


def draw_net_to_file(
    caffe_net: Any,
    filename: str,
    rankdir: str = "LR",
    phase: int | None = None,
    display_lrm: bool = False,
) -> None:
    """Write a picture of a net in the format that the file's ending names. Raises UsageError."""
    kind = os.path.splitext(filename)[1].removeprefix(".")
    get_pydot_graph(caffe_net, rankdir, True, phase, display_lrm).write(filename, None, kind)
