"""`netc export`: its flags."""

import numpy as np
import pytest

from netc.cli import main
from netc.schema import NetParameter
from netc.weights import write_weights

NET = """
layer { name: "data" type: "Data" top: "data" top: "label"
        data_param { source: "nowhere" batch_size: 2 backend: LMDB } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver").write_text('net: "net.prototxt" base_lr: 1')
    ip = [np.ones((2, 3), np.float32), np.ones(2, np.float32)]
    write_weights("w.npz", NetParameter(layer=[{"name": "ip"}]), {"ip": ip})
    write_weights("less.npz", NetParameter(layer=[{"name": "other"}]), {"other": ip})
    return tmp_path


BEFORE = ["less.npz", "net.prototxt", "solver", "w.npz"]
SHAPE = ["--shape", "data=2,3,1,1"]


def test_every_way_at_once(folder, capsys):
    ways = [
        "--onnx",
        "n.onnx",
        "--jax-source",
        "n.py",
        "--stablehlo",
        "n.bin",
        "--platforms",
        "cpu",
    ]
    ways += ["--safetensors", "n.safetensors", "--caffe", "n.prototxt"]
    assert main(["export", "net.prototxt", "-weights", "w.npz", *SHAPE, *ways]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        "n.onnx",
        "onnxruntime computes the same as netc",
        "n.py and n.npz",
        "n.py computes the same as netc",
        "n.bin",
        "the file computes the same as netc",
        "n.safetensors",
        "n.prototxt and n.caffemodel",
    ]
    new = {p.name for p in folder.iterdir()} - {*BEFORE}
    assert new == {
        *("n.onnx", "n.py", "n.npz", "n.bin", "n.safetensors", "n.prototxt", "n.caffemodel")
    }


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["net.prototxt", "-weights", "w.npz"], 2, "say what to write: --onnx, --jax-source, "),
        (["net.prototxt", "--onnx", "n", "--weights-apart"], 2, "--platforms and --weights-apart"),
        (["net.prototxt", "--onnx", "n", "--platforms", "cpu"], 2, "--platforms and --weights-a"),
        (
            ["net.prototxt", "--stablehlo", "n", "--platforms", "gpu", *SHAPE, "-weights", "w.npz"],
            2,
            "no platform 'gpu'; there are cpu, cuda, tpu",
        ),
        (["net.prototxt", "--onnx", "n"], 1, "net.prototxt:3:30: nowhere: cannot open LMDB"),
        (["net.prototxt", *SHAPE, "--onnx", "n"], 1, "there are no weights for the blobs of the"),
        (
            ["net.prototxt", *SHAPE, "--onnx", "n", "-weights", "less.npz"],
            1,
            "less.npz: the file has not all blobs of the layers ip",
        ),
        (
            ["net.prototxt", *SHAPE, "--onnx", "n", "-weights", "w.npz", "--outputs", "pro"],
            2,
            "the net has no blob 'pro' to put out; there are ip, prob",
        ),
        (
            ["net.prototxt", *SHAPE, "--safetensors", "n.st", "-weights", "w.npz"],
            2,
            "n.st: the name of such a file ends in .safetensors",
        ),
        (["nothing", "--onnx", "n"], 1, "nothing: Failed to open file"),
    ],
)
def test_mistakes(flags, status, message, folder, capsys):
    assert main(["export", *flags]) == status
    assert capsys.readouterr().err.startswith(message)
    assert sorted(p.name for p in folder.iterdir()) == BEFORE
