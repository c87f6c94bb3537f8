from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netc.data import datum
from netc.errors import DataError
from netc.schema import Datum

from .helpers import images


def layout(record) -> Any:
    """A layout that must be there."""
    found = datum.layout(record)
    assert found
    return found


def png(image):
    return cv2.imencode(".png", image)[1].tobytes()


def test_raw_round_trip():
    (image,) = images(1, channels=3)
    message = datum.parse(datum.encode_raw(image, -7))
    assert np.array_equal(datum.pixels(message), image) and message.label == -7


def test_float_data_is_used_when_the_bytes_are_empty():
    message = Datum(channels=1, height=1, width=2, float_data=[0.5, -1.5])
    values = datum.pixels(message)
    assert values.dtype == np.float32 and values.tolist() == [[[0.5, -1.5]]]


@pytest.mark.parametrize(
    ("color", "shape"), [(None, (4, 8, 9)), (True, (3, 8, 9)), (False, (1, 8, 9))]
)
def test_encoded_images_decode_as_asked(color, shape):
    bgra = np.random.RandomState(0).randint(0, 256, (8, 9, 4)).astype(np.uint8)
    message = datum.parse(datum.encode_file(png(bgra), 3))
    image = datum.pixels(message, color)
    assert image.shape == shape and message.label == 3
    if color is not False:
        assert np.array_equal(image, bgra.transpose(2, 0, 1)[: shape[0]])


def test_a_stored_grey_image_has_one_channel():
    assert datum.decode_image(png(np.zeros((2, 3), np.uint8))).shape == (1, 2, 3)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (b"\xff\xff\xff", "3 bytes that are no Datum"),
        (
            Datum(channels=1, height=2, width=2, data=b"abc").SerializeToString(),
            "Incorrect data field size 3 for a Datum of 1 x 2 x 2",
        ),
        (Datum(label=1).SerializeToString(), "Incorrect data field size 0"),
        (datum.encode_file(b"nonsense", 0), "Could not decode datum: 8 bytes that are no image"),
        (datum.encode_file(b"", 0), "Could not decode datum"),
        (
            datum.encode_file(png(np.zeros((2, 2), np.uint16)), 0),
            "Image data type must be unsigned byte, got uint16",
        ),
    ],
)
def test_broken_records(record, message):
    with pytest.raises(DataError, match=message):
        datum.pixels(datum.parse(record))


def test_layout_stacks_records_of_one_shape():
    pixels = images(5, channels=2)
    records = [datum.encode_raw(image, 1000 * i) for i, image in enumerate(pixels)]
    stacked, labels = layout(records[0]).stack(records)
    assert np.array_equal(stacked, pixels) and stacked.dtype == np.uint8
    assert labels.tolist() == [0, 1000, 2000, 3000, 4000] and labels.dtype == np.float32


raw: Any = {"channels": 1, "height": 1, "width": 2, "data": b"ab"}


@pytest.mark.parametrize(
    "other",
    [
        Datum(**raw | {"width": 1, "data": b"a"}),
        Datum(**raw, encoded=True),
        Datum(**raw, float_data=[1.0]),
        Datum(**raw | {"data": b"a"}),
    ],
)
def test_layout_leaves_other_records_alone(other):
    usual = Datum(**raw, label=1).SerializeToString()
    assert layout(usual).stack([usual, other.SerializeToString()]) is None


@given(st.binary(max_size=12))
def test_layout_never_reads_a_record_in_another_way_than_the_parser(tail):
    usual = Datum(**raw, label=1).SerializeToString()
    known = layout(usual)
    record = known.prefix + b"ab" + tail
    stacked = known.stack([record])
    if stacked is not None:
        message = datum.parse(record)
        assert np.array_equal(datum.pixels(message), stacked[0][0])
        assert message.label == stacked[1][0]


@pytest.mark.parametrize(
    "unusual", [datum.encode_file(b"x", 0), Datum(label=2).SerializeToString(), b""]
)
def test_unusual_records_have_no_layout(unusual):
    assert datum.layout(unusual) is None
