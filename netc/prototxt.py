"""Text of a prototxt to a message with the place of every field, and back.

`parse` accepts what `google.protobuf.text_format.Parse` accepts and gives the same message, save
that escape sequences are those of C++: `\\d` is none. On top of it, it keeps where each field
stood and goes on after a mistake, so that one run reports several.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message

from netc.errors import NetcError, ParseError, Source, Span, did_you_mean, raise_all
from netc.scalars import BadValue, read_scalar
from netc.schema import is_repeated

M = TypeVar("M", bound=Message)
Path = tuple[str | int, ...]

_SKIP = r"(?:\s|\#[^\n]*)*+"
_TOKENS = re.compile(
    _SKIP
    + r"""(?P<token>
        [a-zA-Z_][0-9a-zA-Z_+-]*                # a name
      | (?:[0-9+-]|\.[0-9])[0-9a-zA-Z_.+-]*     # a number
      | "[^"\n\\]*(?:(?:\\.)+[^"\n\\]*)*(?:"|\\?$)
      | '[^'\n\\]*(?:(?:\\.)+[^'\n\\]*)*(?:'|\\?$)
      | .
      | \Z)""",
    re.VERBOSE | re.MULTILINE,
)
_CLOSING = {"{": "}", "<": ">", "[": "]"}


@dataclass(eq=False)
class SourceMap:
    """Where a message stood in its file, and where each of its fields did.

    A tree shaped like the message: `fields[name]` holds one node for each time the field was given.
    """

    span: Span | None = None
    fields: dict[str, list[SourceMap]] = field(default_factory=dict)

    def node(self, *path: str | int) -> SourceMap:
        """The node of a path such as ("layer", 3, "bottom", 0), or the deepest known on the way."""
        at, steps = self, list(path)
        while steps:
            nodes = at.fields.get(str(steps.pop(0)))
            index = int(steps.pop(0)) if steps and isinstance(steps[0], int) else -1
            if not nodes or not -len(nodes) <= index < len(nodes):
                return at
            at = nodes[index]
        return at

    def at(self, *path: str | int) -> Span | None:
        """The span of `node(*path)`; the nearest enclosing one where the field has none."""
        return self.node(*path).span or self.span

    def find(self, name: str, index: int = -1) -> Span | None:
        """The span of the field called `name`, here or in a sub-message, nearest first."""
        level = [self]
        while level:
            for at in level:
                if nodes := at.fields.get(name):
                    return nodes[index if -len(nodes) <= index < len(nodes) else -1].span
            level = [n for at in level for nodes in at.fields.values() for n in nodes]
        return self.span

    def get(self, name: str) -> list[SourceMap]:
        """The nodes of a field, none if it was not given."""
        return self.fields.get(name, [])


class Parsed(NamedTuple):
    """A message, where its fields stood, and what was passed over."""

    message: Any
    source: SourceMap
    warnings: Sequence[NetcError] = ()


def parse(text: str, kind: type[M], name: str = "<text>", *, allow_unknown: bool = False) -> Parsed:
    """Parse protobuf text into a message of the class `kind`.

    Raises ParseError, or Errors holding several, each at file:line:column. With `allow_unknown`
    unknown fields are passed over and listed in `warnings`.
    """
    parser = _Parser(Source(name, text), allow_unknown)
    message = kind()
    root = SourceMap(Span(parser.source, 0))
    with suppress(_Lost):
        parser.message(message, root, end="")
    raise_all(parser.errors)
    return Parsed(message, root, parser.warnings)


def to_text(message: Message) -> str:
    """The message as prototxt."""
    return text_format.MessageToString(message)


class _Lost(Exception):
    """The text is so broken that parsing on would only report echoes of the first mistake."""


class _Parser:
    """One pass over the tokens; `token` is the current one, `offset` where it starts."""

    def __init__(self, source: Source, allow_unknown: bool) -> None:
        self.source, self.allow_unknown = source, allow_unknown
        self.errors: list[NetcError] = []
        self.warnings: list[NetcError] = []
        self.open: list[Any] = []
        self.tokens = self._scan(source.text)
        self.advance()

    @staticmethod
    def _scan(text: str) -> Iterator[tuple[str, int]]:
        at = 0
        while match := _TOKENS.match(text, at):
            yield match["token"], match.start("token")
            at = match.end()
            if not match["token"]:
                return
        raise AssertionError("the token pattern matches everywhere")

    def advance(self) -> None:
        self.token, self.offset = next(self.tokens, ("", len(self.source.text)))

    def span(self) -> Span:
        return Span(self.source, self.offset, len(self.token))

    def fail(self, message: str, span: Span | None = None, hint: str | None = None) -> None:
        self.errors.append(ParseError(message, span or self.span(), hint))

    def lost(self, message: str, span: Span | None = None, hint: str | None = None) -> _Lost:
        self.fail(message, span, hint)
        return _Lost()

    def take(self, *tokens: str) -> bool:
        if self.token in tokens:
            self.advance()
            return True
        return False

    def expected(self, what: str, hint: str | None = None) -> _Lost:
        found = f"'{self.token}'" if self.token else "the end of the file"
        return self.lost(f"Expected {what}, found {found}.", hint=hint)

    def message(self, message: Message, node: SourceMap, end: str) -> None:
        self.open.append(message.DESCRIPTOR)
        while self.token != end:
            if not self.token:
                raise self.expected(f'"{end}" to close the message that starts at {node.span}')
            self.field(message, node)
        self.open.pop()
        if end:
            self.advance()

    def field(self, message: Message, node: SourceMap) -> None:
        name, at = self.token, self.span()
        kind: Any = message.DESCRIPTOR
        if not (name[:1].isalpha() or name[:1] == "_"):
            hint = f"there is one '{name}' too many here or above" if name in "}>" else None
            raise self.expected("a field name", hint)
        self.advance()
        known = kind.fields_by_name.get(name)
        if known is None:
            return self.unknown(kind, name, at)
        is_message = known.cpp_type == Field.CPPTYPE_MESSAGE
        if not self.take(":") and not is_message:
            raise self.expected(f'":" after "{name}"')
        if is_repeated(known) and self.take("["):
            open_list = not self.take("]")
            while open_list:
                self.value(message, known, node, at)
                open_list = not self.take("]")
                if open_list and not self.take(","):
                    raise self.expected('"," or "]"')
        else:
            self.value(message, known, node, at)
        self.take(",", ";")

    def unknown(self, kind: Descriptor, name: str, at: Span) -> None:
        error = ParseError(
            f'Message type "{kind.full_name}" has no field named "{name}".',
            at,
            self.belongs(kind, name) or did_you_mean(name, kind.fields_by_name),
        )
        (self.warnings if self.allow_unknown else self.errors).append(error)
        self.skip_value()

    def belongs(self, kind: Descriptor, name: str) -> str | None:
        """Where a field is known that a message does not have."""
        if any(name in outer.fields_by_name for outer in self.open):
            return "a '}' seems to be missing above"
        inside = [
            f.name for f in kind.fields if f.message_type and name in f.message_type.fields_by_name
        ]
        more = ", ..." if len(inside) > 3 else ""
        return f"it is a field of {', '.join(inside[:3])}{more}" if inside else None

    def skip_value(self) -> None:
        """Pass over the value of an unknown field, up to its balanced end."""
        self.take(":")
        if self.token in ("}", ">", ""):
            raise self.expected("a value")
        if self.token in _CLOSING:
            closers = [_CLOSING[self.token]]
            while closers:
                self.advance()
                if not self.token:
                    raise self.expected(f'"{closers[-1]}"')
                if self.token in _CLOSING:
                    closers.append(_CLOSING[self.token])
                elif self.token == closers[-1]:
                    closers.pop()
            self.advance()
        else:
            self.words()
        self.take(",", ";")

    def value(self, message: Message, known: Field, node: SourceMap, at: Span) -> None:
        if known.cpp_type == Field.CPPTYPE_MESSAGE:
            self.sub_message(message, known, node, at)
        else:
            self.scalar(message, known, node, at)

    def duplicate(self, message: Message, known: Field, node: SourceMap, at: Span) -> bool:
        if is_repeated(known) or not message.HasField(known.name):
            return False
        self.fail(
            f'Message type "{message.DESCRIPTOR.full_name}" should not have multiple '
            f'"{known.name}" fields.',
            at,
            f"it was given first at {node.at(known.name)}",
        )
        return True

    def sub_message(self, message: Message, known: Field, node: SourceMap, at: Span) -> None:
        end = {"{": "}", "<": ">"}.get(self.token)
        if end is None:
            raise self.expected(f'"{{" to open {known.name}')
        self.advance()
        child = SourceMap(at)
        if self.duplicate(message, known, node, at):
            return self.message(type(getattr(message, known.name))(), child, end)
        if is_repeated(known):
            target = getattr(message, known.name).add()
        else:
            target = getattr(message, known.name)
            target.SetInParent()
        node.fields.setdefault(known.name, []).append(child)
        self.message(target, child, end)

    def scalar(self, message: Message, known: Field, node: SourceMap, at: Span) -> None:
        where = self.span()
        if self.token in ("", "}", ">", "]", ",", ";", "{", "<", ":", "["):
            raise self.expected(f"a value for {known.name}")
        try:
            value = read_scalar(self.words(), known)
        except BadValue as bad:
            self.fail(str(bad), where, bad.hint)
            return
        if self.duplicate(message, known, node, at):
            return
        if is_repeated(known):
            getattr(message, known.name).append(value)
        else:
            setattr(message, known.name, value)
        node.fields.setdefault(known.name, []).append(SourceMap(where))

    def words(self) -> list[str]:
        """One word, or several quoted strings that stand together."""
        if self.token[0] in "'\"":
            return self.strings()
        word = self.token
        self.advance()
        return [word]

    def strings(self) -> list[str]:
        tokens = []
        while self.token[:1] in ("'", '"'):
            if len(self.token) < 2 or self.token[-1] != self.token[0]:
                raise self.lost(f"String missing ending quote: {self.token}")
            tokens.append(self.token)
            self.advance()
        return tokens
