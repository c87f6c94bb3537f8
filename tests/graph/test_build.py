"""Connections: values and their names, outputs, loss weights, and every sentence of GraphError."""

import numpy as np
import pytest

from netc.errors import Errors, GraphError, NetcError
from netc.graph.build import build
from netc.layers import LAYERS
from netc.load import Loaded, parse_net
from netc.phase import filter_net, net_state
from netc.prototxt import SourceMap
from netc.schema import TEST, TRAIN, NetParameter, Phase
from tests.weights.recordings import recorded

from .nets import built, inputs, marked

ABX = inputs(a=(2, 3), b=(2, 3)) + "layer { name: 'x' type: 'ReLU' bottom: 'a' top: 'x' }\n"


def layer(text: str) -> str:
    return f"layer {{ {text} }}\n"


def blocks(text: str) -> str:
    with pytest.raises(NetcError) as caught:
        built(text)
    errors = caught.value.errors if isinstance(caught.value, Errors) else [caught.value]
    assert all(isinstance(e, GraphError) for e in errors)
    return str(caught.value)


ERRORS = {
    "unknown bottom": (
        'name: "y" type: "ReLU" bottom: "xx" top: "y"',
        """\
n.prototxt:4:40: Unknown bottom blob 'xx' (layer 'y', bottom index 0)
    layer { name: "y" type: "ReLU" bottom: "xx" top: "y" }
                                           ^~~~
hint: did you mean 'x'?""",
    ),
    "unknown second bottom like no other": (
        'name: "y" type: "Eltwise" bottom: "x" bottom: "zzz" top: "y"',
        """\
n.prototxt:4:55: Unknown bottom blob 'zzz' (layer 'y', bottom index 1)
    layer { name: "y" type: "Eltwise" bottom: "x" bottom: "zzz" top: "y" }
                                                          ^~~~~""",
    ),
    "in place on what is not there": (
        'name: "y" type: "ReLU" bottom: "yyy" top: "yyy"',
        """\
n.prototxt:4:40: Unknown bottom blob 'yyy' (layer 'y', bottom index 0)
    layer { name: "y" type: "ReLU" bottom: "yyy" top: "yyy" }
                                           ^~~~~""",
    ),
    "later producer": (
        'name: "y" type: "ReLU" bottom: "x2" top: "y" }\n'
        'layer { name: "z" type: "ReLU" bottom: "x" top: "x2"',
        """\
n.prototxt:4:40: Unknown bottom blob 'x2' (layer 'y', bottom index 0)
    layer { name: "y" type: "ReLU" bottom: "x2" top: "y" }
                                           ^~~~
hint: layer 'z' produces it further down; layers run in file order""",
    ),
    "top of two layers": (
        'name: "y" type: "ReLU" bottom: "b" top: "x"',
        """\
n.prototxt:4:49: Top blob 'x' produced by multiple sources.
    layer { name: "y" type: "ReLU" bottom: "b" top: "x" }
                                                    ^~~
hint: layer 'x' produces it already""",
    ),
    "top twice in a layer": (
        'name: "y" type: "Split" bottom: "x" top: "y" top: "y"',
        """\
n.prototxt:4:59: Top blob 'y' produced by multiple sources.
    layer { name: "y" type: "Split" bottom: "x" top: "y" top: "y" }
                                                              ^~~
hint: layer 'y' produces it already""",
    ),
    "in place at another index": (
        'name: "y" type: "Eltwise" bottom: "a" bottom: "x" top: "x"',
        """\
n.prototxt:4:64: Top blob 'x' produced by multiple sources.
    layer { name: "y" type: "Eltwise" bottom: "a" bottom: "x" top: "x" }
                                                                   ^~~
hint: layer 'x' produces it already""",
    ),
    "in place where it cannot be": (
        'name: "y" type: "Concat" bottom: "x" top: "x"',
        """\
n.prototxt:4:51: Concat Layer does not allow in-place computation (layer 'y').
    layer { name: "y" type: "Concat" bottom: "x" top: "x" }
                                                      ^~~
hint: give the top a name of its own, such as 'y'""",
    ),
    "too many bottoms": (
        'name: "y" type: "ReLU" bottom: "a" bottom: "b" top: "y"',
        """\
n.prototxt:4:1: ReLU Layer takes 1 bottom blob(s) as input, got 2. (layer 'y')
    layer { name: "y" type: "ReLU" bottom: "a" bottom: "b" top: "y" }
    ^~~~~""",
    ),
    "too few bottoms": (
        'name: "y" type: "Eltwise" bottom: "a" top: "y"',
        """\
n.prototxt:4:1: Eltwise Layer takes at least 2 bottom blob(s) as input, got 1. (layer 'y')
    layer { name: "y" type: "Eltwise" bottom: "a" top: "y" }
    ^~~~~""",
    ),
    "no top": (
        'name: "y" type: "ReLU" bottom: "a"',
        """\
n.prototxt:4:1: ReLU Layer produces 1 top blob(s) as output, got 0. (layer 'y')
    layer { name: "y" type: "ReLU" bottom: "a" }
    ^~~~~""",
    ),
    "too many tops": (
        'name: "y" type: "SoftmaxWithLoss" bottom: ["a", "b"] top: ["p", "q", "r"]',
        """\
n.prototxt:4:1: SoftmaxWithLoss Layer produces at most 2 top blob(s) as output, got 3. (layer 'y')
    layer { name: "y" type: "SoftmaxWithLoss" bottom: ["a", "b"] top: ["p", "q", "r"] }
    ^~~~~""",
    ),
    "propagate_down": (
        'name: "y" type: "Eltwise" bottom: ["a", "b"] top: "y" propagate_down: true',
        """\
n.prototxt:4:79: propagate_down param must be specified either 0 or bottom_size times: \
layer 'y' has 2 bottoms and 1 entries
    layer { name: "y" type: "Eltwise" bottom: ["a", "b"] top: "y" propagate_down: true }
                                                                                  ^~~~""",
    ),
    "loss_weight": (
        'name: "y" type: "ReLU" bottom: "a" top: "y" loss_weight: [1, 0]',
        """\
n.prototxt:4:70: loss_weight must be unspecified or specified once per top blob: \
layer 'y' has 1 tops and 2 loss_weight entries
    layer { name: "y" type: "ReLU" bottom: "a" top: "y" loss_weight: [1, 0] }
                                                                         ^""",
    ),
}


