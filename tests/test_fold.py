"""BatchNorm and Scale folded away: the outputs stay, and what cannot be folded says why."""

import numpy as np
import pytest

from netc.compile import compile_net
from netc.fold import fold
from netc.load import Loaded, parse_net
from netc.lowering.plan import Plan
from netc.phase import filter_net
from netc.prototxt import SourceMap
from netc.schema import NetParameter, NetState, Phase
from netc.transfer import by_layer

DATA = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [2, 4, 3, 3] } } }\n'
CONV = 'layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { %s } }\n'
IP = 'layer { name: "c" type: "InnerProduct" bottom: "x" top: "c" inner_product_param { %s } }\n'
NORM = 'layer { name: "n" type: "BatchNorm" bottom: "c" top: "%s" %s }\n'
SCALE = 'layer { name: "s" type: "Scale" bottom: "%s" top: "y" scale_param { %s } }\n'
IN_PLACE = NORM % ("c", "")


def compiled(message):
    return compile_net(Loaded(message, SourceMap()), NetState(phase=Phase.TEST), Plan("cpu"))


def with_values(program):
    """Blobs drawn for every layer, by layer and by key."""
    draw = np.random.RandomState(0)
    graph = program.graph
    values = {p.key: draw.uniform(0.5, 1.5, p.spec.shape).astype(np.float32) for p in graph.params}
    return by_layer(graph, values), values


def outputs(program, values):
    carried = {p.key for p in program.graph.params if p.carried}
    blobs = {k: v for k, v in values.items() if k not in carried}
    state = {k: v for k, v in values.items() if k in carried}
    x = np.random.RandomState(1).randn(2, 4, 3, 3).astype(np.float32)
    return program.apply(blobs, state, None, {"x": x})[0]


def folded(text):
    net = parse_net(DATA + text)
    message = filter_net(net, NetState(phase=Phase.TEST))[0]
    program = compiled(message)
    by_name, values = with_values(program)
    return fold(message, by_name), outputs(program, values)


FOLDED = {
    "in place": (CONV % "num_output: 3 kernel_size: 2" + IN_PLACE, ["n"]),
    "with a scale": (
        CONV % "num_output: 3 kernel_size: 2 bias_term: false"
        + NORM % ("n", "batch_norm_param { eps: 0.1 }")
        + SCALE % ("n", "bias_term: true"),
        ["n", "s"],
    ),
    "a scale alone": (CONV % "num_output: 3 kernel_size: 2" + SCALE % ("c", ""), ["s"]),
    "groups": (
        CONV % "num_output: 4 kernel_size: 3 group: 2" + IN_PLACE + SCALE % ("c", ""),
        ["n", "s"],
    ),
    "depthwise": (CONV % "num_output: 4 kernel_size: 3 group: 4" + IN_PLACE, ["n"]),
    "a type for depthwise": (
        (CONV % "num_output: 4 kernel_size: 3" + IN_PLACE).replace(
            "Convolution", "DepthwiseConvolution"
        ),
        ["n"],
    ),
    "inner product": (IP % "num_output: 5" + IN_PLACE, ["n"]),
    "transposed": (IP % "num_output: 5 transpose: true bias_term: false" + IN_PLACE, ["n"]),
}


@pytest.mark.parametrize(("text", "names"), FOLDED.values(), ids=FOLDED)
def test_outputs_stay(text, names):
    new, before = folded(text)
    assert list(new.into) == names and set(new.into.values()) == {"c"} and not new.kept
    assert [y.name for y in new.message.layer] == ["x", "c"]
    program = compiled(new.message)
    values = {
        key: blob
        for node in program.graph.nodes
        for key, blob in zip(node.blobs, new.blobs.get(node.name, ()), strict=True)
    }
    after = outputs(program, values)
    for value, expected in zip(after.values(), before.values(), strict=True):
        np.testing.assert_allclose(value, expected, rtol=2e-5, atol=1e-5)


CONV1 = CONV % "num_output: 3 kernel_size: 2"
READER = 'layer { name: "r" type: "Silence" bottom: "c" }\n'
KEPT = {
    "another reader before": (CONV1 + READER + IN_PLACE, "'r' reads 'c', too"),
    "another reader after": (CONV1 + NORM % ("y", "") + READER, "'r' reads 'c', too"),
    "no convolution": (
        IN_PLACE.replace('bottom: "c"', 'bottom: "x"'),
        "its bottom is the top of a layer of type Input",
    ),
    "two bottoms": (
        CONV1
        + 'layer { name: "n" type: "Scale" bottom: "c" bottom: "w" top: "y"\n'
        + "scale_param { axis: 0 } }\n",
        "it has 2 bottoms",
    ),
    "shared": (
        (CONV1 + IN_PLACE).replace('bottom: "x"', 'bottom: "x" param { name: "w" }'),
        "blobs are shared with other layers",
    ),
    "statistics of the batch": (
        CONV1 + NORM % ("c", "batch_norm_param { use_global_stats: false }"),
        "it uses the statistics of the batch",
    ),
    "another axis": (
        CONV1 + SCALE % ("c", "axis: 0 num_axes: 2"),
        "its factor is not one number per channel",
    ),
    "another axis below": (IP % "num_output: 2 axis: 2" + IN_PLACE, "the axis of 'c' is not 1"),
}


@pytest.mark.parametrize(("text", "reason"), KEPT.values(), ids=KEPT)
def test_what_stays(text, reason):
    w = 'layer { name: "w" type: "Input" top: "w" input_param { shape { dim: [2, 3] } } }\n'
    net = parse_net(DATA + (w if '"w" top' in text else "") + text).message
    kept = NetParameter()
    kept.CopyFrom(net)
    blobs = {"c": [np.ones((3, 1))], "n": [np.ones(3)] * 3, "s": [np.ones(3)]}
    new = fold(net, blobs)
    assert list(new.kept.values()) == [reason] and not new.into
    assert new.message == net == kept and new.blobs == blobs


def test_statistics_of_no_batches_are_zero():
    net = parse_net(DATA + CONV1 + IN_PLACE).message
    blobs = {"c": [np.ones((3, 4, 2, 2)), np.ones(3)], "n": [np.ones(3), np.ones(3), np.zeros(1)]}
    weights, bias = fold(net, blobs).blobs["c"]
    factor = 1 / np.sqrt(np.float32(1e-5))
    np.testing.assert_allclose(weights, np.full((3, 4, 2, 2), factor), rtol=1e-6)
    np.testing.assert_allclose(bias, np.full(3, factor), rtol=1e-6)
