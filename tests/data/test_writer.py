import pytest

from netc.data import writer
from netc.data.lmdb import LmdbSource
from netc.data.writer import write_lmdb
from netc.errors import DataError


def test_the_map_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "MAP_SIZE", 1 << 16)
    monkeypatch.setattr(writer, "TRANSACTION", 7)
    records = [bytes([i]) * 50_000 for i in range(20)]
    with write_lmdb(str(tmp_path / "db")) as out:
        for i, record in enumerate(records):
            out.put(b"%08d" % i, record)
    assert out.count == 20
    assert LmdbSource(str(tmp_path / "db")).read(range(20)) == records
    assert [p.name for p in (tmp_path / "db").iterdir()] == ["data.mdb"]


def test_nothing_is_left_of_a_database_that_was_not_finished(tmp_path):
    with pytest.raises(KeyboardInterrupt), write_lmdb(str(tmp_path / "db")) as out:
        out.put(b"1", b"x")
        out.flush()
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_an_existing_database_is_kept(tmp_path):
    (tmp_path / "db").mkdir()
    with (
        pytest.raises(DataError, match="db: the database exists already"),
        write_lmdb(str(tmp_path / "db")),
    ):
        pass


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(DataError, match="the database cannot be written: "),
        write_lmdb(str(tmp_path / "file" / "db")),
    ):
        pass
