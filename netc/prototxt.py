"""Text of a prototxt to a message with the place of every field, and back.

`parse` accepts what `google.protobuf.text_format.Parse` accepts and gives the same message, save
that an escape C++ does not know, such as `\\d`, is a mistake. On top of it, it keeps where each
field stood and goes on after a mistake, so that one run reports several.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from google.protobuf import text_encoding, text_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message

from netc.errors import NetcError, ParseError, Source, Span, did_you_mean, raise_all
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
_ESCAPED = re.compile(r"""(?:[^\\]|\\(?:[abfnrtvxuU\\'"0-3]|[4-7](?![0-7]{2})))*+""")
_CLOSING = {"{": "}", "<": ">", "[": "]"}
_INTEGER_RANGES = {
    Field.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    Field.CPPTYPE_UINT32: (0, 2**32 - 1),
    Field.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    Field.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_BOOLS: dict[str, bool] = {
    **dict.fromkeys(("true", "t", "1", "True"), True),
    **dict.fromkeys(("false", "f", "0", "False"), False),
}


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
    """A message, where its fields stood, and what was passed over under `allow_unknown`."""

    message: Any
    source: SourceMap
    warnings: list[NetcError]


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
        elif self.token[0] in "'\"":
            self.strings()
        else:
            self.advance()
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
            value = self.read(known)
        except _BadValue as bad:
            self.fail(str(bad), where, bad.hint)
            return
        if self.duplicate(message, known, node, at):
            return
        if is_repeated(known):
            getattr(message, known.name).append(value)
        else:
            setattr(message, known.name, value)
        node.fields.setdefault(known.name, []).append(SourceMap(where))

    def read(self, known: Field) -> Any:
        kind = known.cpp_type
        if kind == Field.CPPTYPE_STRING:
            return self.string(known)
        token = self.token
        self.advance()
        if kind in _INTEGER_RANGES:
            return _integer(token, known)
        if kind in (Field.CPPTYPE_FLOAT, Field.CPPTYPE_DOUBLE):
            return _float(token, known)
        if kind == Field.CPPTYPE_BOOL:
            if token not in _BOOLS:
                raise _BadValue(f"{known.name} takes true or false, not '{token}'.")
            return _BOOLS[token]
        return _enum(token, known)

    def string(self, known: Field) -> str | bytes:
        if self.token[0] not in "'\"":
            token = self.token
            self.advance()
            raise _BadValue(f"{known.name} takes a string, not {token}.", f'write "{token}"')
        joined = b"".join(map(_unescape, self.strings()))
        if known.type == Field.TYPE_BYTES:
            return joined
        try:
            return joined.decode()
        except UnicodeDecodeError as e:
            raise _BadValue(f"{known.name} is not valid UTF-8: {e.reason}.") from None

    def strings(self) -> list[str]:
        """The adjacent string tokens, quotes included."""
        tokens = []
        while self.token[:1] in ("'", '"'):
            if len(self.token) < 2 or self.token[-1] != self.token[0]:
                raise self.lost(f"String missing ending quote: {self.token}")
            tokens.append(self.token)
            self.advance()
        return tokens


class _BadValue(Exception):
    """A value that its field cannot hold; the text around it is sound."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def _unescape(token: str) -> bytes:
    """The bytes of a quoted string. As in C++, and not in Python, `\\d` is no escape sequence."""
    inside = token[1:-1]
    try:
        if _ESCAPED.fullmatch(inside):
            return text_encoding.CUnescape(inside)
    except ValueError:
        pass
    raise _BadValue(
        f"Invalid escape sequence in string literal {token}.",
        "a backslash is written \\\\; paths can have / instead",
    )


def _number(token: str) -> int:
    """An integer, decimal, hexadecimal or C-style octal."""
    octal = re.fullmatch(r"(-?)0(\d+)", token)
    return int(f"{octal[1]}0o{octal[2]}" if octal else token, 0)


def _integer(token: str, known: Field) -> int:
    low, high = _INTEGER_RANGES[known.cpp_type]
    try:
        value = _number(token)
    except ValueError:
        raise _BadValue(f"{known.name} takes an integer, not '{token}'.") from None
    if not low <= value <= high:
        raise _BadValue(f"{known.name} must be between {low} and {high}, not {token}.")
    return value


def _float(token: str, known: Field) -> float:
    bare = re.sub(r"(?i)^(-?inf)f$|f+$", r"\1", token)  # 1.5f as in C, but one f belongs to inff
    for text in () if re.match(r"-?0[0-9]+", token) else (token, bare):
        try:
            return float(text)
        except ValueError:
            continue
    raise _BadValue(f"{known.name} takes a number, not '{token}'.")


def _enum(token: str, known: Field) -> int:
    kind: Any = known.enum_type
    try:
        number = int(token, 0)
    except ValueError:
        if value := kind.values_by_name.get(token):
            return value.number
        names = list(kind.values_by_name)
        raise _BadValue(
            f'Enum type "{kind.full_name}" has no value named {token}.',
            did_you_mean(token, names) or f"it is one of {', '.join(names)}",
        ) from None
    if number not in {v.number for v in kind.values}:  # values_by_number wraps at 32 bits
        values = ", ".join(f"{v.name}={v.number}" for v in kind.values)
        raise _BadValue(
            f'Enum type "{kind.full_name}" has no value with number {number}.', f"it has {values}"
        )
    return number
