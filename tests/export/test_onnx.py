"""Layers as ONNX, which onnxruntime runs: values, names, and the size of the batch."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest

from netc.errors import Errors, RunError, UsageError
from netc.export import operators
from netc.export.calls import REFUSED, RULES, Unsupported
from netc.export.deploy import ANSWERS, JUDGES
from netc.export.functions import FUNCTIONS
from netc.export.onnx import write_onnx
from netc.layers import LAYERS

from .nets import WRITABLE, case_net, first_rows, in_both, inputs, net_of

IMAGES = [c for c in WRITABLE if c.type == "Pooling"]
SMALL = """
name: "small"
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 5 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
        convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
layer { name: "ip" type: "InnerProduct" bottom: "c" top: "ip"
        inner_product_param { num_output: 3 } }
layer { name: "p" type: "Softmax" bottom: "ip" top: "prob" }
"""


@pytest.mark.parametrize("case", {str(c): c for c in [*first_rows(2), *IMAGES]}.values(), ids=str)
def test_onnxruntime_computes_what_netc_does(case, tmp_path):
    assert "computes the same as netc" in write_onnx(case_net(case), tmp_path / "n.onnx")


def test_averages_of_each_position(tmp_path):
    text = (
        inputs(x=(2, 3, 2, 4))
        + """
    layer { name: "bn" type: "BN" bottom: "x" top: "y"
            bn_param { moving_average: true across_spatial: false var_eps: 0.01 } }"""
    )
    in_both(net_of(text), tmp_path)


def test_rules_are_for_layer_types_that_there_are():
    assert RULES.keys() <= {k.label for kind in LAYERS.values() for k in kind.variants}


def test_every_layer_type_has_a_rule_or_goes_or_is_refused():
    left = {k.label: k for kind in LAYERS.values() for k in kind.variants if k.label not in RULES}
    stays = {
        label
        for label, k in left.items()
        if k.bottoms != 0 and not k.loss and k.name not in {*ANSWERS, *JUDGES}
    }
    assert stays == REFUSED.keys()


def test_a_type_without_a_rule(tmp_path, monkeypatch):
    monkeypatch.delitem(RULES, "Softmax")
    with pytest.raises(Unsupported) as raised:
        write_onnx(net_of(SMALL), tmp_path / "n.onnx")
    assert raised.value.render().startswith(
        "<text>:9:25: cannot be exported: there is no rule for layers of type Softmax "
        "(layer 'p', Softmax)"
    )


def test_functions_and_operators_are_the_same():
    there = operators.WRITERS.keys() | operators.OPERATORS.keys()
    shared = {"bins", "decode", "half_up", "margins", "overlap", "per_axis", "suppress"}
    assert FUNCTIONS.keys() - there == shared  # what functions have in common


def test_a_net(tmp_path):
    path = tmp_path / "small.onnx"
    assert write_onnx(net_of(SMALL), path).startswith(
        f"{path}: ONNX, opset 18; the batch is of any size\nonnxruntime computes the same as netc: "
        "4 blobs at two sizes of the batch, "
    )
    graph = onnx.load(path).graph
    assert [o for node in graph.node for o in node.output][-1] == "prob"
    assert {"c/c", "c", "ip"} < {o for node in graph.node for o in node.output}
    assert {"c/0", "c/1", "ip/0", "ip/1"} < {i.name for i in graph.initializer}
    session = onnxruntime.InferenceSession(path)
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("data", ["N", 3, 6, 5])]
    assert [(o.name, o.shape) for o in session.get_outputs()] == [("prob", ["N", 3])]
    (prob,) = session.run(["prob"], {"data": np.ones((7, 3, 6, 5), np.float32)})
    assert prob.shape == (7, 3)


def test_a_batch_that_is_fixed(tmp_path):
    fixed = SMALL.replace('bottom: "ip"', 'bottom: "flat"')
    reshape = """layer { name: "flat" type: "Reshape" bottom: "ip" top: "flat"
        reshape_param { shape { dim: 6 dim: 1 } } }\n"""
    at = fixed.index('layer { name: "p"')
    report = write_onnx(net_of(fixed[:at] + reshape + fixed[at:]), tmp_path / "n.onnx")
    assert "the size of the batch is fixed: output count must match input count" in report
    session = onnxruntime.InferenceSession(tmp_path / "n.onnx")
    assert session.get_inputs()[0].shape == [2, 3, 6, 5]


def test_a_layer_that_knows_the_size_of_the_batch(tmp_path):
    text = """
    layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 4 dim: 2 } } }
    layer { name: "cut" type: "Slice" bottom: "x" top: "a" top: "b"
            slice_param { axis: 0 slice_point: 1 } }"""
    report = write_onnx(net_of(text), tmp_path / "n.onnx")
    assert "fixed: layer 'cut' (Slice) is made for it: sizes is (1, 3)" in report


BAD = """
layer { name: "in" type: "Input" top: "x"
        input_param { shape { dim: 1 dim: 2 dim: 4 dim: 4 } } }
layer { name: "one" type: "BlackAugmentation" bottom: "x" top: "one" }
layer { name: "two" type: "BlackAugmentation" bottom: "one" top: "two" }
"""


def test_every_layer_without_a_form_is_told(tmp_path):
    with pytest.raises(Errors) as raised:
        write_onnx(net_of(BAD), tmp_path / "n.onnx")
    first, second = raised.value.errors
    assert isinstance(first, Unsupported)
    assert first.render().startswith(
        "<text>:4:27: cannot be exported: it changes examples for training "
        "(layer 'one', BlackAugmentation)"
    )
    assert "(layer 'two', BlackAugmentation)" in second.render()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_package_that_is_missing(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=f"--onnx needs the package {package}") as raised:
        write_onnx(net_of(SMALL), tmp_path / "n.onnx")
    assert raised.value.hint == "pip install 'netc[export]'"


def test_a_model_that_computes_otherwise_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setitem(operators.OPERATORS, "sigmoid", "HardSigmoid")
    text = """
    layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "s" type: "Sigmoid" bottom: "x" top: "y" }"""
    with pytest.raises(
        RunError,
        match=r"onnxruntime computes 'y' 1 x 3 otherwise than netc: .* "
        r"\(layer 's', Sigmoid; 2 of 2 blobs differ\)",
    ):
        write_onnx(net_of(text), tmp_path / "n.onnx")
    assert list(tmp_path.iterdir()) == []
