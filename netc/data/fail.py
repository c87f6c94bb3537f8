"""How a data source says what is wrong, with or without a layer to point at."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn, Protocol

from netc.errors import DataError, Errors, NetcError
from netc.load import nearby

EXCERPT = 80  # characters of a wrong line that are told
INT_MAX = 2**31 - 1  # elements that a blob has at most


class Fail(Protocol):
    """Raises an error at a field of the layer that reads the data."""

    def __call__(self, message: str, field: str, *, hint: str | None = None) -> NoReturn: ...


def plain_fail(message: str, field: str, *, hint: str | None = None) -> NoReturn:
    """The Fail of a feed that belongs to no layer. Raises DataError."""
    raise DataError(message, hint=hint)


@contextmanager
def failing(fail: Fail, field: str) -> Iterator[None]:
    """What goes wrong with a file inside the block is reported at the field that names the file."""
    try:
        yield
    except NetcError as caught:
        e = caught.errors[0] if isinstance(caught, Errors) else caught
        lead = f"{e.where}: " if e.where else ""
        fail(f"{lead}{e.message}", field, hint=e.hint)


@contextmanager
def located(where: Callable[[], str]) -> Iterator[None]:
    """A DataError without a place that is raised inside the block gets `where()`."""
    try:
        yield
    except DataError as e:
        e.where = e.where or where()
        raise


def missing(path: str) -> str | None:
    """A hint for a path that does not exist."""
    if os.path.lexists(path):
        return None
    return nearby(path) or f"paths are relative to the working directory, {os.getcwd()}"


def excerpt(text: str) -> str:
    """The beginning of a line that may be of any length, in characters that can be printed."""
    printable = text.encode(errors="backslashreplace").decode()
    return printable if len(printable) <= EXCERPT else f"{printable[: EXCERPT - 3]}..."


def dims(shape: Sequence[int]) -> str:
    """A shape as people read it: 3 x 28 x 28."""
    return " x ".join(map(str, shape))


def oversize(shape: Sequence[int]) -> str | None:
    """What is wrong with a blob of 2^31 elements or more. Caffe: blob.cpp, Reshape."""
    count = math.prod(shape)
    if count <= INT_MAX:
        return None
    return f"blob size exceeds INT_MAX: {dims(shape)} is {count} elements, {INT_MAX} are the most"


def check_size(shape: Sequence[int], fail: Fail, field: str) -> None:
    """A top of a data layer is no larger than a blob can be."""
    if wrong := oversize(shape):
        fail(wrong, field)


def check_same(shape: Sequence[int], first: Sequence[int], what: str) -> None:
    """An image has the shape of the first of its batch, (C, H, W). Raises DataError.

    what: Caffe's word for it. Caffe: data_transformer.cpp.
    """
    for side, mine, wanted in zip(("channels", "height", "width"), shape, first, strict=True):
        if mine != wanted:
            raise DataError(
                f"Check failed: {what}_{side} == {side} ({mine} vs. {wanted}): the image is "
                f"{dims(shape)}, the first of its batch {dims(first)}",
                hint="images of several sizes need crop_size, resizing, or batch_size: 1",
            )