@pytest.mark.parametrize(("text", "block"), ERRORS.values(), ids=ERRORS)
def test_error(text, block):
    assert blocks(ABX + layer(text)) == block


def test_unknown_type():
    lines = blocks(ABX + layer('name: "y" type: "relu" bottom: "a" top: "y"')).splitlines()
    assert lines[0].startswith("n.prototxt:4:25: Unknown layer type: relu (known types: ")
    assert {"Concat,", "Data,", "ReLU,"} < set(lines[0].split())
    assert lines[1:] == [
        '    layer { name: "y" type: "relu" bottom: "a" top: "y" }',
        "                            ^~~~~~",
        "hint: did you mean 'ReLU'?",
    ]


def test_mistakes_are_reported_together_and_once():
    text = (
        ABX
        + layer("name: 'c' type: 'Zzz' bottom: 'x' top: 'c'")
        + layer("name: 'd' type: 'ReLU' bottom: 'c' top: 'd'")
        + layer("name: 'e' type: 'ReLU' bottom: 'f' top: 'e'")
        + layer("name: 'f' type: 'ReLU' bottom: 'f' top: 'x'")
        + layer("name: 'g' type: 'Eltwise' bottom: 'e' top: 'g' loss_weight: [1, 2]")
    )
    with pytest.raises(Errors) as caught:
        built(text)
    assert [marked(error) for error in caught.value.errors] == [
        (4, "'Zzz'"),
        (6, "'f'"),
        (7, "'x'"),
        (8, "layer"),
        (8, "2"),
    ]


def test_unknown_bottom_does_not_clash_with_its_producer():
    text = layer("name: 'r' type: 'ReLU' bottom: 'a' top: 'r'") + inputs(a=(1,))
    assert "\n\n" not in blocks(text)


def test_net_without_places():
    net = Loaded(NetParameter(layer=[{"name": "y", "type": "ReLU", "bottom": ["q"]}]), SourceMap())
    message, source, _ = filter_net(net, net_state(TEST))
    with pytest.raises(Errors, match=r"^Unknown bottom blob 'q' \(layer 'y', bottom index 0\)"):
        build(message, source)


CHAIN = (
    inputs(a=(2, 3))
    + layer("name: 'before' type: 'Split' bottom: 'a' top: 's' top: 't'")
    + layer("name: 'r1' type: 'ReLU' bottom: 'a' top: 'a'")
    + layer("name: 'r2' type: 'TanH' bottom: 'a' top: 'a'")
    + layer("name: 'after' type: 'Sigmoid' bottom: 'a' top: 'z'")
)


def test_in_place_layers_give_new_values():
    graph = built(CHAIN)
    assert [(n.key, n.bottoms, n.tops) for n in graph.nodes] == [
        ("a", (), ("a",)),
        ("before", ("a",), ("s", "t")),
        ("r1", ("a",), ("a'1",)),
        ("r2", ("a'1",), ("a'2",)),
        ("after", ("a'2",), ("z",)),
    ]
    assert graph.blobs["a'2"] == "a"
    assert graph.last_values == {"a": "a'2", "s": "s", "t": "t", "z": "z"}


