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
from tests.messages import STYLES, damaged, messages, texts

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


def blocks(text: str, kind: type[Message] = NetParameter) -> str:
    with pytest.raises(NetcError) as caught:
        parse(text, kind, "net.prototxt")
    return str(caught.value)


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


REJECTED = {
    "unknown field": (
        'layer {\n  name: "a"\n  botom: "b"\n}',
        """\
net.prototxt:3:3: Message type "caffe.LayerParameter" has no field named "botom".
    botom: "b"
    ^~~~~
hint: did you mean 'bottom'?""",
    ),
    "field of a sub-message": (
        "layer { stable_prod_grad: true }",
        """\
net.prototxt:1:9: Message type "caffe.LayerParameter" has no field named "stable_prod_grad".
    layer { stable_prod_grad: true }
            ^~~~~~~~~~~~~~~~
hint: it is a field of eltwise_param""",
    ),
    "field of several sub-messages": (
        "layer { num_output: 2 }",
        """\
net.prototxt:1:9: Message type "caffe.LayerParameter" has no field named "num_output".
    layer { num_output: 2 }
            ^~~~~~~~~~
hint: it is a field of convolution_param, embed_param, inner_product_param, ...""",
    ),
    "field nobody knows": (
        "zzz { a: 1 b { c: [1, 2] } }",
        """\
net.prototxt:1:1: Message type "caffe.NetParameter" has no field named "zzz".
    zzz { a: 1 b { c: [1, 2] } }
    ^~~""",
    ),
    "scalar twice": (
        'name: "a"\nname: "b"',
        """\
net.prototxt:2:1: Message type "caffe.NetParameter" should not have multiple "name" fields.
    name: "b"
    ^~~~
hint: it was given first at net.prototxt:1:7""",
    ),
    "message twice": (
        "state { }\nstate { level: 1 }",
        """\
net.prototxt:2:1: Message type "caffe.NetParameter" should not have multiple "state" fields.
    state { level: 1 }
    ^~~~~
hint: it was given first at net.prototxt:1:1""",
    ),
    "enum name": (
        "state { phase: train }",
        """\
net.prototxt:1:16: Enum type "caffe.Phase" has no value named train.
    state { phase: train }
                   ^~~~~
hint: did you mean 'TRAIN'?""",
    ),
    "enum name like no other": (
        "state { phase: both }",
        """\
net.prototxt:1:16: Enum type "caffe.Phase" has no value named both.
    state { phase: both }
                   ^~~~
hint: it is one of TRAIN, TEST""",
    ),
    "enum number": (
        "state { phase: 4294967296 }",
        """\
net.prototxt:1:16: Enum type "caffe.Phase" has no value with number 4294967296.
    state { phase: 4294967296 }
                   ^~~~~~~~~~
hint: it has TRAIN=0, TEST=1""",
    ),
    "integer": (
        "input_dim: 1.5",
        """\
net.prototxt:1:12: input_dim takes an integer, not '1.5'.
    input_dim: 1.5
               ^~~""",
    ),
    "integer out of range": (
        "layer { pooling_param { kernel_size: -1 } }",
        """\
net.prototxt:1:38: kernel_size must be between 0 and 4294967295, not -1.
    layer { pooling_param { kernel_size: -1 } }
                                         ^~""",
    ),
    "octal": (
        "input_dim: 08",
        """\
net.prototxt:1:12: input_dim takes an integer, not '08'.
    input_dim: 08
               ^~""",
    ),
    "decimal comma": (
        "layer { loss_weight: 1,5 }",
        """\
net.prototxt:1:24: Expected a field name, found '5'.
    layer { loss_weight: 1,5 }
                           ^""",
    ),
    "octal float": (
        "layer { loss_weight: 010 }",
        """\
net.prototxt:1:22: loss_weight takes a number, not '010'.
    layer { loss_weight: 010 }
                         ^~~""",
    ),
    "bool": (
        "force_backward: yes",
        """\
net.prototxt:1:17: force_backward takes true or false, not 'yes'.
    force_backward: yes
                    ^~~""",
    ),
    "string without quotes": (
        "name: lenet",
        """\
net.prototxt:1:7: name takes a string, not lenet.
    name: lenet
          ^~~~~
hint: write "lenet\"""",
    ),
    "string without end": (
        'name: "lenet\nforce_backward: 3',
        """\
net.prototxt:1:7: String missing ending quote: "lenet
    name: "lenet
          ^~~~~~""",
    ),
    "backslashes": (
        r'name: "D:\data" "b"',
        r"""net.prototxt:1:7: Invalid escape sequence in string literal "D:\data".
    name: "D:\data" "b"
          ^~~~~~~~~
hint: a backslash is written \\; paths can have / instead""",
    ),
    "half an escape": (
        r'name: "\x"',
        r"""net.prototxt:1:7: Invalid escape sequence in string literal "\x".
    name: "\x"
          ^~~~
hint: a backslash is written \\; paths can have / instead""",
    ),
    "bytes in a string": (
        r'name: "\xff"',
        r"""net.prototxt:1:7: name is not valid UTF-8: invalid start byte.
    name: "\xff"
          ^~~~~~""",
    ),
    "no colon": (
        'name "lenet"',
        """\
net.prototxt:1:6: Expected ":" after "name", found '"lenet"'.
    name "lenet"
         ^~~~~~~""",
    ),
    "no value": (
        "state { level: }",
        """\
net.prototxt:1:16: Expected a value for level, found '}'.
    state { level: }
                   ^""",
    ),
    "no value for an unknown field": (
        "state { levl: }",
        """\
net.prototxt:1:9: Message type "caffe.NetState" has no field named "levl".
    state { levl: }
            ^~~~
hint: did you mean 'level'?

net.prototxt:1:15: Expected a value, found '}'.
    state { levl: }
                  ^""",
    ),
    "scalar for a message": (
        "state: TRAIN",
        """\
net.prototxt:1:8: Expected "{" to open state, found 'TRAIN'.
    state: TRAIN
           ^~~~~""",
    ),
    "message for a scalar": (
        "name: { }",
        """\
net.prototxt:1:7: Expected a value for name, found '{'.
    name: { }
          ^""",
    ),
    "list of what is single": (
        'name: ["a"]',
        """\
net.prototxt:1:7: Expected a value for name, found '['.
    name: ["a"]
          ^""",
    ),
    "comma at the end of a list": (
        "input_dim: [1, 2,]",
        """\
net.prototxt:1:18: Expected a value for input_dim, found ']'.
    input_dim: [1, 2,]
                     ^""",
    ),
    "no comma in a list": (
        "input_dim: [1 2]",
        """\
net.prototxt:1:15: Expected "," or "]", found '2'.
    input_dim: [1 2]
                  ^""",
    ),
    "not a name": (
        "3: 4",
        """\
net.prototxt:1:1: Expected a field name, found '3'.
    3: 4
    ^""",
    ),
    "stray brace": (
        'layer { name: "a" }\n}\nlayer { }',
        """\
net.prototxt:2:1: Expected a field name, found '}'.
    }
    ^
hint: there is one '}' too many here or above""",
    ),
    "missing brace": (
        'layer {\n  name: "a"\n\nlayer {\n  name: "b"\n}\n',
        """\
net.prototxt:4:1: Message type "caffe.LayerParameter" has no field named "layer".
    layer {
    ^~~~~
hint: a '}' seems to be missing above

net.prototxt:7:1: Expected "}" to close the message that starts at net.prototxt:1:1, \
found the end of the file.
    \n    ^""",
    ),
    "missing brace of an unknown field": (
        "zzz { a { }",
        """\
net.prototxt:1:1: Message type "caffe.NetParameter" has no field named "zzz".
    zzz { a { }
    ^~~

net.prototxt:1:12: Expected "}", found the end of the file.
    zzz { a { }
               ^""",
    ),
    "the wrong bracket": (
        "state < level: 1 }",
        """\
net.prototxt:1:18: Expected a field name, found '}'.
    state < level: 1 }
                     ^
hint: there is one '}' too many here or above""",
    ),
}


