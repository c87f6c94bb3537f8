"""A list of image files into a database. Caffe: convert_imageset.cpp, io.cpp."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netc.data.datum import encode_file, encode_raw, planes
from netc.data.draws import permutation
from netc.data.writer import write_lmdb
from netc.errors import DataError, UsageError, did_you_mean, raise_all
from netc.load import read_bytes

PROGRESS = 1000
WRITERS = {"lmdb": write_lmdb}


class Item(NamedTuple):
    """A line of the list: a path below the root, and a label."""

    path: str
    label: int


class Style(NamedTuple):
    """How images are stored.

    gray: with one channel instead of three. width, height: resized to this, unless both are 0.
    encoded: as image files, of the kind `encode_type` ("png"), "" for that of the original.
    """

    gray: bool = False
    width: int = 0
    height: int = 0
    encoded: bool = False
    encode_type: str = ""


def convert_imageset(
    root: str,
    listfile: str,
    db: str,
    *,
    gray: bool = False,
    shuffle: bool = False,
    backend: str = "lmdb",
    resize_width: int = 0,
    resize_height: int = 0,
    check_size: bool = False,
    encoded: bool = False,
    encode_type: str = "",
    seed: int = 0,
    log: Callable[[str], None] = print,
) -> int:
    """Write the images of a list to a database and return how many there are.

    A line of the list is `path label`, split at its last blank; `root` is put before the path as it
    stands. Keys are `%08d_path`, counting lines after the shuffle. An image that cannot be read is
    passed over, and named through `log`. check_size asks for images of one size.

    Raises UsageError, and DataError when the list is wrong, the database exists or cannot be
    written, or its images cannot.
    """
    if backend not in WRITERS:
        hint = did_you_mean(backend, WRITERS)
        raise UsageError(f"Unknown db backend {backend} (known: {', '.join(WRITERS)})", hint=hint)
    if (resize_width > 0) != (resize_height > 0) or min(resize_width, resize_height) < 0:
        sizes = f"{resize_width} and {resize_height}"
        raise UsageError(f"resize_width and resize_height must be set together, got {sizes}")
    items = read_list(listfile)
    if encode_type and not encoded:
        log("encode_type specified, assuming encoded=true.")
    style = Style(gray, resize_width, resize_height, encoded or bool(encode_type), encode_type)
    if shuffle:
        log("Shuffling data")
        items = [items[i] for i in permutation(seed, "convert_imageset", 0, len(items))]
    log(f"A total of {len(items)} images.")
    first: np.ndarray | None = None
    with WRITERS[backend](db) as writer:
        for index, (path, label) in enumerate(items):
            data = _read(root + path)
            image = decode(data, style)
            if image is None:
                log(f"Could not open or find file {root}{path}")
                continue
            first = image if first is None else first
            if check_size and image.shape != first.shape:
                raise DataError(
                    f"Incorrect data field size {image.size}: the image has shape {image.shape}, "
                    f"the first one {first.shape}",
                    root + path,
                )
            key = f"{index:08d}_{path}".encode(errors="surrogateescape")
            writer.put(key, encode(root + path, data, image, label, style))
            if writer.count % PROGRESS == 0:
                log(f"Processed {writer.count} files.")
        if not writer.count:
            raise DataError(f"none of the images can be read below '{root}'", listfile)
    if writer.count % PROGRESS:
        log(f"Processed {writer.count} files.")
    return writer.count


def read_list(listfile: str) -> list[Item]:
    """The lines `path label` of a text file. Raises DataError naming file and line."""
    text = read_bytes(listfile).decode(errors="surrogateescape")
    items, errors = [], []
    for number, line in enumerate(text.split("\n"), 1):
        path, _, label = line.rstrip().rpartition(" ")
        if path and _is_label(label):
            items.append(Item(path, int(label)))
        elif line.strip():
            what = f"expected a path, a blank and an integer label, got '{line.rstrip()}'"
            errors.append(DataError(what, f"{listfile}:{number}"))
    raise_all(errors)
    if not items:
        raise DataError("the list is empty", listfile)
    return items


def decode(data: bytes, style: Style) -> np.ndarray | None:
    """An image file in memory as uint8 (H, W, 3) in BGR, or grey (H, W); None if it is broken."""
    import cv2

    flags = cv2.IMREAD_GRAYSCALE if style.gray else cv2.IMREAD_COLOR
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if image is not None and style.width and style.height:
        image = cv2.resize(image, (style.width, style.height))
    return image


def encode(path: str, data: bytes, image: np.ndarray, label: int, style: Style) -> bytes:
    """The record of an image; a file that already is as asked for goes in as it stands.

    Raises DataError when OpenCV cannot write files of this kind.
    """
    import cv2

    if not style.encoded:
        return encode_raw(planes(image), label)
    own = _kind(Path(path).suffix)
    kind = _kind(style.encode_type) or own
    if kind == own and not style.width and not (style.gray and _has_color(data)):
        return encode_file(data, label)
    try:
        written = cv2.imencode(f".{kind}", image)[1]
    except cv2.error:
        hint = "name a kind that OpenCV can write with -encode_type, such as png or jpg"
        raise DataError(f"cannot encode an image as '{kind}'", path, hint) from None
    return encode_file(written.tobytes(), label)


def _is_label(text: str) -> bool:
    try:
        return -(1 << 31) <= int(text) < 1 << 31
    except ValueError:
        return False


def _read(path: str) -> bytes:
    """The bytes of a file, none if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def _kind(extension: str) -> str:
    kind = extension.lower().removeprefix(".")
    return "jpg" if kind == "jpeg" else kind


def _has_color(data: bytes) -> bool:
    import cv2

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return image is not None and image.ndim == 3
