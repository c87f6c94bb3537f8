"""Files cut short or changed, at every position: an error that says where, or a whole content."""

from __future__ import annotations

import re

import numpy as np
import pytest

from netc.errors import WeightsError
from netc.schema import LayerParameter, NetParameter
from netc.weights import SolverStateFile, read_state, read_weights, write_state, write_weights

PAIR = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(2, np.float32)
NET = NetParameter(name="n", layer=[LayerParameter(name=n, type="InnerProduct") for n in "ab"])
STATE = SolverStateFile(6, "x_iter_6.caffemodel", PAIR, 1)


def written(path):
    """The bytes of a small file."""
    if "state" in path.name:
        write_state(path, STATE)
    else:
        write_weights(path, NET, {"a": PAIR, "b": PAIR})
    return path.read_bytes()


def arrays(path):
    """Every array that is read, by its place."""
    if "state" in path.name:
        return dict(enumerate(read_state(path).history))
    return {(x.name, i): b for x in read_weights(path).layers for i, b in enumerate(x.blobs)}


def flip(whole: bytes, bit: int) -> bytes:
    """The content with one bit changed."""
    changed = bytearray(whole)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def errors(path, contents):
    """What is told of every content that is not read."""
    told = []
    for content in contents:
        path.write_bytes(content)
        try:
            arrays(path)
        except WeightsError as error:
            assert error.render().startswith(f"{path}: ")
            told.append(error.render())
    return told


BINARY = ["x.caffemodel", "x.solverstate"]
HDF5 = [f"{name}.h5" for name in BINARY]
HDF5_PLACE = r"HDF5 cannot read|an HDF5 file|/history has|holds .*, not numbers"
PLACE = r"byte \d+: |this is (a|an) .*, not|the file is empty"


@pytest.mark.parametrize("name", BINARY)
def test_every_cut(tmp_path, name):
    path = tmp_path / name
    whole = written(path)
    before = arrays(path)
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        try:
            found = arrays(path)
        except WeightsError as error:
            assert re.match(rf"{path}: ({PLACE})", error.render())
        else:  # the end of a field of the whole: what is there is as it was
            assert len(found) < len(before) or name == "x.solverstate"
            assert all(np.array_equal(before[k], x) for k, x in found.items())


@pytest.mark.parametrize("name", BINARY)
def test_every_bit(tmp_path, name):
    path = tmp_path / name
    whole = written(path)
    told = errors(path, [flip(whole, bit) for bit in range(8 * len(whole))])
    assert len(told) > 100 and all(re.search(PLACE, text) for text in told)
    where = {"x.caffemodel": "in blob 1 of layer 'b'", "x.solverstate": "in history blob 1"}[name]
    assert any(where in text for text in told)


@pytest.mark.slow
@pytest.mark.parametrize("name", HDF5)
def test_hdf5(tmp_path, name):
    path = tmp_path / name
    whole = written(path)
    told = errors(path, (flip(whole, bit) for bit in range(3, 8 * len(whole), 24)))
    assert len(told) > 100 and all(re.search(f"{PLACE}|{HDF5_PLACE}", t) for t in told)
    cuts = errors(path, (whole[:end] for end in range(0, len(whole), 29)))
    assert len(cuts) == len(range(0, len(whole), 29))
