"""What kind of file is this? Told by content, never by name."""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from itertools import islice
from pathlib import Path

from netc.errors import WeightsError, did_you_mean
from netc.weights.wire import FIXED32, LENGTH, VARINT, Message

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAD = 512


class Kind(Enum):
    """A kind of file, described as errors do."""

    WEIGHTS = "a file of weights (.caffemodel)"
    STATE = "a solver state (.solverstate)"
    HDF5 = "an HDF5 file"
    BLOB = "a single blob or datum, such as a mean file"
    TEXT = "a text file"
    PAGE = "a web page, saved in place of the file"
    POINTER = "a Git LFS pointer, in place of the file"
    NPZ = "a NumPy archive (.npz)"
    SAFETENSORS = "a .safetensors file"
    ZIP = "a zip archive (.zip, or a PyTorch file)"
    GZIP = "a gzip archive"
    UNKNOWN = "a file of unknown format"


_ARCHIVES = (
    (re.compile(rb"PK\x03\x04.{26}[^\0]*\.npy", re.DOTALL), Kind.NPZ),
    (re.compile(rb"PK\x03\x04"), Kind.ZIP),
    (re.compile(rb"PK\x05\x06"), Kind.NPZ),  # of no arrays
    (re.compile(rb"\x1f\x8b"), Kind.GZIP),
    (re.compile(rb".{6}\0\0\{", re.DOTALL), Kind.SAFETENSORS),  # the header's length, and JSON
)
_TEXTS = ((b"version https://git-lfs", Kind.POINTER), (b"<", Kind.PAGE), (b"", Kind.TEXT))

# The first field tells the message: NetParameter, SolverState (its iter is always there), BlobProto
# or Datum.
_FIRST_FIELDS = {
    **{(number, LENGTH): Kind.WEIGHTS for number in (1, 2, 3, 6, 8, 100, 10000)},
    **{(number, VARINT): Kind.WEIGHTS for number in (4, 5, 7)},
    (1, VARINT): Kind.STATE,
    **{(number, VARINT): Kind.BLOB for number in (2, 3)},
    **{(number, LENGTH): Kind.BLOB for number in (5, 7)},
    (5, FIXED32): Kind.BLOB,
}

_NO_TEXT = (
    "-weights takes a .caffemodel or .caffemodel.h5, -snapshot a .solverstate or "
    ".solverstate.h5; nets go with -model, solvers with -solver"
)
_HINTS = {
    (Kind.STATE, Kind.WEIGHTS): "-snapshot resumes from a solver state; -weights takes the "
    ".caffemodel written beside it",
    (Kind.WEIGHTS, Kind.STATE): "-weights starts from a file of weights; -snapshot takes the "
    ".solverstate written beside it",
    (Kind.TEXT, Kind.WEIGHTS): _NO_TEXT,
    (Kind.TEXT, Kind.STATE): _NO_TEXT,
    (Kind.POINTER, Kind.WEIGHTS): "fetch the file with 'git lfs pull'",
    (Kind.GZIP, Kind.WEIGHTS): "unpack it first",
    (Kind.ZIP, Kind.WEIGHTS): "if it holds a .caffemodel, unpack it first",
    (Kind.BLOB, Kind.WEIGHTS): "a mean file goes in transform_param { mean_file: ... }",
}


def map_file(path: str | os.PathLike[str]) -> memoryview:
    """The bytes of a file, read only when touched.

    Raises WeightsError when it is missing, not a file, or empty.
    """
    try:
        with open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise WeightsError("the file is empty (0 bytes)", where=os.fspath(path))
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise WeightsError(
            f"Couldn't open {os.fspath(path)}: {error.strerror}", hint=_near(Path(path))
        ) from error


def _near(path: Path) -> str | None:
    if path.exists() or not path.parent.is_dir():
        return None
    return did_you_mean(path.name, [p.name for p in path.parent.iterdir()])


def kind_of(view: memoryview) -> Kind:
    """The kind of a file, from its first bytes."""
    if is_hdf5(view):
        return Kind.HDF5
    head = bytes(view[:_HEAD])
    if _is_text(head):
        return next(kind for start, kind in _TEXTS if head.lstrip().startswith(start))
    for start, kind in _ARCHIVES:
        if start.match(head):
            return kind
    return _kind_of_message(Message.whole(view, ""))


def is_hdf5(view: memoryview) -> bool:
    """Whether HDF5's signature is at 0, or at 512, 1024, 2048, ... behind a user block."""
    at = 0
    while at < len(view):
        if view[at : at + len(HDF5_SIGNATURE)] == HDF5_SIGNATURE:
            return True
        at = 2 * at or 512
    return False


def _is_text(head: bytes) -> bool:
    """No control characters but white space: every message of Caffe's has one near its start."""
    return all(byte >= 32 or byte in b"\t\n\f\r" for byte in head)


def _kind_of_message(message: Message) -> Kind:
    try:
        tag, _ = message.varint(0)
        kind = _FIRST_FIELDS.get((tag >> 3, tag & 7), Kind.UNKNOWN)
        if kind is Kind.STATE:
            second = [(field.number, field.kind) for field in islice(message, 1, 2)]
            return Kind.BLOB if second == [(2, VARINT)] else kind
        return kind
    except WeightsError:
        return Kind.UNKNOWN


def wrong_kind(path: str | os.PathLike[str], found: Kind | str, wanted: Kind) -> WeightsError:
    """The error for a file of one kind where another is wanted."""
    what = found.value if isinstance(found, Kind) else found
    hint = _HINTS.get((found, wanted)) if isinstance(found, Kind) else None
    return WeightsError(f"this is {what}, not {wanted.value}", where=os.fspath(path), hint=hint)


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the system or HDF5 reports while a file is written into a WeightsError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"Couldn't write {os.fspath(path)}: {reason}") from error
