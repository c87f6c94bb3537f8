"""The one door: formats by content when read, by name when written, and nothing heavy imported."""

import subprocess
import sys

import numpy as np
import pytest

from netc.schema import LayerParameter, NetParameter
from netc.weights import read_weights, write_weights

NET = NetParameter(name="n", layer=[LayerParameter(name="a", type="Bias")])


@pytest.mark.parametrize(
    ("name", "shared_once"),
    [
        ("x.caffemodel", False),
        ("x.caffemodel.h5", True),
        ("x", False),
        ("x.npz", False),
        ("x.safetensors", False),
    ],
)
def test_format_by_name_then_by_content(tmp_path, name, shared_once):
    write_weights(tmp_path / name, NET, {"a": [np.ones(2, np.float32)]})
    (tmp_path / name).rename(tmp_path / "renamed")
    weights = read_weights(tmp_path / "renamed")
    assert weights.shared_once is shared_once and weights.path == str(tmp_path / "renamed")
    assert [layer.blobs[0].tolist() for layer in weights.layers] == [[1, 1]]


def test_importing_is_light():
    code = (
        "import sys, netc.weights.match; print({'jax', 'h5py', 'safetensors'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
