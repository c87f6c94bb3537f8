"""Where batches come from: batch k of a feed is a pure function of (source, seed, k)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from netc.data import datum
from netc.data.draws import below, draws
from netc.data.fail import Fail, dims, failing, located, plain_fail
from netc.data.hdf5 import HDF5Feed
from netc.data.sources import open_source
from netc.data.transform import Transformer
from netc.errors import DataError
from netc.schema import LayerParameter

log = logging.getLogger(__name__)


class Feed(Protocol):
    """The batches of one data layer. Safe to read from several threads at once.

    shapes, dtypes: of the tops, the batch axis included.
    labels_top: the index of the top that holds labels, or None.
    epoch_size: after how many examples the source starts again, or None.
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


class DataFeed:
    """Data: records of a database in key order, again and again; labels as floats (N,).

    With rand_skip the first record is one of the first rand_skip, drawn once from the seed. All
    records must have the shape of the first, unless crop_size makes them equal.
    Caffe: data_layer.cpp.
    """

    def __init__(self, param: LayerParameter, phase: str, seed: int, fail: Fail) -> None:
        p, transform = param.data_param, param.transform_param
        if not p.batch_size:
            fail("Positive batch size required", "batch_size")
        with failing(fail, "source"):
            self._source = open_source(p.backend, p.source)
        self._batch, self._tops = p.batch_size, len(param.top)
        self._skip = 0
        if p.rand_skip:
            self._skip = int(below(draws(seed, f"{param.name}/skip", 0, 1), p.rand_skip)[0, 0])
        self._transformer = Transformer(transform, phase, seed, param.name, fail)
        with failing(fail, "source"), located(lambda: self._source.where(0)):
            (record,) = self._source.read([0])
            first, self._layout = datum.parse(record), datum.layout(record)
        color = self._transformer.color if first.encoded else None
        with failing(fail, "source"), located(lambda: self._source.where(0)):
            image = datum.pixels(first, color)
        self._row = self._transformer.output_shape(image.shape, fail)
        if not first.encoded and (transform.force_color or transform.force_gray):
            log.error("force_color and force_gray only for encoded datum")
        self._accepted = {image.shape}
        self.epoch_size = len(self._source)
        self.shapes = ((self._batch, *self._row), (self._batch,))[: self._tops]
        self.dtypes = (np.dtype(np.float32),) * self._tops
        self.labels_top = 1 if self._tops > 1 else None

    def batch(self, k: int) -> tuple[np.ndarray, ...]:
        """Images (N, C, h, w) and labels (N,), float32. Raises DataError."""
        positions = self._positions(k)
        if k and 0 in positions:
            log.info("Restarting data prefetching from start.")
        records = self._source.read(positions)
        stacked = self._layout.stack(records) if self._layout else None
        images, labels = stacked or self._decode(records, positions)
        return (self._transformer.batch(images, k * self._batch), labels)[: self._tops]

    def describe(self, k: int) -> tuple[str, ...]:
        """Names each example of batch k."""
        return tuple(map(self._source.where, self._positions(k)))

    def _positions(self, k: int) -> list[int]:
        first, count = self._skip + k * self._batch, len(self._source)
        return [i % count for i in range(first, first + self._batch)]

    def _decode(
        self, records: Sequence[bytes], positions: Sequence[int]
    ) -> tuple[list[np.ndarray], np.ndarray]:
        images, labels = [], np.empty(len(records), np.float32)
        for i, (record, position) in enumerate(zip(records, positions, strict=True)):
            with located(lambda at=position: self._source.where(at)):
                message = datum.parse(record)
                color = self._transformer.color if message.encoded else None
                image = datum.pixels(message, color)
                self._accept(image.shape)
            images.append(image)
            labels[i] = message.label
        return images, labels

    def _accept(self, shape: tuple[int, ...]) -> None:
        if shape in self._accepted:
            return
        row = self._transformer.output_shape(shape)
        if row != self._row:
            raise DataError(
                f"the image is {dims(row)}, that of the first record {dims(self._row)}",
                hint="images of several sizes need crop_size, or resizing when they are converted",
            )
        self._accepted.add(shape)


FEEDS = {"Data": DataFeed, "HDF5Data": HDF5Feed}


def open_feed(param: LayerParameter, phase: str, seed: int, fail: Fail | None = None) -> Feed:
    """The feed of a data layer.

    phase: "TRAIN" or "TEST". fail: raises an error at a field of the layer; by default DataError.
    """
    return FEEDS[param.type](param, phase, seed, fail or plain_fail)
