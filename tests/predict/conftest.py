import cv2
import numpy as np
import pytest

import netc.pycaffe as caffe
from netc.lowering.plan import Plan
from netc.predict.opened import Model
from netc.predict.preprocess import Options

DEPLOY = """
name: "tiny" layer { name: "in" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 6 dim: 6 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 4 weight_filler { type: "gaussian" std: 0.003 } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a deploy net, its weights and images, made the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy.prototxt").write_text(DEPLOY)
    caffe.set_random_seed(1)
    caffe.Net("deploy.prototxt", caffe.TEST).save("w.caffemodel")
    draw = np.random.RandomState(0)
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for name, height in (("a.png", 12), ("b.jpg", 9), ("more/c.png", 20)):
        cv2.imwrite(f"photos/{name}", draw.randint(0, 256, (height, 15, 3)).astype(np.uint8))
    (tmp_path / "names.txt").write_text("cat\ndog, hound\nbird\nfish\n")
    return tmp_path


@pytest.fixture
def model():
    """The net of the folder, with options for its images."""

    def given(batch=32, transform=None, **options):
        files = "deploy.prototxt", "w.caffemodel"
        return Model(*files, Plan("cpu"), batch, options=Options(**options), transform=transform)

    return given
