"""Which layers run with their channels last."""

from __future__ import annotations

import pytest

from netc.graph.layouts import channels_last
from tests.graph.nets import inputs
from tests.test_compile import ip, layer, program

IMAGES = inputs(x=(2, 3, 9, 8))
CONV = "convolution_param { num_output: 6 kernel_size: 3 pad: 1 }"
POOL = "pooling_param { kernel_size: 3 stride: 2 }"


def conv(name, bottom):
    return layer("Convolution", [bottom], name, CONV)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (conv("a", "x"), []),
        (layer("ReLU", ["x"], "r") + conv("a", "r") + layer("ReLU", ["a"], "b"), []),
        (conv("a", "x") + layer("ReLU", ["a"], "r") + conv("b", "r"), ["a", "r", "b"]),
        (conv("a", "x") + layer("ReLU", ["a"], "r") + ip("f", "a", 3) + conv("b", "a"), "arb"),
        (conv("a", "x") + conv("b", "x"), []),
        (conv("a", "x") + conv("b", "x") + layer("Eltwise", ["a", "b"], "c"), "abc"),
        (conv("a", "x") + ip("f", "a", 3) + layer("Pooling", ["x"], "p", POOL), []),
        (ip("f", "x", 3), []),
    ],
    ids=["alone", "followers", "chain", "branches", "siblings", "joined", "apart", "vectors"],
)
def test_layers_that_hang_together_run_channels_last(text, keys):
    graph = program(IMAGES + text, platform="cpu").graph
    by_top = {n.tops[0]: n.key for n in graph.nodes}
    assert channels_last(graph) == {by_top[k] for k in keys}
