"""BlobProto in both directions against google.protobuf."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from netc.errors import WeightsError
from netc.schema import BlobProto, BlobShape, Type
from netc.weights.blob import blob_pieces, blob_size, read_blob, shape_text
from netc.weights.wire import FIXED32, FIXED64, LENGTH, VARINT, Message, tag, varint

float32 = arrays(np.float32, array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))


def read(message):
    data = message if isinstance(message, bytes) else message.SerializeToString()
    return read_blob(Message.whole(data, "x"))


def written(array, diff=None):
    return b"".join(bytes(piece) for piece in blob_pieces(array, diff))


def unpacked(number, kind, values):
    return b"".join(tag(number, kind) + value.tobytes() for value in values)


@given(float32, st.booleans())
def test_bytes_are_those_of_protobuf(array, with_diff):
    diff = -array if with_diff else None
    message = BlobProto(data=array.ravel(), diff=() if diff is None else diff.ravel())
    if array.ndim:
        message.shape.CopyFrom(BlobShape(dim=array.shape))
    assert written(array, diff) == message.SerializeToString()
    assert blob_size(array.shape, with_diff) == message.ByteSize()


@given(float32, st.booleans())
def test_round_trip(array, with_diff):
    blob = read(written(array, -array if with_diff else None))
    np.testing.assert_array_equal(blob.data, array, strict=True)
    assert not blob.legacy and not blob.data.flags.writeable
    if with_diff and array.size:
        np.testing.assert_array_equal(blob.diff, -array, strict=True)
    else:
        assert blob.diff is None


@given(arrays(np.float32, st.integers(1, 9)), st.integers(0, 9), st.booleans())
def test_packed_unpacked_and_mixed_agree(values, cut, shape_first):
    shape = BlobProto(shape=BlobShape(dim=[1, len(values)])).SerializeToString()
    packed = BlobProto(data=values[:cut]).SerializeToString()
    parts = [packed, unpacked(5, FIXED32, values[cut:])]
    data = b"".join([shape, *parts] if shape_first else [*parts, shape])
    np.testing.assert_array_equal(read(data).data, values[None], strict=True)
    assert list(BlobProto.FromString(data).data) == pytest.approx(list(values), nan_ok=True)


def test_doubles_win_and_are_rounded():
    values = np.array([1 / 3, 1e300])
    expected = np.array([1 / 3, np.inf], np.float32)
    shape = BlobShape(dim=[2])
    blob = read(BlobProto(shape=shape, data=[7, 7], double_data=values, double_diff=-values))
    np.testing.assert_array_equal(blob.data, expected, strict=True)
    np.testing.assert_array_equal(blob.diff, -expected, strict=True)
    loose = unpacked(8, FIXED64, values) + BlobProto(shape=shape).SerializeToString()
    np.testing.assert_array_equal(read(loose).data, expected, strict=True)


def test_the_old_shape_has_four_axes_and_wins():
    blob = read(BlobProto(num=1, channels=1, height=2, width=3, data=range(6)))
    assert blob.legacy and blob.data.shape == (1, 1, 2, 3)
    both = BlobProto(num=1, channels=1, height=1, width=2, data=[1, 2], shape=BlobShape(dim=[2]))
    assert read(both).data.shape == (1, 1, 1, 2)


@pytest.mark.parametrize("with_diff", [False, True])
def test_a_blob_of_c3d_1_0(with_diff):
    """Its data are where others have the gradient, and its width where they have the data."""
    values = np.arange(24, dtype=np.float32)
    start = BlobProto(num=2, channels=1, height=3, width=2).SerializeToString()
    data = start + tag(5, VARINT) + varint(2) + BlobProto(diff=values).SerializeToString()
    if with_diff:
        data += tag(7, LENGTH) + varint(96) + values.tobytes()
    blob = read(data)
    assert blob.legacy and blob.diff is None
    np.testing.assert_array_equal(blob.data, values.reshape(2, 1, 3, 2, 2), strict=True)


def test_unpacked_dims():
    inner = tag(1, VARINT) + varint(2) + tag(1, VARINT) + varint(3)
    data = tag(7, 2) + varint(len(inner)) + inner + BlobProto(data=range(6)).SerializeToString()
    assert read(data).data.shape == (2, 3)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (BlobProto(data=[1]), None),  # no axes, one value
        (BlobProto(shape=BlobShape(dim=[2]), data=[1]), r"shape 2 \(2\) holds 1 values"),
        (BlobProto(shape=BlobShape(dim=[2])), r"shape 2 \(2\) holds 0 values"),
        (BlobProto(data=[1, 2]), r"shape \(1\) holds 2 values"),
        (BlobProto(num=1, data=[1]), r"shape 1 0 0 0 \(0\) holds 1 values"),
        (BlobProto(shape=BlobShape(dim=[-1, -1]), data=[1]), r"cannot have the shape -1 -1"),
        (BlobProto(shape=BlobShape(dim=[1] * 33), data=[1]), "cannot have the shape 1 1"),
        (BlobProto(data=[1], diff=[1, 2]), r"shape \(1\) holds 2 values"),
    ],
)
def test_values_must_fill_the_shape(message, words):
    if words is None:
        assert read(message).data.shape == ()
        return
    with pytest.raises(WeightsError, match=words):
        read(message)


def test_jax_arrays_and_other_types():
    jnp = pytest.importorskip("jax.numpy")
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    for same in (jnp.asarray(array), jnp.asarray(array, jnp.bfloat16), array.T.copy().T):
        assert written(same) == written(array)
    assert written(array.astype(np.float64)) == written(array)


def test_shape_text():
    assert shape_text((20, 1, 5, 5)) == "20 1 5 5 (500)"
    assert shape_text(()) == "(1)"


@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT", "FLOAT16"])
def test_raw_values(kind):
    dtype = {"DOUBLE": "<f8", "FLOAT": "<f4", "FLOAT16": "<f2"}[kind]
    values = np.array([1.5, -2, 6e4], dtype)
    blob = BlobProto(shape=BlobShape(dim=[3]), raw_data_type=kind, raw_diff_type=kind)
    blob.raw_data, blob.raw_diff = values.tobytes(), (-values).tobytes()
    found = read(blob)
    np.testing.assert_array_equal(found.data, values.astype(np.float32), strict=True)
    np.testing.assert_array_equal(found.diff, -values.astype(np.float32), strict=True)


def test_raw_values_of_another_type_or_length():
    raw = BlobProto(shape=BlobShape(dim=[1]), raw_data=b"1234", raw_data_type="INT")
    with pytest.raises(WeightsError, match="type 3 are not read, only DOUBLE, FLOAT and FLOAT16"):
        read(raw)
    raw.raw_data_type = Type.Value("DOUBLE")
    with pytest.raises(WeightsError, match="field 12 has 4 bytes, not a multiple of 8"):
        read(raw)
