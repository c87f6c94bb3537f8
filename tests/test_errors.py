"""The one readable block: place, sentence, source line, caret, hint."""

import pytest

from netc.errors import (
    MAX_REPORTED,
    Errors,
    GraphError,
    NetcError,
    Source,
    Span,
    did_you_mean,
    raise_all,
)


def span_of(text: str, part: str, name: str = "net.prototxt") -> Span:
    return Span(Source(name, text), text.index(part), len(part))


BLOCKS = {
    "place, line, caret and hint": (
        GraphError("No pool3.", span_of('a: 1\n  bottom: "pool3"\n', '"pool3"'), "try 'pool2'"),
        """\
net.prototxt:2:11: No pool3.
    bottom: "pool3"
            ^~~~~~~
hint: try 'pool2'""",
    ),
    "a file without a line": (NetcError("It is empty.", "a.lmdb"), "a.lmdb: It is empty."),
    "no place": (NetcError("It failed.", hint="try again"), "It failed.\nhint: try again"),
    "one letter": (
        NetcError("No.", span_of("x: 1", "1")),
        "net.prototxt:1:4: No.\n    x: 1\n       ^",
    ),
    "a point at the end": (
        NetcError("No.", Span(Source("f", "x {"), 3)),
        "f:1:4: No.\n    x {\n       ^",
    ),
    "a span over the end of a line": (
        NetcError("No.", span_of('ab "c\nd"', '"c\nd"')),
        'net.prototxt:1:4: No.\n    ab "c\n       ^~',
    ),
    "tabs stay tabs": (
        NetcError("No.", span_of("\ta\tb: 1", "1")),
        "net.prototxt:1:7: No.\n    a\tb: 1\n     \t   ^",
    ),
    "carriage returns": (
        NetcError("No.", span_of("a: 1\r\nb: 2\r\n", "2")),
        "net.prototxt:2:4: No.\n    b: 2\n       ^",
    ),
    "the middle of a long line": (
        NetcError("No.", span_of("a" * 500 + "b" * 3 + "c" * 500, "bbb")),
        f"net.prototxt:1:501: No.\n    {'a' * 60}bbb{'c' * 57}\n    {' ' * 60}^~~",
    ),
    "the end of a long line": (
        NetcError("No.", span_of("a" * 500 + "b", "b")),
        f"net.prototxt:1:501: No.\n    {'a' * 60}b\n    {' ' * 60}^",
    ),
    "the start of a long line": (
        NetcError("No.", span_of("  b" + "a" * 500, "b")),
        f"net.prototxt:1:3: No.\n    b{'a' * 117}\n    ^",
    ),
    "an empty last line": (
        NetcError("No.", Span(Source("f", "a {\n"), 4)),
        "f:2:1: No.\n    \n    ^",
    ),
}


@pytest.mark.parametrize(("error", "block"), BLOCKS.values(), ids=BLOCKS)
def test_block(error, block):
    assert str(error) == error.render() == block


def test_notes_stand_before_the_hint():
    error = NetcError("It failed.", hint="try again")
    error.add_note("while reading a file")
    assert error.render() == "It failed.\nwhile reading a file\nhint: try again"


@pytest.mark.parametrize(
    ("offset", "place"), [(0, (1, 1)), (1, (1, 2)), (2, (2, 1)), (3, (3, 1)), (4, (3, 2))]
)
def test_position(offset, place):
    source = Source("f", "a\n\nb")
    span = Span(source, offset)
    assert source.position(offset) == (span.line, span.column) == place
    assert str(span) == "f:{}:{}".format(*place)


def test_raise_all():
    one, two = NetcError("one"), NetcError("two", hint="two")
    raise_all([])
    with pytest.raises(NetcError) as caught:
        raise_all([one])
    assert caught.value is one
    with pytest.raises(Errors) as both:
        raise_all([one, two])
    assert both.value.errors == (one, two)
    assert str(both.value) == "one\n\ntwo\nhint: two"


def test_only_so_many_are_shown():
    errors = Errors([NetcError(f"error {i}") for i in range(MAX_REPORTED + 3)])
    lines = str(errors).split("\n\n")
    assert lines[-2:] == [f"error {MAX_REPORTED - 1}", "... and 3 more errors"]
    assert len(lines) == MAX_REPORTED + 1


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("pool3", ["pool1", "conv", "pool33"], "did you mean 'pool33'?"),
        ("relu", ["ReLU", "PReLU"], "did you mean 'ReLU'?"),
        ("zzz", ["ReLU", "PReLU"], None),
        ("relu", [], None),
        ("relu", iter(["ReLU"]), "did you mean 'ReLU'?"),
    ],
)
def test_did_you_mean(name, known, hint):
    assert did_you_mean(name, known) == hint
