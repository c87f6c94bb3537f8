"""Where two messages of one kind differ, field by field."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor

from netc.comments import scalar_text
from netc.errors import Span
from netc.prototxt import SourceMap
from netc.schema import is_repeated

SHOWN = 60  # characters of a value
NOT_GIVEN = "not given"


class Placed(NamedTuple):
    """A message and where its fields stand."""

    message: Any
    source: SourceMap

    def given(self, field: FieldDescriptor) -> bool:
        """Whether the field has values here, or a value of its own."""
        if is_repeated(field):
            return bool(getattr(self.message, field.name))
        return self.message.HasField(field.name)

    def inside(self, field: FieldDescriptor) -> list[Placed]:
        """The messages that a field holds."""
        value = getattr(self.message, field.name)
        many = value if is_repeated(field) else [value] if self.given(field) else []
        nodes = self.source.get(field.name)
        return [Placed(m, nodes[i] if i < len(nodes) else SourceMap()) for i, m in enumerate(many)]


class Change(NamedTuple):
    """A field, its values as prototxt has them, and where they stand."""

    path: str
    values: tuple[str, str]
    spans: tuple[Span | None, Span | None]

    def render(self) -> str:
        places = ", ".join(str(span) for span in self.spans if span)
        return f"{self.path}: {' -> '.join(self.values)}" + (f"  ({places})" if places else "")


def changes(a: Placed, b: Placed, skip: Collection[str] = (), lead: str = "") -> Iterator[Change]:
    """The fields that differ, each down to where it does; those called in `skip` are passed over.

    A value that is given differs from the same one by default: some layers tell them apart.
    """
    for field in a.message.DESCRIPTOR.fields:
        if field.name in skip or not (a.given(field) or b.given(field)):
            continue
        path = lead + field.name
        if field.message_type is None:
            if _value(a, field) != _value(b, field):
                yield change(a, b, field, path)
            continue
        pairs = list(zip_longest(a.inside(field), b.inside(field)))
        for i, (one, other) in enumerate(pairs):
            name = f"{path}[{i}]" if is_repeated(field) else path
            if one and other:
                yield from changes(one, other, lead=f"{name}.")
            else:
                values = _message(one), _message(other)
                yield Change(name, values, (_span(one), _span(other)))


def change(a: Placed, b: Placed, field: FieldDescriptor, path: str) -> Change:
    """A field without fields of its own, with the values of both sides."""
    spans = tuple(x.source.at(field.name, 0) if x.given(field) else None for x in (a, b))
    return Change(path, (_text(a, field), _text(b, field)), (spans[0], spans[1]))


def _value(placed: Placed, field: FieldDescriptor) -> Any:
    if not placed.given(field):
        return None
    value = getattr(placed.message, field.name)
    return list(value) if is_repeated(field) else value


def _text(placed: Placed, field: FieldDescriptor) -> str:
    if not placed.given(field):
        default = (
            f", so {scalar_text(field, field.default_value)}" if field.has_default_value else ""
        )
        return NOT_GIVEN + default
    value = getattr(placed.message, field.name)
    if not is_repeated(field):
        return scalar_text(field, value)
    return _clipped(f"[{', '.join(scalar_text(field, x) for x in value)}]")


def _message(placed: Placed | None) -> str:
    if placed is None:
        return NOT_GIVEN
    text = text_format.MessageToString(placed.message, as_utf8=True, as_one_line=True)
    return _clipped(f"{{ {text} }}")


def _span(placed: Placed | None) -> Span | None:
    return placed.source.span if placed else None


def _clipped(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 4]} ..."
