"""Which boxes a net has, what they say, and what leads from one to another."""

import pytest

from netc.draw.diagram import diagram
from netc.load import parse_net

HEAD = """
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  data_param { source: "a/train_lmdb/" batch_size: 64 backend: LMDB } }
layer { name: "d" type: "Data" top: "data" top: "label" include { phase: TEST }
  data_param { source: "test_lmdb" batch_size: 100 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  param { lr_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 20 kernel_size: 5 stride: 2 bias_term: false
    weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }
layer { name: "relu" type: "ReLU" bottom: "bn" top: "bn" }
layer { name: "ip" type: "InnerProduct" bottom: "bn" top: "scores"
  inner_product_param { num_output: 3 } }
layer { name: "acc" type: "Accuracy" bottom: "scores" bottom: "label" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "label" top: "loss" }
"""


def drawn(text, **options):
    return diagram(parse_net(text).message, **options)


def names(made):
    return [[line.name for line in box.lines] for box in made.boxes]


def detail(layer, **options):
    (box,) = drawn(f"layer {{ name: 'x' {layer} }}", **options).boxes
    return box.lines[0].detail


def test_layers_that_rework_a_blob_are_in_the_box_of_its_maker():
    made = drawn(HEAD)
    assert names(made) == [["d"], ["d"], ["conv", "bn", "relu"], ["ip"], ["acc"], ["loss"]]
    assert [box.lines[0].only for box in made.boxes] == ["TRAIN", "TEST", "", "", "TEST", ""]
    families = [line.family for box in made.boxes for line in box.lines]
    assert families == ["data", "data", "conv", "norm", "neuron", "dense", "loss", "loss"]


def test_links_and_what_is_written_on_them():
    made = drawn(HEAD)
    found = [(link.source, link.target, link.blob, made.label(link)) for link in made.links]
    assert found == [
        (0, 2, "data", "data"),
        (1, 2, "data", "data"),
        (2, 3, "bn", ""),
        (3, 4, "scores", "scores"),
        (1, 4, "label", "label"),  # not from TRAIN's data
        (3, 5, "scores", "scores"),
        (0, 5, "label", "label"),
        (1, 5, "label", "label"),
    ]
    assert not any(map(made._replace(labelled=False).label, made.links))


def test_a_blob_that_others_read_too_is_not_hidden():
    text = """
    layer { name: "x" type: "Input" top: "x" }
    layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" }
    layer { name: "relu" type: "ReLU" bottom: "a" top: "relu" }
    layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "relu" top: "sum" }
    layer { name: "prob" type: "Softmax" bottom: "sum" top: "prob" }
    """
    assert names(drawn(text)) == [["x"], ["a"], ["relu"], ["sum"], ["prob"]]
    in_place = text.replace('top: "relu"', 'top: "a"').replace('bottom: "relu"', "")
    assert names(drawn(in_place)) == [["x"], ["a", "relu"], ["sum"], ["prob"]]


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        ("type: 'Convolution' convolution_param { num_output: 9 pad: 1 kernel_size: [3, 5] }",
            "Convolution · 9 · 3×5 · pad 1"),
        ("type: 'Convolution' convolution_param { num_output: 9 kernel_h: 3 kernel_w: 5 }",
            "Convolution · 9 · kernel_h 3 · kernel_w 5"),
        ("type: 'Pooling' pooling_param { pool: AVE global_pooling: true }",
            "Pooling · AVE · global_pooling true"),
        ("type: 'Dropout' dropout_param { dropout_ratio: 0.4 }", "Dropout · 0.4"),
        ("type: 'LRN' lrn_param { alpha: 0.0001 }", "LRN · alpha 0.0001"),
        ("type: 'Input' input_param { shape { dim: [1, 3] } shape { } }", "Input · 1×3 · ()"),
        ("type: 'Python' python_param { module: 'm' layer: 'L' param_str: "
            "'a very long string of parameters' }",
            "Python · module m · L · param_str a very long string of p…"),
        ("type: 'Fancy' top: 'y' transform_param { crop_size: 3 }", "Fancy"),
        ("type: 'Slice' slice_param { slice_point: [1, 2, 3] }", "Slice · slice_point 1 2 3"),
    ],
)  # fmt: skip
def test_what_fields_say(layer, told):
    assert detail(layer) == told


def test_rates_and_shapes():
    made = drawn(HEAD, rates=True, shapes={"conv": "1×2", "relu": "3×4"})
    assert made.boxes[2].lines[0].detail == "Convolution · 20 · 5×5 · stride 2 · lr_mult 1 2"
    assert made.boxes[2].shape == "3×4" and made.boxes[3].shape == ""


def test_types_that_are_unknown_are_drawn():
    text = """
    layer { name: "x" type: "Input" top: "x" }
    layer { name: "f" type: "Fancy" bottom: "x" top: "x" }
    layer { type: "ReLU" bottom: "x" top: "x" }
    """
    made = drawn(text)
    assert names(made) == [["x"], ["f", "ReLU"]] and made.boxes[1].lines[0].family == "other"


def test_an_empty_net():
    assert drawn('name: "none"') == ("none", (), (), True)
