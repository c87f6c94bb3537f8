"""Texts against google.protobuf.text_format, and the text of every mistake."""

import math

import google.protobuf
import pytest
from google.protobuf import text_format
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from netc.errors import NetcError
from netc.prototxt import parse, to_text
from netc.schema import (
    BlobProto,
    BlobShape,
    Datum,
    FillerParameter,
    LayerParameter,
    NetParameter,
    NetState,
    SolverParameter,
)
from tests.messages import STYLES, damaged, messages

OLD = int(google.protobuf.__version__.split(".")[0]) < 6
KINDS = st.sampled_from([NetParameter, LayerParameter, SolverParameter, BlobProto, Datum])


def wire(message: Message) -> bytes:
    return message.SerializePartialToString(deterministic=True)  # NaN differs from itself


def theirs(text: str, kind: type[Message], **options) -> bytes | None:
    try:
        return wire(text_format.Parse(text, kind(), **options))
    except text_format.ParseError:
        return None


def ours(text: str, kind: type[Message], **options) -> bytes | None:
    try:
        return wire(parse(text, kind, **options).message)
    except NetcError:
        return None


@given(KINDS.flatmap(messages), STYLES)
def test_parse_undoes_print(message, style):
    text = text_format.MessageToString(message, **style)
    assert wire(parse(text, type(message)).message) == wire(message)


@given(messages(NetParameter))
def test_parse_undoes_to_text(message):
    assert wire(parse(to_text(message), NetParameter).message) == wire(message)


@pytest.mark.skipif(OLD, reason="protobuf before 6 does not read .5 and \\u")
@settings(max_examples=400)
@given(KINDS.flatmap(lambda kind: st.tuples(damaged(kind), st.just(kind))))
def test_accepts_what_google_accepts(case):
    text, kind = case
    assert ours(text, kind) == theirs(text, kind)


@pytest.mark.skipif(OLD, reason="protobuf before 6 does not read .5 and \\u")
@given(damaged(NetParameter))
def test_passes_over_what_google_passes_over(text):
    known = theirs(text, NetParameter, allow_unknown_field=True)
    if known is not None:
        assert ours(text, NetParameter, allow_unknown=True) == known


ACCEPTED = {
    "nothing": ("", NetParameter()),
    "only a comment": ("# name: 3", NetParameter()),
    "carriage returns": ('name: "a" # b\r\ninput: "c"\r\n', NetParameter(name="a", input=["c"])),
    "tabs and form feeds": ('\tname:\t"a"\f\v', NetParameter(name="a")),
    "no-break space": ('name:\u00a0"a"', NetParameter(name="a")),
    "unicode": ('name: "Überblick 网络"  # größer', NetParameter(name="Überblick 网络")),
    "a comment in quotes": ('name: "# no comment"', NetParameter(name="# no comment")),
    "comments between": ("# a\n level # b\n : # c\n 1 # d\n", NetState(level=1)),
    "pointy brackets": ("state < level: 1 >", NetParameter(state=NetState(level=1))),
    "colon before a message": ("state: { level: 1 }", NetParameter(state=NetState(level=1))),
    "no spaces": ("level:1 stage:'a'phase:TEST", NetState(level=1, stage=["a"], phase=1)),
    "separators": ("dim: 1, dim: 2; dim: 3;", BlobShape(dim=[1, 2, 3])),
    "list": ("dim: [1, 2,3]", BlobShape(dim=[1, 2, 3])),
    "empty list": ("dim: [] dim: 1", BlobShape(dim=[1])),
    "list of messages": (
        'layer [{ name: "a" }, < name: "b" >]',
        NetParameter(layer=[{"name": "a"}, {"name": "b"}]),
    ),
    "adjacent strings": ("name: \"a\" 'b'\n  \"c\" # d\n 'e'", NetParameter(name="abce")),
    "list of adjacent strings": ('input: ["a" "b", "c"]', NetParameter(input=["ab", "c"])),
    "escapes": (
        r'name: "\\ \" \' \n\t\?\101\x41\u00e9\U0001F600\x4g"',
        NetParameter(name="\\ \" ' \n\t?AAé😀\x04g"),
    ),
    "bytes": (r'data: "\000\377\xff é"', Datum(data=b"\x00\xff\xff \xc3\xa9")),
    "octal and hexadecimal": ("dim: [010, 0x1F, -0x1f, -010]", BlobShape(dim=[8, 31, -31, -8])),
    "enum by number": ("phase: 1", NetState(phase=1)),
    "bool": ("force_backward: t", NetParameter(force_backward=True)),
    "infinities": (
        "value: -inf min: inff max: Infinity",
        FillerParameter(value=-math.inf, min=math.inf, max=math.inf),
    ),
    "C floats": (
        "value: 1f min: 1.5F max: .5e-3f mean: 1.",
        FillerParameter(value=1, min=1.5, max=0.0005, mean=1),
    ),
    "too great for float": ("value: 1e39", FillerParameter(value=math.inf)),
}


@pytest.mark.parametrize(("text", "message"), ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(text, message):
    assert parse(text, type(message)).message == message


def test_not_a_number():
    assert math.isnan(parse("value: nanf", FillerParameter).message.value)
