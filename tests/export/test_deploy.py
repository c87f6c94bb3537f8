"""A training net as it is used."""

import pytest

from netc.compile import compile_net
from netc.errors import UsageError
from netc.export.deploy import deployed
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.phase import net_state
from netc.schema import Phase

DATA = """
layer { name: "in" type: "Input" top: "data" top: "label"
        input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
"""
IP = """
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" param { lr_mult: 2 }
        inner_product_param { num_output: 4 } }
"""
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }\n'
ACCURACY = 'layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" }\n'


def deploy(text, *outputs):
    state = net_state(Phase.TEST)
    graph = compile_net(parse_net(text), state, Plan("cpu")).graph
    message = deployed(graph, outputs).message
    compile_net(parse_net(str(message)), state, Plan("cpu"))
    return message


def layers(message):
    return [f"{y.type}: {' '.join(y.bottom)} -> {' '.join(y.top)}" for y in message.layer]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (LOSS, ["Softmax: ip -> prob"]),
        (LOSS + ACCURACY, ["Softmax: ip -> prob"]),
        ('layer { name: "r" type: "Reshape" bottom: "ip" top: "r" '
            'reshape_param { shape { dim: 0 dim: 1 dim: 2 dim: 2 } } }'
            'layer { name: "w" type: "ImgWriter" bottom: "r" }', ["Reshape: ip -> r"]),
        ('layer { name: "c" type: "CenterLoss" bottom: "ip" bottom: "label" top: "c" '
            'center_loss_param { num_output: 3 } }', []),
        (ACCURACY, []),
        (LOSS.replace('top: "loss"', 'top: "loss" top: "p"'), ["Softmax: ip -> p"]),
        (
            LOSS + LOSS.replace('"loss"', '"aux"'),
            ["Softmax: ip -> prob", "Softmax: ip -> aux_prob"],
        ),
        (
            'layer { name: "s" type: "Sigmoid" bottom: "ip" top: "prob" }' + LOSS,
            ["Sigmoid: ip -> prob", "Softmax: ip -> loss_prob"],
        ),
        (
            'layer { name: "flat" type: "Reshape" bottom: "label" top: "flat" '
            "reshape_param { shape { dim: -1 } } }"
            'layer { name: "h" type: "HingeLoss" bottom: "ip" bottom: "flat" }',
            [],
        ),
    ],
)  # fmt: skip
def test_losses_become_answers_and_labels_go(text, want):
    message = deploy(DATA + IP + text)
    assert layers(message) == ["Input:  -> data", "InnerProduct: data -> ip", *want]
    assert not message.layer[1].param


def test_the_fields_of_a_softmax_are_kept():
    text = """
    layer { name: "in" type: "Input" top: "data" top: "label"
            input_param { shape { dim: 2 dim: 5 dim: 3 } shape { dim: 2 dim: 5 } } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "data" bottom: "label"
            softmax_param { axis: 2 } }"""
    (_, softmax) = deploy(text).layer
    assert softmax.softmax_param.axis == 2


def test_data_layers_become_inputs():
    text = """
    layer { name: "d" type: "DummyData" top: "data" top: "label"
            dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }"""
    first = deploy(text + IP + LOSS).layer[0]
    assert (first.type, list(first.top), list(first.input_param.shape[0].dim)) == (
        "Input", ["data"], [2, 3],
    )  # fmt: skip


def test_shared_blobs_keep_their_names():
    param = 'param { name: "w" lr_mult: 2 }'
    message = deploy(DATA + IP.replace("param { lr_mult: 2 }", param))
    assert message.layer[1].param[0].name == "w"
    assert not message.layer[1].param[0].HasField("lr_mult")


def test_a_net_of_nothing_but_data():
    with pytest.raises(UsageError, match="the net has no output but its data"):
        deploy(DATA)


def test_outputs_that_are_named():
    relu = 'layer { name: "r" type: "ReLU" bottom: "ip" top: "r" }'
    assert layers(deploy(DATA + IP + relu + LOSS, "r"))[1:] == [
        "InnerProduct: data -> ip",
        "ReLU: ip -> r",
    ]
    assert layers(deploy(DATA + IP + relu + LOSS, "prob"))[1:] == [
        "InnerProduct: data -> ip",
        "Softmax: ip -> prob",
    ]
    with pytest.raises(UsageError, match="no blob 'rr' to put out; there are ip, r, prob"):
        deploy(DATA + IP + relu + LOSS, "rr")
