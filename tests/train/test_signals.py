"""Signals become requests."""

import os
import signal
import threading

import pytest

from netc.train.signals import Signals

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


def test_the_snapshot_comes_before_the_stop():
    with Signals() as signals:
        assert signals.take() == "none" and not signals.asks_to_stop()
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGHUP)
        assert signals.asks_to_stop()
        assert [signals.take() for _ in range(3)] == ["snapshot", "stop", "none"]


def test_actions_may_be_chosen():
    before = signal.getsignal(signal.SIGHUP)
    with Signals(sigint="snapshot", sighup="none") as signals:
        assert signal.getsignal(signal.SIGHUP) == before
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert [signals.take() for _ in range(2)] == ["snapshot", "none"]
        signal.raise_signal(signal.SIGTERM)
        assert signals.take() == "stop"


def test_a_second_stop_is_at_once():
    with Signals() as signals:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert signals.take() == "stop"
        signal.raise_signal(signal.SIGINT)  # the first one was heeded: this is a new request
        assert signals.take() == "stop"


def test_handlers_are_put_back():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(n) for n in numbers]
    with Signals():
        assert all(signal.getsignal(n) != b for n, b in zip(numbers, before, strict=True))
    assert [signal.getsignal(n) for n in numbers] == before


def test_another_thread_takes_no_signals():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with Signals() as signals:
            seen.append((signals.take(), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [("none", before)]
