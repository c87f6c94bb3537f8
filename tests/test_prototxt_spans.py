"""Where fields stand: the source map of a parsed text."""

import pytest
from hypothesis import given

from netc.prototxt import parse
from netc.schema import NetParameter
from tests.messages import texts

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
