"""A net as BVLC Caffe reads it, and OpenCV before 5 where it is there."""

import cv2
import numpy as np
import pytest

from netc.compile import compile_file
from netc.errors import Errors, UsageError
from netc.export.caffe import TYPES, plain, write_caffe
from netc.export.calls import Unsupported
from netc.export.checked import computed, samples
from netc.export.net import ready
from netc.layers import LAYERS
from netc.lowering.plan import Plan
from netc.schema import Phase
from netc.transfer import by_key, targets
from netc.weights import read_weights
from netc.weights.match import match

from .nets import net_of
from .test_onnx import SMALL


def test_the_types_are_layer_types():
    assert LAYERS.keys() >= TYPES


def test_what_is_written_is_the_same_net(tmp_path):
    net = net_of(SMALL)
    report = write_caffe(net, tmp_path / "n.prototxt")
    assert report.endswith("n.caffemodel: 5 layers of BVLC Caffe")
    program = compile_file(str(tmp_path / "n.prototxt"), Phase.TEST, Plan("cpu"))
    weights = read_weights(tmp_path / "n.caffemodel")
    again = ready(program, by_key(program.graph, match(targets(program.graph), weights)))
    inputs = samples(net.graph)
    np.testing.assert_array_equal(
        computed(again, again.program, inputs)["prob"], computed(net, net.program, inputs)["prob"]
    )


@pytest.mark.skipif(not hasattr(cv2.dnn, "readNetFromCaffe"), reason="OpenCV 5 reads no Caffe nets")
def test_opencv_computes_the_same(tmp_path):
    net = net_of(SMALL)
    write_caffe(net, tmp_path / "n.prototxt")
    reader = cv2.dnn.readNetFromCaffe(str(tmp_path / "n.prototxt"), str(tmp_path / "n.caffemodel"))
    inputs = samples(net.graph)
    reader.setInput(inputs["data"])
    np.testing.assert_allclose(
        reader.forward(), computed(net, net.program, inputs)["prob"], atol=1e-4
    )


INPUT = """dialect: "intel"
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 4 dim: 6 dim: 6 } } }
"""


def layer(fields):
    return plain(net_of(INPUT + fields)).layer[1]


def test_what_forks_say_otherwise_is_translated():
    p = layer("""layer { name: "d" type: "DepthwiseConvolution" bottom: "x" top: "y"
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }""")
    assert (p.type, p.convolution_param.group) == ("Convolution", 4)
    assert not p.convolution_param.HasField("weight_filler")
    p = layer("""layer { name: "p" type: "Pooling" bottom: "x" top: "y"
        pooling_param { kernel_size: 3 stride: 2 ceil_mode: false } }""").pooling_param
    assert p.round_mode == p.FLOOR
    assert not p.HasField("ceil_mode")


def test_all_that_caffe_does_not_know_is_told(tmp_path):
    text = (
        INPUT.replace("intel", "nvcaffe")
        + """
layer { name: "a" type: "Axpy" bottom: "f" bottom: "x" bottom: "x" top: "a" }
layer { name: "e" type: "ELU" bottom: "x" top: "e" elu_param { lambda: 2 } }
""".replace('bottom: "f"', 'bottom: "m"')
    )
    pool = """layer { name: "m" type: "Pooling" bottom: "x" top: "m"
        pooling_param { pool: AVE global_pooling: true } }\n"""
    text = text.replace('layer { name: "a"', pool + 'layer { name: "a"')
    with pytest.raises(Errors) as raised:
        write_caffe(net_of(text), tmp_path / "n.prototxt")
    first, second = raised.value.errors
    assert isinstance(first, Unsupported)
    assert "BVLC Caffe has no layer type Axpy (layer 'a')" in first.render()
    assert "BVLC Caffe has no field lambda, which is of nvcaffe" in second.render()
    assert "(layer 'e')" in second.render()
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_no_prototxt(tmp_path):
    with pytest.raises(UsageError, match=r"ends in \.prototxt"):
        write_caffe(net_of(SMALL), tmp_path / "n.txt")
