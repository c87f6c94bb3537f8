"""The text of every mistake in a prototxt: place, sentence, caret, hint."""

import pytest
from google.protobuf.message import Message

from netc.errors import NetcError
from netc.prototxt import parse
from netc.schema import (
    NetParameter,
    NetState,
)


def blocks(text: str, kind: type[Message] = NetParameter) -> str:
    with pytest.raises(NetcError) as caught:
        parse(text, kind, "net.prototxt")
    return str(caught.value)


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
