"""BlobProto, the message that holds one array: read without copying, written without building it.

Fields: num 1, channels 2, height 3, width 4 (the old shape), data 5, diff 6, shape 7,
double_data 8, double_diff 9; and NVCaffe's raw_data 12, raw_diff 13, of the types in 10 and 11.
C3D 1.0 has the five sizes of a clip in 1 to 5, then data 6 and diff 7.
Caffe: blob.cpp, FromProto and ToProto.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from netc.schema import Type
from netc.weights.wire import (
    FIXED32,
    FIXED64,
    LENGTH,
    MAX_VARINT,
    VARINT,
    Field,
    Message,
    header,
    varint,
)

MAX_AXES = 32
MAX_PIECES = 10_000  # of one array: a file may store it in several, but needs no more than one
OLD_SHAPE = (1, 2, 3, 4)
DATA, DIFF, SHAPE, DOUBLE_DATA, DOUBLE_DIFF = 5, 6, 7, 8, 9
RAW_DATA_TYPE, RAW_DIFF_TYPE, RAW_DATA, RAW_DIFF = 10, 11, 12, 13
_FLOAT, _DOUBLE = np.dtype("<f4"), np.dtype("<f8")
_RAW: dict[int, np.dtype] = {
    Type.DOUBLE: _DOUBLE,
    Type.FLOAT: _FLOAT,
    Type.FLOAT16: np.dtype("<f2"),
}
_KINDS = {
    **dict.fromkeys((DATA, DIFF), (LENGTH, FIXED32)),
    **dict.fromkeys((DOUBLE_DATA, DOUBLE_DIFF), (LENGTH, FIXED64)),
    **dict.fromkeys((RAW_DATA, RAW_DIFF), (LENGTH,)),
}


class Blob(NamedTuple):
    """An array from a file.

    data, diff: float32, read-only; a view of the file where it stores packed floats. Values of
        other types are converted.
    legacy: the shape was given as num, channels, height and width, so it has four axes, or five
        with the length of C3D 1.0.
    """

    data: np.ndarray
    diff: np.ndarray | None
    legacy: bool


def read_blob(message: Message) -> Blob:
    """The array in a BlobProto.

    Raises WeightsError when the values do not fill the shape.
    """
    numbers: dict[int, int] = {}
    dims: list[int] = []
    fields: dict[int, list[Field]] = {number: [] for number in _KINDS}
    for field in message:
        if field.kind == VARINT:
            numbers[field.number] = message.integers(field)[0]
        elif field.number == SHAPE and field.kind == LENGTH and DATA not in numbers:
            dims += _dims(message.inside(field))
        elif field.kind in _KINDS.get(field.number, ()):
            pieces = fields[field.number]
            if len(pieces) == MAX_PIECES:
                message.fail(f"field {field.number} comes in over {MAX_PIECES} pieces", field.at)
            pieces.append(field)
    legacy = any(axis in numbers for axis in OLD_SHAPE)
    of_clips = legacy and DATA in numbers
    axes = (*OLD_SHAPE, DATA) if of_clips else OLD_SHAPE
    shape = tuple(numbers.get(axis, 0) for axis in axes) if legacy else tuple(dims)
    if len(shape) > MAX_AXES or any(n < 0 for n in shape):
        message.fail(f"a blob cannot have the shape {shape_text(shape)}", message.start)

    def arrays(raw: int, raw_type: int, double: int, single: int) -> list[np.ndarray]:
        if fields[raw]:
            dtype = _raw_dtype(message, numbers.get(raw_type, Type.DOUBLE), fields[raw][-1])
            return [message.array(fields[raw][-1], dtype)]
        if fields[double]:
            return [message.array(field, _DOUBLE) for field in fields[double]]
        return [message.array(field, _FLOAT) for field in fields[single]]

    if of_clips:
        data = [message.array(field, _FLOAT) for field in fields[DIFF]]
        return Blob(_fill(message, shape, data), None, legacy)
    data = _fill(message, shape, arrays(RAW_DATA, RAW_DATA_TYPE, DOUBLE_DATA, DATA))
    diff = arrays(RAW_DIFF, RAW_DIFF_TYPE, DOUBLE_DIFF, DIFF)
    return Blob(data, _fill(message, shape, diff) if diff else None, legacy)


def _raw_dtype(message: Message, number: int, field: Field) -> np.dtype:
    if number not in _RAW:
        message.fail(
            f"raw values of type {number} are not read, only DOUBLE, FLOAT and FLOAT16", field.at
        )
    return _RAW[number]


def _dims(shape: Message) -> list[int]:
    dims: list[int] = []
    for field in shape:
        if _is_dim(field):
            if len(dims) > MAX_AXES or field.end - field.start > MAX_AXES * MAX_VARINT:
                shape.fail(f"a blob has at most {MAX_AXES} axes", field.at)
            dims += shape.integers(field)
    return dims


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
