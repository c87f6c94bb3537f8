import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from netc.data.loader import Loader
from netc.data.workers import Recipe, Workers
from netc.errors import DataError, RunError

from .helpers import data_feed, data_layer, images, write_images, write_records


@pytest.fixture
def closing():
    """Takes what must be closed."""
    opened = []
    yield lambda x: opened.append(x) or x
    for x in reversed(opened):
        x.close()


def test_batches_and_errors_are_those_of_the_feeds(tmp_path, closing):
    good = write_images(tmp_path / "db", images(10))
    records = [b"\x08\x01\x10\x01\x18\x01\x22\x01a"] * 3 + [b"\xff"] * 3
    bad = write_records(tmp_path / "bad", records)
    options = {"transform": "mirror: true", "data": "shuffle: true", "phase": "TRAIN"}
    recipes = [
        Recipe(data_layer(good, **options), "TRAIN", 1),
        Recipe(data_layer(bad, batch=3), "TEST", 1),
    ]
    workers = closing(Workers(recipes, 2))
    first, second = workers.batch(4), data_feed(good, **options).batch(4)
    assert all(map(np.array_equal, first[0], second))
    loader = closing(Loader([workers], k=0))
    next(loader)
    with pytest.raises(
        DataError, match=r"bad, record 3, key '00000003': 1 bytes that are no Datum"
    ):
        next(loader)


def test_a_worker_that_is_killed(tmp_path, closing):
    path = write_images(tmp_path / "db", images(4))
    workers = closing(Workers([Recipe(data_layer(path), "TEST", 1)], 1))
    workers.batch(0)
    (process,) = workers._pool._processes.values()
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(RunError, match="was killed while batch"):
        for k in range(100):
            workers.batch(k)


SCRIPT = """
import os, signal, sys, time
if __name__ != "__main__":  # in a worker that has hardly begun, Ctrl-C is none of its business
    signal.raise_signal(signal.SIGINT)
from netc.data.workers import Recipe, Workers
from netc.load import parse_net
if __name__ == "__main__":
    (param,) = parse_net(sys.argv[1]).message.layer
    workers = Workers([Recipe(param, "TEST", 1)], 1)
    workers.batch(0)
    try:
        print(*workers._pool._processes, flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        workers.batch(1)
        workers.close()
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_parent(tmp_path, end):
    path = write_images(tmp_path / "db", images(4))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, script, f"layer {{ {data_layer(path)} }}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, start_new_session=True, text=True
    ) as parent:
        assert parent.stdout
        worker = int(parent.stdout.readline())
        # As Ctrl-C does, to the parent and its workers; a kill meets the parent alone.
        (os.killpg if end == signal.SIGINT else os.kill)(parent.pid, end)
    assert parent.returncode == (0 if end == signal.SIGINT else -end)
    for _ in range(300):
        if not _alive(worker):
            return
        time.sleep(0.1)
    pytest.fail("the worker goes on")


def _alive(pid):
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