@pytest.mark.parametrize(("text", "block"), REJECTED.values(), ids=REJECTED)
def test_rejected(text, block):
    assert blocks(text) == block


def test_mistakes_are_reported_together():
    text = """\
name: 3
layer {
  name: "a"  typ: "ReLU"
  phase: TRIAN
  bottom: "b" "\\q"
  loss_weight: [1, x, 2]
  param { lr_mult: 1 lr_mult: 2 }
  zzz: "a" 'b', yyy: [1, { }] xxx < >
}
"""
    first_lines = [block.splitlines()[0] for block in blocks(text).split("\n\n")]
    assert [line.split(" ")[0] for line in first_lines] == [
        f"net.prototxt:{place}:"
        for place in ("1:7", "3:14", "4:10", "5:11", "6:20", "7:22", "8:3", "8:17", "8:31")
    ]


TEXT = """\
name: "a"
layer {
  name: "b"
  top: ["c", "d"]
  top: "e" pooling_param { kernel_size: 3 }
}
layer <
\tname: "é" bottom: "f"
>
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), "1:1"),
        (("name",), "1:7"),
        (("layer", 0), "2:1"),
        (("layer", 0, "name"), "3:9"),
        (("layer", 0, "top", 0), "4:9"),
        (("layer", 0, "top", 1), "4:14"),
        (("layer", 0, "top", 2), "5:8"),
        (("layer", 0, "pooling_param"), "5:12"),
        (("layer", 0, "pooling_param", "kernel_size"), "5:41"),
        (("layer", 1, "bottom", 0), "8:20"),
        (("layer", 1), "7:1"),
        (("layer", 1, "top", 0), "7:1"),
        (("layer", 1, "pooling_param", "kernel_size"), "7:1"),
        (("layer", 5), "1:1"),
        (("state", "level"), "1:1"),
    ],
)
def test_span_of_a_path(path, place):
    source = parse(TEXT, NetParameter, "net.prototxt").source
    assert str(source.at(*path)) == f"net.prototxt:{place}"


@pytest.mark.parametrize(
    ("name", "index", "place"),
    [
        ("top", 1, "4:14"),
        ("top", -1, "5:8"),
        ("top", 9, "5:8"),
        ("kernel_size", -1, "5:41"),
        ("stride", -1, "2:1"),
    ],
)
def test_span_of_a_name(name, index, place):
    source = parse(TEXT, NetParameter, "net.prototxt").source
    assert str(source.node("layer", 0).find(name, index)) == f"net.prototxt:{place}"


def test_spans_cover_their_values():
    source = parse(TEXT, NetParameter).source
    span = source.at("layer", 0, "top", 1)
    assert TEXT[span.offset : span.offset + span.length] == '"d"'


@given(texts(NetParameter))
def test_every_field_has_a_span(text):
    message, source, _ = parse(text, NetParameter)
    for known, value in message.ListFields():
        count = (
            len(value) if hasattr(value, "__len__") and not isinstance(value, str | bytes) else 1
        )
        assert len(source.get(known.name)) == count


def test_unknown_fields_can_be_passed_over():
    text = 'nam: "a"  zzz { name: 1 ] } name: "b" yyy: ["c", { }]; state { lvl: 3 level: 4 }'
    message, _, warnings = parse(text, NetParameter, "net.prototxt", allow_unknown=True)
    assert message == NetParameter(name="b", state=NetState(level=4))
    assert [w.render().splitlines()[0] for w in warnings] == [
        f'net.prototxt:1:{column}: Message type "caffe.{kind}" has no field named "{name}".'
        for column, kind, name in [
            (1, "NetParameter", "nam"),
            (11, "NetParameter", "zzz"),
            (39, "NetParameter", "yyy"),
            (64, "NetState", "lvl"),
        ]
    ]


def test_mistakes_stay_mistakes_beside_unknown_fields():
    with pytest.raises(NetcError, match="level takes an integer"):
        parse("zzz: 1 state { level: x }", NetParameter, allow_unknown=True)
