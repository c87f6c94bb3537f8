"""Comments stay with their fields when a message is written anew."""

import re

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from netc.comments import commented_text
from netc.load import parse_net
from netc.prototxt import SourceMap, parse
from netc.schema import NetParameter
from tests.messages import messages

CASES = {
    "before, behind, at the end": (
        '# a net\nname: "n"   # its name\n\n# bye\n',
        '# a net\nname: "n"  # its name\n# bye\n',
    ),
    "inside": (
        'layer { # first\n  # what it is\n  name: "a#b" # not "this"\n  # no more\n}\n# next\n'
        "layer { name: 'c#' }",
        'layer {  # first\n  # what it is\n  name: "a#b"  # not "this"\n}\n# no more\n# next\n'
        'layer {\n  name: "c#"\n}\n',
    ),
    "one line, several fields": (
        'layer { name: "a" type: "T" } # both\n# over\n# two lines\nlayer { name: "b" }',
        'layer {\n  name: "a"\n  type: "T"  # both\n}\n# over\n# two lines\n'
        'layer {\n  name: "b"\n}\n',
    ),
    "upgraded": (
        "layers { # V1\n  # rates\n  blobs_lr: 1 blobs_lr: 2 # the bias\n  type: RELU # kind\n}",
        'layer {  # V1\n  type: "ReLU"  # kind\n  # rates\n  param {\n    lr_mult: 1.0\n  }\n'
        "  param {\n    lr_mult: 2.0  # the bias\n  }\n}\n",
    ),
    "not ASCII": ('name: "größe" # 名', 'name: "größe"  # 名\n'),
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_comments(before, after):
    net = parse_net(before)
    assert commented_text(net.message, net.source) == after
    again = parse(after, NetParameter)
    assert commented_text(again.message, again.source) == after


@given(messages(NetParameter))
def test_without_comments_it_is_the_message(net):
    text = commented_text(net, SourceMap())
    assert text_format.Parse(text, NetParameter()) == text_format.Parse(
        text_format.MessageToString(net), NetParameter()
    )


@given(messages(NetParameter), st.data())
def test_no_comment_is_lost_or_doubled(net, data):
    lines = text_format.MessageToString(net).split("\n")
    places = data.draw(st.lists(st.integers(0, len(lines)), max_size=4))
    for number, at in enumerate(sorted(places, reverse=True)):
        lines.insert(at, f"#<{number}>")
    message, source, _ = parse("\n".join(lines), NetParameter)
    text = commented_text(message, source)
    assert sorted(re.findall(r"^ *#<(\d)>$", text, re.MULTILINE)) == [
        str(n) for n in range(len(places))
    ]
