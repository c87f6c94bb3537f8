"""Where batches come from: batch k of a feed is a pure function of (source, seed, k)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from netc.data import boxes, datum
from netc.data.annotated import AnnotatedFeed
from netc.data.fail import Fail, check_same, failing, located, plain_fail
from netc.data.hdf5 import HDF5Feed
from netc.data.images import KINDS, ImageFeed
from netc.data.maps import FileFeed
from netc.data.matlab import MatFeed
from netc.data.records import RecordFeed
from netc.data.segments import SegmentFeed
from netc.data.transform import Images, Transformer
from netc.data.video import open_video
from netc.data.windows import WindowFeed
from netc.errors import DataError
from netc.schema import Datum, LayerParameter

log = logging.getLogger(__name__)

FIRST = 64  # records at least, whose labels tell whether a database is sorted


class Feed(Protocol):
    """The batches of one data layer. Safe to read from several threads at once.

    shapes, dtypes: of the tops, the batch axis included; images of a later batch may have another
    size than those of the first.
    labels_top: the index of the top that holds labels, or None.
    epoch_size: after how many examples the source starts again, or None. Asking for it opens the
    source.
    """

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]: ...
    @property
    def dtypes(self) -> tuple[np.dtype, ...]: ...
    @property
    def labels_top(self) -> int | None: ...
    @property
    def epoch_size(self) -> int | None: ...

    def batch(self, k: int) -> tuple[np.ndarray, ...]:
        """The tops of batch k, new arrays each time. Raises DataError."""
        ...

    def describe(self, k: int) -> tuple[str, ...]:
        """Names each example of batch k: file or database, and record."""
        ...

    def drawn(self, k: int) -> tuple[str, ...]:
        """What each example of batch k draws: crop, mirror and so on. Raises DataError."""
        ...


class DataFeed(RecordFeed):
    """Data: images, and labels as floats (N,).

    Images of a batch must come out of the transformer in one shape; batches may differ. Where
    records have several labels, these are rows (N, L); where images are mixed, (N, classes).
    Caffe: data_layer.cpp.
    """

    def __init__(self, param: LayerParameter, phase: str, seed: int, fail: Fail) -> None:
        super().__init__(param, seed, fail)
        transform = param.transform_param
        self._ordered = phase == "TRAIN" and not param.data_param.shuffle
        self._transformer = Transformer(transform, phase, seed, param.name, fail)
        with failing(fail, "source"), located(lambda: self._source.where(0)):
            (record,) = self._source.read([0])
            first, self._layout = datum.parse(record), datum.layout(record)
        color = self._transformer.color if first.encoded else None
        with failing(fail, "source"), located(lambda: self._source.where(0)):
            image = datum.pixels(first, color)
        row = self._transformer.output_shape(image.shape, fail)
        if not first.encoded and (transform.force_color or transform.force_gray):
            log.error("force_color and force_gray only for encoded datum")
        self._shape_of = lru_cache(self._transformer.output_shape)
        self._labels = (len(first.labels),) if first.labels else ()
        if self._labels and self._transformer.label_shape:
            fail(f"images of {len(first.labels)} labels each cannot be mixed", "augment")
        label = self._labels or self._transformer.label_shape
        self.shapes = ((self._batch, *row), (self._batch, *label))
        self.shapes = self.shapes[: self._tops]
        self.dtypes = (np.dtype(np.float32),) * self._tops

    def batch(self, k: int) -> tuple[np.ndarray, ...]:
        """Images (N, C, h, w) and labels (N,), float32. Raises DataError."""
        positions, first = self._positions(k), k * self._batch
        if k and self._order.turns(first, self._batch):
            log.info("Restarting data prefetching from start.")
        if not k and self._ordered and self._tops > 1:
            self._warn_if_sorted()
        images, labels = self._read(positions)
        tops = self._transformer.mix(
            self._transformer.batch(images, first, self._batch), labels, first
        )
        return tops[: self._tops]

    def drawn(self, k: int) -> tuple[str, ...]:
        """What each example of batch k draws."""
        images, _ = self._read(self._positions(k))
        sizes = [image.shape[-2:] for image in images]
        return tuple(self._transformer.describe(sizes, k * self._batch))

    def _warn_if_sorted(self) -> None:
        """Warn when the labels of the first records only rise: batches then hold few of them."""
        count = max(self._batch, FIRST)
        places = [*self._order.at(0, count), self.epoch_size - 1]
        labels = [datum.parse(record).label for record in self._source.read(places)]
        if count < self.epoch_size and labels == sorted(labels) and labels[0] != labels[-1]:
            log.warning(
                "%s is sorted by label: its first %d records have labels %d to %d, its last %d; "
                "write `shuffle: true` in data_param",
                *(self._source.path, count, labels[0], labels[-2], labels[-1]),
            )

    def _read(self, positions: Sequence[int]) -> tuple[Images | Iterator[np.ndarray], np.ndarray]:
        records = self._source.read(positions)
        stacked = self._layout.stack(records) if self._layout else None
        return stacked or self._decode(records, positions)

    def _decode(
        self, records: Sequence[bytes], positions: Sequence[int]
    ) -> tuple[Iterator[np.ndarray], np.ndarray]:
        labels, messages = np.empty((len(records), *self._labels), np.float32), []
        for i, (record, position) in enumerate(zip(records, positions, strict=True)):
            with located(lambda at=position: self._source.where(at)):
                message = datum.parse(record)
                given = np.array(message.labels or message.label, np.float32)
                if given.shape != self._labels:
                    counts = f"{given.size} labels, that of the first record {labels[0].size}"
                    raise DataError(f"the datum has {counts}")
            messages.append(message)
            labels[i] = given
        return self._images(messages, positions), labels

    def _images(self, messages: Sequence[Datum], positions: Sequence[int]) -> Iterator[np.ndarray]:
        """The images of records, each decoded when it is its turn."""
        first: tuple[int, ...] = ()
        for message, position in zip(messages, positions, strict=True):
            with located(lambda at=position: self._source.where(at)):
                color = self._transformer.color if message.encoded else None
                image = datum.pixels(message, color)
                shape = self._shape_of(image.shape)
                first = first or shape
                check_same(shape, first, "datum")
            yield image


FEEDS = {
    "AnnotatedData": AnnotatedFeed,
    "Data": DataFeed,
    "HDF5Data": HDF5Feed,
    "VideoData": open_video,
    "WindowData": WindowFeed,
    **dict.fromkeys(KINDS, ImageFeed),
    "ImageSegData": SegmentFeed,
    "ImgReader": FileFeed,
    "FloatReader": FileFeed,
    "MatRead": MatFeed,
}


def open_feed(param: LayerParameter, phase: str, seed: int, fail: Fail | None = None) -> Feed:
    """The feed of a data layer.

    phase: "TRAIN" or "TEST". fail: raises an error at a field of the layer; by default DataError.
    """
    return FEEDS[param.type](param, phase, seed, fail or plain_fail)


def has_boxes(feed: Feed) -> bool:
    """Whether the second top is boxes, as many as a batch has."""
    return isinstance(feed, AnnotatedFeed) and feed.has_boxes


def boxes_of(feed: Feed, tops: tuple[np.ndarray, ...]) -> np.ndarray | None:
    """The boxes (1, 1, G, 8) in a batch of a feed, None where it has no such top."""
    return tops[1] if has_boxes(feed) else None


def for_program(feed: Feed, tops: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """A batch as programs take it: of boxes, whose number is another each time, see `padded`."""
    rows = boxes_of(feed, tops)
    return tops if rows is None else (tops[0], boxes.padded(rows, feed.shapes[1][2]))
