"""The records that a data layer takes from a database. Caffe: data_layer.cpp."""

from __future__ import annotations

from netc.data.fail import Fail, failing
from netc.data.order import Order
from netc.data.sources import open_source
from netc.schema import LayerParameter


class RecordFeed:
    """Records of a database in key order, again and again.

    With rand_skip the first record is one of the first rand_skip, drawn once from the seed; with
    shuffle, each round is in an order of its own.
    """

    def __init__(self, param: LayerParameter, seed: int, fail: Fail) -> None:
        p = param.data_param
        if not p.batch_size:
            fail("Positive batch size required", "batch_size")
        with failing(fail, "source"):
            self._source = open_source(p.backend, p.source)
        self._batch, self._tops = p.batch_size, len(param.top)
        self._order = Order(len(self._source), p.shuffle, p.rand_skip, seed, param.name)
        self.epoch_size = len(self._source)
        self.labels_top = 1 if self._tops > 1 else None

    def describe(self, k: int) -> tuple[str, ...]:
        """Names each example of batch k."""
        return tuple(map(self._source.where, self._positions(k)))

    def _positions(self, k: int) -> list[int]:
        return self._order.at(k * self._batch, self._batch)
