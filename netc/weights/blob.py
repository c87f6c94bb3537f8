"""BlobProto, the message that holds one array: read without copying, written without building it.

Fields: num 1, channels 2, height 3, width 4 (the old shape), data 5, diff 6, shape 7,
double_data 8, double_diff 9. Caffe: blob.cpp, FromProto and ToProto.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from netc.weights.wire import FIXED32, FIXED64, LENGTH, VARINT, Field, Message, header, varint

MAX_AXES = 32
DATA, DIFF, SHAPE, DOUBLE_DATA, DOUBLE_DIFF = 5, 6, 7, 8, 9
_FLOAT, _DOUBLE = np.dtype("<f4"), np.dtype("<f8")


class Blob(NamedTuple):
    """An array from a file.

    data, diff: float32, read-only; a view of the file where it stores packed floats. Doubles are
        rounded to float32.
    legacy: the shape was given as num, channels, height and width, so it has four axes.
    """

    data: np.ndarray
    diff: np.ndarray | None
    legacy: bool


def read_blob(message: Message) -> Blob:
    """The array in a BlobProto.

    Raises WeightsError when the values do not fill the shape.
    """
    old: dict[int, int] = {}
    dims: list[int] = []
    parts: dict[int, list[np.ndarray]] = {DATA: [], DIFF: [], DOUBLE_DATA: [], DOUBLE_DIFF: []}
    for field in message:
        if field.number <= 4 and field.kind == VARINT:
            old[field.number] = message.integers(field)[0]
        elif field.number == SHAPE and field.kind == LENGTH:
            dims += _dims(message.inside(field))
        elif field.number in (DATA, DIFF) and field.kind in (LENGTH, FIXED32):
            parts[field.number].append(message.array(field, _FLOAT))
        elif field.number in (DOUBLE_DATA, DOUBLE_DIFF) and field.kind in (LENGTH, FIXED64):
            parts[field.number].append(message.array(field, _DOUBLE))
    shape = tuple(old.get(axis, 0) for axis in (1, 2, 3, 4)) if old else tuple(dims)
    if len(shape) > MAX_AXES or any(n < 0 for n in shape):
        message.fail(f"a blob cannot have the shape {shape_text(shape)}", message.start)
    data = _fill(message, shape, parts[DOUBLE_DATA] or parts[DATA])
    diff = parts[DOUBLE_DIFF] or parts[DIFF]
    return Blob(data, _fill(message, shape, diff) if diff else None, bool(old))


def _dims(shape: Message) -> list[int]:
    return [n for field in shape if _is_dim(field) for n in shape.integers(field)]


def _is_dim(field: Field) -> bool:
    return field.number == 1 and field.kind in (LENGTH, VARINT)


def _fill(message: Message, shape: tuple[int, ...], parts: list[np.ndarray]) -> np.ndarray:
    values = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, _FLOAT), *parts])
    if values.size != math.prod(shape):
        message.fail(
            f"a blob of shape {shape_text(shape)} holds {values.size} values", message.start
        )
    with np.errstate(over="ignore"):  # Caffe: a double beyond float32 becomes inf
        values = values.astype(np.float32, copy=False).reshape(shape)
    values.flags.writeable = False
    return values


def shape_text(shape: Sequence[int]) -> str:
    """A shape as Caffe prints it: its lengths, then the number of values: `20 1 5 5 (500)`."""
    return " ".join([*map(str, shape), f"({math.prod(shape)})"])


def blob_size(shape: Sequence[int], with_diff: bool = False) -> int:
    """The number of bytes that `blob_pieces` gives."""
    count = math.prod(shape)
    array = len(header(DATA, 4 * count)) + 4 * count if count else 0
    return array * (1 + with_diff) + len(_shape_field(shape))


def blob_pieces(array: Any, diff: Any = None) -> Iterator[bytes | memoryview]:
    """A BlobProto in pieces, in the order of Caffe's own files: data, diff, shape.

    Arrays are converted to float32, and fetched from a device, one at a time.
    """
    shape = array.shape
    for number, values in ((DATA, array), (DIFF, diff)):
        if values is not None and math.prod(shape):
            flat = np.ascontiguousarray(np.asarray(values), _FLOAT).ravel()
            yield header(number, flat.nbytes)
            yield flat.data
    yield _shape_field(shape)


def _shape_field(shape: Sequence[int]) -> bytes:
    if not shape:
        return b""  # Caffe: a blob without axes gets no shape message
    packed = b"".join(map(varint, shape))
    inner = header(1, len(packed)) + packed
    return header(SHAPE, len(inner)) + inner
