"""The transform that nets and files of weights tell."""

import pytest

from netc.errors import ParseError
from netc.load import parse_net
from netc.predict.stored import read_stored
from netc.schema import NetParameter
from netc.weights import write_weights

DATA = """
layer { name: "data" type: "Data" top: "data" include { phase: TRAIN }
  transform_param { scale: 0.1 mirror: true } }
layer { name: "data" type: "ImageData" top: "data" include { phase: TEST }
  transform_param { scale: 0.2 } image_data_param { new_height: 7 new_width: 9 } }
"""


def write(path, text):
    net = parse_net(text).message
    write_weights(path, net, {layer.name: [] for layer in net.layer})


@pytest.fixture(autouse=True)
def files(folder):
    write("told.caffemodel", DATA + 'layer { name: "ip" type: "InnerProduct" }')
    (folder / "train.prototxt").write_text(DATA.replace("0.2", "0.3"))
    return folder


def test_the_file_of_weights_tells_preferably_of_test():
    stored = read_stored("deploy.prototxt", "told.caffemodel")
    assert stored.param.scale == pytest.approx(0.2)
    assert stored.size == (7, 9) and stored.origin == "told.caffemodel"


def test_the_deploy_net_comes_first_and_another_net_before_it(folder):
    text = (folder / "deploy.prototxt").read_text()
    (folder / "own.prototxt").write_text(
        text.replace("input_param {", "transform_param { scale: 0.4 } input_param {")
    )
    stored = read_stored("own.prototxt", "told.caffemodel")
    assert stored.param.scale == pytest.approx(0.4) and stored.size is None
    stored = read_stored("own.prototxt", "told.caffemodel", "train.prototxt")
    assert stored.param.scale == pytest.approx(0.3) and stored.origin == "train.prototxt"


def test_ssd_resizes_in_its_transform():
    resize = "resize_param { height: 300 width: 200 }"
    write("ssd.caffemodel", f"""layer {{ name: "data" type: "AnnotatedData" top: "data"
        phase: TRAIN transform_param {{ mean_value: 104 {resize} }} }}""")  # fmt: skip
    assert read_stored("deploy.prototxt", "ssd.caffemodel").size == (300, 200)


def test_old_nets_told_it_in_the_data_layer():
    old = NetParameter()
    layer = old.layers.add(name="data", type=5, top=["data"])
    layer.data_param.scale = 0.25
    with open("old.caffemodel", "wb") as file:
        file.write(old.SerializeToString())
    assert read_stored("deploy.prototxt", "old.caffemodel").param.scale == 0.25


def test_nobody_tells():
    stored = read_stored("deploy.prototxt", "w.caffemodel")
    assert stored.origin == "" and stored.size is None and not stored.param.ListFields()
    with pytest.raises(ParseError, match=r"no.prototxt: Failed to open file"):
        read_stored("deploy.prototxt", "w.caffemodel", "no.prototxt")
