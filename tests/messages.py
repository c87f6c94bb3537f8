"""Random messages of the schema, and random damage to their texts."""

from __future__ import annotations

import re
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from netc.schema import is_repeated

_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
}
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)

STYLES = st.fixed_dictionaries(
    {
        "as_utf8": st.booleans(),
        "as_one_line": st.booleans(),
        "use_short_repeated_primitives": st.booleans(),
        "pointy_brackets": st.booleans(),
        "use_index_order": st.booleans(),
        "force_colon": st.booleans(),
    }
)


@st.composite
def messages(draw: st.DrawFn, kind: type[Message], depth: int = 3, fields: int = 4) -> Message:
    """A message of the class `kind`, at most `fields` fields in each message, `depth` deep."""
    message = kind()
    _fill(draw, message, depth, fields)
    return message


def _fill(draw: st.DrawFn, message: Any, depth: int, fields: int) -> None:
    choice = _fields(message, depth)
    for known in draw(st.lists(st.sampled_from(choice), max_size=fields)) if choice else ():
        nested = known.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE
        if is_repeated(known):
            values = getattr(message, known.name)
            for _ in range(draw(st.integers(1, 2))):
                if nested:
                    _fill(draw, values.add(), depth - 1, fields)
                else:
                    values.append(draw(_scalar(known)))
        elif nested:
            getattr(message, known.name).SetInParent()
            _fill(draw, getattr(message, known.name), depth - 1, fields)
        else:
            setattr(message, known.name, draw(_scalar(known)))


def _fields(message: Message, depth: int) -> list[FieldDescriptor]:
    kind: Descriptor = message.DESCRIPTOR
    return [f for f in kind.fields if depth > 1 or f.cpp_type != f.CPPTYPE_MESSAGE]


def _scalar(known: FieldDescriptor) -> st.SearchStrategy[Any]:
    if known.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return st.sampled_from([v.number for v in known.enum_type.values])
    if known.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=6)
    return _SCALARS.get(known.cpp_type, _TEXTS)


@st.composite
def texts(draw: st.DrawFn, kind: type[Message]) -> str:
    """The text of a random message in a random style."""
    return text_format.MessageToString(draw(messages(kind)), **draw(STYLES))


_PIECES = re.compile(r'\s+|[\w.+-]+|"(?:\\.|[^"\\\n])*"|.', re.DOTALL)
_TOKENS = r"""
    { } < > [ ] : , ; # " ' \ . - + 0 1 -1 07 08 0x1F 0xg 1e3 1.5f .5 1_0 -07 1ff
    inf -INF inff -infinityf nan nanF NaN true t True TRUE f 2147483648 -9223372036854775809
    TRAIN MAX name layer type top bottom stage dim shape param
    "a" 'b' "\x41" "\101" "\u00e9" "\xff"
"""
_BLANKS = ["\n", " ", "\t", "\r\n", "\v", "\u00a0", "\u0085", "# c\n", ""]
_WORDS = st.sampled_from([*_TOKENS.split(), *_BLANKS, "é", r"'\'"])


@st.composite
def damaged(draw: st.DrawFn, kind: type[Message]) -> str:
    """A text in which some tokens are dropped, doubled, swapped or replaced."""
    pieces = _PIECES.findall(draw(texts(kind))) or [""]
    for _ in range(draw(st.integers(1, 3))):
        at, to = (draw(st.integers(0, len(pieces) - 1)) for _ in range(2))
        match draw(st.sampled_from(["drop", "double", "swap", "replace", "insert"])):
            case "drop":
                pieces[at] = ""
            case "double":
                pieces[at] *= 2
            case "swap":
                pieces[at], pieces[to] = pieces[to], pieces[at]
            case "replace":
                pieces[at] = draw(_WORDS)
            case "insert":
                pieces[at] += draw(_WORDS)
    return "".join(pieces)
