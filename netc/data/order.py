"""In which order the examples of a source come, round after round."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from netc.data.draws import below, draws, permutation


class Order:
    """Which of `count` places the stream of examples visits, from a start drawn once.

    With shuffle, each round visits all places in an order that depends on (seed, name, round)
    alone. skip: the start is one of the first so many places.
    """

    def __init__(self, count: int, shuffle: bool, skip: int, seed: int, name: str) -> None:
        self._count, self._shuffle = count, shuffle
        self._start = int(below(draws(seed, f"{name}/skip", 0, 1), skip)[0, 0]) if skip else 0
        # Neighbouring batches meet at the end of one round and the start of the next.
        self._round = lru_cache(maxsize=2)(lambda r: permutation(seed, f"{name}/order", r, count))

    def at(self, first: int, count: int) -> list[int]:
        """The places of examples `first` and following."""
        rounds, places = np.divmod(np.arange(count) + (self._start + first), self._count)
        if not self._shuffle:
            return places.tolist()
        return [int(self._round(r)[at]) for r, at in zip(rounds.tolist(), places, strict=True)]

    def turns(self, first: int, count: int) -> bool:
        """Whether a round begins with one of these examples."""
        at = self._start + first
        return (at + count - 1) // self._count > (at - 1) // self._count
