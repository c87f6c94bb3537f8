"""Weights from format to format, with and without their net."""

import re

import numpy as np
import pytest

from netc.convert import convert
from netc.errors import NetcError, UsageError, WeightsError
from netc.load import read_net
from netc.schema import BlobProto, BlobShape, LayerParameter, NetParameter, V1LayerParameter
from netc.weights import hdf5, read_weights, write_weights
from netc.weights.files import WRITERS
from netc.weights.match import EXACT, Rules

NET = """name: "n"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [1, 2, 3, 3] } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
layer { name: "ip" type: "InnerProduct" bottom: "c" top: "ip"
  inner_product_param { num_output: 2 } }
"""
BLOBS = {
    "c": [np.arange(72, dtype=np.float32).reshape(4, 2, 3, 3), np.ones(4, np.float32)],
    "ip": [np.arange(8, dtype=np.float32).reshape(2, 4), np.zeros(2, np.float32)],
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    write_weights("a.caffemodel", read_net("net.prototxt").message, BLOBS)
    return tmp_path


def held(path):
    return {y.name: [np.array(b) for b in y.blobs] for y in read_weights(path).layers if y.blobs}


def assert_same(got, want):
    assert list(got) == list(want)
    for name, blobs in want.items():
        for a, b in zip(got[name], blobs, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("first", WRITERS)
@pytest.mark.parametrize("second", WRITERS)
@pytest.mark.parametrize("net", [None, "net.prototxt"])
def test_from_every_format_to_every_other(first, second, net):
    convert("a.caffemodel", f"b{first}", EXACT)
    report = convert(f"b{first}", f"c{second}", EXACT, net)
    assert_same(held(f"c{second}"), BLOBS)
    assert "4 blobs of 2 layers" in report if net is None else "4 loaded" in report


def test_with_its_net_a_file_is_caffes(folder):
    convert("a.caffemodel", "b.npz", EXACT)
    convert("b.npz", "c.caffemodel", EXACT, "net.prototxt")
    message = NetParameter.FromString((folder / "c.caffemodel").read_bytes())
    assert [(y.name, y.type) for y in message.layer] == [
        ("x", "Input"),
        ("c", "Convolution"),
        ("r", "ReLU"),
        ("ip", "InnerProduct"),
    ]
    assert message.layer[1].convolution_param.num_output == 4 and message.layer[1].phase == 1


def test_old_shapes_become_current_ones(folder):
    def four(*shape):
        n, c, h, w = shape
        return BlobProto(num=n, channels=c, height=h, width=w, data=range(n * c * h * w))

    layers = [
        V1LayerParameter(name="c", type="CONVOLUTION", blobs=[four(1, 1, 1, 5), four(1, 1, 1, 1)]),
        V1LayerParameter(
            name="i", type="INNER_PRODUCT", blobs=[four(1, 1, 1, 5), four(1, 1, 1, 3)]
        ),
        V1LayerParameter(name="p", type="DATA"),
    ]
    (folder / "old").write_bytes(NetParameter(name="o", layers=layers).SerializeToString())
    convert("old", "new.caffemodel", EXACT)
    message = NetParameter.FromString((folder / "new.caffemodel").read_bytes())
    assert [(y.name, y.type) for y in message.layer] == [
        ("c", "Convolution"),
        ("i", "InnerProduct"),
        ("p", "Data"),
    ]
    shapes = [[list(b.shape.dim) for b in y.blobs] for y in message.layer]
    assert shapes == [[[1, 1, 1, 5], [1]], [[1, 5], [3]], []]


def test_gradients_are_kept_where_the_format_has_them(folder):
    blob = BlobProto(shape=BlobShape(dim=[2]), data=[1, 2], diff=[3, 4])
    net = NetParameter(layer=[LayerParameter(name="a", blobs=[blob])])
    (folder / "g").write_bytes(net.SerializeToString())
    for out, gradient in (("g.caffemodel", [3, 4]), ("g.h5", [3, 4]), ("g.npz", None)):
        convert("g", out, EXACT)
        (diff,) = read_weights(out).layers[0].diffs
        assert (diff if diff is None else diff.tolist()) == gradient


def test_layers_take_new_names_and_shapes(folder):
    dense = NET.replace("InnerProduct", "Convolution").replace("inner_product", "convolution")
    (folder / "conv.prototxt").write_text(
        dense.replace("num_output: 2", "num_output: 2 kernel_size: 1").replace('"ip"', '"score"')
    )
    rules = Rules(rename=((re.compile("ip"), "score"),))
    report = convert("a.caffemodel", "b.h5", rules, "conv.prototxt")
    assert "3 loaded, 1 reshaped" in report and "axes of size 1" in report
    assert held("b.h5")["score"][0].shape == (2, 4, 1, 1)
    convert("b.h5", "c.npz", Rules(rename=((re.compile("score"), "ip"),)), "net.prototxt")
    assert_same(held("c.npz"), BLOBS)


def test_what_the_net_lacks(folder):
    (folder / "more.prototxt").write_text(
        NET.replace("num_output: 2", "num_output: 3")
        + 'layer { name: "new" type: "Bias" bottom: "ip" top: "y" }'
    )
    with pytest.raises(NetcError, match="Cannot copy param 0 weights from layer 'ip'"):
        convert("a.caffemodel", "b.h5", EXACT, "more.prototxt")
    report = convert("a.caffemodel", "b.caffemodel", Rules(skip=True), "more.prototxt")
    assert "2 loaded, 2 skipped, 1 kept" in report
    assert list(held("b.caffemodel")) == ["c"]


def test_absent_layers_are_an_error_with_the_table(folder):
    (folder / "more.prototxt").write_text(
        NET + 'layer { name: "new" type: "Bias" bottom: "ip" top: "y" }'
    )
    with pytest.raises(WeightsError) as caught:
        convert("a.caffemodel", "b.h5", EXACT, "more.prototxt")
    assert str(caught.value).startswith(
        "a.caffemodel: the file has not all blobs of the layers new\n4 loaded, 1 kept\n"
    )
    assert not (folder / "b.h5").exists()


def test_folding_writes_weights_and_net(folder):
    (folder / "bn.prototxt").write_text(
        NET.replace('"ReLU"', '"BatchNorm"').replace('"ip"', '"r2"')
    )
    message = read_net("bn.prototxt").message
    blobs = {"c": BLOBS["c"], "r2": BLOBS["ip"]}
    blobs["r"] = [np.full(4, 2, np.float32), np.full(4, 8, np.float32), np.full(1, 2, np.float32)]
    write_weights("bn.caffemodel", message, blobs)
    report = convert("bn.caffemodel", "f.npz", EXACT, "bn.prototxt", "f.prototxt")
    assert report.endswith("r folded into c\n")
    assert [y.name for y in read_net("f.prototxt").message.layer] == ["x", "c", "r2"]
    weights, bias = held("f.npz")["c"]
    factor = 1 / np.sqrt(4 + 1e-5)
    np.testing.assert_allclose(weights, BLOBS["c"][0] * factor, rtol=1e-6)
    np.testing.assert_allclose(bias, (BLOBS["c"][1] - 1) * factor, atol=1e-6)


def test_a_blob_that_only_its_owner_has(folder):
    net = NetParameter(layer=[{"name": "a"}, {"name": "b"}])
    hdf5.write("a.h5", net, {"a": [np.ones(1)], "b": [None, np.ones(1)]})
    with pytest.raises(WeightsError, match="blob 0 of layer 'b' is stored only with the layer"):
        convert("a.h5", "b.caffemodel", EXACT)
    assert not (folder / "b.caffemodel").exists()


def test_a_name_of_no_format():
    with pytest.raises(UsageError) as caught:
        convert("a.caffemodel", "b.onnx", EXACT)
    assert str(caught.value) == (
        "b.onnx: the name of a file of weights ends in .caffemodel, .h5, .npz, .safetensors"
    )
