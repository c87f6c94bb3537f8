"""Scripts of a project."""

import pytest

from netc.doctor.findings import Finding


@pytest.mark.parametrize(
    ("line", "name", "instead"),
    [
        ("caffe train -solver s", "caffe train", "train -solver s"),
        ("./tools/caffe.bin train --solver=s -gpu 0", "caffe train", "train --solver=s -gpu 0"),
        ("A=1 $R/b/caffe train -solver $1 2>&1 | tee l", "caffe train", "train -solver $1"),
        ("time ${CAFFE_BIN} train -solver s > log", "caffe train", "train -solver s"),
        ("$CAFFE test -model m", "caffe test", "test -model m"),
        ("caffe train \\\n  -solver s \\\n  -gpu 0", "caffe train", "train -solver s -gpu 0"),
        ("caffe train \\\r\n  -solver s\r", "caffe train", "train -solver s"),
        ("..\\build\\caffe.exe train -solver s", "caffe train", "train -solver s"),
        ("'caffe' test -model m", "caffe test", "test -model m"),
        ("sh -c 'caffe test -model m' -solver s", "caffe test", "test -model m"),
        ("x=$(caffe test -model m)", "caffe test", "test -model m"),
        ("../convert_imageset a/ l.txt db", "convert_imageset", "convert_imageset a/ l.txt db"),
        (
            "b/convert_cifar_data.bin $A $B lmdb",
            "convert_cifar_data",
            "dataset cifar10 FOLDER --from BIN_FILES",
        ),
        ("train_net.bin s.prototxt", "train_net", "train -solver s.prototxt"),
        ("python $CAFFE_ROOT/python/train.py --solver s", "train.py", "train --solver s"),
    ],
)
def test_calls_of_programs(look, line, name, instead):
    found = look({"a/run.sh": f"#!/bin/sh\n{line}\n"})["a/run.sh"]
    assert found == [Finding("supported", name, "a/run.sh:2", f"netc {instead}")]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("caffe time -model m", "caffe time"),
        ("compute_image_mean db mean", "compute_image_mean"),
        ("caffe train -solver s -fancy 1 --fancier=2", "caffe train with -fancy, --fancier"),
    ],
)
def test_calls_that_netc_has_not(look, line, what):
    assert look({"run.sh": line}) == {"run.sh": [Finding("missing", what, "run.sh:1")]}


@pytest.mark.parametrize(
    "line",
    [
        "python train.py --solver s",
        "./summarize.py x",
        "# caffe train -solver s",
        "cd caffe",
        "mycaffe train",
        "git clone caffe",
        "caffe help",
    ],
)
def test_lines_that_call_nothing(look, line):
    assert look({"run.sh": line}) == {}


PYTHON = """import os
import caffe
from caffe import layers as L, nothing
from caffe.proto import caffe_pb2
# caffe.comment
print "caffe.string", 'caffe.other'
net = caffe.Net("n", caffe.TEST)
caffe.fancy(1)
os.system("./build/tools/caffe train -solver s -gpu 0")
call(['caffe', 'test', '-model', name])
"""


def test_python(look):
    assert look({"run.py": PYTHON})["run.py"] == [
        Finding("supported", "caffe train", "run.py:9", "netc train -solver s -gpu 0"),
        Finding("supported", "caffe test", "run.py:10", "netc test -model"),
        Finding("supported", "pycaffe", "run.py:2", "netc run run.py"),
        Finding("missing", "caffe.nothing", "run.py:3"),
        Finding("missing", "caffe.fancy", "run.py:8"),
    ]


def test_python_layers_need_nothing(look):
    text = "import caffe\nclass Data(caffe.Layer):\n    pass\n"
    assert look({"layers.py": text}) == {
        "layers.py": [Finding("supported", "pycaffe", "layers.py:1")]
    }


def test_python_without_caffe(look):
    assert look({"run.py": "import os\nos.caffe.x = 1\n"}) == {}


def test_matlab_and_layers_in_cpp(look):
    files = {
        "demo.m": "% caffe.Net\nx = 1;\nnet = caffe.Net(f);\n",
        "none.m": "% caffe.Net\n",
        "fancy.cpp": "#include <a>\nREGISTER_LAYER_CLASS(Fancy);\nREGISTER_LAYER_CLASS(ReLU);\n",
    }
    assert look(files) == {
        "demo.m": [Finding("missing", "matcaffe", "demo.m:3", "netc.pycaffe")],
        "fancy.cpp": [
            Finding("missing", "layer type 'Fancy' in C++", "fancy.cpp:2",
                    "write it in Python: docs/extending.md"),
            Finding("supported", "layer type 'ReLU' in C++", "fancy.cpp:3"),
        ],
    }  # fmt: skip
