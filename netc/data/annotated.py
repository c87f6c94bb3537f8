"""Batches of images with boxes from a database. SSD: annotated_data_layer.cpp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from netc.data import boxes, datum
from netc.data.augment import GEOMETRY, Values
from netc.data.distort import Distort, cut, distorted, expanded, resize
from netc.data.draws import EPOCH, below, draws, uniform
from netc.data.fail import Fail, check_same, check_size, failing, located
from netc.data.noise import check_noise, noisy
from netc.data.records import RecordFeed
from netc.data.transform import Transformer
from netc.errors import DataError
from netc.schema import (
    AnnotatedDatum,
    ExpansionParameter,
    LayerParameter,
    NoiseParameter,
    ResizeParameter,
    TransformationParameter,
)

NOTHING = np.full((1, boxes.ROW), -1, np.float32)  # what stands for no box


def parse(record: bytes) -> AnnotatedDatum:
    """The message of a record. Raises DataError."""
    try:
        message = AnnotatedDatum.FromString(record)
    except DecodeError:
        message = AnnotatedDatum()
    if not message.HasField("datum"):
        raise DataError(
            f"{len(record)} bytes that are no AnnotatedDatum",
            hint='`netc convert_annoset` makes these; type: "Data" reads records without boxes',
        )
    return message


def is_annotated(record: bytes) -> bool:
    """Whether a record holds boxes, or could."""
    try:
        return bool(parse(record))
    except DataError:
        return False


class AnnotatedFeed(RecordFeed):
    """AnnotatedData: images, and their boxes as rows of `netc.data.boxes` (1, 1, G, 8).

    An image is distorted, expanded, cut by a batch sampler, resized, made noisy, cropped and
    mirrored, and its boxes with it. What example `i` draws depends on (seed, name, i) alone. A
    batch without boxes has one row of -1. Labels are those of the datums, (N, 1, 1, 1), where
    neither the first record nor the layer has a type of annotation.
    """

    def __init__(self, param: LayerParameter, phase: str, seed: int, fail: Fail) -> None:
        super().__init__(param, seed, fail)
        p, t = param.annotated_data_param, param.transform_param
        self._samplers, self._seed, self._name = p.batch_sampler, seed, param.name
        self._fail = fail
        for sampler in self._samplers:
            boxes.check_sampler(sampler, fail)
        self._resize: ResizeParameter | None = only(t, "resize_param", fail)
        self._noise: NoiseParameter | None = only(t, "noise_param", fail)
        self._expand = t.expand_param if t.HasField("expand_param") else None
        self._emit = t.emit_constraint if t.HasField("emit_constraint") else None
        check_geometry(self._resize, self._expand, self._batch, fail)
        for field in (*GEOMETRY, "mixup", "cutmix"):
            if getattr(t.augment, field):
                hint = "expand_param, batch_sampler and mirror move the boxes too"
                fail(f"boxes do not follow the image in {field}", field, hint=hint)
        self._distort = Distort(t.distort_param, seed, param.name, fail)
        self._transformer = Transformer(t, phase, seed, param.name, fail)
        self._shape_of = lru_cache(self._transformer.output_shape)
        start = self._order.at(0, 1)
        with failing(fail, "source"):
            (first,) = self._read(start)
        self._typed = first.HasField("type") or p.HasField("anno_type")
        self._own_type = not p.HasField("anno_type")
        with failing(fail, "source"), located(lambda: self._source.where(start[0])):
            image = self._pixels(first)
        channels = image.shape[2] if image.ndim == 3 else 1
        self._distort.check(channels, fail)
        if self._noise:
            check_noise(self._noise, channels, fail)
        if self._resize:
            image = resize(image, self._resize, 0)
        row = self._transformer.output_shape((channels, *image.shape[:2]), fail)
        check_size((self._batch, *row), fail, "batch_size")
        label = (1, 1, self._length(), boxes.ROW) if self._typed else (self._batch, 1, 1, 1)
        self.shapes = ((self._batch, *row), label)[: self._tops]
        self.dtypes = (np.dtype(np.float32),) * self._tops
        self.has_boxes = self._typed and self._tops > 1
        self.labels_top = None if self._typed else self.labels_top

    def batch(self, k: int) -> tuple[np.ndarray, ...]:
        """Images (N, C, h, w) and rows of boxes (1, 1, G, 8), float32. Raises DataError."""
        messages, rows = self._read(self._positions(k)), []
        data = self._transformer.batch(
            self._images(messages, k, rows, []), k * self._batch, self._batch
        )
        if not self._typed:
            labels = np.array([message.datum.label for message in messages], np.float32)
            return (data, labels.reshape(-1, 1, 1, 1))[: self._tops]
        for item, found in enumerate(rows):
            found[:, 0] = item
        label = np.concatenate(rows)
        return (data, (label if len(label) else NOTHING)[None, None])[: self._tops]

    def drawn(self, k: int) -> tuple[str, ...]:
        """What each example of batch k draws."""
        told: list[Values] = []
        images = self._images(self._read(self._positions(k)), k, [], told)
        sizes = [image.shape[1:] for image in images]
        placed = self._transformer.describe(sizes, k * self._batch)
        varied = ([f"{name} {_told(value)}" for name, value in drawn.items()] for drawn in told)
        each = zip(varied, placed, strict=True)
        return tuple(", ".join(filter(None, [*changes, place])) for changes, place in each)

    def _length(self) -> int:
        """Room for the boxes of the first batch."""
        with failing(self._fail, "source"):
            messages = self._read(self._positions(0))
        return boxes.length(sum(len(boxes.rows_of(message)) for message in messages))

    def _read(self, positions: Sequence[int]) -> list[AnnotatedDatum]:
        messages = []
        for record, position in zip(self._source.read(positions), positions, strict=True):
            with located(lambda at=position: self._source.where(at)):
                messages.append(parse(record))
        return messages

    def _pixels(self, message: AnnotatedDatum) -> np.ndarray:
        """The image of a record as OpenCV has it: (H, W, C) or (H, W)."""
        import cv2

        color = self._transformer.color if message.datum.encoded else None
        image = datum.pixels(message.datum, color)
        if image.dtype != np.uint8 and (self._distort or self._noise):
            raise DataError(f"Image data type must be unsigned byte, got {image.dtype}")
        return cv2.merge(list(image))

    def _images(
        self,
        messages: Sequence[AnnotatedDatum],
        k: int,
        rows: list[np.ndarray],
        told: list[Values],
    ) -> Iterator[np.ndarray]:
        """The images (C, H, W) before the crop, each made when it is its turn.

        The boxes of each after the crop are put into `rows`, what it drew into `told`.
        """
        first: tuple[int, ...] = ()
        places = self._positions(k)
        for i, (message, position) in enumerate(zip(messages, places, strict=True)):
            with located(lambda at=position: self._source.where(at)):
                if self._typed and self._own_type and not message.HasField("type"):
                    raise DataError("Some datum misses AnnotationType.")
                image, found, drawn = self._varied(message, k * self._batch + i)
                image, found = self._placed(image, found, k * self._batch + i)
                shape = self._shape_of(image.shape)
                first = first or shape
                check_same(shape, first, "datum")
            rows.append(found)
            told.append(drawn)
            yield image

    def _varied(
        self, message: AnnotatedDatum, example: int
    ) -> tuple[np.ndarray, np.ndarray, Values]:
        """The image of a record and its boxes, distorted, expanded and cut, and what it drew."""
        image, rows = self._pixels(message), boxes.rows_of(message)
        drawn = self._distort.drawn(example)
        image = distorted(image, drawn)
        if self._expand:
            chance, *place = self._uniform("expand", example)
            if chance < self._expand.prob:
                place[0] = 1 + (self._expand.max_expand_ratio - 1) * place[0]
                image, canvas = expanded(image, place, self._transformer.mean)
                rows, drawn["expand"] = boxes.inside(rows, canvas, self._emit), place
        if self._samplers:
            windows = np.concatenate(
                [
                    boxes.sampled(
                        sampler,
                        rows[:, boxes.CORNERS],
                        uniform(self._words(f"sampler{i}", example, sampler.max_trials)),
                    )
                    for i, sampler in enumerate(self._samplers)
                ]
            )
            if len(windows):
                pick = below(self._words("sample", example, 1), len(windows))[0, 0]
                window = windows[pick].clip(0, 1)
                image, rows = cut(image, window), boxes.inside(rows, window, self._emit)
                drawn["window"] = window.tolist()
        return image, rows, drawn

    def _placed(
        self, image: np.ndarray, rows: np.ndarray, example: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The image (C, H, W) resized and made noisy; its boxes cropped and mirrored as well."""
        size = image.shape[:2]
        if self._resize:
            image = resize(image, self._resize, self._uniform("resize", example)[0])
            rows = boxes.resized(rows, size, self._resize)
        if self._noise:
            image = noisy(image, self._noise, self._seed, self._name, example)
        height, width = image.shape[:2]
        (top, left), flip = self._transformer.place((height, width), example)
        down, across = self._transformer.crop or (height, width)
        ends = np.array([left, top, left + across, top + down], np.float32)
        window = ends / np.array([width, height] * 2, np.float32)
        rows = boxes.inside(rows, window, self._emit)
        rows = boxes.mirrored(rows) if flip else rows
        if self._resize:
            rows = boxes.scaled(rows, size, window, self._resize)
        return datum.planes(image), rows

    def _uniform(self, name: str, example: int) -> Any:
        return uniform(draws(self._seed, f"{self._name}/{name}", example, 1))[0].tolist()

    def _words(self, name: str, example: int, count: int) -> np.ndarray:
        return draws(self._seed, f"{self._name}/{name}", example * EPOCH, count)


def only(param: TransformationParameter, field: str, fail: Fail) -> Any:
    """The only message of a repeated field, or None."""
    given = getattr(param, field)
    if len(given) > 1:
        fail(f"{field} is given {len(given)} times, once is what this layer takes", field)
    return given[0] if given else None


def check_geometry(
    p: ResizeParameter | None, expand: ExpansionParameter | None, batch: int, fail: Fail
) -> None:
    """The rules of SSD's data_transformer.cpp and im_transforms.cpp."""
    if p:
        if not p.height or not p.width:
            fail(
                "height and width of resize_param must be greater than 0, got "
                f"{p.height} and {p.width}",
                "resize_param",
            )
        check_size((batch, p.height, p.width), fail, "resize_param")
        if p.resize_mode == ResizeParameter.FIT_SMALL_SIZE and batch != 1:
            fail(f"Only support batch size of 1 for FIT_SMALL_SIZE, got {batch}.", "resize_mode")
    if expand and expand.max_expand_ratio <= 1:
        fail(
            f"max_expand_ratio must be greater than 1, got {expand.max_expand_ratio:g}",
            "expand_param",
        )


def _told(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    return " ".join(f"{v:.3g}" for v in values)
