"""Signals as requests that the loop reads between iterations. Caffe: signal_handler.cpp."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)
ACTIONS = ("stop", "snapshot", "none")


class Signals:
    """While entered, SIGINT and SIGHUP only leave a request; SIGTERM asks to stop.

    A second SIGINT or SIGTERM stops at once. `take` gives a request once: SIGHUP's first.
    """

    def __init__(self, sigint: str = "stop", sighup: str = "snapshot") -> None:
        self._actions: dict[int, str] = {signal.SIGINT: sigint, signal.SIGTERM: "stop"}
        if hasattr(signal, "SIGHUP"):
            self._actions[signal.SIGHUP] = sighup
        self._pending: set[int] = set()
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number, action in self._actions.items():
                if action != "none":
                    self._old[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._old.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number in self._pending and self._actions[number] == "stop":
            raise KeyboardInterrupt
        self._pending.add(number)

    def take(self) -> str:
        """The action asked for: "stop", "snapshot" or "none"."""
        for number in sorted(self._pending, key=lambda n: n != getattr(signal, "SIGHUP", None)):
            self._pending.discard(number)
            return self._actions[signal.Signals(number)]
        return "none"

    def asks_to_stop(self) -> bool:
        """Whether a stop is pending, without taking it."""
        return any(self._actions[signal.Signals(n)] == "stop" for n in self._pending)
