"""A snapshot with a changed bit anywhere is refused, and the one before it taken."""

from __future__ import annotations

import numpy as np
import pytest

from netc import snapshot
from netc.errors import NetcError
from tests.train import tiny

SOLVER = tiny.changed(tiny.SOLVER, max_iter=2, snapshot=1, test_interval=0, test_iter=None)
STATE = "tiny_iter_2.solverstate"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tiny.write_files(tmp_path, tiny.SMALL, SOLVER))
    tiny.run()
    return tmp_path


def content():
    """All that a snapshot gives, None if it is refused."""
    try:
        found = snapshot.read(STATE)
    except NetcError as error:
        assert STATE in error.render()
        return None
    history = [np.asarray(x).tolist() for x in found.state.history]
    return found.run, found.paths, history, found.state._replace(history=())


@pytest.mark.parametrize("end", ["caffemodel", "solverstate", "run.json"])
def test_every_byte_counts(folder, end):
    path = folder / f"tiny_iter_2.{end}"
    whole, before, refused = path.read_bytes(), content(), 0
    assert before
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        path.write_bytes(changed)
        found = content()
        assert found in (None, before)  # white space and a default of 0 may change
        refused += found is None
    assert refused > 0.95 * len(whole)
    found = snapshot.newest("tiny")
    assert found and found.state.iter == 2 - (content() is None)
    for cut in range(0, len(whole) - 2, 5):
        path.write_bytes(whole[:cut])
        assert content() is None
