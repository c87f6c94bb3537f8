"""Training refuses a gradient that a layer does not have, and asks for none that is not needed."""

import pytest

from netc.errors import GraphError
from netc.graph.gradients import check_gradients
from tests.graph.nets import inferred, inputs, marked

HEAD = inputs(data=(2, 3), label=(2,)) + (
    'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" %s '
    "inner_product_param { num_output: 3 } }\n"
)
THRESHOLD = 'layer { name: "t" type: "Threshold" bottom: "fc" top: "t" %s }\n'
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "%s" bottom: "%s" top: "loss" }\n'
TARGET = (
    'layer { name: "target" type: "InnerProduct" bottom: "data" top: "target" '
    "inner_product_param { num_output: 1 } }\n"
)
ARGMAX = 'layer { name: "best" type: "ArgMax" bottom: "fc" top: "best" }\n'


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        (
            HEAD % "" + THRESHOLD % "" + LOSS % ("t", "label"),
            "Threshold Layer cannot backpropagate to bottom[0]: 'fc' depends on blobs that are "
            "trained (layer 't')",
            4,
        ),
        (
            HEAD % "" + TARGET + LOSS % ("fc", "target"),
            "SoftmaxWithLoss Layer cannot backpropagate to label inputs: 'target' depends on blobs "
            "that are trained (layer 'loss')",
            5,
        ),
    ],
)
def test_a_gradient_that_is_needed_and_not_there_is_refused(text, message, line):
    with pytest.raises(GraphError) as caught:
        check_gradients(inferred(text))
    assert caught.value.message == message
    assert marked(caught.value)[0] == line


@pytest.mark.parametrize(
    "text",
    [
        HEAD % "param { lr_mult: 0 } param { lr_mult: 0 }" + THRESHOLD % "" + LOSS % ("t", "label"),
        HEAD % "" + THRESHOLD % "propagate_down: false" + LOSS % ("t", "label"),
        HEAD % "" + THRESHOLD % "" + LOSS % ("fc", "label"),
        HEAD % "" + ARGMAX + LOSS % ("fc", "label"),
        HEAD
        % ""
        + 'layer { name: "some" type: "Filter" bottom: "fc" bottom: "label" bottom: "label" '
        'top: "x" top: "y" }\n' + LOSS % ("x", "y"),
    ],
    ids=["frozen", "cut", "no loss after it", "argmax for show", "labels filtered"],
)
def test_a_gradient_nobody_needs_is_not_missed(text):
    check_gradients(inferred(text))
