"""Random numbers that are a pure function of (seed, name, index): no stream, no order, no state.

The generator is Philox, whose block `index` is computed from the counter alone; only its raw output
is used, which NumPy promises never to change.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np

COLUMNS = 4
EPOCH = 1 << 64


def draws(seed: int, name: str, first: int, count: int) -> np.ndarray:
    """Four random words for each index from `first` on: uint64 (count, 4).

    A row depends on seed, name and its own index alone, not on `first` or `count`.
    """
    key = np.array([seed % (1 << 64), crc32(name.encode())], np.uint64)
    return np.random.Philox(counter=first, key=key).random_raw((count, COLUMNS))


def below(words: np.ndarray, limit: int | np.ndarray) -> np.ndarray:
    """Random words mapped evenly onto the integers of [0, limit), limit <= 2^32."""
    high = words >> np.uint64(32)
    return ((high * np.asarray(limit, np.uint64)) >> np.uint64(32)).astype(np.int64)


def permutation(seed: int, name: str, epoch: int, count: int) -> np.ndarray:
    """The order in which an epoch visits `count` things: int64 (count,)."""
    words = draws(seed, name, epoch * EPOCH, -(-count // COLUMNS))
    return np.argsort(words.ravel()[:count], kind="stable")


def uniform(words: np.ndarray) -> np.ndarray:
    """Random words as numbers of [0, 1): float64."""
    return (words >> np.uint64(11)) * 2.0**-53


def normal(seed: int, name: str, index: int, count: int) -> np.ndarray:
    """Standard normal numbers that belong to an index: float32 (count,). Box and Muller, 1958."""
    rows = -(-count // COLUMNS)
    u = uniform(draws(seed, name, index * EPOCH, rows)).reshape(2, -1)
    radius, angle = np.sqrt(-2 * np.log1p(-u[0])), 2 * np.pi * u[1]
    both = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    return both[:count].astype(np.float32)
