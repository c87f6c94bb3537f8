"""Arrays of mapped files, copied into memory."""

import numpy as np
import pytest

from netc.schema import LayerParameter, NetParameter
from netc.weights import mapped, read_weights, write_weights
from netc.weights.mapped import ALIGNMENT, in_memory

NET = NetParameter(layer=[LayerParameter(name=name) for name in "abc"])
BLOBS = {
    "a": [np.arange(30000, dtype=np.float32).reshape(3, 10000)],
    "b": [np.float32(2).reshape(()), np.zeros((0, 3), np.float32)],
    "c": [np.ones(7, np.float32)],
}


@pytest.mark.parametrize("window", [64, 4096, mapped._WINDOW])
def test_copies_of_mapped_arrays(window, tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "_WINDOW", window)
    write_weights(tmp_path / "x.caffemodel", NET, BLOBS)
    layers = read_weights(tmp_path / "x.caffemodel").layers
    for _ in range(2):  # the pages that were let go are read again
        for layer in layers:
            for blob, expected in zip(layer.blobs, BLOBS[layer.name], strict=True):
                copy = in_memory(blob)
                np.testing.assert_array_equal(copy, expected, strict=True)
                assert not copy.flags.writeable
                if copy.size:
                    assert copy.ctypes.data % ALIGNMENT == 0
                    assert not np.shares_memory(copy, blob)


def test_reshaped_views_of_mapped_arrays(tmp_path):
    write_weights(tmp_path / "x.caffemodel", NET, BLOBS)
    blob = read_weights(tmp_path / "x.caffemodel").layers[0].blobs[0]
    np.testing.assert_array_equal(in_memory(blob.reshape(100, 300)).ravel(), blob.ravel())
    np.testing.assert_array_equal(in_memory(blob[1]), blob[1])


@pytest.mark.parametrize("name", ["x.h5", "x.npz"])
def test_other_arrays_are_in_memory_already(name, tmp_path):
    write_weights(tmp_path / name, NET, BLOBS)
    blob = read_weights(tmp_path / name).layers[0].blobs[0]
    assert in_memory(blob) is blob
    assert in_memory(blob[::2]).shape == blob[::2].shape
