"""Protobuf's wire format, walked in place: where each field of a message lies in a buffer.

Nothing is copied or decoded before it is asked for, so a message of any size opens at once.
Source: the encoding page of the Protocol Buffers documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import numpy as np

from netc.errors import WeightsError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
WIDTHS = {FIXED64: 8, FIXED32: 4}
MAX_VARINT = 10  # bytes
RUN_WINDOW = 4096


class Field(NamedTuple):
    """One field of a message.

    number, kind: the field number and the wire type.
    at, start, end: offsets of the tag, of the content and of what follows.
    value: the unsigned number of a VARINT; the number of records of a FIXED32 or FIXED64 run.
    """

    number: int
    kind: int
    at: int
    start: int
    end: int
    value: int = 0


@dataclass(frozen=True, eq=False)
class Message:
    """The bytes `start` to `end` of a buffer, read as one message; `name` is for errors."""

    view: memoryview
    start: int
    end: int
    name: str

    @classmethod
    def whole(cls, buffer: bytes | memoryview, name: str) -> Message:
        """All of a buffer."""
        return cls(memoryview(buffer), 0, len(buffer), name)

    def __iter__(self) -> Iterator[Field]:
        """The fields in the order of the file.

        Neighbouring fixed-width records of one field come as one Field (an unpacked array).
        Raises WeightsError where the bytes are not a message, or end too early.
        """
        at = self.start
        while at < self.end:
            tag, start = self.varint(at)
            number, kind = tag >> 3, tag & 7
            if number == 0:
                self.fail("no field has number 0", at)
            value = 0
            if kind == VARINT:
                value, end = self.varint(start)
            elif kind == LENGTH:
                length, start = self.varint(start)
                end = start + length
            elif kind in WIDTHS:
                end = start + WIDTHS[kind]
                if end <= self.end:
                    value = self._run(at, start - at, end - at)
                    end = at + value * (end - at)
            else:
                self.fail(f"field {number} has wire type {kind}, which Caffe's files never use", at)
            if end > self.end:
                self.fail(
                    f"field {number} needs {end - start} bytes, {self.end - start} are left", at
                )
            yield Field(number, kind, at, start, end, value)
            at = end

    def _run(self, at: int, tag: int, step: int) -> int:
        """The number of records of `step` bytes from `at` on that repeat the first's tag."""
        count, most = 0, (self.end - at) // step
        while count < most:
            rows = min(RUN_WINDOW, most - count)
            window = np.frombuffer(self.view, np.uint8, rows * step, at + count * step)
            tags = window.reshape(rows, step)[:, :tag]
            same = (tags == np.frombuffer(self.view, np.uint8, tag, at)).all(axis=1)
            if not same.all():
                return count + int(same.argmin())
            count += rows
        return count

    def varint(self, at: int) -> tuple[int, int]:
        """The unsigned 64-bit number at an offset, and the offset after it."""
        begin, value = at, 0
        for shift in range(0, 7 * MAX_VARINT, 7):
            if at >= self.end:
                self.fail("a number is cut short", begin)
            byte = self.view[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & (1 << 64) - 1, at
        self.fail(f"a number is longer than {MAX_VARINT} bytes", begin)

    def inside(self, field: Field) -> Message:
        """The message that a LENGTH field holds."""
        return Message(self.view, field.start, field.end, self.name)

    def raw(self, field: Field) -> memoryview:
        """A field as it lies in the buffer, tag and all."""
        return self.view[field.at : field.end]

    def text(self, field: Field) -> str:
        """The string that a LENGTH field holds."""
        return bytes(self.view[field.start : field.end]).decode("utf-8", "replace")

    def integers(self, field: Field) -> list[int]:
        """The int64 values of a packed (LENGTH) or a single (VARINT) field."""
        if field.kind == VARINT:
            return [signed(field.value)]
        values, at, packed = [], field.start, self.inside(field)
        while at < field.end:
            value, at = packed.varint(at)
            values.append(signed(value))
        return values

    def array(self, field: Field, dtype: np.dtype) -> np.ndarray:
        """The values of a packed field or of an unpacked run, as a read-only view if packed."""
        if field.kind == LENGTH:
            count, rest = divmod(field.end - field.start, dtype.itemsize)
            if rest:
                self.fail(
                    f"field {field.number} has {field.end - field.start} bytes, "
                    f"not a multiple of {dtype.itemsize}",
                    field.at,
                )
            return np.frombuffer(self.view, dtype, count, field.start)
        record = np.dtype([("tag", f"V{field.start - field.at}"), ("value", dtype)])
        return np.frombuffer(self.view, record, field.value, field.at)["value"].copy()

    def fail(self, message: str, at: int) -> NoReturn:
        """Raise the WeightsError for bytes at an offset that make no sense."""
        raise WeightsError(
            f"byte {at}: {message}",
            where=self.name,
            hint="the file is cut short or damaged, or of another kind: compare its size "
            f"({len(self.view)} bytes) with the original's",
        )


def signed(value: int) -> int:
    """An unsigned 64-bit number read as two's complement."""
    return value - (1 << 64) if value >> 63 else value


def varint(value: int) -> bytes:
    """A number >= 0 in the wire format."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(number: int, kind: int) -> bytes:
    """The tag that opens a field."""
    return varint(number << 3 | kind)


def header(number: int, length: int) -> bytes:
    """The tag and length that open a LENGTH field."""
    return tag(number, LENGTH) + varint(length)
