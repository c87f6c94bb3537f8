"""A net and its weights in the formats of 2013 and 2014 give the numbers they should."""

import numpy as np
import pytest

from netc.compile import compile_file
from netc.load import parse_net
from netc.lowering.plan import Plan
from netc.prototxt import parse
from netc.schema import BlobProto, NetParameter, Phase
from netc.train.score import loaded

INPUT = 'input: "x" input_dim: [2, 3, 5, 5]\n'
V0 = (
    INPUT
    + """
layers { layer { name: "p" type: "padding" pad: 1 } bottom: "x" top: "p" }
layers { layer { name: "c" type: "conv" num_output: 2 kernelsize: 3 stride: 2 }
  bottom: "p" top: "c" }
layers { layer { name: "r" type: "relu" } bottom: "c" top: "c" }
layers { layer { name: "ip" type: "innerproduct" num_output: 4 } bottom: "c" top: "ip" }
layers { layer { name: "out" type: "softmax" } bottom: "ip" top: "out" }
"""
)
V1 = (
    INPUT
    + """
layers { name: "c" type: CONVOLUTION bottom: "x" top: "c"
  convolution_param { num_output: 2 kernel_size: 3 stride: 2 pad: 1 } }
layers { name: "r" type: RELU bottom: "c" top: "c" }
layers { name: "ip" type: INNER_PRODUCT bottom: "c" top: "ip"
  inner_product_param { num_output: 4 } }
layers { name: "out" type: SOFTMAX bottom: "ip" top: "out" }
"""
)
NETS = {"2013": V0, "2014": V1}
draw = np.random.RandomState(0)
BLOBS = {
    "c": [draw.randn(2, 3, 3, 3).astype(np.float32), draw.randn(2).astype(np.float32)],
    "ip": [draw.randn(4, 18).astype(np.float32), draw.randn(4).astype(np.float32)],
}
X = draw.randn(2, 3, 5, 5).astype(np.float32)


def legacy(array):
    n, c, h, w = (1,) * (4 - array.ndim) + array.shape
    return BlobProto(num=n, channels=c, height=h, width=w, data=array.ravel())


def old_weights(text):
    """The bytes of a net of that time with its blobs."""
    net = parse(text, NetParameter).message
    for layer in net.layers:
        holder = layer.layer if layer.HasField("layer") else layer
        holder.blobs.extend(map(legacy, BLOBS.get(holder.name, ())))
    return net.SerializeToString()


def expected():
    padded = np.pad(X, ((0, 0), (0, 0), (1, 1), (1, 1)))
    weights, bias = BLOBS["c"]
    conv = np.zeros((2, 2, 3, 3), np.float32)
    for i in range(3):
        for j in range(3):
            window = padded[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            conv[:, :, i, j] = np.einsum("nchw,ochw->no", window, weights) + bias
    dense = np.maximum(conv, 0).reshape(2, 18) @ BLOBS["ip"][0].T + BLOBS["ip"][1]
    power = np.exp(dense - dense.max(1, keepdims=True))
    return power / power.sum(1, keepdims=True)


@pytest.mark.parametrize("weights", NETS)
@pytest.mark.parametrize("net", NETS)
def test_old_nets_with_old_weights(net, weights, tmp_path):
    (tmp_path / "net.prototxt").write_text(NETS[net])
    (tmp_path / "w").write_bytes(old_weights(NETS[weights]))
    program = compile_file(str(tmp_path / "net.prototxt"), Phase.TEST, Plan("cpu"))
    blobs, state = loaded(program, str(tmp_path / "w"))
    values, _ = program.apply(blobs, state, None, {"x": X})
    np.testing.assert_allclose(values["out"], expected(), rtol=1e-5, atol=1e-6)


def test_both_become_the_same_net():
    assert parse_net(V0).message == parse_net(V1).message
