"""The walker against google.protobuf, and against bytes that are no message."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netc.errors import WeightsError
from netc.schema import BlobProto, Datum
from netc.weights.wire import (
    FIXED32,
    LENGTH,
    RUN_WINDOW,
    VARINT,
    Field,
    Message,
    header,
    signed,
    tag,
    varint,
)

FLOAT = np.dtype("<f4")
int32 = st.integers(-(2**31), 2**31 - 1)


def fields(data):
    return list(Message.whole(data, "x"))


@given(st.integers(0, 2**64 - 1))
def test_varint_round_trip(n):
    data = varint(n)
    assert Message.whole(data, "x").varint(0) == (n, len(data))


@given(st.integers(-(2**63), 2**63 - 1))
def test_signed(n):
    assert signed(n % 2**64) == n


@given(int32, int32, st.binary(), st.lists(st.floats(width=32, allow_nan=False)), st.booleans())
def test_agrees_with_protobuf(channels, label, data, floats, encoded):
    datum = Datum(
        channels=channels, label=label, data=data, float_data=floats, encoded=encoded
    ).SerializeToString()
    message = Message.whole(datum, "x")
    found = {field.number: field for field in message}
    assert message.integers(found[1]) == [channels]
    assert message.integers(found[5]) == [label]
    assert bytes(message.view[found[4].start : found[4].end]) == data
    assert found[7].value == encoded
    assert b"".join(message.raw(field) for field in message) == datum
    if floats:  # not packed in the schema: one run
        np.testing.assert_array_equal(message.array(found[6], FLOAT), np.array(floats, FLOAT))


@pytest.mark.parametrize("count", [1, RUN_WINDOW - 1, RUN_WINDOW, 2 * RUN_WINDOW + 3])
def test_a_run_is_one_field(count):
    values = np.arange(count, dtype=FLOAT)
    data = b"".join(tag(6, FIXED32) + v.tobytes() for v in values)
    message = Message.whole(data + tag(5, FIXED32) + b"\0\0\0\0" + tag(6, VARINT) + b"\1", "x")
    run, single, other = message
    assert (run.number, run.value, run.end) == (6, count, len(data))
    assert (single.number, single.value) == (5, 1)
    assert (other.number, other.kind, other.value) == (6, VARINT, 1)
    np.testing.assert_array_equal(message.array(run, FLOAT), values)


def test_a_packed_array_is_a_view():
    data = header(5, 8) + np.array([1, 2], FLOAT).tobytes()
    message = Message.whole(data, "x")
    (field,) = message
    values = message.array(field, FLOAT)
    assert not values.flags.writeable
    assert np.shares_memory(values, np.frombuffer(data, np.uint8))


def test_nested_and_text():
    inner = header(1, 2) + "é".encode()
    data = header(100, len(inner)) + inner
    message = Message.whole(data, "x")
    (outer,) = message
    assert outer == Field(100, LENGTH, 0, 3, len(data))
    nested = message.inside(outer)
    assert [nested.text(field) for field in nested] == ["é"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x0a\x05ab", "byte 0: field 1 needs 5 bytes, 2 are left"),
        (b"\x08\x01\x0a", "byte 3: a number is cut short"),
        (b"\x08\xff", "byte 1: a number is cut short"),
        (b"\x08" + b"\xff" * 11, "byte 1: a number is longer than 10 bytes"),
        (b"\x0d\x00\x00", "byte 0: field 1 needs 4 bytes, 2 are left"),
        (b"\x00\x01", "byte 0: no field has number 0"),
        (b"\x0b", "byte 0: field 1 has wire type 3"),
    ],
)
def test_bytes_that_are_no_message(data, words):
    with pytest.raises(WeightsError, match=words) as caught:
        fields(data)
    assert str(caught.value).startswith("x: byte ")
    assert f"({len(data)} bytes)" in str(caught.value)


def test_a_packed_array_with_a_rest():
    message = Message.whole(header(5, 3) + b"abc", "x")
    with pytest.raises(WeightsError, match="field 5 has 3 bytes, not a multiple of 4"):
        message.array(next(iter(message)), FLOAT)


@given(st.binary(max_size=200))
def test_any_bytes_give_fields_or_an_error(data):
    try:
        found = fields(data)
    except WeightsError:
        return
    assert (found[-1].end if found else 0) == len(data)


@given(st.data())
def test_every_cut_of_a_blob_is_noticed_or_a_shorter_message(data):
    blob = BlobProto(data=[1.0, 2.0], num=300, channels=-1).SerializeToString()
    cut = blob[: data.draw(st.integers(0, len(blob)))]
    try:
        whole = b"".join(bytes(Message.whole(cut, "x").raw(f)) for f in fields(cut))
    except WeightsError:
        return
    assert whole == cut
