"""What docs/trained_nets.md says to type, on a small net with such names."""

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

import netc.pycaffe as caffe
from netc.cli import main
from netc.data.mean import write_mean
from netc.load import read_net
from netc.pycaffe import NetSpec
from netc.pycaffe import layers as L
from netc.weights import read_weights

TEXT = (Path(__file__).parents[2] / "docs" / "trained_nets.md").read_text()
BLOCKS = re.findall(r"(?:^    .*\n)+", TEXT, re.MULTILINE)
COMMANDS = [x[9:] for block in BLOCKS for x in block.splitlines() if x.startswith("    netc ")]
FILES = {name: block for block in BLOCKS for name in re.findall(r"^    # (\S+)\n", block)}
FEW = ["--set", "max_iter=2", "--set", "test_interval=0", "--set", "test_iter=[]"]


def deploy():
    n = NetSpec()
    n.data = L.Input(input_param=dict(shape=dict(dim=[1, 3, 227, 227])))
    n.conv1 = L.Convolution(
        n.data, num_output=4, kernel_size=11, stride=32, weight_filler=dict(type="xavier")
    )
    n.fc7 = L.InnerProduct(n.conv1, num_output=5, weight_filler=dict(type="xavier"))
    n.relu7 = L.ReLU(n.fc7, in_place=True)
    n.fc8 = L.InnerProduct(n.fc7, num_output=3, weight_filler=dict(type="xavier"))
    n.prob = L.Softmax(n.fc8)
    return n.to_proto()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """All files that the page speaks of."""
    monkeypatch.chdir(tmp_path)
    net = deploy()
    Path("deploy.prototxt").write_text(str(net))
    caffe.set_random_seed(1)
    caffe.Net("deploy.prototxt", caffe.TEST).save("model.caffemodel")
    draw = np.random.RandomState(0)
    for path in ("cat.jpg", "photos/1.jpg", "photos/2.jpg", *(
        f"flowers/{part}/{name}/1.jpg" for part in ("train", "val") for name in ("rose", "tulip")
    )):  # fmt: skip
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(path, draw.randint(0, 256, (240, 300, 3)).astype(np.uint8))
    Path("synset_words.txt").write_text("n1 cat\nn2 dog\nn3 bird\n")
    write_mean("mean.binaryproto", np.full((3, 256, 256), 110, np.float32))
    for name, block in FILES.items():
        Path(name).write_text(block)
    del net.layer[-2:], net.layer[0]
    parts = FILES["head.prototxt"], str(net), FILES["tail.prototxt"]
    Path("train_val.prototxt").write_text("\n".join(parts))
    return tmp_path


def test_the_commands(folder, capfd):
    for command in COMMANDS:
        words = shlex.split(command.replace("iter_2000", "iter_2"))
        assert main([*words, *(FEW if words[0] == "train" else [])]) == 0, command
    err = capfd.readouterr().err
    assert "4 loaded, 2 ignored, 2 kept" in err
    before, after = (
        {x.name: x.blobs for x in read_weights(path).layers}
        for path in ("model.caffemodel", "run/flowers_iter_2.caffemodel")
    )
    assert np.array_equal(before["conv1"][0], after["conv1"][0])
    assert not np.array_equal(before["fc7"][0], after["fc7"][0])
    assert len(Path("classes.csv").read_text().splitlines()) == 1 + 2 * 3
    told = "Images as in run/flowers_iter_2.caffemodel: resized to 256 x 256, the centre of 227 x "
    assert told + "227, x - (104 117 123)" in err
    model = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    assert model.get_outputs()[0].name == "prob"


def test_the_input_that_is_shown(folder):
    (shown,) = (block for block in BLOCKS if 'type: "Input"' in block)
    rest = str(read_net("deploy.prototxt").message).split("layer {", 2)[2]
    Path("own.prototxt").write_text(f"{shown} layer {{ {rest}")
    net = ["-model", "own.prototxt", "-weights", "model.caffemodel"]
    assert main(["classify", "cat.jpg", *net]) == 0
