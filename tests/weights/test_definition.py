"""The net in a file of weights."""

import numpy as np
import pytest

from netc.errors import WeightsError
from netc.load import parse_net
from netc.schema import NetParameter
from netc.weights import write_weights
from netc.weights.definition import read_definition

NET = """name: "n" layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
    inner_product_param { num_output: 3 } } layer { name: "relu" type: "ReLU" }"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_layers_without_their_blobs():
    net = parse_net(NET).message
    write_weights("w.caffemodel", net, {"ip": [np.ones((3, 2)), np.zeros(3)]})
    assert read_definition("w.caffemodel") == net


@pytest.mark.parametrize("v0", [False, True])
def test_old_layers_are_upgraded(folder, v0):
    old = NetParameter(name="n")
    layer = old.layers.add()
    if v0:
        layer.layer.name, layer.layer.type, layer.layer.num_output = "ip", "innerproduct", 3
        layer.layer.blobs.add(data=[1, 2])
    else:
        layer.name, layer.type, layer.inner_product_param.num_output = "ip", 14, 3
        layer.blobs.add(data=[1, 2])
    (folder / "w.caffemodel").write_bytes(old.SerializeToString())
    (found,) = read_definition("w.caffemodel").layer
    assert (found.type, found.inner_product_param.num_output) == ("InnerProduct", 3)
    assert not found.blobs


def test_files_that_hold_no_net(folder):
    write_weights("w.npz", NetParameter(), {"ip": [np.ones(2)]})
    assert not read_definition("w.npz").layer
    with pytest.raises(WeightsError, match=r"Couldn't open no.caffemodel"):
        read_definition("no.caffemodel")
