"""Every solver type, stopped and gone on with, ends as if it had never stopped: to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from netc.solvers import SOLVERS

from netc import snapshot
from netc.train.saving import restore, save
from tests.train import tiny

NET = tiny.LMDB + tiny.HEAD.replace("param { lr_mult: 2 }", "param { lr_mult: 0 }")
FIELDS = {
    "SGD": "momentum: 0.9",
    "Nesterov": "momentum: 0.9",
    "AdaGrad": "",
    "RMSProp": "",
    "AdaDelta": "momentum: 0.95",
    "Adam": "momentum: 0.9",
    "AdamW": "momentum: 0.9",
    "LARS": "momentum: 0.9",
    "Lion": "momentum: 0.9",
}


def text(kind, end):
    base = tiny.changed(tiny.SOLVER, momentum=None, base_lr=0.01)
    return f'{base} type: "{kind}" {FIELDS[kind]} clip_gradients: 0.5 {end}'


def run(session, iterations):
    for _ in range(iterations):
        metrics = session.step()
    assert float(metrics.norm) > 0
    return session


def test_every_type_is_here():
    assert FIELDS.keys() == SOLVERS.keys()


@pytest.mark.parametrize("kind", FIELDS)
def test_4_and_5_iterations_are_9(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tiny.write_files(tmp_path, NET))
    hdf5 = kind in ("Adam", "Lion")
    solver = text(kind, "snapshot_format: HDF5" if hdf5 else "regularization_type: 'L1'")
    whole, parts = tiny.session(solver), tiny.session(solver)
    run(whole, 4)
    restore(parts, snapshot.read(save(whole, "tiny").state))
    kept = []
    for session in (whole, parts):
        save(run(session, 5), "tiny")
        kept.append(tiny.kept(tmp_path, 9, ".h5" if hdf5 else ""))
        session.close()
    assert kept[0] == kept[1]


@pytest.mark.parametrize("kind", FIELDS)
def test_a_frozen_blob_has_a_history_of_zeros(kind, tmp_path, monkeypatch):
    """Caffe counts it in the files."""
    monkeypatch.chdir(tiny.write_files(tmp_path, NET))
    session = run(tiny.session(text(kind, "")), 2)
    keys = [p.key for p in session.train.graph.params]
    assert [*session.frozen] == ["ip2/1"] and len(keys) == 4
    history = session.history()
    assert [a.any() for a in history] == [k != "ip2/1" for k in keys] * len(SOLVERS[kind].history)
    assert all(np.isfinite(a).all() for a in history)
    session.close()
