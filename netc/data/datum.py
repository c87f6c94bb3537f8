"""Datum records: bytes to (image, label) and back. Caffe: io.cpp, data_transformer.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from netc.data.fail import dims
from netc.errors import DataError
from netc.schema import Datum


def parse(record: bytes) -> Datum:
    """The message of a record. Raises DataError."""
    try:
        return Datum.FromString(record)
    except DecodeError:
        raise DataError(f"{len(record)} bytes that are no Datum") from None


def pixels(datum: Datum, color: bool | None = None) -> np.ndarray:
    """The image of a Datum, (C, H, W): uint8, or float32 where the Datum holds float_data.

    color: True decodes an encoded image as BGR, False as grey, None as it is stored.

    Raises DataError when the data do not fill the shape or the encoded image is broken.
    """
    if datum.encoded:
        return decode_image(datum.data, color)
    shape = (datum.channels, datum.height, datum.width)
    if datum.data:
        values = np.frombuffer(datum.data, np.uint8)
    else:
        values = np.array(datum.float_data, np.float32)
    if min(shape) < 1 or values.size != prod(shape):
        raise DataError(
            f"Incorrect data field size {values.size} for a Datum of {dims(shape)}",
            hint=None if values.size else "AnnotatedData reads records of images with boxes",
        )
    return values.reshape(shape)


def decode_image(data: bytes, color: bool | None = None) -> np.ndarray:
    """An image file in memory as uint8 (C, H, W), channels in OpenCV's order (BGR).

    Raises DataError when it is broken or has more than 8 bits per channel.
    """
    import cv2

    flags = {
        None: cv2.IMREAD_UNCHANGED,
        True: cv2.IMREAD_COLOR,
        False: cv2.IMREAD_GRAYSCALE,
    }
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags[color]) if data else None
    if image is None:
        raise DataError(f"Could not decode datum: {len(data)} bytes that are no image")
    if image.dtype != np.uint8:
        raise DataError(f"Image data type must be unsigned byte, got {image.dtype}")
    return planes(image)


def planes(image: np.ndarray) -> np.ndarray:
    """OpenCV's (H, W) or (H, W, C) as (C, H, W)."""
    import cv2

    height, width, *channels = image.shape
    out = np.empty((*(channels or [1]), height, width), image.dtype)
    cv2.split(image, list(out))
    return out


def encode_raw(
    image: np.ndarray, label: int, labels: Sequence[float] = (), encoded: bool | None = False
) -> bytes:
    """A record of uint8 pixels (C, H, W). labels: all of them where there are several.

    encoded: what the field says; None leaves it out, as Caffe's converters of data sets do.
    """
    channels, height, width = image.shape
    return Datum(
        channels=channels,
        height=height,
        width=width,
        data=image.tobytes(),
        label=label,
        encoded=encoded,
        labels=labels,
    ).SerializeToString()


def encode_file(data: bytes, label: int, labels: Sequence[float] = ()) -> bytes:
    """A record of an encoded image, such as the bytes of a PNG file."""
    return Datum(data=data, label=label, encoded=True, labels=labels).SerializeToString()


class Layout(NamedTuple):
    """The usual record of raw pixels: a prefix that all images of one shape share, pixels, label.

    Knowing it saves parsing such records one by one.
    """

    shape: tuple[int, int, int]
    prefix: bytes

    def stack(self, records: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray] | None:
        """Images uint8 (N, C, H, W) and labels float32 (N,), or None if a record is another."""
        start = len(self.prefix)
        end = start + prod(self.shape)
        if not all(record.startswith(self.prefix) for record in records):
            return None
        labels = [_tail_label(record[end:]) for record in records]
        if None in labels or min(map(len, records)) < end:
            return None
        data = b"".join([memoryview(record)[start:end] for record in records])
        images = np.frombuffer(data, np.uint8).reshape(-1, *self.shape)
        return images, np.array(labels, np.float32)


def layout(record: bytes) -> Layout | None:
    """The layout of a raw record and of all that are laid out alike, or None."""
    datum = parse(record)
    shape = (datum.channels, datum.height, datum.width)
    head = Datum(channels=shape[0], height=shape[1], width=shape[2], data=datum.data)
    prefix = head.SerializeToString()[: -len(datum.data) or None]
    usual = not datum.encoded and len(datum.data) == prod(shape) and record.startswith(prefix)
    return Layout(shape, prefix) if usual and datum.data else None


@lru_cache(maxsize=1 << 14)
def _tail_label(tail: bytes) -> int | None:
    """The label, where the bytes that follow the pixels hold a label and nothing that matters."""
    try:
        datum = Datum.FromString(tail)
    except DecodeError:
        return None
    others = {field.name for field, _ in datum.ListFields()} - {"label", "encoded"}
    return None if others or datum.encoded else datum.label
