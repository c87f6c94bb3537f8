"""Batches made in processes of their own, for feeds that keep Python itself busy."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import NamedTuple

import numpy as np

from netc.data.feeds import Feed, open_feed
from netc.errors import RunError
from netc.schema import LayerParameter

Batch = tuple[tuple[np.ndarray, ...], ...]


class Recipe(NamedTuple):
    """What a feed is opened from, so that another process opens the same."""

    param: LayerParameter
    phase: str
    seed: int


class Workers:
    """Feeds opened again in `count` processes, each of which makes whole batches.

    The processes are new ones, not forks: they share no memory map, lock or thread with this one.
    They leave SIGINT to it and end when it ends, whatever ends it.
    """

    def __init__(self, recipes: Sequence[Recipe], count: int) -> None:
        self._pool = ProcessPoolExecutor(count, get_context("spawn"), _start, (recipes,))

    def batch(self, k: int) -> Batch:
        """One tuple of tops per feed. Raises DataError as the feeds do; RunError."""
        try:
            with _deaf_to_sigint():
                batch = self._pool.submit(_make, k)
            return batch.result()
        except BrokenProcessPool:
            raise RunError(
                f"a process that makes batches was killed while batch {k} was made",
                hint="the system kills processes when memory runs out: take fewer workers",
            ) from None

    def close(self) -> None:
        """End the processes; batches being made are dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _deaf_to_sigint() -> Iterator[None]:
    """Processes that are started inside the block hear no SIGINT, not even while they import."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_recipes: list[Recipe] = []


def _start(recipes: Sequence[Recipe]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    _recipes[:] = recipes


def _end_with_parent() -> None:
    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)


@cache
def _feeds() -> list[Feed]:
    # At the first batch: what is wrong here is then that batch's error.
    return [open_feed(*recipe) for recipe in _recipes]


def _make(k: int) -> Batch:
    return tuple(feed.batch(k) for feed in _feeds())
