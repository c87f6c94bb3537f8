"""caffe.net_spec, as pycaffe has it."""

import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.errors import UsageError
from netc.load import parse_net
from netc.pycaffe import layers as L
from netc.pycaffe import params as P


def same(made, text):
    assert made == parse_net(text).message, str(made)


def lenet():
    n = caffe.NetSpec()
    n.data, n.label = L.DummyData(
        shape=[dict(dim=[2, 1, 8, 8]), dict(dim=[2])], transform_param=dict(scale=0.5), ntop=2
    )
    n.conv1 = L.Convolution(
        n.data, kernel_size=5, num_output=2, weight_filler=dict(type="xavier"),
        param=[dict(lr_mult=1), dict(lr_mult=2)],
    )  # fmt: skip
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.ip = L.InnerProduct(n.pool1, num_output=3, weight_filler=dict(type="xavier"))
    n.relu = L.ReLU(n.ip, in_place=True)
    n.loss = L.SoftmaxWithLoss(n.relu, n.label, loss_weight=2, include=dict(phase=caffe.TRAIN))
    return n


LENET = """
layer { name: "data" type: "DummyData" top: "data" top: "label" transform_param { scale: 0.5 }
  dummy_data_param { shape { dim: [2, 1, 8, 8] } shape { dim: 2 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  param { lr_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 2 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool1" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss"
  loss_weight: 2 include { phase: TRAIN } }
"""


def test_a_net(folder):
    same(lenet().to_proto(), LENET)
    (folder / "net.prototxt").write_text(str(lenet().to_proto()))
    assert caffe.Net("net.prototxt", caffe.TRAIN).blobs["pool1"].shape == (2, 2, 2, 2)


def test_names_that_nobody_gave():
    x = L.DummyData(shape=dict(dim=[2, 4]), name="start")
    a, b = L.Slice(x, ntop=2)
    total = L.Eltwise(L.ReLU(a), L.ReLU(b), operation=P.Eltwise.SUM, eltwise_param=dict(coeff=[1]))
    text = """
    layer { name: "start" type: "DummyData" top: "DummyData1"
      dummy_data_param { shape { dim: [2, 4] } } }
    layer { name: "Slice1" type: "Slice" bottom: "DummyData1" top: "Slice1" top: "Slice2" }
    layer { name: "ReLU1" type: "ReLU" bottom: "Slice1" top: "ReLU1" }
    layer { name: "ReLU2" type: "ReLU" bottom: "Slice2" top: "ReLU2" }
    layer { name: "Eltwise1" type: "Eltwise" bottom: "ReLU1" bottom: "ReLU2" top: "Eltwise1"
      eltwise_param { operation: SUM coeff: 1 } }
    """
    same(total.to_proto(), text)
    same(caffe.to_proto(total, a), text)


def test_items_layers_without_tops_and_python_layers():
    n = caffe.NetSpec()
    n["data"] = L.Input(input_param=dict(shape=dict(dim=(np.int64(1), 2))))
    n.silence = L.Silence(n["data"], ntop=0)
    n.twice = L.Python(n.data, module="m", layer="Twice")
    assert n.keys() == ["data", "silence", "twice"] and n.vals()[0] is n.data
    same(n.to_proto(), """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 2] } } }
    layer { name: "silence" type: "Silence" bottom: "data" }
    layer { name: "twice" type: "Python" bottom: "data" top: "twice"
      python_param { module: "m" layer: "Twice" } }
    """)  # fmt: skip
    other = caffe.NetSpec()
    other.update(n.tops)
    del other["silence"], other.twice
    assert other.keys() == ["data"]


def test_a_chain_of_many_layers():
    top = L.Input()
    for _ in range(2000):
        top = L.ReLU(top)
    assert top.to_proto().layer[-1].name == "ReLU2000"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: L.ReLU("data"), r"ReLU input 0 is not a Top \(type is str\)"),
        (
            lambda: L.Convolution(kernal_size=3),
            r"L.Convolution: message type caffe.LayerParameter has no field named kernal_size",
        ),
        (
            lambda: L.Convolution(convolution_param=dict(kernal_size=3)),
            "caffe.ConvolutionParameter has no field named kernal_size\n.*mean 'kernel_size",
        ),
        (lambda: L.ReLU(relu_param=3), r"L.ReLU: relu_param = 3: Assignment not allowed"),
        (lambda: L.InnerProduct(num_output="x"), r"L.InnerProduct: num_output = 'x': "),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(UsageError, match=message):
        caffe.to_proto(make())


def test_names_that_are_not_there():
    n = lenet()
    with pytest.raises(AttributeError, match=r"no top 'conv2', did you mean 'conv1'"):
        _ = n.conv2
    with pytest.raises(AttributeError, match="there is no message PolingParameter"):
        _ = P.Poling.MAX
