"""Moving fields between messages whose classes differ, and their nodes between source maps."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from netc.prototxt import SourceMap


def put(message: Message, path: tuple[str, ...], value: Any) -> None:
    """Set the field at a path such as ("data_param", "source"); repeated ones are added to."""
    *outer, name = path
    for step in outer:
        message = getattr(message, step)
    field: Any = getattr(message, name)
    if hasattr(field, "MergeFrom"):  # repeated, or a message
        field.MergeFrom(value if hasattr(value, "MergeFrom") else [value])
    else:
        setattr(message, name, value)


def put_nodes(source: SourceMap, path: tuple[str, ...], nodes: list[SourceMap]) -> None:
    """Enter the nodes of a field at a path; messages on the way get the first one's span."""
    if not nodes:
        return
    for step in path[:-1]:
        inner = source.fields.setdefault(step, [SourceMap(nodes[0].span)])
        source = inner[0]
    source.fields.setdefault(path[-1], []).extend(nodes)


def copied(source: SourceMap) -> SourceMap:
    """A source map that can be changed, down to its fields' fields."""
    return SourceMap(
        source.span,
        {
            name: [SourceMap(n.span, {k: list(v) for k, v in n.fields.items()}) for n in nodes]
            for name, nodes in source.fields.items()
        },
    )
