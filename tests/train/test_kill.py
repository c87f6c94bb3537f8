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


# Has done all imports, and forks a child for every line: a folder, a log, and netc's arguments.
PARENT = """
import os, sys
import netc.cli.train, netc.train.run
from netc.cli import main
for line in sys.stdin:
    folder, log, *arguments = line.split()
    child = os.fork()
    if not child:
        os.chdir(folder)
        os.dup2(os.open(log, os.O_CREAT | os.O_WRONLY), 2)
        os._exit(main(arguments))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Parent:
    """A process that lives on while the runs that it starts are killed."""

    def __init__(self, folder):
        self._folder, self._runs = folder, 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", PARENT],
            env={**os.environ, "JAX_COMPILATION_CACHE_DIR": str(folder / "cache")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def train(self, folder, *arguments):
        """Start a run; (its process, the file of its log)."""
        log = self._folder / f"{self._runs}.log"
        self._runs += 1
        words = (folder, log, "train", "solver.prototxt", "--no-run-dir", *arguments)
        print(*words, file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline()), log

    def status(self):
        """The exit status of the run, once it has ended."""
        return int(self._process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._process.communicate(timeout=60)


def wait_for(log, text, times):
    """Until a log holds a text so many times."""
    end = time.monotonic() + 60
    while not log.exists() or log.read_text().count(text) < times:
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.001)


def test_killed_at_20_random_points(tmp_path):
    """Many of them lie in the middle of a snapshot: there is one after every iteration."""
    solver = tiny.changed(tiny.SOLVER, max_iter=300, display=50) + " snapshot: 1"
    straight = tiny.write_files(tmp_path / "straight", solver=solver)
    parts = tiny.write_files(tmp_path / "parts", solver=solver)
    moments, begins = random.Random(0), []
    with Parent(tmp_path) as parent:
        parent.train(straight)
        assert parent.status() == 0
        for _ in range(20):
            process, log = parent.train(parts, "--resume", "auto")
            wait_for(log, "Snapshotting solver state", moments.randint(1, 2))
            time.sleep(moments.uniform(0, 0.01))
            os.kill(process, signal.SIGKILL)
            assert parent.status() == -signal.SIGKILL, log.read_text()
            begins += tiny.told(log.read_text(), "Restored iteration ")
        parent.train(parts, "--resume", "auto")
        assert parent.status() == 0
    assert len(set(begins)) == 19  # every part but the first went on where there was more
    assert tiny.kept(parts, 300) == tiny.kept(straight, 300)


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
