import numpy as np
import pytest

import netc.pycaffe as caffe
from tests.pycaffe import nets


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder to write nets in, made the current one; the seed is 1."""
    monkeypatch.chdir(tmp_path)
    caffe.set_random_seed(1)
    return tmp_path


@pytest.fixture
def make(folder):
    """A net from its text."""

    def net(text=nets.PLAIN, phase=caffe.TRAIN, name="net.prototxt", **options):
        (folder / name).write_text(text)
        return caffe.Net(name, phase, **options)

    return net


@pytest.fixture
def inputs():
    draw = np.random.RandomState(0)
    return {
        "data": draw.standard_normal((4, 5)).astype(np.float32),
        "label": np.array([0, 2, 1, 2], np.float32),
    }
