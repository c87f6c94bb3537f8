"""A list of image files into a database. Caffe: convert_imageset.cpp, io.cpp."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from netc.data.datum import encode_file, encode_raw, parse, pixels, planes
from netc.data.draws import permutation
from netc.data.fail import dims
from netc.data.images import decode, read_file
from netc.data.lists import Row, read_labelled
from netc.data.writer import write_database
from netc.errors import DataError, UsageError
from netc.schema import Datum

PROGRESS = 1000
AHEAD = 4  # images per thread that may wait to be written
Size = tuple[int, int]
Shape = tuple[int, ...]
T = TypeVar("T")
R = TypeVar("R")


class Style(NamedTuple):
    """How images are stored.

    gray: with one channel instead of three. width, height: resized to this, unless both are 0.
    min_dim, max_dim: instead of that, enlarged or reduced until no side is shorter or longer than
    this, and no side longer before none shorter; 0 for no limit.
    encoded: as image files, of the kind `encode_type` ("png"), "" for that of the original.
    """

    gray: bool = False
    width: int = 0
    height: int = 0
    encoded: bool = False
    encode_type: str = ""
    min_dim: int = 0
    max_dim: int = 0

    @property
    def resizes(self) -> bool:
        """Whether images are stored in another size."""
        return max(self.width, self.min_dim, self.max_dim) > 0


class Format(NamedTuple):
    """What records are made of Datums.

    wrap: (the Datum, its shape (C, H, W), its line of the list, (height, width) of the image in the
    file) -> a record.
    unwrap: (a record) -> its Datum.
    """

    wrap: Callable[[bytes, Shape, Row, Size], bytes] = lambda data, shape, item, size: data
    unwrap: Callable[[bytes], Datum] = parse


PLAIN = Format()


def convert_imageset(
    root: str, listfile: str, db: str, *, labels: int = 1, **options: Any
) -> tuple[Row, ...]:
    """Write the images of a list to a database; the lines whose images cannot be read.

    A line of the list is `path label`, split at its last blank, or `path label label ...` with as
    many as `labels` says; `root` is put before the path as it stands. options: of
    `convert_images`. Raises what this does, and DataError when the list is wrong.
    """
    if labels < 1:
        raise UsageError(f"labels must be at least 1, got {labels}")
    return convert_images(root, read_labelled(listfile, labels), listfile, db, **options)


def convert_images(
    root: str,
    items: Sequence[Row],
    listfile: str,
    db: str,
    format: Format = PLAIN,
    *,
    gray: bool = False,
    shuffle: bool = False,
    backend: str = "lmdb",
    resize_width: int = 0,
    resize_height: int = 0,
    min_dim: int = 0,
    max_dim: int = 0,
    check_size: bool = False,
    encoded: bool = False,
    encode_type: str = "",
    seed: int = 0,
    force: bool = False,
    threads: int | None = None,
    log: Callable[[str], None] = print,
    asked: object = None,
) -> tuple[Row, ...]:
    """Write the images of the lines of a list to a database; the lines whose images cannot be read.

    Keys are `%08d_path`, counting lines after the shuffle. An image that cannot be read is passed
    over, and named through `log`. check_size asks for images of one size. force replaces a
    database. What was interrupted is gone on with when the same is asked for again; asked: what
    the records depend on besides.

    Raises UsageError, and DataError when the database exists or cannot be written, or its images
    cannot.
    """
    if (resize_width > 0) != (resize_height > 0) or min(resize_width, resize_height) < 0:
        sizes = f"{resize_width} and {resize_height}"
        raise UsageError(f"resize_width and resize_height must be set together, got {sizes}")
    if threads is not None and threads < 1:
        raise UsageError(f"threads must be at least 1, got {threads}")
    if (min_dim or max_dim) and resize_width:
        raise UsageError("give either min_dim and max_dim or resize_width and resize_height")
    if encode_type and not encoded:
        log("encode_type specified, assuming encoded=true.")
    encoded = encoded or bool(encode_type)
    style = Style(gray, resize_width, resize_height, encoded, encode_type, min_dim, max_dim)
    if shuffle:
        log("Shuffling data")
        items = [items[i] for i in permutation(seed, "convert_imageset", 0, len(items))]
    log(f"A total of {len(items)} images.")
    all_asked = repr((root, items, style, check_size, backend, asked))
    making = sha256(all_asked.encode(errors="surrogateescape")).hexdigest()
    unreadable: list[Row] = []
    shape: tuple[int, ...] = ()
    with write_database(db, backend, force, making) as writer:
        todo = [(f"{index:08d}_{item.files[0]}", item) for index, item in enumerate(items)]
        if writer.begun is not None:
            todo = [(key, item) for key, item in todo if _bytes(key) not in writer]
            shape = pixels(format.unwrap(writer.begun), color=not gray).shape
            log(f"Going on where it was interrupted: {len(items) - len(todo)} images are in.")
        count = len(items) - len(todo)
        made = in_order(lambda x: make(root, x[1], style, format), todo, threads)
        for (key, item), (record, found) in zip(todo, made, strict=True):
            if not found:
                log(f"Could not open or find file {root}{item.files[0]}")
                unreadable.append(item)
                continue
            shape = shape or found
            if check_size and found != shape:
                raise DataError(
                    f"Incorrect data field size {prod(found)}: the image is {dims(found)}, "
                    f"the first one {dims(shape)}",
                    root + item.files[0],
                )
            writer.put(_bytes(key), record)
            count += 1
            if count % PROGRESS == 0:
                log(f"Processed {count} files.")
        if not count:
            joined = os.path.isdir(root) and not root.endswith(os.sep)
            hint = f"names are put right behind it: '{root}{os.sep}'" if joined else None
            raise DataError(f"none of the images can be read below '{root}'", listfile, hint)
    if count % PROGRESS:
        log(f"Processed {count} files.")
    return tuple(unreadable)


def in_order(f: Callable[[T], R], items: Iterable[T], threads: int | None = None) -> Iterator[R]:
    """f of each item, in order, computed in threads a little ahead; as many as there are processors
    by default."""
    threads = threads or os.cpu_count() or 1
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, "netc-convert") as pool:
        for item in items:
            waiting.append(pool.submit(f, item))
            if len(waiting) > AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def make(
    root: str, item: Row, style: Style, format: Format = PLAIN
) -> tuple[bytes, tuple[int, ...]]:
    """The record of a line and the shape (C, H, W) of its image, () if that cannot be read."""
    import cv2

    path = root + item.files[0]
    try:
        data = read_file(path)
        image = decode(path, data, cv2.IMREAD_GRAYSCALE if style.gray else cv2.IMREAD_COLOR)
    except DataError:
        return b"", ()
    size = image.shape[:2]
    if style.width:
        image = cv2.resize(image, (style.width, style.height))
    elif (factor := _factor(size, style)) != 1:
        image = cv2.resize(image, None, fx=factor, fy=factor)
    shape = planes(image).shape
    return format.wrap(encode(path, data, image, item, style), shape, item, size), shape


def _factor(size: Size, style: Style) -> float:
    """How much larger an image becomes for min_dim and max_dim. SSD: io.cpp."""
    factor = np.float32(1)
    if 0 < min(size) < style.min_dim:
        factor = np.float32(style.min_dim) / np.float32(min(size))
    if 0 < style.max_dim < int(factor * max(size)):
        factor = np.float32(style.max_dim) / np.float32(max(size))
    return float(factor)


def encode(path: str, data: bytes, image: np.ndarray, item: Row, style: Style) -> bytes:
    """The record of an image, (H, W, C) or (H, W); a file that is as asked for goes in as it is.

    Raises DataError when OpenCV cannot write files of this kind.
    """
    import cv2

    label, labels = int(item.numbers[0]), item.numbers if len(item.numbers) > 1 else ()
    if not style.encoded:
        return encode_raw(planes(image), label, labels)
    own = _kind(Path(path).suffix)
    kind = _kind(style.encode_type) or own
    if kind == own and not style.resizes and not (style.gray and _has_color(path, data)):
        return encode_file(data, label, labels)
    try:
        written = cv2.imencode(f".{kind}", image)[1]
    except cv2.error:
        hint = "name a kind that OpenCV can write with -encode_type, such as png or jpg"
        raise DataError(f"cannot encode an image as '{kind}'", path, hint) from None
    return encode_file(written.tobytes(), label, labels)


def _bytes(key: str) -> bytes:
    return key.encode(errors="surrogateescape")


def _kind(extension: str) -> str:
    kind = extension.lower().removeprefix(".")
    return "jpg" if kind == "jpeg" else kind


def _has_color(path: str, data: bytes) -> bool:
    import cv2

    return decode(path, data, cv2.IMREAD_UNCHANGED).ndim == 3
