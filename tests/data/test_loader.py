import threading
import time

import numpy as np
import pytest

from netc.data.loader import Loader
from netc.errors import DataError


class Numbers:
    """Batch k is k; later batches are ready sooner."""

    shapes, dtypes = ((1,),), (np.dtype(np.float32),)
    labels_top: int | None = None
    epoch_size: int | None = None

    def __init__(self, bad=None):
        self.bad, self.made, self.lock = bad, [], threading.Lock()

    def batch(self, k):
        with self.lock:
            self.made.append(k)
        if k == self.bad:
            raise DataError(f"batch {k} is bad")
        time.sleep(0.002 * (3 - k % 4))
        return (np.array([k], np.float32),)

    def describe(self, k):
        return (str(k),)


@pytest.mark.parametrize("threads", [1, 4, None])
def test_order_does_not_depend_on_threads(threads):
    with Loader([Numbers(), Numbers()], k=5, threads=threads) as loader:
        for k in range(5, 25):
            assert loader.k == k
            (a,), (b,) = next(loader)
            assert a == b == k
    assert loader.waited > 0


def test_no_more_than_prefetch_batches_are_made_ahead():
    feed = Numbers()
    with Loader([feed], prefetch=3, threads=3) as loader:
        next(loader)
        time.sleep(0.05)
        assert sorted(feed.made) == [0, 1, 2, 3]


def test_an_error_comes_in_its_turn_and_stays():
    with Loader([Numbers(bad=2)]) as loader:
        assert [next(loader)[0][0].item() for _ in range(2)] == [0, 1]
        for _ in range(2):
            with pytest.raises(DataError, match="batch 2 is bad"):
                next(loader)
        assert loader.k == 2


def test_place_runs_in_the_thread_that_made_the_batch():
    def place(batch):
        return batch[0][0].item(), threading.current_thread().name

    with Loader([Numbers()], place=place) as loader:
        for (value, thread), k in zip(loader, range(6), strict=False):
            assert value == k and thread.startswith("netc-data")


def test_close_stops_the_threads():
    loader = Loader([Numbers()])
    next(loader)
    loader.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("netc-data")]


def test_prefetch_must_be_positive():
    with pytest.raises(ValueError, match="prefetch must be at least 1, got 0"):
        Loader([Numbers()], prefetch=0)
