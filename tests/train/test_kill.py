"""Real signals to a real process: a run that is killed again and again ends as one that is not."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.train import tiny

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="POSIX signals"),
]
# Enough iterations that a run cannot finish before the signal reaches it.
WATCHED = """ snapshot: 7 keep_last: 4 keep_best { monitor: "loss" } ema_decay: 0.9
plateau { monitor: "loss" patience: 3 factor: 0.9 } decay_plateau { monitor: "loss" patience: 1 }
"""
ENDLESS = tiny.changed(tiny.SOLVER, max_iter=10**7, test_interval=100, snapshot_prefix='"tiny"')


class Process:
    """Python in a folder, its log line by line."""

    def __init__(self, folder, *arguments):
        self.log = ""
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env={**os.environ, "JAX_COMPILATION_CACHE_DIR": str(folder.parent / "cache")},
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, text):
        """Read the log up to a line that holds the text."""
        for line in self._process.stderr:
            self.log += line
            if text in line:
                return
        raise AssertionError(f"no {text!r} in the log:\n{self.log}")

    def send(self, number):
        self._process.send_signal(number)

    def end(self):
        """Read the rest of the log; the exit status."""
        self.log += self._process.communicate(timeout=60)[1]
        return self._process.returncode


def train(folder, *arguments):
    return Process(folder, "-m", "netc", "train", "solver.prototxt", "--no-run-dir", *arguments)


def test_killed_ten_times_and_resumed(tmp_path):
    solver = tiny.changed(tiny.SOLVER, max_iter=900, display=50) + WATCHED
    straight = tiny.write_files(tmp_path / "straight", solver=solver)
    parts = tiny.write_files(tmp_path / "parts", solver=solver)
    whole = train(straight)
    moments, begins = random.Random(0), []
    for _ in range(10):
        part = train(parts, "--resume", "auto")
        for _ in range(moments.randint(1, 3)):
            part.wait_for("Snapshotting solver state")
        time.sleep(moments.uniform(0, 0.01))
        part.send(signal.SIGKILL)
        assert part.end() == -signal.SIGKILL, part.log
        begins += tiny.told(part.log, "Restored iteration ")
    assert len(set(begins)) == 9
    last = train(parts, "--resume", "auto")
    assert (last.end(), whole.end()) == (0, 0), last.log + whole.log
    assert tiny.kept(parts, 900) == tiny.kept(straight, 900)
    files = [
        {p.name: p.read_bytes() for p in f.glob("tiny_*.caffemodel")} for f in (parts, straight)
    ]
    assert files[0] == files[1] and len(files[0]) in (9, 11)  # 4 or 5 pairs, and the best


def test_hup_saves_and_int_stops(tmp_path):
    process = train(tiny.write_files(tmp_path, solver=ENDLESS))
    process.wait_for("lr = ")
    process.send(signal.SIGHUP)
    process.wait_for("Snapshotting solver state")
    process.wait_for("lr = ")
    process.send(signal.SIGINT)
    assert process.end() == 0
    assert "Optimization stopped early." in process.log.splitlines()[-1]
    states = sorted(tmp_path.glob("tiny_iter_*.solverstate"))
    assert len(states) == 2 and not list(tmp_path.glob("*.tmp"))


def test_term_stops_and_sigint_effect_is_heeded(tmp_path):
    arguments = ("-sigint_effect", "snapshot", "-sighup_effect", "none")
    process = train(tiny.write_files(tmp_path, solver=ENDLESS), *arguments)
    process.wait_for("lr = ")
    process.send(signal.SIGINT)
    process.wait_for("Snapshotting solver state")
    process.send(signal.SIGTERM)
    assert process.end() == 0
    assert "Optimization stopped early." in process.log.splitlines()[-1]


def test_a_second_int_does_not_wait(tmp_path):
    """The loop waits for data that never come; the first request alone would wait with it."""
    folder = tiny.write_files(tmp_path, solver=ENDLESS)
    code = """
import sys, time
import netc.train.batches as batches
from netc.cli import main
def never(self):
    print("waiting", file=sys.stderr, flush=True)
    time.sleep(600)
batches.Batches.__next__ = never
sys.exit(main(["train", "solver.prototxt", "--no-run-dir"]))
"""
    process = Process(folder, "-c", code)
    process.wait_for("waiting")
    process.send(signal.SIGINT)
    time.sleep(0.2)
    process.send(signal.SIGINT)
    assert process.end() == 130
    assert process.log.endswith("interrupted\n") and "Traceback" not in process.log
