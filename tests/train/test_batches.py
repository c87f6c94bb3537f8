import multiprocessing

import numpy as np
import pytest

from netc.errors import DataError
from netc.train.batches import Batches

from .tiny import HEAD, LMDB, SOLVER, session, write_files

MIXED = LMDB.replace("mirror: true", "augment { mixup: 0.4 cutmix: 1 rotation: 9 classes: 3 }")


@pytest.fixture
def program(tmp_path, monkeypatch):
    monkeypatch.chdir(write_files(tmp_path))
    return session(SOLVER).train


def taken(batches, count):
    try:
        return [{k: np.asarray(x) for k, x in next(batches).items()} for _ in range(count)]
    finally:
        batches.close()


def assert_same(found, wanted):
    for inputs, others in zip(found, wanted, strict=True):
        assert inputs.keys() == others.keys()
        assert all(np.array_equal(inputs[k], others[k]) for k in inputs)


def test_processes_give_the_batches_of_threads(program):
    assert_same(taken(Batches(program, 3, workers=1), 4), taken(Batches(program), 7)[3:])
    assert not multiprocessing.active_children()


def test_an_error_of_a_process_is_a_located_one(program, tmp_path):
    batches = Batches(program, workers=1)
    file = tmp_path / "images" / "data.mdb"
    file.rename(tmp_path / "away")
    file.touch()
    with pytest.raises(DataError, match=r"images/data.mdb: cannot open LMDB: the file is empty"):
        taken(batches, 1)


def test_shards_share_the_batches(program):
    whole = taken(Batches(program), 6)
    for i in range(2):
        sharded = Batches(program, 1, shard=(i, 2))
        assert_same([sharded.at(2)], [whole[4 + i]])
        assert_same(taken(sharded, 2), whole[2 + i :: 2])


def test_mixed_labels_train(tmp_path, monkeypatch):
    monkeypatch.chdir(write_files(tmp_path, MIXED + HEAD))
    s = session(SOLVER)
    try:
        first, second = (float(s.step().loss) for _ in range(2))
        assert np.isfinite([first, second]).all() and first != second
        assert 0 <= (s.test(0) or {})["accuracy"] <= 1
        assert s.batches.at(0)["label"].shape == (5, 3)
    finally:
        s.close()
