"""Batches made ahead of time in threads, delivered in order."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Protocol


class Batched(Protocol):
    """What a loader needs of a feed: batch k, from any thread."""

    def batch(self, k: int) -> Any:
        """Batch k, made anew."""
        ...


class Loader:
    """Iterates over batches k, k + 1, ... of several feeds; its whole state is `k`.

    An item is a tuple with one tuple of tops per feed, passed through `place` (for example
    `jax.device_put`) in the thread that made it. What order the threads finish in changes nothing.
    An error is raised by the `next` that should have given its batch, and again by the one after.

    k: the batch that `next` gives. prefetch: how many batches are made ahead of it.
    threads: how many are made at once, as many as there are processors by default.
    shard: (i, n), when n processes share the feeds: the batch of step k is this one's part of n
    batches, the feeds' batch k n + i, so that all of them see what one process would.
    waited: seconds that `next` has spent waiting.
    """

    def __init__(
        self,
        feeds: Sequence[Batched],
        k: int = 0,
        prefetch: int = 4,
        threads: int | None = None,
        place: Callable[[Any], Any] | None = None,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        if prefetch < 1:
            raise ValueError(f"prefetch must be at least 1, got {prefetch}")
        index, count = shard
        if not 0 <= index < count:
            raise ValueError(f"shard must be (i, n) with 0 <= i < n, got {shard}")
        self.k, self.waited, self._shard = k, 0.0, shard
        self._feeds, self._place = tuple(feeds), place
        self._pool = ThreadPoolExecutor(min(threads or os.cpu_count() or 1, prefetch), "netc-data")
        self._ahead: deque[Future[Any]] = deque()
        for i in range(prefetch):
            self._ahead.append(self._pool.submit(self._make, k + i))

    def __iter__(self) -> Loader:
        return self

    def __next__(self) -> Any:
        start = time.perf_counter()
        try:
            batch = self._ahead[0].result()
        finally:
            self.waited += time.perf_counter() - start
        self._ahead.popleft()
        self._ahead.append(self._pool.submit(self._make, self.k + 1 + len(self._ahead)))
        self.k += 1
        return batch

    def close(self) -> None:
        """Stop the threads; batches made ahead are dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _make(self, k: int) -> Any:
        index, count = self._shard
        batch = tuple(feed.batch(k * count + index) for feed in self._feeds)
        return self._place(batch) if self._place else batch
