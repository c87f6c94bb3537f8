"""A message as prototxt with the comments of the file that it came from.

A comment stays with the field that follows it, one at the end of a line with the last field that
starts in the line: so it is kept wherever an upgrade moves that field.
"""

from __future__ import annotations

import io
import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from netc.prototxt import SourceMap
from netc.schema import is_repeated

_COMMENTS = re.compile(r""""(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|(?P<comment>\#[^\n]*)""")


def commented_text(message: Message, source: SourceMap) -> str:
    """The message as prototxt; comments of the source's file stand where their fields are."""
    comments = _Comments(source)
    lines = [*_lines(message, source, comments, ""), *comments.rest()]
    return "".join(f"{line}\n" for line in lines)


class _Comments:
    """Comments by the offset of the field they belong to: lines before it, and what ends its line.

    A comment is given out once.
    """

    def __init__(self, source: SourceMap) -> None:
        self.before: dict[int, list[str]] = {}
        self.behind: dict[int, str] = {}
        text = source.span.source.text if source.span else ""
        starts = sorted(_offsets(source))
        for match in _COMMENTS.finditer(text):
            if not (comment := match["comment"]):
                continue
            at = bisect_left(starts, match.start())
            line = text.rfind("\n", 0, match.start()) + 1
            if at and starts[at - 1] >= line and starts[at - 1] not in self.behind:
                self.behind[starts[at - 1]] = comment.rstrip()
            else:
                owner = starts[at] if at < len(starts) else len(text)
                self.before.setdefault(owner, []).append(comment.rstrip())

    def take_before(self, node: SourceMap) -> list[str]:
        return self.before.pop(node.span.offset, []) if node.span else []

    def take_behind(self, node: SourceMap) -> str:
        comment = self.behind.pop(node.span.offset, "") if node.span else ""
        return f"  {comment}" if comment else ""

    def rest(self) -> list[str]:
        return [comment for comments in self.before.values() for comment in comments]


def _offsets(source: SourceMap) -> Iterator[int]:
    for nodes in source.fields.values():
        for node in nodes:
            if node.span:
                yield node.span.offset
            yield from _offsets(node)


def _lines(message: Message, source: SourceMap, comments: _Comments, indent: str) -> Iterator[str]:
    for field, value in message.ListFields():
        nodes = source.get(field.name)
        for i, one in enumerate(value if is_repeated(field) else [value]):
            node = nodes[i] if i < len(nodes) else SourceMap()
            yield from (indent + comment for comment in comments.take_before(node))
            if field.message_type:
                # The fields inside take theirs first: one of them may start where the message does.
                inside = list(_lines(one, node, comments, indent + "  "))
                yield f"{indent}{field.name} {{{comments.take_behind(node)}"
                yield from inside
                yield f"{indent}}}"
            else:
                yield f"{indent}{field.name}: {scalar_text(field, one)}{comments.take_behind(node)}"


def scalar_text(field: FieldDescriptor, value: Any) -> str:
    """One value of a field, as prototxt has it behind the colon."""
    out = io.StringIO()
    text_format.PrintFieldValue(field, value, out, as_utf8=True)
    return out.getvalue()
