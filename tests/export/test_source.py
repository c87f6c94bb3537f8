"""A net as JAX code: what it computes, and how it reads."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from netc.errors import UsageError
from netc.export.net import in_calls
from netc.export.source import source, write_source
from netc.weights import read_weights

from .nets import case_net, first_rows, net_of
from .test_onnx import SMALL


@pytest.mark.parametrize("case", first_rows(1), ids=str)
def test_it_computes_what_netc_does(case, tmp_path):
    report = write_source(case_net(case), tmp_path / "net.py")
    assert float(report.split(", ")[-1].split()[0]) < 1e-5


NET = '''
def net(w, data):
    """data (N, 3, 6, 5) -> prob (N, 3), with weights w."""
    c = convolution(data, w["c/0"], w["c/1"])  # c (Convolution)
    c = relu(c)  # r (ReLU)
    ip = inner_product(jnp.reshape(c, shape=(-1, 48)), w["ip/0"], w["ip/1"])  # ip (InnerProduct)
    prob = softmax(ip, axis=1)  # p (Softmax)
    return prob
'''


def test_how_it_reads():
    net = net_of(SMALL)
    text, weights, _ = source(*in_calls(net), Path("small.py"))
    assert NET in text
    assert weights.keys() == {"c/0", "c/1", "ip/0", "ip/1"}
    functions = [line.split("(")[0][4:] for line in text.splitlines() if line.startswith("def ")]
    assert functions == [
        "per_axis", "margins", "convolution", "inner_product", "relu", "softmax", "net", "load",
    ]  # fmt: skip


def test_it_runs_alone(tmp_path):
    report = write_source(net_of(SMALL), tmp_path / "small.py")
    assert "computes the same as netc: 4 blobs at two sizes of the batch" in report
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_NUMPY")}
    run = subprocess.run(
        [sys.executable, "small.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert run.stdout.startswith("(1, 3) ["), run.stderr
    assert {y.name for y in read_weights(tmp_path / "small.npz").layers} == {"c", "ip"}


def test_names_that_python_does_not_take():
    text = """
    layer { name: "in" type: "Input" top: "1x" top: "w" top: "relu"
            input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "a b" type: "Eltwise" bottom: "1x" bottom: "w" bottom: "relu" top: "for" }
    layer { name: "r" type: "ReLU" bottom: "for" top: "x/y" }"""
    net = net_of(text)
    written = source(*in_calls(net), Path("n.py")).text
    assert "_for = _1x + w_ + relu_  # a b (Eltwise)" in written
    assert "x_y = relu(_for)" in written


def test_names_that_would_be_code(tmp_path):
    text = r"""
    name: "\"\"\"\nraise SystemExit\n\"\"\""
    layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "\"]; raise SystemExit\n" type: "InnerProduct" bottom: "x" top: "y\nraise"
            inner_product_param { num_output: 2 } }"""
    assert "computes the same as netc" in write_source(net_of(text), tmp_path / "n.py")


def test_long_lines_are_broken(tmp_path):
    names = [f"a_blob_with_a_rather_long_name_{i}" for i in range(5)]
    tops = " ".join(f'top: "{n}"' for n in names)
    text = f"""
    layer {{ name: "in" type: "Input" {tops} input_param {{ shape {{ dim: 2 }} }} }}
    layer {{ name: "sum" type: "Eltwise" {tops.replace("top", "bottom")} top: "y" }}"""
    net = net_of(text)
    write_source(net, tmp_path / "n.py")
    assert all(len(line) <= 100 for line in (tmp_path / "n.py").read_text().splitlines()[20:])


def test_constants_go_with_the_weights(tmp_path):
    text = """
    layer { name: "in" type: "Input" top: "x"
            input_param { shape { dim: 1 dim: 2 dim: 4 dim: 4 } } }
    layer { name: "cols" type: "Im2col" bottom: "x" top: "y"
            convolution_param { kernel_size: 2 } }"""
    write_source(net_of(text), tmp_path / "n.py")
    assert np.load(tmp_path / "n.npz")["cols/0"].shape == (8, 1, 2, 2)


@pytest.mark.parametrize("name", ["net.txt", "my-net.py", "1.py"])
def test_a_name_that_cannot_be_imported(name, tmp_path):
    with pytest.raises(UsageError, match=r"a Python file is called NAME\.py"):
        write_source(net_of(SMALL), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
