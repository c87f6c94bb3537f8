"""Batches of image files. Caffe: image_data_layer.cpp, io.cpp."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from netc.data.datum import planes
from netc.data.fail import Fail, check_same, dims, failing, located
from netc.data.lists import Row, read_classes, read_columns, read_labelled, read_paths
from netc.data.order import Order
from netc.data.transform import Transformer
from netc.errors import DataError
from netc.load import nearby
from netc.schema import ImageDataParameter, ImageListParameter, LayerParameter

log = logging.getLogger(__name__)

Size = tuple[int, ...]  # height, width

IMAGE, LABEL_IMAGE, NUMBERS = (
    ImageListParameter.IMAGE,
    ImageListParameter.LABEL_IMAGE,
    ImageListParameter.NUMBERS,
)


class Kind(NamedTuple):
    """A layer type that reads image files.

    field: its parameter. columns: what the tops are. label: whether NUMBERS are one label.
    read: what is listed. labels: (path, size) -> a label image.
    """

    field: str
    columns: Callable[[Any], Sequence[Any]]
    label: bool
    read: Callable[[Any], list[Row]]
    labels: Callable[[str, Size | None], np.ndarray] = lambda path, size: load_labels(path, size)


def _read_pairs(p: Any) -> list[Row]:
    return read_columns(p.source, (True, True))


def _read_segmented(p: Any) -> list[Row]:
    if p.label_type == ImageDataParameter.NONE:
        return read_paths(p.source)
    return read_columns(p.source, (True, p.label_type == ImageDataParameter.PIXEL))


def _read_folder(p: Any) -> list[Row]:
    rows, classes = read_classes(p.source, p.class_name)
    counts = np.bincount([int(row.numbers[0]) for row in rows], minlength=len(classes))
    for label, (name, count) in enumerate(zip(classes, counts, strict=True)):
        log.info("Class %d: %s (%d images)", label, name, count)
    return rows


KINDS = {
    "ImageData": Kind(
        "image_data_param", lambda p: (IMAGE, NUMBERS), True, lambda p: read_labelled(p.source)
    ),
    "ImageFolder": Kind("image_folder_param", lambda p: (IMAGE, NUMBERS), True, _read_folder),
    "ImageList": Kind(
        "image_list_param",
        lambda p: tuple(p.column),
        False,
        lambda p: read_columns(p.source, [column != NUMBERS for column in p.column]),
    ),
    "DenseImageData": Kind(
        "dense_image_data_param",
        lambda p: (IMAGE, LABEL_IMAGE),
        False,
        _read_pairs,
    ),
    "ImageSegData": Kind(
        "image_data_param",
        lambda p: (IMAGE, LABEL_IMAGE),
        False,
        _read_segmented,
    ),
    "ImageLabelmapData": Kind(
        "image_data_param",
        lambda p: (IMAGE, LABEL_IMAGE),
        False,
        _read_pairs,
        lambda path, size: load_edges(path, size),
    ),
}


class ImageFeed:
    """Image files with what is listed with them, again and again, in order or shuffled.

    Images of a batch must come out of the transformer in one shape; batches may differ. What is
    listed is read when it is needed first: with new_height and new_width shapes need no file.
    """

    def __init__(self, param: LayerParameter, phase: str, seed: int, fail: Fail) -> None:
        kind = KINDS[param.type]
        p = self._p = getattr(param, kind.field)
        if not p.batch_size:
            fail("Positive batch size required, got 0", "batch_size")
        if (p.new_height > 0) != (p.new_width > 0):
            fail(
                "Current implementation requires new_height and new_width to be set at the same "
                f"time: {p.new_height} and {p.new_width}.",
                "new_height" if p.new_height else "new_width",
            )
        self._kind, self._seed, self._name, self._fail = kind, seed, param.name, fail
        self._columns = kind.columns(p)
        self._files = tuple(column for column in self._columns if column != NUMBERS)
        self._root = getattr(p, "root_folder", "")
        self._resized = (p.new_height, p.new_width) if p.new_height else None
        self._divide = p.label_divide_factor if param.type == "DenseImageData" else 1
        self._transformer = Transformer(param.transform_param, phase, seed, param.name, fail)
        self._shape_of = lru_cache(self._transformer.output_shape)
        self._mixes = bool(self._transformer.mix)
        if self._mixes and self._columns != (IMAGE, NUMBERS):
            fail("mixup and cutmix need one image and its label", "augment")
        labels = [i for i, column in enumerate(self._columns) if column != IMAGE]
        self.labels_top = labels[0] if labels else None
        self.dtypes = (np.dtype(np.float32),) * len(self._columns)
        self.shapes = tuple((p.batch_size, *self._shape(column)) for column in self._columns)

    @property
    def epoch_size(self) -> int:
        """How many examples are listed."""
        return len(self._rows)

    def batch(self, k: int) -> tuple[np.ndarray, ...]:
        """One float32 array (N, ...) per top. Raises DataError."""
        first, rows = k * self._p.batch_size, self._batch_rows(k)
        files, sizes = iter(range(len(self._files))), []
        tops: list[np.ndarray] = []
        for column in self._columns:
            if column == NUMBERS:
                numbers = np.array([row.numbers for row in rows], np.float32)
                tops.append(numbers.reshape(len(rows), *self._number_shape))
                continue
            images = self._images(rows, next(files), sizes)
            if column == IMAGE:
                tops.append(self._transformer.batch(images, first, len(rows)))
            else:
                tops.append(self._transformer.label_images(list(images), first))
        return self._transformer.mix(tops[0], tops[1], first) if self._mixes else tuple(tops)

    def describe(self, k: int) -> tuple[str, ...]:
        """Names each example of batch k."""
        return tuple(
            ", ".join([row.where, *(self._root + file for file in row.files)])
            for row in self._batch_rows(k)
        )

    def drawn(self, k: int) -> tuple[str, ...]:
        """What each example of batch k draws."""
        sizes = [image.shape[-2:] for image in self._images(self._batch_rows(k), 0, [])]
        return tuple(self._transformer.describe(sizes, k * self._p.batch_size))

    @cached_property
    def _rows(self) -> list[Row]:
        with failing(self._fail, "source"):
            rows = self._kind.read(self._p)
            if self._p.rand_skip >= len(rows):
                many = f"rand_skip {self._p.rand_skip}, {len(rows)} images"
                raise DataError(f"Not enough points to skip: {many}", self._p.source)
        log.info("A total of %d images.", len(rows))
        return rows

    @cached_property
    def _order(self) -> Order:
        p = self._p
        return Order(len(self._rows), p.shuffle, p.rand_skip, self._seed, self._name)

    def _batch_rows(self, k: int) -> list[Row]:
        count = self._p.batch_size
        return [self._rows[i] for i in self._order.at(k * count, count)]

    def _shape(self, column: Any) -> tuple[int, ...]:
        """The shape of one example in a top."""
        if column == NUMBERS:
            return self._transformer.label_shape if self._mixes else self._number_shape
        size = self._resized or self._first_size
        channels = 3 if self._p.is_color else 1
        shape = self._transformer.output_shape((channels, *size), self._fail)
        return shape if column == IMAGE else (1, *(n // self._divide for n in shape[1:]))

    @cached_property
    def _number_shape(self) -> tuple[int, ...]:
        """One number has no axis of its own."""
        count = 1 if self._kind.label else len(self._rows[0].numbers)
        return () if count == 1 else (count,)

    @cached_property
    def _first_size(self) -> tuple[int, ...]:
        row = self._rows[self._order.at(0, 1)[0]]
        with failing(self._fail, "source"), located(lambda: row.where):
            return self._image(row, 0, self._resized).shape[1:]

    def _image(self, row: Row, file: int, size: Size | None) -> np.ndarray:
        path = self._root + row.files[file]
        if self._files[file] == LABEL_IMAGE:
            return self._kind.labels(path, size)
        return load(path, self._p.is_color, size)

    def _images(self, rows: list[Row], file: int, sizes: list[Any]) -> Iterator[np.ndarray]:
        """One file of each example, (C, H, W), read when it is its turn.

        sizes: of the first files, which come first, and which the others must have.
        """
        first: tuple[int, ...] = ()
        for i, row in enumerate(rows):
            with located(lambda at=row: at.where):
                size = self._resized
                if file and self._divide > 1:
                    size = tuple(n // self._divide for n in sizes[i])
                image = self._image(row, file, size)
                if self._files[file] == IMAGE:
                    shape = self._shape_of(image.shape)
                    first = first or shape
                    check_same(shape, first, "img")
                if not file:
                    sizes.append(image.shape[1:])
                elif self._divide == 1:
                    check_sizes(row, file, image.shape[1:], sizes[i])
            yield image


def check_sizes(row: Row, file: int, size: Sequence[int], first: Sequence[int]) -> None:
    """The images of a line have one (height, width). Raises DataError."""
    if tuple(size) != tuple(first):
        raise DataError(
            f"{row.files[file]} is {dims(size)}, {row.files[0]} {dims(first)}",
            hint="the images of a line are cropped and moved alike",
        )


def load(path: str, color: bool, size: Size | None = None) -> np.ndarray:
    """An image file as uint8 (C, H, W), BGR or gray, resized to (height, width) if given.

    Raises DataError. Caffe: io.cpp, ReadImageToCVMat.
    """
    import cv2

    image = decode(path, read_file(path), cv2.IMREAD_COLOR if color else cv2.IMREAD_GRAYSCALE)
    return planes(cv2.resize(image, size[::-1]) if size else image)


def load_labels(path: str, size: Size | None = None) -> np.ndarray:
    """A label image, (1, H, W), resized to (height, width) if given. Raises DataError."""
    import cv2

    image = decode(path, read_file(path), cv2.IMREAD_UNCHANGED)
    if image.ndim == 3:
        if (image[..., :3] != image[..., :1]).any():
            raise DataError(
                f"{path} has {image.shape[2]} channels, a label image has a class in each pixel",
                hint="a palette is decoded to its colours: save its indices as a gray image",
            )
        image = image[..., 0]
    if size:
        image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_NEAREST)
    return image[None]


def load_edges(path: str, size: Size | None = None) -> np.ndarray:
    """A gray image as 1 where it is at least half white, else 0: (1, H, W), resized to
    (height, width) before if given. Raises DataError. HED: image_labelmap_data_layer.cpp."""
    return load(path, False, size) // 128


def read_file(path: str) -> bytes:
    """The bytes of an image file. Raises DataError."""
    try:
        return Path(path).read_bytes()
    except OSError as e:
        raise DataError(f"Could not load {path}: {e.strerror}", hint=nearby(path)) from None


def decode(path: str, data: bytes, flags: int) -> np.ndarray:
    """The image in a file, (H, W) or (H, W, C), as OpenCV decodes it. Raises DataError."""
    import cv2

    image = None
    with suppress(cv2.error):  # an empty file, or a picture of more pixels than OpenCV takes
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        raise DataError(f"Could not load {path}: {len(data)} bytes that are no image")
    return image
