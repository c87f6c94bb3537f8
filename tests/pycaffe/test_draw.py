"""caffe.draw, as pycaffe has it."""

import pytest
from google.protobuf import text_format

import netc.pycaffe as caffe
from netc.errors import UsageError
from netc.pycaffe import caffe_pb2, draw
from tests.pycaffe import nets

OLD = """
layers { name: "data" type: DATA top: "data" data_param { batch_size: 3 } }
layers { name: "ip" type: INNER_PRODUCT bottom: "data" top: "ip"
  inner_product_param { num_output: 4 } blobs_lr: 1 blobs_lr: 2 }
"""


def read(text):
    """As draw_net.py reads a net."""
    net = caffe_pb2.NetParameter()
    text_format.Merge(text, net)
    return net


def test_draw_net(folder):
    net = read(nets.SCORED)
    assert draw.draw_net(net, "LR", "svg").startswith(b"<svg")
    both, train = (draw.draw_net(net, "TB", "dot", phase=p) for p in (None, caffe.TRAIN))
    assert b"accuracy" in both and b"accuracy" not in train
    draw.draw_net_to_file(net, "net.svg", "TB", caffe.TEST)
    assert "accuracy" in (folder / "net.svg").read_text()
    draw.draw_net_to_file(net, "net.dot")
    assert "rankdir=LR" in (folder / "net.dot").read_text()


def test_nets_of_old_formats_and_rates():
    text = draw.draw_net(read(OLD), "TB", "dot", None, True).decode()
    assert "InnerProduct · 4 · lr_mult 1 2" in text and "batch_size 3" in text


def test_a_net_of_net_spec(folder):
    n = caffe.NetSpec()
    n.data = caffe.layers.Input(shape=dict(dim=[1, 3]))
    n.ip = caffe.layers.InnerProduct(n.data, num_output=2)
    draw.draw_net_to_file(n.to_proto(), "net.svg")
    assert "InnerProduct" in (folder / "net.svg").read_text()


def test_get_pydot_graph(folder, monkeypatch):
    renamed = nets.DEPLOY.replace('name: "in"', 'name: "source"')
    graph = draw.get_pydot_graph(read(renamed), "TB")
    assert (
        '[label="data"]' in graph.to_string() and graph.create_dot().decode() == graph.to_string()
    )
    assert 'label="data"' not in draw.get_pydot_graph(read(renamed), "TB", False).to_string()
    assert graph.write("a.dot") and (folder / "a.dot").read_text() == graph.to_string()
    assert graph.write_svg("a.svg") and graph.create(format="svg").startswith(b"<svg")
    with pytest.raises(AttributeError, match="a Graph has no add_node"):
        graph.add_node()
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UsageError, match="a picture in png is made by the program dot"):
        graph.write_png("a.png")
    assert not (folder / "a.png").exists()