def test_values_take_no_name_of_a_blob():
    graph = built(
        inputs(a=(2,), **{"a'1": (2,)}) + layer("name: 'r' type: 'ReLU' bottom: 'a' top: 'a'")
    )
    assert graph.nodes[-1].tops == ("a'2",)
    assert graph.blobs == {"a": "a", "a'1": "a'1", "a'2": "a"}


@pytest.mark.parametrize(
    ("text", "outputs"),
    [
        (inputs(b=(1,), a=(1,), B=(1,)), ("B", "a", "b")),
        (CHAIN, ("s", "t", "z")),
        (inputs(z=(1,), a=(1,)) + layer("type: 'ReLU' bottom: 'z' top: 'z'"), ("a", "z'1")),
        (inputs(a=(1,)) + layer("type: 'Silence' bottom: 'a'"), ()),
        (inputs(a=(2, 3), b=(2,)) + layer("type: 'SoftmaxWithLoss' bottom: ['a', 'b']"), ()),
    ],
    ids=["in alphabetical order", "unread", "in place", "silenced", "automatic tops are none"],
)
def test_outputs(text, outputs):
    assert built(text).outputs == outputs


def loss(rest: str) -> str:
    return layer(f"type: 'SoftmaxWithLoss' bottom: ['a', 'b'] {rest}")


@pytest.mark.parametrize(
    ("text", "tops", "weights"),
    [
        (loss(""), ("(automatic)",), (1.0,)),
        (loss("loss_weight: 0.5"), ("(automatic)",), (0.5,)),
        (loss("top: 'l'"), ("l",), (1.0,)),
        (loss("top: 'l' top: 'p'"), ("l", "p"), (1.0, 0.0)),
        (loss("top: ['l', 'p'] loss_weight: [2, 3]"), ("l", "p"), (2.0, 3.0)),
        (loss("top: 'l' loss_weight: 0"), ("l",), (0.0,)),
        (layer("type: 'ReLU' bottom: 'a' top: 'r'"), ("r",), (0.0,)),
        (layer("type: 'ReLU' bottom: 'a' top: 'r' loss_weight: -1"), ("r",), (-1.0,)),
    ],
)
def test_loss_weights(text, tops, weights):
    node = built(inputs(a=(2, 3), b=(2,)) + text).nodes[-1]
    assert (node.tops, node.loss_weights) == (tops, weights)


def test_two_automatic_tops():
    graph = built(inputs(a=(2, 3), b=(2,)) + loss("") + loss(""))
    assert [n.tops for n in graph.nodes[2:]] == [("(automatic)",), ("(automatic)'1",)]
    assert graph.weights == {"(automatic)": 1.0, "(automatic)'1": 1.0}


def test_automatic_tops_cannot_be_read():
    text = (
        inputs(a=(2, 3), b=(2,)) + loss("") + layer("type: 'ReLU' bottom: '(automatic)' top: 'r'")
    )
    assert "Unknown bottom blob '(automatic)'" in blocks(text)


def test_names_are_made_unique():
    relu = "type: 'ReLU' bottom: 'a' top: 'a'"
    text = inputs(a=(1,)) + "".join(
        layer(f"{name} {relu}") for name in ("name: 'r'", "name: 'r'", "", "", "name: 'r#2'")
    )
    graph = built(text)
    assert [n.key for n in graph.nodes] == ["a", "r", "r#2", "ReLU", "ReLU#2", "r#2#2"]
    assert [n.name for n in graph.nodes] == ["a", "r", "r", "", "", "r#2"]


def test_phase_of_a_layer():
    text = inputs(a=(1,)) + layer("type: 'Dropout' bottom: 'a' top: 'd' phase: TRAIN")
    assert [n.phase for n in built(text, TEST).nodes] == [TEST, TRAIN]
    assert built(text, TEST).phase == TEST


@pytest.mark.parametrize("path", recorded("nets/*.npz"))
def test_outputs_are_those_caffe_had(path):
    with np.load(path) as recording:
        text, phase = bytes(recording["net"]).decode(), Phase.Value(str(recording["phase"]))
        outputs = sorted(k.removeprefix("out/") for k in recording.files if k.startswith("out/"))
    if unknown := {y.type for y in parse_net(text).message.layer} - set(LAYERS):
        pytest.skip(f"layers {', '.join(sorted(unknown))} are not registered")
    graph = built(text, phase)
    assert [graph.blobs[v] for v in graph.outputs] == outputs
