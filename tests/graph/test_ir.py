"""The graph's own rules, and what it says about itself."""

import dataclasses

import pytest

from netc.errors import GraphError
from netc.schema import TEST

from .nets import built, inferred, inputs


def ip(name: str, bottom: str, rest: str = "") -> str:
    return (
        f"layer {{ name: '{name}' type: 'InnerProduct' bottom: '{bottom}' top: '{name}' "
        f"inner_product_param {{ num_output: 3 bias_term: false }} {rest} }}\n"
    )


def layer(kind: str, name: str, bottoms: list[str], rest: str = "") -> str:
    return f"layer {{ name: '{name}' type: '{kind}' bottom: {bottoms} top: '{name}' {rest} }}\n"


X = inputs(x=(2, 3), y=(2,))
LOSS = layer("SoftmaxWithLoss", "loss", ["q", "y"])
NET = X + ip("p", "x") + layer("ReLU", "r", ["p"]) + ip("q", "r") + LOSS
FROZEN = "param { lr_mult: 0 }"

# a net, the blobs a gradient reaches, the blobs a solver moves
PATHS = {
    "a chain": (NET, {"p/0", "q/0"}, ["p/0", "q/0"]),
    "no loss": (X + ip("p", "x"), set(), ["p/0"]),
    "behind the loss": (
        X + ip("q", "x") + LOSS + ip("s", "q"),
        {"q/0"},
        ["q/0", "s/0"],
    ),
    "frozen first": (
        X + ip("p", "x", FROZEN) + ip("q", "p") + LOSS,
        {"p/0", "q/0"},
        ["q/0"],
    ),
    "frozen last": (
        X + ip("p", "x") + ip("q", "p", FROZEN) + LOSS,
        {"p/0", "q/0"},
        ["p/0"],
    ),
    "cut": (
        X + ip("p", "x") + ip("q", "p", "propagate_down: false") + LOSS,
        {"q/0"},
        ["p/0", "q/0"],
    ),
    "cut, and all forced": (
        X + ip("p", "x") + ip("q", "p", "propagate_down: false") + LOSS + "force_backward: true",
        {"p/0", "q/0"},
        ["p/0", "q/0"],
    ),
    "cut on one of two ways": (
        X
        + ip("p", "x")
        + ip("s", "x")
        + layer("Eltwise", "q", ["p", "s"], "propagate_down: [false, true]")
        + LOSS,
        {"s/0"},
        ["p/0", "s/0"],
    ),
    "a weight in the middle": (
        X + ip("p", "x", "loss_weight: 2") + ip("q", "p"),
        {"p/0"},
        ["p/0", "q/0"],
    ),
    "a weight of zero": (
        X + ip("q", "x") + layer("SoftmaxWithLoss", "loss", ["q", "y"], "loss_weight: 0"),
        set(),
        ["q/0"],
    ),
    "shared": (
        X + ip("p", "x", "param { name: 'w' }") + ip("q", "p", "param { name: 'w' }") + LOSS,
        {"p/0"},
        ["p/0"],
    ),
    "shared, the owner beside the way": (
        X + ip("p", "x", "param { name: 'w' }") + ip("q", "x", "param { name: 'w' }") + LOSS,
        {"p/0"},
        ["p/0"],
    ),
    "in place": (
        X + ip("q", "x") + "layer { name: 'r' type: 'ReLU' bottom: 'q' top: 'q' }" + LOSS,
        {"q/0"},
        ["q/0"],
    ),
}


@pytest.mark.parametrize(("text", "reached", "moved"), PATHS.values(), ids=PATHS)
def test_gradient_paths(text, reached, moved):
    graph = inferred(text)
    assert graph.differentiable == reached
    assert list(graph.trainable) == moved


def test_inputs_and_weights():
    graph = inferred(NET)
    assert graph.inputs == ("x", "y")
    assert graph.weights == {"loss": 1.0}


def test_to_text():
    text = 'name: "n" ' + NET.replace(
        "'ReLU' bottom: ['p'] top: 'r'", "'ReLU' bottom: 'p' top: 'p'"
    )
    text = text.replace("bottom: 'r'", "bottom: 'p'")
    assert (
        built(text).to_text()
        == """\
net 'n' in phase TRAIN
  x = Input 'x'()
  y = Input 'y'()
  p = InnerProduct 'p'(x)
  p'1 = ReLU 'r'(p)
  q = InnerProduct 'q'(p'1)
  loss = SoftmaxWithLoss 'loss'(q, y) loss weight 1
  outputs: loss"""
    )
    assert (
        inferred(text, TEST).to_text()
        == """\
net 'n' in phase TEST
  x: 2 x 3 = Input 'x'()
  y: 2 = Input 'y'()
  p: 2 x 3 = InnerProduct 'p'(x) with p/0: 3 x 3
  p'1: 2 x 3 = ReLU 'r'(p)
  q: 2 x 3 = InnerProduct 'q'(p'1) with q/0: 3 x 3
  loss: () = SoftmaxWithLoss 'loss'(q, y) loss weight 1
  outputs: loss"""
    )


def test_text_of_an_empty_net():
    assert built("").to_text() == "net '' in phase TRAIN\n  outputs: -"


def test_check_wants_values_before_they_are_read():
    graph = built(NET)
    with pytest.raises(GraphError, match="r reads p before it is produced"):
        graph.replace(nodes=graph.nodes[:2] + graph.nodes[3:]).check()


def test_check_wants_values_produced_once():
    graph = built(NET)
    with pytest.raises(GraphError, match="x produces x, which is taken or unknown"):
        graph.replace(nodes=graph.nodes + graph.nodes[:1]).check()
    with pytest.raises(GraphError, match="x produces x, which is taken or unknown"):
        graph.replace(blobs={"y": "y"}).check()


def test_check_wants_a_weight_for_each_top():
    graph = built(NET)
    node = dataclasses.replace(graph.nodes[0], loss_weights=())
    with pytest.raises(GraphError, match="x has 0 loss weights"):
        graph.replace(nodes=(node, *graph.nodes[1:])).check()
