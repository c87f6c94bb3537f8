"""caffe.Timer. Caffe: benchmark.cpp."""

from __future__ import annotations

import time


class Timer:
    """Measures the time between `start` and `stop`."""

    def __init__(self) -> None:
        self._from = self._to = 0.0
        self._running = False

    def start(self) -> None:
        """Begin, unless it runs already."""
        if not self._running:
            self._from, self._running = time.perf_counter(), True

    def stop(self) -> None:
        """End."""
        if self._running:
            self._to, self._running = time.perf_counter(), False

    @property
    def ms(self) -> float:
        """Milliseconds; of a timer that runs, which this stops, those until now."""
        self.stop()
        return (self._to - self._from) * 1e3
