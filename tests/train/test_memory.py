"""Recurrent layers in training and testing: what is carried, and what starts anew."""

import numpy as np
import pytest

from netc.train.score import score
from tests.train import tiny
from tests.train.test_resume import NETS

NET = NETS["memory"]


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.chdir(tiny.write_files(tmp_path, NET))
    session = tiny.session(tiny.SOLVER)
    yield session
    session.close()


def memory(session):
    return {k: np.asarray(session.carry.state[k]) for k in session.train.graph.memory}


def test_training_carries_it_on(session):
    assert list(memory(session)) == ["lstm/memory0", "lstm/memory1"]
    assert not any(m.any() for m in memory(session).values())
    session.step()
    first = memory(session)
    session.step()
    assert all(m.all() for m in first.values())
    assert all((memory(session)[k] != m).all() for k, m in first.items())


def test_weights_leave_it_alone(session, tmp_path):
    session.step()
    before = memory(session)
    session.replace_blobs({"ip2/1": np.ones(3, np.float32)})
    assert all((memory(session)[k] == m).all() for k, m in before.items())


def test_every_test_starts_anew(session):
    session.step()
    first = session.test(0)
    session.tests[0].batches.seek(0)
    again = session.test(0)
    assert all((again[k] == v).all() for k, v in first.items())


def test_a_test_carries_it_from_batch_to_batch(session, monkeypatch):
    session.tests[0].batches.seek(0)
    whole = session.test(0)["loss"]
    alone = []
    session.tests = (session.tests[0]._replace(iterations=1),)
    for k in range(3):
        session.tests[0].batches.seek(k)
        alone.append(session.test(0)["loss"])
    assert abs(np.mean(alone) - whole) > 1e-7


def test_scoring_is_a_test(session, capfd):
    tiny.run("-iterations", "2")
    restored = tiny.session(tiny.SOLVER)
    restored.load_weights("tiny_iter_2.caffemodel")
    want = float((restored.test(0) or {})["loss"])
    restored.close()
    capfd.readouterr()
    score("net.prototxt", "tiny_iter_2.caffemodel", 3, "cpu")
    (line,) = tiny.told(capfd.readouterr().err, "Loss: ")
    assert float(line.removeprefix("Loss: ")) == pytest.approx(want, rel=1e-4)
