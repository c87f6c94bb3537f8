import pytest

from netc.data import writer
from netc.data.leveldb import LevelDbSource
from netc.data.lmdb import LmdbSource
from netc.data.writer import STORES, write_database
from netc.errors import DataError, UsageError

SOURCES = {"lmdb": LmdbSource, "leveldb": LevelDbSource}


def test_the_map_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "MAP_SIZE", 1 << 16)
    monkeypatch.setattr(writer, "TRANSACTION", 7)
    records = [bytes([i]) * 50_000 for i in range(20)]
    with write_database(str(tmp_path / "db")) as out:
        for i, record in enumerate(records):
            out.put(b"%08d" % i, record)
    assert out.count == 20
    assert LmdbSource(str(tmp_path / "db")).read(range(20)) == records
    assert [p.name for p in (tmp_path / "db").iterdir()] == ["data.mdb"]


def test_nothing_is_left_of_a_database_that_was_not_finished(tmp_path):
    with pytest.raises(KeyboardInterrupt), write_database(str(tmp_path / "db")) as out:
        out.put(b"1", b"x")
        out.flush()
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_an_existing_database_is_kept(tmp_path):
    (tmp_path / "db").mkdir()
    with (
        pytest.raises(DataError, match="db: the database exists already"),
        write_database(str(tmp_path / "db")),
    ):
        pass


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(DataError, match="the database cannot be written: "),
        write_database(str(tmp_path / "file" / "db")),
    ):
        pass


def test_a_full_disk_leaves_nothing(tmp_path, limit_files):
    full = r"db: the database cannot be written: (.|\n)*disk full"
    with pytest.raises(DataError, match=full), write_database(str(tmp_path / "db")) as out:
        limit_files(1 << 20)
        out.put(b"key", bytes(1 << 22))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("backend", STORES)
def test_what_was_begun_is_gone_on_with(tmp_path, backend):
    path = str(tmp_path / "db")
    with (
        pytest.raises(KeyboardInterrupt),
        write_database(path, backend, resume="a") as out,
    ):
        out.put(b"1", b"x")
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["db.partial"]
    with write_database(path, backend, resume="a") as out:
        assert b"1" in out and b"2" not in out
        out.put(b"2", b"y")
    assert [p.name for p in tmp_path.iterdir()] == ["db"]
    assert SOURCES[backend](path).read(range(2)) == [b"x", b"y"]


def test_something_else_is_begun_anew_and_a_mistake_leaves_nothing(tmp_path):
    path = str(tmp_path / "db")
    with pytest.raises(SystemExit), write_database(path, resume="a") as out:
        out.put(b"1", b"x")
        raise SystemExit
    with pytest.raises(DataError), write_database(path, resume="b") as out:
        assert b"1" not in out
        raise DataError("a mistake")
    assert not list(tmp_path.iterdir())


def test_force_replaces_a_database_and_nothing_else(tmp_path):
    path = str(tmp_path / "db")
    for record in (b"x", b"y"):
        with write_database(path, force=True) as out:
            out.put(b"1", record)
    assert LmdbSource(path).read([0]) == [b"y"]
    (tmp_path / "thesis").mkdir()
    with (
        pytest.raises(DataError, match="thesis: this is no database: it is not replaced"),
        write_database(str(tmp_path / "thesis"), force=True),
    ):
        pass


def test_an_unknown_backend(tmp_path):
    with (
        pytest.raises(UsageError, match=r"Unknown db backend lmbd .*\nhint: did you mean 'lmdb'"),
        write_database(str(tmp_path / "db"), "lmbd"),
    ):
        pass
