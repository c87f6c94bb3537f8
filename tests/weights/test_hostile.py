"""Files that ask for too much: an error, in little memory; and random damage of every kind."""

import tracemalloc

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netc.errors import WeightsError
from netc.schema import BlobProto, NetParameter
from netc.weights import blob, caffemodel, read_weights
from netc.weights.wire import FIXED32, header, tag, varint
from tests.messages import messages


def layer(*blobs: bytes) -> bytes:
    content = b"".join(header(7, len(b)) + b for b in blobs)
    return header(100, len(content)) + content


def dims(*sizes: int) -> bytes:
    packed = b"".join(map(varint, sizes))
    return header(7, len(header(1, len(packed)) + packed)) + header(1, len(packed)) + packed


HUGE = 1 << 62
ONE = np.float32(1).tobytes()
FILES = {
    "a length": (header(100, HUGE), rf"field 100 needs {HUGE} bytes, 0 are left"),
    "lengths inside": (layer(header(5, HUGE)), rf"field 5 needs {HUGE} bytes, 0 are left"),
    "a shape": (layer(dims(HUGE, HUGE) + header(5, 4) + ONE), r"holds 1 values\nin blob 0"),
    "a negative size": (layer(dims(2**64 - 1)), r"cannot have the shape -1"),
    "many axes": (layer(dims(*[1] * 100_000)), "a blob has at most 32 axes"),
    "many shapes": (layer(dims(1) * 100), r"cannot have the shape 1 1 1"),
    "many pieces": (
        layer((tag(5, FIXED32) + ONE + tag(6, FIXED32) + ONE) * 200),
        "field 5 comes in over 100 pieces",
    ),
    "many layers": (layer() * 2_000, "there are more than 1000 layers and blobs"),
    "many blobs": (layer(*[b""] * 2_000), "there are more than 1000 layers and blobs"),
    "many blobs of many layers": (
        layer(*[dims(0)] * 100) * 20,
        "there are more than 1000 layers and blobs",
    ),
    "a deep nest": (
        b"".join(header(100, n) for n in range(10_000, 0, -3)),
        r"bytes?, \d+ are left",
    ),
}


@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES)
def test_binary(content, message, tmp_path, monkeypatch):
    monkeypatch.setattr(caffemodel, "MAX_ENTRIES", 1000)
    monkeypatch.setattr(blob, "MAX_PIECES", 100)
    (tmp_path / "x").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match=message) as caught:
            read_weights(tmp_path / "x")
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"{tmp_path / 'x'}: ")


def test_hdf5_arrays_that_are_not_there(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("data/a/0", (1 << 40,), np.float32, chunks=(1 << 20,))
    with pytest.raises(WeightsError, match=r"/data/a/0 should hold \d+ bytes, 0 are in the file"):
        read_weights(tmp_path / "x.h5")


def test_hdf5_zeros_may_be_compressed(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("data/a/0", data=np.zeros(1 << 20, np.float32), compression=9)
    assert not read_weights(tmp_path / "x.h5").layers[0].blobs[0].any()


def test_hdf5_groups_that_hold_themselves(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        group = file.create_group("data/a")
        group["again"] = group
    with pytest.raises(WeightsError, match="HDF5 cannot read it: maximum recursion depth"):
        read_weights(tmp_path / "x.h5")


def check_damaged(data: st.DataObject, path) -> None:
    """A random net with some bytes changed, put in or left out is read, or told to be damaged."""
    whole = bytearray(data.draw(messages(NetParameter)).SerializePartialToString())
    whole += layer(
        BlobProto(num=1, data=[1, 2]).SerializeToString(), dims(2) + header(5, 8) + 8 * b"1"
    )
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(whole)))
        whole[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    path.write_bytes(whole)
    try:
        caffemodel.parse(bytes(whole), str(path))
        read_weights(path)
    except WeightsError as error:
        assert str(path) in str(error)


@given(st.data())
def test_damage(tmp_path_factory, data):
    check_damaged(data, tmp_path_factory.getbasetemp() / "damaged")


@pytest.mark.slow
@settings(max_examples=3_000)
@given(st.data())
def test_much_damage(tmp_path_factory, data):
    check_damaged(data, tmp_path_factory.getbasetemp() / "damaged")
