"""What recurrent layers carry from one forward pass of a net to the next."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netc.compile import Arrays
from netc.layers.base import Shape


class Memory:
    """now: what the next forward pass starts from. before: what the last one started from, which
    going back needs. Both by key; zero at first."""

    def __init__(self, shapes: Mapping[str, Shape], old: Memory | None = None) -> None:
        held = old.now if old else {}
        self.now: Arrays = {
            k: held[k] if k in held and held[k].shape == s else np.zeros(s, np.float32)
            for k, s in shapes.items()
        }
        self.before: Arrays = dict(self.now)

    def advance(self, state: Arrays) -> Arrays:
        """Take the memory out of a pass's new state; the rest of it."""
        new = {k: v for k, v in state.items() if k in self.now}
        self.before |= {k: self.now[k] for k in new}
        self.now |= new
        return {k: v for k, v in state.items() if k not in new}
